//! Damage in a run is seen as damage in a cache is: every file is sealed, and what the files say of each other must agree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use decant::runs::{FinishedRun, Run};
use decant::support::checksummed_json;
use serde_json::{Value, json};

use crate::common::{TINY, Workshop, copy, reseal, unsealed};

/// A finished run that kept its checkpoints, made once for every test here.
struct Made {
    workshop: Workshop,
    run: PathBuf,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    workshop.done(&["train-student", "-p", "tiny.toml", "--set", "train.keep-checkpoints=9"]);
    let run = workshop.only("runs", "tiny-");
    Made { workshop, run }
});

/// A copy of the run for one test.
fn copied(name: &str) -> PathBuf {
    let to = MADE.workshop.path().join(name);
    copy(&MADE.run, &to);
    to
}

/// The outcome of reading: where it failed, whether the error is damage, and its message.
type Outcome = Result<(), (bool, String)>;

/// Reads a run.
fn read(run: &Path) -> Outcome {
    Run::read(run).map(drop).map_err(|error| (error.is_damage(), error.to_string()))
}

/// Opens a run with its student.
fn opened(run: &Path) -> Outcome {
    FinishedRun::open(run).map(drop).map_err(|error| (error.is_damage(), error.to_string()))
}

/// Refuses everything but damage.
fn is_damage(outcome: Outcome) -> Result<(), String> {
    match outcome {
        Err((true, _)) => Ok(()),
        Err((false, said)) => Err(said),
        Ok(()) => Err("it was read".to_owned()),
    }
}

/// Flips bits of a file, one at a time; with each of them opening is refused as damage.
fn every_flip_is_damage(path: &Path, open: impl Fn() -> Outcome) {
    let sound = fs::read(path).unwrap();
    for bit in (0..8 * sound.len()).step_by(13) {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(path, &bytes).unwrap();
        is_damage(open()).unwrap_or_else(|said| panic!("{}, bit {bit}: {said}", path.display()));
    }
    fs::write(path, sound).unwrap();
    open().unwrap();
}

#[test]
fn every_flipped_bit_of_a_finished_run_is_found() {
    let run = copied("flipped");
    for name in ["run.json", "result.json", "metrics.jsonl"] {
        every_flip_is_damage(&run.join(name), || read(&run));
    }
}

#[test]
fn every_flipped_bit_beside_the_kept_weights_is_found() {
    let run = copied("beside");
    for name in ["config.json", "preprocessor_config.json"] {
        let path = run.join("best").join(name);
        every_flip_is_damage(&path, || opened(&run));
        let sound = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        is_damage(opened(&run)).unwrap();
        fs::write(&path, sound).unwrap();
    }
    // A run that names no files beside its weights, as decant 0.1.0 made them, is opened.
    reseal(&run.join("result.json"), |result| {
        result.as_object_mut().unwrap().remove("configs").expect("it names them");
    });
    opened(&run).unwrap();
}

#[test]
fn no_command_answers_with_a_damaged_student() {
    let run = copied("student");
    let (run, photo) = (run.to_str().unwrap(), "photo.png");
    MADE.workshop.file(photo, "");
    image::RgbImage::new(8, 8).save(MADE.workshop.path().join(photo)).unwrap();
    for name in ["best/model.safetensors", "best/preprocessor_config.json", "result.json"] {
        let path = Path::new(run).join(name);
        let sound = fs::read(&path).unwrap();
        let mut bytes = sound.clone();
        bytes[sound.len() / 2] ^= 1;
        fs::write(&path, &bytes).unwrap();
        for command in [
            &["evaluate", run][..],
            &["evaluate", run, "-p", "tiny.toml"],
            &["evaluate", "--model", run, "-p", "tiny.toml"],
            &["predict", "--run", run, photo],
            &["predict", "--model", run, photo],
            &["export", "--run", run, "--to", "hf"],
        ] {
            let (code, said) = MADE.workshop.refused(command);
            assert_eq!(code, 3, "{name}, {command:?}: {said}");
        }
        fs::write(&path, sound).unwrap();
    }
    let said = MADE.workshop.done(&["evaluate", run, "-p", "tiny.toml"]);
    assert!(said.contains("size and speed"), "{said}");
}

/// Every edit of a sealed file that its checksum does not tell.
fn edits() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("result.json", "/validation/accuracy", json!(7.5)),
        ("result.json", "/validation/accuracy", json!(-1e308)),
        ("result.json", "/validation/accuracy", Value::Null),
        ("result.json", "/test/accuracy", json!(0.999)),
        ("result.json", "/test/samples", json!(0)),
        ("result.json", "/test/macro_f1", json!(0.999)),
        ("result.json", "/validation/confusion", json!([])),
        ("result.json", "/validation/confusion/0/0", json!(u64::MAX)),
        ("result.json", "/best_epoch", json!(0)),
        ("result.json", "/best_epoch", json!(1u64 << 63)),
        ("result.json", "/key", json!("0".repeat(64))),
        ("result.json", "/temperature", json!(0.0)),
        ("result.json", "/seed", json!(7)),
        ("run.json", "/pipeline/train/lr", json!(-1.0)),
        ("run.json", "/pipeline/train/epochs", json!(9)),
        ("run.json", "/pipeline/train/batch-size", json!(0)),
        ("run.json", "/pipeline/student/image-size", json!(0)),
        ("run.json", "/pipeline/student/image-size", json!(1_000_000_000_000u64)),
        ("run.json", "/format", json!(9)),
    ]
}

#[test]
fn files_that_contradict_each_other_are_damage_whatever_their_checksums_say() {
    let run = copied("contradicting");
    for (name, pointer, value) in edits() {
        let path = run.join(name);
        let sound = fs::read(&path).unwrap();
        reseal(&path, |json| {
            *json.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value.clone();
        });
        is_damage(read(&run)).unwrap_or_else(|said| panic!("{name} {pointer} = {value}: {said}"));
        fs::write(&path, sound).unwrap();
    }
    let path = run.join("metrics.jsonl");
    let sound = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = sound.lines().collect();
    let reversed: Vec<&str> = lines.iter().rev().copied().collect();
    for text in [
        lines[..2].join("\n"),
        reversed.join("\n"),
        [&lines[..], &lines[2..]].concat().join("\n"),
        String::new(),
    ] {
        fs::write(&path, text).unwrap();
        is_damage(read(&run)).unwrap();
    }
    fs::write(&path, sound).unwrap();
    read(&run).unwrap();
}

/// Makes the run's files those of decant 0.1.0: without checksums, and with the names that they had.
fn as_of_0_1_0(run: &Path) {
    for name in ["run.json", "result.json", "timing.json"] {
        let mut value = unsealed(&run.join(name));
        let fields = value.as_object_mut().unwrap();
        for added in ["format", "revision"] {
            fields.remove(added);
        }
        fs::write(run.join(name), serde_json::to_vec_pretty(&value).unwrap()).unwrap();
    }
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut text = String::new();
    for line in lines.lines() {
        let mut record: Value = serde_json::from_str(line).unwrap();
        let fields = record.as_object_mut().unwrap();
        fields.remove("checksum");
        for (now, then) in [("ce_loss", "train_hard"), ("kd_loss", "train_soft")] {
            let value = fields.remove(now).unwrap();
            fields.insert(then.to_owned(), value);
        }
        fields["validation"]["confusion"] = json!([[3, 0, 0], [0, 3, 0], [0, 0, 3]]);
        text.extend([record.to_string().as_str(), "\n"]);
    }
    fs::write(run.join("metrics.jsonl"), text).unwrap();
}

#[test]
fn a_finished_run_of_0_1_0_is_read_and_a_flipped_digit_of_its_result_is_found() {
    let run = copied("old");
    let result = Run::read(&run).unwrap().result;
    as_of_0_1_0(&run);
    assert_eq!(Run::read(&run).unwrap().result, result);
    MADE.workshop.done(&["evaluate", "old"]);
    let path = run.join("result.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    value["validation"]["accuracy"] = json!(0.775);
    fs::write(&path, value.to_string()).unwrap();
    is_damage(read(&run)).unwrap();
    // A sealed run can't become an unsealed one by losing a checksum.
    let run = copied("unsealed");
    let value = unsealed(&run.join("result.json"));
    fs::write(run.join("result.json"), value.to_string()).unwrap();
    is_damage(read(&run)).unwrap();
}

/// The arguments that resume the copy from its second checkpoint. The copy has the run's name in a folder of its own.
fn resumed(name: &str) -> (PathBuf, Vec<String>) {
    let run = MADE.workshop.path().join(name).join(MADE.run.file_name().unwrap());
    copy(&MADE.run, &run);
    fs::remove_file(run.join("result.json")).unwrap();
    let checkpoint = run.join("checkpoint-000002-000000");
    let args = [
        "train-student",
        "-p",
        "tiny.toml",
        "--set",
        "train.keep-checkpoints=9",
        "--runs-dir",
        name,
        "--resume",
    ];
    let args = args.iter().map(|arg| (*arg).to_owned()).chain([checkpoint.display().to_string()]);
    (run.join("checkpoint-000002-000000"), args.collect())
}

#[test]
fn a_state_that_is_damaged_or_contradicts_the_plan_never_trains_on() {
    let (checkpoint, args) = resumed("states");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let path = checkpoint.join("state.json");
    let sound = fs::read(&path).unwrap();
    let refused = |what: &str| {
        let (code, said) = MADE.workshop.refused(&args);
        assert!(code == 3 && said.contains("checkpoint-000002-000000 is damaged"), "{what}: {code} {said}");
    };
    for bit in (0..8 * sound.len()).step_by(8 * sound.len() / 6 + 1) {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        refused(&format!("bit {bit}"));
    }
    let edits = [
        ("/state/step", json!(1)),
        ("/state/epoch", json!(1_000_000_000_000_000_000u64)),
        ("/state/log", json!([])),
        ("/state/log/1/best", json!(null)),
        ("/state/log/0/best", json!(false)),
        ("/state/sums/samples", json!(3)),
        ("/state/best", Value::Null),
    ];
    for (pointer, value) in edits {
        fs::write(&path, &sound).unwrap();
        reseal(&path, |state| *state.pointer_mut(pointer).unwrap() = value.clone());
        refused(&format!("{pointer} = {value}"));
    }
    fs::write(&path, sound).unwrap();
    MADE.workshop.done(&args);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_file_is_damage_and_is_not_waited_for() {
    let pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    for name in [
        "run.json",
        "result.json",
        "metrics.jsonl",
        "timing.json",
        "best/model.safetensors",
        "best/preprocessor_config.json",
    ] {
        let folder = format!("pipe-{}", name.replace('/', "-"));
        pipe(&copied(&folder).join(name));
        let (code, said) = MADE.workshop.refused(&["evaluate", &folder]);
        assert!(code == 3 && said.contains(name), "{name}: {code} {said}");
    }
    for name in ["state.json", "model.bpk"] {
        let (checkpoint, args) = resumed(&format!("pipe-{name}"));
        pipe(&checkpoint.join(name));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (code, said) = MADE.workshop.refused(&args);
        assert!(code == 3 && said.contains(name), "{name}: {code} {said}");
    }
}

#[test]
fn times_never_cost_a_run() {
    let (checkpoint, args) = resumed("times");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    fs::write(checkpoint.parent().unwrap().join("timing.json"), "1").unwrap();
    MADE.workshop.done(&args);
    let products =
        |run: &Path| ["metrics.jsonl", "result.json"].map(|name| fs::read(run.join(name)).unwrap());
    assert!(products(checkpoint.parent().unwrap()) == products(&MADE.run));
}

#[test]
fn missing_weights_are_damage() {
    let run = copied("weightless");
    fs::remove_file(run.join("best/model.safetensors")).unwrap();
    let (code, said) = MADE.workshop.refused(&["evaluate", "weightless"]);
    assert!(code == 3 && said.contains("best/model.safetensors") && said.contains("it is missing"), "{said}");
}

#[test]
fn a_report_about_losses_at_the_end_of_what_numbers_can_be_ends() {
    let run = copied("extreme");
    let path = run.join("metrics.jsonl");
    let mut text = Vec::new();
    for (line, loss) in fs::read_to_string(&path).unwrap().lines().zip([1e308, -1e308, 0.5]) {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record.as_object_mut().unwrap().remove("checksum");
        record["train_loss"] = json!(loss);
        text.extend(checksummed_json::to_line(&record));
        text.push(b'\n');
    }
    fs::write(&path, text).unwrap();
    MADE.workshop.done(&["report", "-o", "extreme.html", "extreme", "--charts", "extreme-charts"]);
}

#[test]
fn a_run_that_is_not_there_is_said_so_with_the_nearest_names() {
    let name = MADE.run.file_name().unwrap().to_str().unwrap();
    let typo = format!("runs/{}z", &name[..name.len() - 1]);
    let typo = typo.as_str();
    for command in [
        &["evaluate", typo][..],
        &["report", typo],
        &["compare", typo, "--against", name],
        &["export", "--to", "hf", "--run", typo],
    ] {
        let (code, said) = MADE.workshop.refused(command);
        let expected = format!("there is no run {typo}; did you mean runs/{name}");
        assert!(code == 2 && said.contains(&expected), "{command:?}: {said}");
    }
    // Its name is enough to find it.
    MADE.workshop.done(&["evaluate", name]);
}

#[test]
fn files_that_decant_did_not_write_are_not_overwritten() {
    let workshop = &MADE.workshop;
    let name = MADE.run.file_name().unwrap().to_str().unwrap();
    workshop.file("mine/README.md", "mine");
    let export = ["export", "--run", name, "--to", "hf", "--out", "mine"];
    let (code, said) = workshop.refused(&export);
    assert!(code == 2 && said.contains("was not written by decant") && said.contains("--force"), "{said}");
    assert_eq!(fs::read_to_string(workshop.path().join("mine/README.md")).unwrap(), "mine");
    workshop.done(&[&export[..], &["--force"]].concat());
    // Now it is one that decant wrote.
    workshop.done(&export);

    workshop.file("mine.toml", "mine = true");
    let report = ["report", name, "-o", "mine.toml"];
    let (code, said) = workshop.refused(&report);
    assert!(code == 2 && said.contains("mine.toml is there already"), "{said}");
    assert_eq!(fs::read_to_string(workshop.path().join("mine.toml")).unwrap(), "mine = true");
    workshop.done(&[&report[..], &["--force"]].concat());
    workshop.done(&report);
    let charts = ["report", name, "-o", "page.html", "--charts", "pictures"];
    workshop.file("pictures/loss.svg", "<svg>mine</svg>");
    assert_eq!(workshop.refused(&charts).0, 2);
    fs::remove_file(workshop.path().join("pictures/loss.svg")).unwrap();
    workshop.done(&charts);
    workshop.done(&charts);
}
