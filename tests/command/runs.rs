//! Runs by name: listing, showing, naming, tagging and deleting them, and naming them wherever a run is asked for.

use std::fs;

use crate::common::{TINY, Workshop};
use serde_json::Value;

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
