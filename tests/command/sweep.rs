//! What a sweep promises: nothing is trained twice, the same results after every rerun, and it notices when they differ.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::common::{TINY, Workshop};

const GRID: &str = "[sweep]\ntrain.temperature = [1, 5]\ntrain.lambda = [0, 0.5]\ntrain.seed = [0, 1]\n";
const SWEEP: [&str; 3] = ["sweep", "-p", "grid.toml"];

/// A workshop with a complete cache of a tiny pipeline that has this `[sweep]`.
fn workshop(sweep: &str) -> Workshop {
    let workshop = Workshop::new();
    workshop.file("grid.toml", &format!("{TINY}\n{sweep}"));
    workshop.done(&["teacher-cache", "-p", "grid.toml"]);
    workshop
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SWEEP[..], more].concat()
}

fn results(workshop: &Workshop, sweeps: &str) -> PathBuf {
    workshop.only(sweeps, "grid-")
}

/// What a rerun must leave as it was.
fn bytes(folder: &Path) -> Vec<Vec<u8>> {
    let names = ["results.parquet", "results.csv", "summary.md", "summary.json", "sweep.lock.toml"];
    names.iter().map(|name| fs::read(folder.join(name)).unwrap()).collect()
}

fn runs(workshop: &Workshop) -> usize {
    let entries = fs::read_dir(workshop.path().join("runs"));
    entries
        .into_iter()
        .flatten()
        .filter(|entry| entry.as_ref().unwrap().path().join("result.json").exists())
        .count()
}

#[test]
fn a_sweep_is_planned_run_once_and_left_as_it_is() {
    let workshop = workshop(GRID);
    let plan = workshop.done(&with(&["--dry-run"]));
    assert!(plan.contains("0, 6 to train, about") && plan.contains("2 more are the same"), "{plan}");
    assert!(plan.lines().all(|line| line.chars().count() <= 80), "{plan}");
    assert!(!workshop.path().join("runs").exists() && !workshop.path().join("sweeps").exists());

    let said = workshop.done(&SWEEP);
    assert!(said.contains("[6/6]"), "{said}");
    assert_eq!(runs(&workshop), 6);
    let first = bytes(&results(&workshop, "sweeps"));

    let again = workshop.done(&SWEEP);
    assert!(again.contains("6, 0 to train") && !again.contains("[1/"), "{again}");
    assert!(bytes(&results(&workshop, "sweeps")) == first);

    // A run of the sweep is the run of train-student.
    let single = ["train-student", "-p", "grid.toml", "--temperature", "1", "--lambda", "0.5", "--seed", "1"];
    assert!(workshop.done(&single).contains("already trained"));
    let baseline = ["train-student", "-p", "grid.toml", "--lambda", "0", "--seed", "0"];
    assert!(workshop.done(&baseline).contains("already trained"));

    // Another value of an axis: only its own runs.
    let more = workshop.done(&with(&["--set", "sweep.train.temperature=[1, 2, 5]"]));
    assert!(more.contains("6, 2 to train") && more.contains("[2/2]"), "{more}");
    assert_eq!(runs(&workshop), 8);
}

#[test]
fn side_by_side_or_one_after_another_the_results_have_the_same_bytes() {
    let workshop = workshop(GRID);
    let run = |name: &str, jobs: &str| {
        workshop.done(&with(&["--jobs", jobs, "--runs-dir", &format!("runs-{name}"), "--sweeps-dir", name]));
        bytes(&results(&workshop, name))
    };
    assert!(run("one", "1") == run("two", "2"));
}

#[test]
fn interrupted_or_killed_a_sweep_goes_on_to_the_same_bytes() {
    let workshop = workshop("[sweep]\ntrain.epochs = 20\ntrain.seed = [0, 1, 2]\n");
    for signal in ["-INT", "-KILL"] {
        let mut command = workshop.decant();
        command.args(SWEEP).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let before = runs(&workshop);
        while runs(&workshop) == before && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let kill = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let status = child.wait().unwrap();
        assert_eq!(status.code(), (signal == "-INT").then_some(130));
    }
    assert!(runs(&workshop) < 3);
    workshop.done(&SWEEP);
    let broken = bytes(&results(&workshop, "sweeps"));
    workshop.done(&with(&["--runs-dir", "whole-runs", "--sweeps-dir", "whole"]));
    assert!(broken == bytes(&results(&workshop, "whole")));
}

#[test]
fn a_run_that_fails_is_recorded_and_the_others_go_on() {
    let workshop =
        workshop("[sweep]\nruns = [{ student.init = \"no.safetensors\" }, { train.lambda = 0 }]\n");
    let (code, said) = workshop.refused(&SWEEP);
    assert!(code == 2 && said.contains("no.safetensors"), "missing weights are said before any work: {said}");
    fs::write(workshop.path().join("no.safetensors"), "these are no weights").unwrap();
    let (code, said) = workshop.refused(&SWEEP);
    assert!(code == 1 && said.contains("1 of 2 runs failed") && said.contains("no.safetensors"), "{said}");
    let folder = results(&workshop, "sweeps");
    let csv = fs::read_to_string(folder.join("results.csv")).unwrap();
    assert!(csv.contains(",failed,") && csv.contains(",done,"), "{csv}");
    assert!(fs::read_to_string(folder.join("summary.md")).unwrap().contains("## Failed"));
}

#[test]
fn verify_reproduces_runs_and_catches_one_that_was_tampered_with() {
    let workshop = workshop("[sweep]\ntrain.seed = [0, 1]\n");
    let said = workshop.done(&with(&["--verify", "all"]));
    assert_eq!(said.matches(": the same").count(), 2, "{said}");
    let folder = results(&workshop, "sweeps");
    let left = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!left.into_iter().any(|name| name.starts_with("verify")));

    let run = fs::read_dir(workshop.path().join("runs")).unwrap().next().unwrap().unwrap().path();
    // Sealed as before, so that only training it again can tell.
    let seal = |path: &Path| {
        let mut sealed = Vec::new();
        for line in fs::read_to_string(path).unwrap().lines() {
            let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
            record.as_object_mut().unwrap().remove("checksum");
            record["lr"] = 0.5.into();
            sealed.extend(decant::support::checksummed_json::to_line(&record));
            sealed.push(b'\n');
        }
        fs::write(path, sealed).unwrap();
    };
    seal(&run.join("metrics.jsonl"));
    let (code, said) = workshop.refused(&with(&["--verify", "all"]));
    assert!(code == 3 && said.contains("metrics.jsonl differs"), "{said}");
}

#[test]
fn locked_says_whether_a_sweep_came_to_the_same_elsewhere() {
    let workshop = workshop("[sweep]\ntrain.seed = [0, 1]\n");
    workshop.done(&SWEEP);
    let own = results(&workshop, "sweeps").join("sweep.lock.toml");
    let lock = fs::read_to_string(own).unwrap();
    workshop.file("grid.lock.toml", &lock);
    let elsewhere = ["--locked", "--runs-dir", "other", "--sweeps-dir", "elsewhere"];
    let said = workshop.done(&with(&elsewhere));
    assert!(said.contains("2 of 2 runs have the same result"), "{said}");

    let at = lock.find("result = \"").unwrap() + "result = \"".len();
    // Without its last line a lockfile is one of decant 0.1.0, which sealed none.
    let end = lock.find("# BLAKE3 of the lines above").unwrap();
    let mut other = lock[..end].to_owned();
    other.replace_range(at..at + 4, if lock[at..].starts_with("0000") { "1111" } else { "0000" });
    let mut flipped = lock.clone();
    flipped.replace_range(at..at + 4, &other[at..at + 4]);
    flipped.replace_range(at..=at, if lock[at..].starts_with('0') { "1" } else { "0" });
    workshop.file("grid.lock.toml", &flipped);
    let (code, said) = workshop.refused(&with(&elsewhere));
    assert!(code == 3 && said.contains("grid.lock.toml is damaged"), "{said}");
    workshop.file("grid.lock.toml", &other);
    let (code, said) = workshop.refused(&with(&elsewhere));
    assert!(code == 3 && said.contains("seed=0") && said.contains("than in the lockfile"), "{said}");

    workshop.file("grid.lock.toml", &lock);
    let (code, said) = workshop.refused(&with(&["--locked", "--set", "sweep.train.seed=[0, 1, 2]"]));
    assert!(code == 2 && said.contains("seed=2"), "{said}");
    workshop.file("grid.lock.toml", "name = 3\n");
    let (code, said) = workshop.refused(&with(&["--locked"]));
    assert!(code == 2 && said.contains("not a lockfile"), "{said}");
}

#[test]
fn a_temperature_that_the_cache_lacks_is_softened_while_a_run_trains() {
    let workshop = workshop("[sweep]\ntrain.temperature = [5, 7]\n");
    workshop.done(&with(&["--set", "sweep.train.temperature=[5]"]));
    assert!(workshop.done(&SWEEP).contains("1, 1 to train"));
    assert_eq!(runs(&workshop), 2);
    let cache = workshop.only("cache", "grid-").display().to_string();
    // A column of the same targets changes no run.
    workshop.done(&["cache", "soften", &cache, "--temperature", "7"]);
    assert!(workshop.done(&SWEEP).contains("2, 0 to train"));
}

#[test]
fn what_successive_halving_promotes_ends_as_that_configuration_by_itself() {
    let sweep = "[sweep]\ntrain.lr = [1e-4, 1e-3, 1e-2, 1e-1]\ntrain.epochs = 4\n[sweep.halving]\nfrom = 1\nfactor = 2\n";
    let workshop = workshop(sweep);
    let said = workshop.done(&SWEEP);
    assert!(said.contains("rungs    1, 2, 4 epochs"), "{said}");
    let folder = results(&workshop, "sweeps");
    let csv = fs::read_to_string(folder.join("results.csv")).unwrap();
    let column = |line: &str, index: usize| line.split(',').nth(index).unwrap().to_owned();
    let rungs: Vec<String> = csv.lines().skip(1).map(|line| column(line, 2)).collect();
    assert_eq!(rungs, ["0", "0", "0", "0", "1", "1", "2"]);
    let (run, lr) = csv.lines().last().map(|line| (column(line, 0), column(line, 3))).unwrap();
    workshop.done(&["train-student", "-p", "grid.toml", "--lr", &lr, "--epochs", "4", "--runs-dir", "alone"]);
    let weights = |folder: PathBuf| fs::read(folder.join("best/model.safetensors")).unwrap();
    assert!(weights(workshop.path().join("runs").join(run)) == weights(workshop.only("alone", "grid-")));
    assert!(workshop.done(&SWEEP).contains("4, 0 to train"));
}

#[test]
fn results_are_there_for_programs() {
    let workshop = workshop("[sweep]\ntrain.lambda = [0, 0.5]\ntrain.seed = [0, 1]\n");
    let plan: serde_json::Value =
        serde_json::from_str(&workshop.done(&with(&["--dry-run", "--json"]))).unwrap();
    assert_eq!((plan["runs"].as_u64(), plan["done"].as_u64()), (Some(4), Some(0)));
    let report: serde_json::Value = serde_json::from_str(&workshop.done(&with(&["--json"]))).unwrap();
    assert_eq!((report["done"].as_u64(), report["failures"].as_array().unwrap().len()), (Some(4), 0));
    let gains = report["configurations"].as_array().unwrap().iter().filter(|one| !one["gain"].is_null());
    assert_eq!(gains.map(|one| one["gain"]["pairs"].as_u64().unwrap()).collect::<Vec<_>>(), [2]);
}
