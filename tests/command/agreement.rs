//! `sweep`, `report`, `compare` and `demo` say the same of the same runs; and what can't be measured is not measured as 0.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{TINY, Workshop, unsealed};

fn json(workshop: &Workshop, args: &[&str]) -> Value {
    serde_json::from_str(&workshop.done(args)).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// The name of a path's last part.
fn name(path: &Value) -> &str {
    path.as_str().unwrap().rsplit('/').next().unwrap()
}

#[test]
fn sweep_report_and_compare_name_the_same_winner_with_the_same_numbers() {
    let workshop = Workshop::new();
    // One run of a configuration keeps more checkpoints, which decides nothing.
    let sweep = "[sweep]\ntrain.lambda = [0, 0.5]\ntrain.temperature = [1, 5]\ntrain.seed = [0, 1]\n";
    workshop.file("tiny.toml", &format!("{}\n{sweep}", TINY.replace("lr = 1e-3", "lr = 3e-3")));
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    let kept = ["--temperature", "5", "--lambda", "0.5", "--seed", "1", "--set", "train.checkpoint-steps=2"];
    workshop.done(&[&["train-student", "-p", "tiny.toml"], &kept[..]].concat());
    let swept = json(&workshop, &["sweep", "-p", "tiny.toml", "--json"]);
    let folder = workshop.only("sweeps", "tiny-").display().to_string();
    let report = json(&workshop, &["report", &folder, "--json", "-o", "page.html"]);

    let (best, groups) = (&swept["best"], report["comparison"]["groups"].as_array().unwrap());
    assert_eq!(groups.len(), swept["configurations"].as_array().unwrap().len());
    assert_eq!(groups.len(), 3, "seeds of one configuration are one group, however they were saved");
    assert_eq!(best["validation"], groups[0]["validation"]);
    assert_eq!(best["test"], groups[0]["test"]);
    let shown = &report["runs"][report["comparison"]["best_run"].as_u64().unwrap() as usize];
    assert_eq!(best["run"]["run"], name(&shown["folder"]));
    // The best is that of the mean, and not the luckiest seed's.
    let means = groups.iter().map(|group| number(&group["validation"]["mean"]));
    assert!(means.clone().is_sorted_by(|a, b| a >= b), "{:?}", means.collect::<Vec<_>>());

    let runs = |group: &Value| -> Vec<String> {
        let index = |index: &Value| index.as_u64().unwrap() as usize;
        group["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| name(&report["runs"][index(run)]["folder"]).to_owned())
            .collect()
    };
    let scratch = groups.iter().find(|group| group["temperature"].is_null()).unwrap();
    for (group, configuration) in groups.iter().zip(swept["configurations"].as_array().unwrap()) {
        assert_eq!(group["gain"], configuration["gain"]);
        if group["gain"].is_null() {
            continue;
        }
        let (a, b) = (runs(group), runs(scratch));
        let sides = a.iter().map(String::as_str).chain(["--against"]).chain(b.iter().map(String::as_str));
        let args: Vec<&str> = ["compare", "--json"].into_iter().chain(sides).collect();
        let compared = json(&workshop, &args);
        for key in ["seeds", "pairs", "accuracy", "ahead", "paired", "images", "resolution", "verdict"] {
            assert_eq!(compared[key], group["gain"][key], "{key}");
        }
    }
}

#[test]
fn the_demo_says_what_compare_and_report_say_of_its_runs() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    let said = workshop.done(&["demo", "-p", "tiny.toml", "--seeds", "2"]);
    let words =
        said.lines().find_map(|line| line.strip_prefix("gain of distillation: ")).expect("it says the gain");
    let entries = fs::read_dir(workshop.path().join("runs")).unwrap();
    let names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let (scratch, distilled): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| name.starts_with("tiny-labels-only-"));
    let sides = distilled
        .iter()
        .map(|name| name.as_str())
        .chain(["--against"])
        .chain(scratch.iter().map(|name| name.as_str()));
    let sides: Vec<&str> = sides.collect();
    let compared = workshop.done(&[&["compare"], &sides[..]].concat());
    assert_eq!(compared.lines().last().unwrap(), words);
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let report = json(&workshop, &[&["report", "--json", "-o", "page.html"], &all[..]].concat());
    let group = report["comparison"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| !group["gain"].is_null())
        .unwrap();
    let points = format!("{:+.1} points", 100.0 * number(&group["gain"]["accuracy"]["mean"]));
    assert!(words.contains(&points), "{words} has not {points}");
}

/// Takes the images of a split out of their classes' folders.
fn without_labels(split: &Path) {
    for class in fs::read_dir(split).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>() {
        for image in fs::read_dir(&class).unwrap().map(|entry| entry.unwrap().path()) {
            let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
            fs::rename(&image, split.join(format!("{}-{}", name(&class), name(&image)))).unwrap();
        }
        fs::remove_dir(class).unwrap();
    }
}

#[test]
fn without_labels_there_is_no_accuracy_and_the_best_epoch_agrees_with_the_teacher() {
    let workshop = Workshop::new();
    workshop.done(&["data", "synth", "--out", "images", "--train", "24", "--validation", "9", "--test", "9"]);
    for split in ["validation", "test"] {
        without_labels(&workshop.path().join("images").join(split));
    }
    let rest = TINY.split("[student]").nth(1).unwrap();
    workshop.file("tiny.toml", &format!("[dataset]\nsource = \"images\"\n[student]{rest}"));
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    let said = workshop.done(&["train-student", "-p", "tiny.toml", "--epochs", "6", "--lr", "5e-3"]);
    assert!(said.contains("the best by agreement with the teacher on validation"), "{said}");
    let run = workshop.only("runs", "tiny-");
    let result = unsealed(&run.join("result.json"));
    assert_eq!(result["chosen_by"], "teacher-agreement");
    for measure in ["accuracy", "macro_f1", "negative_log_likelihood", "calibration_error"] {
        assert!(result["validation"][measure].is_null() && result["test"][measure].is_null(), "{result}");
    }
    let log = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let score = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        assert!(record["validation"]["accuracy"].is_null());
        (number(&record["validation"]["teacher_agreement"]), -number(&record["validation"]["teacher_kl"]))
    };
    let scores: Vec<(f64, f64)> = log.lines().map(score).collect();
    let best =
        (0..scores.len()).reduce(|best, next| if scores[next] > scores[best] { next } else { best }).unwrap();
    assert_eq!(result["best_epoch"], best + 1);
    let rows: Vec<&str> = said.lines().filter(|line| line.contains("/6 ")).collect();
    assert!(
        rows.len() == 6 && rows.iter().all(|row| row.split('|').nth(1).unwrap().trim().starts_with('-')),
        "{said}"
    );
    workshop.done(&["evaluate", &run.display().to_string()]);
    let page = workshop.done(&["report", &run.display().to_string(), "-o", "page.html"]);
    assert!(page.contains("page.html"), "{page}");
    // Two runs are ordered by their agreement.
    workshop.done(&["train-student", "-p", "tiny.toml", "--seed", "1"]);
    let runs: Vec<String> = fs::read_dir(workshop.path().join("runs"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    let args: Vec<&str> =
        ["report", "--json", "-o", "page.html"].into_iter().chain(runs.iter().map(String::as_str)).collect();
    assert_eq!(json(&workshop, &args)["comparison"]["measure"], "teacher-agreement");
}
