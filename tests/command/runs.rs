//! Runs by name: listing, showing, naming, tagging and deleting them, and naming them wherever a run is asked for.

use std::fs;

use decant::support::hash::FieldHasher;
use decant::train::{Description, REVISION};
use serde_json::Value;

use crate::common::{TINY, Workshop};

/// Two finished runs of [`TINY`], the first called `wide`.
fn made() -> Workshop {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    workshop.done(&["train-student", "-p", "tiny.toml", "--seed", "1", "--name", "wide", "--tag", "first"]);
    workshop.done(&["train-student", "-p", "tiny.toml", "--seed", "2"]);
    workshop
}

/// The names of the runs' folders, the newest first.
fn listed(workshop: &Workshop, args: &[&str]) -> Vec<Value> {
    let said = workshop.done(&[&["runs", "ls", "--json"], args].concat());
    serde_json::from_str::<Value>(&said).unwrap().as_array().unwrap().clone()
}

#[test]
fn runs_are_listed_shown_named_tagged_and_deleted() {
    let workshop = made();
    let all = listed(&workshop, &[]);
    assert_eq!(all.len(), 2);
    assert_eq!((&all[0]["seed"], &all[0]["state"]), (&2.into(), &"done".into()));
    assert_eq!(all[1]["name"], "wide");
    assert!(all[1]["test"]["accuracy"].is_number());
    let said = workshop.done(&["runs", "ls"]);
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    assert!(said.contains("validation") && said.contains("first"), "{said}");
    assert_eq!(listed(&workshop, &["--tag", "first"]).len(), 1);
    assert!(workshop.done(&["runs", "ls", "--tag", "none"]).contains("no run in runs with the tag none"));

    let said = workshop.done(&["runs", "show", "wide"]);
    for part in ["label    name wide; tags first", "seed 1", "validation", "T^2 * KL"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let found: Value = serde_json::from_str(&workshop.done(&["runs", "show", "wide", "--json"])).unwrap();
    assert_eq!(
        (&found["label"]["name"], &found["description"]["pipeline"]["train"]["seed"]),
        (&"wide".into(), &1.into())
    );

    workshop.done(&["runs", "tag", "wide", "second", "--remove", "first", "--name", "broad"]);
    assert!(workshop.done(&["runs", "show", "broad"]).contains("name broad; tags second"));
    let (code, said) = workshop.refused(&["runs", "tag", "broad", "--remove", "first"]);
    assert!(code == 2 && said.contains("has no tag first; its tags are: second"), "{said}");
    let (code, said) = workshop.refused(&["runs", "tag", "broad", "a b"]);
    assert!(code == 2 && said.contains("expected 1 to 100 letters"), "{said}");

    let (code, said) = workshop.refused(&["runs", "rm", "broad"]);
    assert!(code == 2 && said.contains("give --yes"), "{said}");
    workshop.done(&["runs", "rm", "broad", "--yes"]);
    assert_eq!(listed(&workshop, &[]).len(), 1);
    let (code, said) = workshop.refused(&["runs", "rm", ".", "--yes"]);
    assert!(
        code == 2 && said.contains("is not a run's folder") && workshop.path().join("tiny.toml").exists(),
        "{said}"
    );
    let (code, said) = workshop.refused(&["runs", "ls", "--runs-dir", "missing"]);
    assert!(code == 2 && said.contains("there is no folder missing"), "{said}");
}

#[test]
fn a_run_is_named_by_its_name_a_prefix_or_latest_wherever_one_is_asked_for() {
    let workshop = made();
    let all = listed(&workshop, &[]);
    let (newest, older) = (all[0]["run"].as_str().unwrap(), all[1]["run"].as_str().unwrap());
    let key = older.rsplit_once('-').unwrap().1;
    for named in ["wide", "wid", older, &key[..6]] {
        let said = workshop.done(&["evaluate", named, "--split", "test"]);
        assert!(said.contains(older), "{named}: {said}");
    }
    assert!(workshop.done(&["evaluate", "latest", "--split", "test"]).contains(newest));
    let both = workshop.done(&["evaluate", "latest", "wide", "--split", "test"]);
    assert!(both.contains(newest) && both.contains(older) && both.lines().count() == 3, "{both}");
    assert!(workshop.done(&["compare", "wide", "--against", "latest"]).contains("not comparable"));
    assert!(workshop.done(&["export", "wide", "--to", "hf"]).contains(older));
    workshop.done(&["report", "wide", "-o", "one.html"]);
    workshop.done(&["report", "runs", "-o", "all.html"]);
    assert!(fs::read_to_string(workshop.path().join("all.html")).unwrap().contains("Comparison"));

    let (code, said) = workshop.refused(&["evaluate", "tiny"]);
    assert!(code == 2 && said.contains("of 2 runs"), "{said}");
    let (code, said) = workshop.refused(&["export", "wdie", "--to", "hf"]);
    assert!(code == 2 && said.contains("there is no run wdie; did you mean runs/"), "{said}");
    let (code, said) = workshop.refused(&["predict", "--run", "wide", &format!("runs/{newest}")]);
    assert!(code == 2 && said.contains("is a run's folder, not an image"), "{said}");
}

#[test]
fn a_folder_of_the_same_name_does_not_hide_a_run() {
    let workshop = made();
    let all = listed(&workshop, &[]);
    let (newest, older) = (all[0]["run"].as_str().unwrap(), all[1]["run"].as_str().unwrap());
    let evaluate = |named: &str| workshop.done(&["evaluate", named, "--split", "test"]);
    fs::create_dir(workshop.path().join("wide")).unwrap();
    fs::create_dir(workshop.path().join(newest)).unwrap();
    assert!(evaluate("wide").contains(older) && evaluate(newest).contains(newest));
    workshop.done(&["report", "wide", "-o", "one.html"]);
    let (code, said) = workshop.refused(&["evaluate", "./wide"]);
    assert!(code == 2 && said.contains("./wide"), "{said}");

    // Two runs of one name are never guessed between.
    fs::copy(
        workshop.path().join("runs").join(newest).join("run.json"),
        workshop.path().join("wide/run.json"),
    )
    .unwrap();
    let (code, said) = workshop.refused(&["runs", "rm", "wide", "--yes"]);
    assert!(code == 2 && said.contains("of 2 runs: ./wide, runs/"), "{said}");
    assert!(workshop.done(&["runs", "show", "./wide"]).contains("wide"));
}

#[test]
fn a_name_and_tags_are_no_part_of_a_runs_key_or_files() {
    let workshop = made();
    let wide = workshop.only("runs", listed(&workshop, &["--tag", "first"])[0]["run"].as_str().unwrap());
    let other = ["train-student", "-p", "tiny.toml", "--seed", "1", "--runs-dir", "others"];
    workshop.done(&other);
    let plain = workshop.only("others", "tiny-");
    assert_eq!(wide.file_name(), plain.file_name());
    for file in ["metrics.jsonl", "result.json", "best/model.safetensors"] {
        assert!(fs::read(wide.join(file)).unwrap() == fs::read(plain.join(file)).unwrap(), "{file}");
    }
    assert!(!fs::read_to_string(wide.join("run.json")).unwrap().contains("wide"));
    assert!(wide.join("label.json").exists() && !plain.join("label.json").exists());
    // The same command under a name only names the run that is there.
    let said = workshop.done(&[&other[..], &["--name", "plain"]].concat());
    assert!(said.contains("already trained"), "{said}");
    assert!(workshop.done(&["runs", "show", "plain", "--runs-dir", "others"]).contains("name plain"));
}

/// The key is the digest of what is listed here and of nothing else, so a new version of decant keeps the runs of the one before it.
#[test]
fn a_runs_key_holds_the_revision_and_not_the_version_of_the_package() {
    let workshop = made();
    let shown: Value = serde_json::from_str(&workshop.done(&["runs", "show", "wide", "--json"])).unwrap();
    let run: Description = serde_json::from_value(shown["description"].clone()).unwrap();
    assert_eq!((run.revision, run.decant.as_str()), (REVISION, env!("CARGO_PKG_VERSION")));
    let key = |revision: u32| {
        FieldHasher::new("decant run")
            .field("revision", revision.to_le_bytes())
            .field("student", serde_json::to_vec(&run.pipeline.student).unwrap())
            .field("init", [0; 0])
            .field("train", serde_json::to_vec(&run.pipeline.train.deciding()).unwrap())
            .field("cache", run.cache_content.0)
            .field("device", run.device.family())
            .finish()
    };
    assert_eq!(key(REVISION), run.key);
    assert_ne!(key(REVISION + 1), run.key);
}

/// A run of another tool with these settings and splits, measured on the cache of [`made`].
fn foreign(workshop: &Workshop, seed: u64, settings: &str, splits: &str) -> String {
    let cache = workshop.only("cache", "tiny-").display().to_string();
    format!(
        r#"{{"name": "resnet", "tool": "PyTorch 2", "student": "timm resnet18", "seed": {seed}, "cache": {cache:?},
            "settings": {settings}, "parameters": 11, "seconds": 2.5, "splits": {splits}}}"#
    )
}

const TAUGHT: &str = r#"{"lambda": 0.5, "temperature": 5, "lr": 0.01, "augment": "none"}"#;
const ALL_OF_CLASS_0: &str = "[0, 0, 0, 0, 0, 0, 0, 0, 0]";

#[test]
fn runs_of_another_tool_stand_beside_those_of_decant() {
    let workshop = made();
    let splits =
        format!(r#"{{"validation": {{"accuracy": 0.5}}, "test": {{"predictions": {ALL_OF_CLASS_0}}}}}"#);
    let logits = format!("[{}]", ["[2.0, 0.5, -1]"; 9].join(","));
    let labels = format!(r#"{{"validation": {{"logits": {logits}}}, "test": {{"logits": {logits}}}}}"#);
    let runs = [
        foreign(&workshop, 1, TAUGHT, &splits),
        foreign(&workshop, 2, TAUGHT, &splits),
        foreign(&workshop, 1, r#"{"lambda": 0, "lr": 0.01, "augment": "none"}"#, &labels),
    ];
    workshop.file("runs.json", &format!("[{}]", runs.join(",")));
    let said = workshop.done(&["runs", "import", "runs.json"]);
    assert_eq!(said.lines().count(), 3, "{said}");
    assert_eq!(workshop.done(&["runs", "import", "runs.json"]), said, "a second time changes nothing");
    let folders: Vec<&str> = said.lines().map(|line| line.strip_prefix("imported ").unwrap()).collect();

    let all = listed(&workshop, &[]);
    assert_eq!(all.len(), 5);
    let said = workshop.done(&["runs", "ls"]);
    assert_eq!(said.matches(" imported ").count(), 3, "{said}");
    let said = workshop.done(&["runs", "show", folders[0]]);
    for part in ["timm resnet18 (PyTorch 2)", "train.temperature = 5.0", "augment = \"none\"", "33.3 %"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    // Of logits decant measures everything, of predictions what they tell.
    let shown = |run: &str| -> Value {
        serde_json::from_str(&workshop.done(&["runs", "show", run, "--json"])).unwrap()
    };
    assert!(shown(folders[2])["result"]["test"]["teacher_kl"].as_f64().unwrap() > 0.0);
    let test = shown(folders[0])["result"]["test"].clone();
    assert!(test["teacher_kl"].is_null() && test["calibration_error"].is_null(), "{test}");
    let (accuracy, agreement) = (&test["accuracy"], &test["teacher_agreement"]);
    assert!(accuracy.as_f64().unwrap() > 0.3 && agreement.is_number(), "{test}");

    let said = workshop.done(&["compare", folders[0], "--against", folders[2]]);
    assert!(said.contains("with a single seed") && !said.contains("NaN"), "{said}");
    let said = workshop.done(&["compare", "runs"]);
    assert!(said.contains("timm resnet18 (PyTorch 2)") && said.contains("teacher"), "{said}");
    workshop.done(&["report", "runs", "-o", "all.html"]);
    let page = fs::read_to_string(workshop.path().join("all.html")).unwrap();
    assert!(page.contains("distilled, imported") && page.contains("labels only, imported"));
    assert!(!page.contains("NaN %") && !page.contains("NaN nats"));
    workshop.done(&["report", folders[0], "-o", "one.html"]);
    let page = fs::read_to_string(workshop.path().join("one.html")).unwrap();
    assert!(page.contains("was trained by PyTorch 2") && page.contains("Teacher and soft targets"));
    for command in [&["evaluate", folders[0]][..], &["export", folders[0], "--to", "hf"]] {
        let (code, said) = workshop.refused(command);
        assert!(code == 2 && said.contains("was imported from another tool"), "{said}");
    }
    workshop.done(&["runs", "rm", folders[0], "--yes"]);
    assert_eq!(listed(&workshop, &[]).len(), 4);
}

#[test]
fn a_file_that_is_not_a_run_is_refused_in_a_sentence_and_nothing_is_written() {
    let workshop = made();
    let good = r#"{"validation": {"accuracy": 0.5}}"#;
    let with = |settings: &str, splits: &str| foreign(&workshop, 1, settings, splits);
    let valid = with(TAUGHT, good);
    let few = r#"{"validation": {"predictions": [0, 1]}}"#;
    let other = ALL_OF_CLASS_0.replacen('0', "3", 1);
    for (text, reason) in [
        ("{".to_owned(), "it is not JSON"),
        ("3".to_owned(), "expected a run, as {"),
        ("[]".to_owned(), "expected a run, as {"),
        (format!("[{valid}, 3]"), "run 2: a run must be an object"),
        (valid.replace("\"seed\"", "\"sed\""), "unknown key `sed`; the keys are name, tool,"),
        (valid.replace("\"seed\": 1", "\"seed\": -1"), "`seed` must be given, as a whole number"),
        (valid.replace("\"resnet\"", "\"a b\""), "`name` must be 1 to 100 letters"),
        (valid.replace("\"tool\": \"PyTorch 2\",", ""), "`tool` must be given, as a text"),
        (valid.replace("\"parameters\": 11", "\"parameters\": 0"), "`parameters` must be above 0"),
        (with(r#"{"temperature": 5}"#, good), "`settings` must have `lambda`"),
        (with(r#"{"lambda": 0.5}"#, good), "`settings` must have `temperature`, above 0"),
        (with(r#"{"lambda": 0, "lr": [1]}"#, good), "setting `train.lr` must be a number"),
        (with(TAUGHT, "{}"), "`validation` must be given"),
        (with(TAUGHT, r#"{"validation": {}}"#), "validation must have one of `accuracy`, `predictions`"),
        (with(TAUGHT, r#"{"validation": {"accuracy": 93.0}}"#), "must be a number from 0 to 1"),
        (with(TAUGHT, few), "has 2 images, and the cache has 9"),
        (
            with(TAUGHT, &format!(r#"{{"validation": {{"predictions": {other}}}}}"#)),
            "class indices from 0 to 2",
        ),
        (with(TAUGHT, r#"{"validation": {"logits": [[1]]}}"#), "`logits` of validation has 1 images"),
        (valid.replace("/cache/tiny-", "/cache/gone-"), "gone-"),
    ] {
        workshop.file("bad.json", &text);
        let (code, said) = workshop.refused(&["runs", "import", "bad.json"]);
        assert!(code == 2 && said.contains(reason) && said.lines().count() == 1, "{reason}: {code} {said}");
    }
    let (code, said) = workshop.refused(&["runs", "import", "gone.json"]);
    assert!(code == 2 && said.contains("gone.json can't be read"), "{said}");
    assert_eq!(listed(&workshop, &[]).len(), 2);
    workshop.file("good.json", &valid);
    workshop.done(&["runs", "import", "good.json"]);
    workshop.file("other.json", &valid.replace("0.5}}", "0.6}}"));
    let (code, said) = workshop.refused(&["runs", "import", "other.json"]);
    assert!(code == 2 && said.contains("was imported before with other results"), "{said}");
}
