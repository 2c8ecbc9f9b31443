//! What stage two promises: no teacher, exact restarts, the same bytes for any number of threads.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::common::{TINY, Workshop};

const MANY_EPOCHS: &str = "train.epochs=60";

/// A workshop with a complete cache of [`TINY`].
fn cached() -> Workshop {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    workshop
}

/// What a finished run leaves that must be the same whenever the run is the same.
fn products(run: &Path) -> [Vec<u8>; 3] {
    ["best/model.safetensors", "metrics.jsonl", "result.json"].map(|name| fs::read(run.join(name)).unwrap())
}

#[test]
fn stage_two_runs_without_the_teacher_and_never_maps_onnx_runtime() {
    let workshop = Workshop::new();
    let teacher = workshop.path().join("teacher");
    fs::create_dir(&teacher).unwrap();
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/teachers/leaves");
    for name in ["model.onnx", "config.json", "preprocessor_config.json"] {
        fs::copy(embedded.join(name), teacher.join(name)).unwrap();
    }
    workshop.file("tiny.toml", &format!("[teacher]\nmodel = \"teacher/model.onnx\"\n{TINY}"));
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    fs::remove_dir_all(&teacher).unwrap();

    let mut command = workshop.decant();
    command.args(["train-student", "-p", "tiny.toml"]).env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut looks = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if let Ok(maps) = fs::read_to_string(format!("/proc/{}/maps", child.id())) {
            assert!(!maps.contains("onnxruntime"), "{maps}");
            looks += usize::from(!maps.is_empty());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success());
    if Path::new("/proc/self/maps").exists() {
        assert!(looks > 0, "the process was never looked at while it ran");
    }
    assert!(workshop.only("runs", "tiny-").join("best/model.safetensors").exists());
}

#[test]
fn the_same_run_gives_the_same_bytes_on_one_thread_and_on_two() {
    let workshop = cached();
    let train = |runs: &str, threads: &str| {
        let mut command = workshop.decant();
        command
            .args(["train-student", "-p", "tiny.toml", "--runs-dir", runs])
            .env("RAYON_NUM_THREADS", threads);
        assert!(command.output().unwrap().status.success());
        products(&workshop.only(runs, "tiny-"))
    };
    assert!(train("one", "1") == train("two", "2"));
}

#[test]
fn a_run_that_is_interrupted_goes_on_to_the_same_bytes() {
    let workshop = cached();
    let args =
        |runs: &'static str| ["train-student", "-p", "tiny.toml", "--runs-dir", runs, "--set", MANY_EPOCHS];
    workshop.done(&args("whole"));

    for epochs in [1, 4] {
        let mut command = workshop.decant();
        let mut child =
            command.args(args("broken")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let code = interrupt_when(&mut child, || finished_epochs(&workshop.path().join("broken")) >= epochs);
        assert_eq!(code, 130, "the run ended before it could be interrupted");
    }
    workshop.done(&args("broken"));
    let (whole, broken) = (workshop.only("whole", "tiny-"), workshop.only("broken", "tiny-"));
    assert!(products(&whole) == products(&broken));
    let left = fs::read_dir(&broken).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("checkpoint")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Lines of the only run's log.
fn finished_epochs(runs: &Path) -> usize {
    let folders = fs::read_dir(runs).into_iter().flatten().map(|entry| entry.unwrap().path());
    let logs = folders.filter_map(|folder| fs::read_to_string(folder.join("metrics.jsonl")).ok());
    logs.map(|log| log.lines().count()).max().unwrap_or(0)
}

/// Sends SIGINT once `ready`, and gives the exit code.
fn interrupt_when(child: &mut Child, ready: impl Fn() -> bool) -> i32 {
    let mut sent = false;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().expect("it exits by itself");
        }
        if !sent && ready() {
            let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            assert!(kill.unwrap().success());
            sent = true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_finished_run_is_not_trained_again() {
    let workshop = cached();
    workshop.done(&["train-student", "-p", "tiny.toml"]);
    let run = workshop.only("runs", "tiny-");
    let written = || fs::metadata(run.join("best/model.safetensors")).unwrap().modified().unwrap();
    let before = written();
    let said = workshop.done(&["train-student", "-p", "tiny.toml"]);
    assert!(said.contains("already trained"), "{said}");
    assert_eq!(written(), before);
}

const SEVEN: [&str; 4] = ["--set", "cache.temperatures=[1, 2, 5, 7, 10]", "--set", "train.temperature=7"];

#[test]
fn a_temperature_that_was_added_serves_a_run_and_stage_one_has_nothing_left_to_do() {
    let workshop = cached();
    let cache = workshop.only("cache", "tiny-");
    let said = workshop.done(&["cache", "soften", &cache.display().to_string(), "--temperature", "7"]);
    assert!(said.contains("1, 2, 5, 7, 10"), "{said}");
    workshop.done(&[&["train-student", "-p", "tiny.toml"], &SEVEN[..]].concat());
    // The temperature was added in place: one cache serves both.
    workshop.done(&["train-student", "-p", "tiny.toml"]);
    let again = workshop.done(&[&["teacher-cache", "-p", "tiny.toml"], &SEVEN[..]].concat());
    assert!(again.contains("already complete"), "{again}");
    assert_eq!(fs::read_dir(workshop.path().join("cache")).unwrap().count(), 1);
}

#[test]
fn every_encoding_trains_a_student() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    let encodings: [&[&str]; 3] = [
        &["--set", "cache.encoding=float16"],
        &["--set", "cache.encoding=top-k", "--set", "cache.top-k=2"],
        &["--set", "cache.encoding=top-k", "--set", "cache.top-k=1", "--set", "cache.zstd=3"],
    ];
    for encoding in encodings {
        workshop.done(&[&["teacher-cache", "-p", "tiny.toml"], encoding].concat());
        workshop.done(&[&["train-student", "-p", "tiny.toml"], encoding].concat());
    }
    assert_eq!(fs::read_dir(workshop.path().join("runs")).unwrap().count(), 3);
    let cache = fs::read_dir(workshop.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    workshop.done(&["cache", "verify", &cache.display().to_string()]);
    let (code, said) = workshop.refused(&["teacher-cache", "-p", "tiny.toml", "--set", "cache.top-k=2"]);
    assert!(code == 2 && said.contains("cache.encoding = \"top-k\""), "{said}");
}

#[test]
fn lambda_0_is_another_run_that_learns_from_the_labels_alone() {
    let workshop = cached();
    let said = workshop.done(&["train-student", "-p", "tiny.toml", "--lambda", "0"]);
    assert!(said.contains("the labels only"), "{said}");
    workshop.done(&["train-student", "-p", "tiny.toml"]);
    assert_eq!(fs::read_dir(workshop.path().join("runs")).unwrap().count(), 2);
}

#[test]
fn a_run_is_that_of_its_first_weights_and_not_of_where_they_lie() {
    let workshop = cached();
    workshop.done(&["train-student", "-p", "tiny.toml"]);
    let weights = |run: &str| workshop.only(run, "tiny-").join("best/model.safetensors");
    let (here, there) = (workshop.path().join("a.safetensors"), workshop.path().join("b.safetensors"));
    fs::copy(weights("runs"), &here).unwrap();
    fs::copy(&here, &there).unwrap();
    let tune = |init: &str| {
        let init = format!("student.init={init}");
        workshop.done(&["train-student", "-p", "tiny.toml", "--runs-dir", "tuned", "--set", &init]);
        fs::read_dir(workshop.path().join("tuned")).unwrap().count()
    };
    assert_eq!((tune("a.safetensors"), tune("b.safetensors")), (1, 1));
    fs::copy(weights("tuned"), &there).unwrap();
    assert_eq!(tune("b.safetensors"), 2, "other weights under the same name are another run");
}

#[test]
fn a_frozen_student_of_other_weights_keeps_their_backbone_to_the_last_bit() {
    let workshop = cached();
    workshop.done(&["train-student", "-p", "tiny.toml"]);
    let first = workshop.only("runs", "tiny-").join("best/model.safetensors");
    let init = format!("student.init={}", first.display());
    let tune = ["train-student", "-p", "tiny.toml", "--runs-dir", "tuned", "--set", &init];
    workshop.done(&[&tune[..], &["--set", "student.freeze=backbone"]].concat());
    let (before, after) = (
        fs::read(first).unwrap(),
        fs::read(workshop.only("tuned", "tiny-").join("best/model.safetensors")).unwrap(),
    );
    let (before, after) = (
        safetensors::SafeTensors::deserialize(&before).unwrap(),
        safetensors::SafeTensors::deserialize(&after).unwrap(),
    );
    for (name, tensor) in before.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked")) {
        let same = tensor.data() == after.tensor(name).unwrap().data();
        assert_eq!(same, !name.starts_with("classifier."), "{name}");
    }
}
