//! Several processes on one cache.

use std::fs;
use std::process::Output;

use crate::common::Workshop;
use crate::safety::gallery::{assert_same, files, spawn, workshop};

const ALL: [&str; 3] = ["teacher-cache", "-p", "small.toml"];

/// What an undisturbed process makes.
fn alone(workshop: &Workshop) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    workshop.done(&[&ALL[..], &["--cache-dir", "alone"]].concat());
    files(&workshop.path().join("alone"), &[])
}

/// Runs several commands at once and gives the outcome of each.
fn together(workshop: &Workshop, commands: &[&[&str]]) -> Vec<Output> {
    std::thread::scope(|scope| {
        let running: Vec<_> =
            commands.iter().map(|args| scope.spawn(|| workshop.run(&[&ALL[..], args].concat()))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn assert_done(outputs: &[Output]) {
    for output in outputs {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn processes_that_make_the_same_cache_at_once_all_end_well_with_the_same_bytes() {
    let workshop = workshop();
    let whole = alone(&workshop);
    for round in 0..3 {
        let root = format!("shared{round}");
        let args = ["--cache-dir", &root];
        assert_done(&together(&workshop, &[&args, &args, &args]));
        assert_same(&whole, &files(&workshop.path().join(root), &[]));
    }
}

#[test]
fn parts_made_at_once_are_one_cache_when_the_last_ends() {
    let workshop = workshop();
    let whole = alone(&workshop);
    for round in 0..3 {
        let root = format!("shared{round}");
        let part = |part| ["--cache-dir", &root, "--shard", part];
        assert_done(&together(&workshop, &[&part("0/3"), &part("1/3"), &part("2/3")]));
        assert_same(&whole, &files(&workshop.path().join(root), &[]));
    }
}

#[test]
fn merge_closes_a_cache_whose_parts_are_all_there() {
    let workshop = workshop();
    let whole = alone(&workshop);
    let part = |part| [&ALL[..], &["--cache-dir", "parts", "--shard", part]].concat();
    let said = workshop.done(&part("0/2"));
    assert!(said.contains("once the other parts are"), "{said}");
    let cache = workshop.only("parts", "small-");
    let merge = ["cache", "merge", cache.to_str().unwrap()];
    let (code, said) = workshop.refused(&merge);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is not complete: 6 of 12 shards are done"), "{said}");

    workshop.done(&part("1/2"));
    fs::remove_file(cache.join("complete.json")).unwrap();
    let said = workshop.done(&merge);
    assert!(said.contains("is complete: 12 shards"), "{said}");
    assert_same(&whole, &files(&workshop.path().join("parts"), &[]));
}

#[test]
fn a_student_is_not_trained_from_a_cache_that_is_being_written() {
    let workshop = workshop();
    let mut writer = spawn(workshop.decant().args(ALL));
    let mut refusals = Vec::new();
    while writer.try_wait().unwrap().is_none() {
        let (code, said) =
            workshop.refused(&["train-student", "-p", "small.toml", "--set", "train.epochs=1"]);
        refusals.push((code, said));
    }
    // The last one may have found the cache whole.
    if refusals.last().is_some_and(|(code, _)| *code == 0) {
        refusals.pop();
    }
    assert!(!refusals.is_empty(), "the cache was whole before the first look");
    for (code, said) in refusals {
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("is not complete") || said.contains("no cache under"), "{said}");
        assert!(said.contains("decant teacher-cache"), "{said}");
    }
}
