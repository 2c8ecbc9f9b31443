//! The same images in two splits, or twice in one, and the warnings on a dataset.

use std::fs;

use decant::dataset::Duplicates;
use decant::dataset::SplitName::{Test, Train};

use crate::dataset_sources::{folder, open};

#[test]
fn images_of_test_that_are_also_in_train_are_counted_with_their_labels() {
    let root = folder(&[
        "train/a/1.jpg",
        "train/a/2.jpg",
        "train/b/3.jpg",
        "validation/a/4.jpg",
        "test/a/5.jpg",
        "test/b/6.jpg",
    ]);
    let copy = |from: &str, to: &str| fs::copy(root.path().join(from), root.path().join(to)).unwrap();
    copy("train/a/1.jpg", "test/a/leaked.jpg");
    copy("train/a/2.jpg", "test/b/relabelled.jpg");
    copy("train/a/2.jpg", "train/b/twice.jpg");
    let dataset = open(&root).unwrap();
    let counts: Vec<_> =
        dataset.duplicates.iter().map(|one| (one.split, one.also_in, one.images, one.relabelled)).collect();
    assert_eq!(counts, [(Train, Train, 1, 1), (Test, Train, 2, 0)]);
    insta::assert_snapshot!(dataset.warnings().join("\n"), @"
    1 image of train is a copy of others in train, under another label (for example train/b/twice.jpg and train/a/2.jpg)
    2 images of test are also in train (for example test/a/leaked.jpg and train/a/1.jpg)
    ");
    fs::remove_file(root.path().join("train/b/twice.jpg")).unwrap();
    let dataset = open(&root).unwrap();
    assert!(
        dataset.warnings()[0]
            .starts_with("2 images of test are also in train, 1 of them under another label (for")
    );
    // What is left out is not counted.
    let kept = dataset.without(&[(Test, 1), (Test, 3)]).unwrap();
    assert_eq!(kept.duplicates, [] as [Duplicates; 0]);
}

#[test]
fn a_single_class_is_warned_about() {
    let root = folder(&["train/a/1.jpg", "validation/a/2.jpg", "test/a/3.jpg"]);
    assert_eq!(
        open(&root).unwrap().warnings()[0],
        "a is the only class, so that every answer is right; expected <split>/<class>/<image>"
    );
}
