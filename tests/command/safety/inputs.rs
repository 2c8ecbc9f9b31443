//! Inputs that changed since the cache was made, and those that can't be looked at: refused, naming them.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::common::{TINY, Workshop};
use crate::safety::gallery::{image, teacher_of_files, workshop};

const MAKE: [&str; 3] = ["teacher-cache", "-p", "small.toml"];
const TRAIN: [&str; 3] = ["train-student", "-p", "small.toml"];

#[test]
fn an_image_that_changed_after_caching_is_named() {
    let workshop = workshop();
    workshop.done(&MAKE);
    let changed = "images/train/bean_rust/3.png";
    image(1, 9).save(workshop.path().join(changed)).unwrap();
    let (code, said) = workshop.refused(&TRAIN);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(changed) && said.contains("is not the image that the teacher saw"), "{said}");
    let cache = workshop.only("cache", "small-");
    let named = [&TRAIN[..], &["--cache", cache.to_str().unwrap()]].concat();
    let (code, said) = workshop.refused(&named);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(changed), "{said}");
}

#[test]
fn an_image_that_moved_to_another_class_is_named() {
    let workshop = workshop();
    workshop.done(&MAKE);
    let folder = workshop.path().join("images/test");
    // Their order in the split stays: the last of one class becomes the first of the next.
    fs::rename(folder.join("bean_rust/2.png"), folder.join("healthy/(.png")).unwrap();
    let (code, said) = workshop.refused(&TRAIN);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("images/test/healthy/(.png") && said.contains("label"), "{said}");
}

/// The folder names of every cache, sorted.
fn caches(workshop: &Workshop) -> Vec<String> {
    let entries = fs::read_dir(workshop.path().join("cache")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn another_teacher_or_preprocessing_makes_another_cache_and_leaves_the_first_alone() {
    let workshop = workshop();
    teacher_of_files(&workshop);
    workshop.done(&MAKE);
    let first = caches(&workshop);
    let preprocessor = workshop.path().join("teacher/preprocessor_config.json");
    let text = fs::read_to_string(&preprocessor).unwrap();
    let other = text.replacen("0.5", "0.45", 1);
    assert_ne!(text, other);
    fs::write(&preprocessor, other).unwrap();
    workshop.done(&MAKE);
    assert_eq!(caches(&workshop).len(), 2);
    assert!(caches(&workshop).contains(&first[0]));

    // Which of the two a student should learn from is not for us to guess.
    let (code, said) = workshop.refused(&TRAIN);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("2 caches fit this pipeline") && said.contains("--cache"), "{said}");
}

#[test]
fn an_unfinished_cache_does_not_go_on_under_another_teacher() {
    let workshop = workshop();
    teacher_of_files(&workshop);
    workshop.done(&[&MAKE[..], &["--shard", "0/2"]].concat());
    let (first, cache) = (caches(&workshop), workshop.only("cache", "small-"));
    let config = workshop.path().join("teacher/config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text.replace("healthy", "well").replace("bean_rust", "healthy").replace("well", "bean_rust"),
    )
    .unwrap();
    workshop.done(&[&MAKE[..], &["--shard", "1/2"]].concat());
    let (code, said) = workshop.refused(&["cache", "merge", cache.to_str().unwrap()]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is not complete") && caches(&workshop).len() == first.len() + 1, "{said}");
}

#[test]
fn a_shard_that_changes_while_a_run_trains_stops_the_run() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", &TINY.replace("epochs = 3", "epochs = 5000"));
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    let shard = {
        let split = workshop.only("cache", "tiny-").join("train");
        let mut files = fs::read_dir(split).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|end| end == "parquet")).unwrap()
    };
    let sound = fs::read(&shard).unwrap();
    let mut flipped = sound.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 64;
    for (name, content) in [("flipped", &flipped[..]), ("cut", &sound[..100])] {
        fs::write(&shard, &sound).unwrap();
        let mut child = workshop
            .decant()
            .args(["train-student", "-p", "tiny.toml", "--runs-dir", name])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = || {
            let runs = fs::read_dir(workshop.path().join(name)).into_iter().flatten();
            runs.map(|run| run.unwrap().path().join("metrics.jsonl")).find(|path| path.exists())
        };
        while log().is_none() {
            assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
            std::thread::sleep(Duration::from_millis(2));
        }
        // In place, so that the map shows it.
        let file = fs::File::options().write(true).open(&shard).unwrap();
        std::io::Write::write_all(&mut &file, content).unwrap();
        file.set_len(content.len() as u64).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(3) && said.contains("train/part-00000.parquet"),
            "{name}: {said}"
        );
        let epochs = fs::read_to_string(log().unwrap()).unwrap().lines().count();
        assert!(epochs < 5000, "it trained to its end");
    }
}

#[cfg(unix)]
#[test]
fn what_can_not_be_looked_at_is_not_called_missing() {
    let workshop = Workshop::new();
    let run = workshop.path().join("runs/tiny-0123");
    fs::create_dir_all(&run).unwrap();
    // A link to itself can't be looked at, not even by root, whom permissions do not bind.
    std::os::unix::fs::symlink("run.json", run.join("run.json")).unwrap();
    std::os::unix::fs::symlink("loop", workshop.path().join("loop")).unwrap();
    let listed = workshop.run(&["runs", "ls"]);
    let said = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(said.contains("tiny-0123") && said.contains("symbolic links"), "{said}");
    for command in [
        &["evaluate", "tiny-0123"][..],
        &["predict", "--run", "tiny-0123", "a.png"],
        &["report", "tiny-0123"],
        &["runs", "ls", "--runs-dir", "loop"],
    ] {
        let (code, said) = workshop.refused(command);
        assert!(said.contains("symbolic links"), "{command:?}, {code}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_of_runs_that_is_not_utf_8_is_refused_in_a_sentence() {
    use std::os::unix::ffi::OsStrExt;
    let workshop = workshop();
    workshop.done(&MAKE);
    let odd = std::ffi::OsStr::from_bytes(b"r\xff");
    let output = workshop.decant().args(TRAIN).arg("--runs-dir").arg(odd).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("is not valid UTF-8"), "{said}");
}
