//! Inputs that changed since the cache was made: refused, naming what changed.

use std::fs;

use crate::common::Workshop;
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
