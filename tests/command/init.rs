//! `decant init` writes a pipeline file that works as it is.

use std::fs;

use crate::common::Workshop;

#[test]
fn a_written_file_caches_and_trains_and_shows_the_values_that_are_used() {
    let workshop = Workshop::new();
    workshop.done(&["data", "synth", "--out", "photos", "--train", "12", "--validation", "6", "--test", "6"]);
    let said = workshop.done(&["init", "photos", "--teacher", "embedded:leaves"]);
    insta::assert_snapshot!(said);
    let text = fs::read_to_string(workshop.path().join("photos.toml")).unwrap();
    insta::assert_snapshot!("the_file", text);

    // Every key that is shown may be taken into use as it stands.
    let used: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.contains(" = ") && key.contains(" # ") && !key.starts_with("init") => key,
            _ => line,
        })
        .collect();
    workshop.file("used.toml", &used.join("\n"));
    let small = ["--set", "cache.name=photos", "--set", "student.image-size=32", "--set", "train.epochs=1"];
    workshop.done(&[&["teacher-cache", "-p", "photos.toml"], &small[..]].concat());
    let trained = workshop.done(&[&["train-student", "-p", "photos.toml"], &small[..]].concat());
    let again =
        workshop.done(&[&["train-student", "-p", "used.toml", "--set", "name=photos"], &small[..]].concat());
    assert!(again.contains("already trained"), "{trained}\n{again}");
}

#[test]
fn a_file_that_someone_wrote_stays_and_a_teacher_of_other_classes_is_refused() {
    let workshop = Workshop::new();
    workshop.done(&["data", "synth", "--out", "photos", "--train", "6", "--validation", "3", "--test", "3"]);
    workshop.file("mine.toml", "# mine\n");
    let init = ["init", "photos", "--teacher", "embedded:leaves"];
    let (code, said) = workshop.refused(&[&init[..], &["-o", "mine.toml"]].concat());
    assert_eq!(code, 2);
    assert!(said.contains("mine.toml") && said.contains("--force"), "{said}");
    for split in ["train", "validation", "test"] {
        let folder = workshop.path().join("photos").join(split);
        fs::rename(folder.join("healthy"), folder.join("cat")).unwrap();
    }
    let (code, said) = workshop.refused(&init);
    assert_eq!(code, 2);
    assert!(said.contains("cat") && said.contains("healthy"), "{said}");
    assert!(!workshop.path().join("photos.toml").exists());
    // Its own file is written again.
    for split in ["train", "validation", "test"] {
        let folder = workshop.path().join("photos").join(split);
        fs::rename(folder.join("cat"), folder.join("healthy")).unwrap();
    }
    workshop.done(&init);
    workshop.done(&init);
}
