//! With several views the student is given, epoch by epoch, the very pixels that the teacher was given.

use std::collections::BTreeSet;
use std::sync::Arc;

use decant::config::{self, View};
use decant::dataset::{Dataset, SplitName};
use decant::stage_one::{self, Settings};
use decant::store::{Cache, SplitRows};
use decant::support::context::Context;
use decant::support::hash::Digest;
use decant::teacher::Teacher;
use decant::train::images::Images;
use decant::train::loader::{self, Source};
use decant::train::order::{epoch_order, others, view_of};
use decant::train::pixels::Pixels;
use decant::train::targets::{CachedTargets, Column};
use decant::view::operation::{Kind, Operation};
use decant::view::{Filter, Geometry, Preprocess};
use image::RgbImage;

use crate::common::{TINY, Workshop};
use crate::teacher_support::{CLASSES, GrayTeacher};

const VIEWS: u16 = 3;
const SEED: u64 = 5;

fn leaves() -> Dataset {
    let leaves = config::Leaves { train: 12, validation: 3, test: 3, ..config::Leaves::default() };
    Dataset::open(&config::Dataset { leaves, ..config::Dataset::default() }, &Context::silent()).unwrap()
}

/// A cache of three views whose crops are all smaller than the image.
fn cached(dataset: &Dataset) -> (tempfile::TempDir, Cache) {
    cached_with(dataset, View::default())
}

/// As [`cached`], with the operations of `view`.
fn cached_with(dataset: &Dataset, view: View) -> (tempfile::TempDir, Cache) {
    let root = tempfile::tempdir().unwrap();
    let cache = config::Cache {
        name: "views".to_owned(),
        dir: root.path().to_owned(),
        temperatures: vec![1.0],
        views: VIEWS,
        view: View { scale: [0.2, 0.6], ratio: [0.8, 1.25], flip: 0.5, ..view },
        shard_rows: 7,
        ..config::Cache::default()
    };
    let settings = Settings { cache: &cache, batch_size: 4, part: (0, 1), context: &Context::silent() };
    let dir = stage_one::run(dataset, &mut GrayTeacher::new(&CLASSES), &settings).unwrap().dir;
    let cache = Cache::open(&dir).unwrap();
    (root, cache)
}

/// What the teacher saw, from the bits of what the student is given: the teacher here does not normalise.
fn input_hash(pixels: &[f32]) -> [u8; 8] {
    let plane = pixels.len() / 3;
    let bytes: Vec<u8> = (0..pixels.len())
        .map(|index| (pixels[index % 3 * plane + index / 3] * 255.0).round() as u8)
        .collect();
    Digest::of(&bytes).0[..8].try_into().unwrap()
}

fn images<'a>(dataset: &'a Dataset, rows: &Arc<SplitRows>, preprocess: Preprocess) -> Images<'a> {
    Images::new(dataset, SplitName::Train, Arc::clone(rows), preprocess, false)
}

#[test]
fn the_students_pixels_have_every_rows_input_hash_and_each_view_differs() {
    let dataset = leaves();
    let (_root, cache) = cached(&dataset);
    check_pixels(&dataset, &cache);
}

#[test]
fn operations_are_replayed_to_the_teachers_pixels() {
    let dataset = leaves();
    let view = View {
        brightness: 0.4,
        contrast: 0.4,
        saturation: 0.4,
        hue: 0.1,
        rand_augment: 2,
        ..View::default()
    };
    let ((_root, cache), (_plain_root, plain)) = (cached_with(&dataset, view), cached(&dataset));
    check_pixels(&dataset, &cache);
    let (rows, plain) = (cache.split("train").unwrap(), plain.split("train").unwrap());
    for row in 0..rows.len() {
        let nothing = |operation: &Operation| operation.kind == Kind::Identity;
        assert_eq!(rows.operations(row).len(), 6);
        assert_eq!(rows.operations(row).iter().all(nothing), rows.identity(row).1 == 0);
        assert_eq!((rows.crop(row), rows.flip(row)), (plain.crop(row), plain.flip(row)));
        assert_eq!(rows.input_hash(row) == plain.input_hash(row), rows.identity(row).1 == 0);
    }
}

/// Holds the student's pixels against every row's hash.
fn check_pixels(dataset: &Dataset, cache: &Cache) {
    let rows = cache.split("train").unwrap();
    assert_eq!((rows.len(), rows.views()), (12 * usize::from(VIEWS), VIEWS));
    let teacher = GrayTeacher::new(&CLASSES);
    let images = images(dataset, &rows, teacher.preprocess().clone());
    let all: Vec<usize> = (0..rows.len()).collect();
    let mut pixels = vec![0.0; all.len() * images.values()];
    images.fill(&all, &mut pixels).unwrap();
    let mut different = BTreeSet::new();
    for (&row, pixels) in all.iter().zip(pixels.chunks(images.values())) {
        assert_eq!(input_hash(pixels), rows.input_hash(row), "row {row}");
        different.insert(input_hash(pixels));
    }
    assert_eq!(different.len(), rows.len());
}

#[test]
fn crops_keep_to_the_configured_scale_and_ratio() {
    let dataset = leaves();
    let (_root, cache) = cached(&dataset);
    let rows = cache.split("train").unwrap();
    let mut flips = BTreeSet::new();
    for row in 0..rows.len() {
        let [_, _, width, height] = rows.crop(row);
        let share = width * height / (500.0 * 500.0);
        if rows.identity(row).1 == 0 {
            assert!((share - 1.0).abs() < 1e-6 && !rows.flip(row));
        } else {
            assert!((0.19..0.61).contains(&share) && (0.79..1.26).contains(&(width / height)));
            flips.insert(rows.flip(row));
        }
    }
    assert_eq!(flips.len(), 2);
}

#[test]
fn an_epoch_shows_each_sample_in_the_view_that_is_its_turn() {
    let dataset = leaves();
    let (_root, cache) = cached(&dataset);
    let rows = cache.split("train").unwrap();
    let teacher = GrayTeacher::new(&CLASSES);
    let images = images(&dataset, &rows, teacher.preprocess().clone());
    let source = Source {
        device: None,
        images: &images,
        column: Column::Soft(1.0),
        others: None,
        samples: &(0..12).collect::<Vec<_>>(),
        batch_size: 5,
        used: images.rows().samples() as usize,
        seed: SEED,
    };
    let epochs = usize::from(VIEWS);
    std::thread::scope(|scope| {
        let batches = loader::spawn(scope, source, (0, 0), epochs);
        let mut shown = BTreeSet::new();
        for epoch in 0..epochs {
            let order = epoch_order(SEED, epoch, 12);
            for samples in order.chunks(5) {
                let batch = batches.recv().unwrap().unwrap();
                for (&sample, pixels) in samples.iter().zip(host(&batch.pixels).chunks(images.values())) {
                    let view = view_of(SEED, sample, epoch, VIEWS);
                    let row = rows.row(sample as u64, view).unwrap();
                    assert_eq!(input_hash(pixels), rows.input_hash(row), "epoch {epoch} sample {sample}");
                    shown.insert(row);
                }
            }
        }
        assert_eq!(shown.len(), rows.len(), "every view of every sample comes once");
    });
}

#[test]
fn permuted_targets_are_those_of_another_sample_in_the_same_view() {
    let dataset = leaves();
    let (_root, cache) = cached(&dataset);
    let rows = cache.split("train").unwrap();
    let images = images(&dataset, &rows, GrayTeacher::new(&CLASSES).preprocess().clone());
    let others = others(SEED, 12);
    for column in [Column::Soft(1.0), Column::Logits] {
        let source = Source {
            device: None,
            images: &images,
            column,
            others: Some(&others),
            samples: &(0..12).collect::<Vec<_>>(),
            batch_size: 5,
            used: images.rows().samples() as usize,
            seed: SEED,
        };
        std::thread::scope(|scope| {
            let batches = loader::spawn(scope, source, (0, 0), 1);
            for samples in epoch_order(SEED, 0, 12).chunks(5) {
                let batch = batches.recv().unwrap().unwrap();
                let row = |sample: usize, view| rows.row(sample as u64, view).unwrap();
                let (CachedTargets::Soft(found) | CachedTargets::Logits(found)) = batch.targets else {
                    panic!("{column:?} gave {:?}", batch.targets)
                };
                for (index, &sample) in samples.iter().enumerate() {
                    let view = view_of(SEED, sample, 0, VIEWS);
                    let other = row(others[sample], view);
                    assert_ne!(other, row(sample, view));
                    let expected = column.gather(&rows, &[other]).unwrap();
                    let (CachedTargets::Soft(expected) | CachedTargets::Logits(expected)) = expected else {
                        panic!("{column:?} gave {expected:?}")
                    };
                    assert_eq!(found[index * CLASSES.len()..][..CLASSES.len()], expected);
                    assert_eq!(batch.labels[index], rows.label(row(sample, view)), "labels stay");
                }
            }
        });
    }
}

#[test]
fn validation_and_test_have_the_plain_view_alone() {
    let dataset = leaves();
    let (_root, cache) = cached(&dataset);
    for split in ["validation", "test"] {
        let rows = cache.split(split).unwrap();
        assert_eq!((rows.len(), rows.views(), rows.row(0, 1)), (3, 1, None));
        assert_eq!(rows.crop(0).map(f32::to_bits), [0.0f32, 0.0, 500.0, 500.0].map(f32::to_bits));
    }
}

/// A view can be replayed from nothing but its row, at any size.
#[test]
fn a_row_is_replayed_from_its_crop_and_flip_alone() {
    let dataset = leaves();
    let (_root, cache) = cached(&dataset);
    let rows = cache.split("train").unwrap();
    let row = rows.row(7, 2).unwrap();
    let source: RgbImage = decant::view::decode(&dataset.read(SplitName::Train, 7).unwrap()).unwrap();
    let mut view = decant::view::resize(&source, rows.crop(row), 8, 8, Filter::Bilinear);
    if rows.flip(row) {
        image::imageops::flip_horizontal_in_place(&mut view);
    }
    assert_eq!(Digest::of(&view).0[..8], rows.input_hash(row));
    let geometry = Geometry { crop: rows.crop(row), flip: rows.flip(row) };
    let larger = Preprocess::for_student(24, [0.5; 3], [0.5; 3]).pixels(&source, &geometry).unwrap();
    assert_eq!(larger.dimensions(), (24, 24));
}

const THREE_VIEWS: &str = "cache.views=3";

/// The embedded teacher and [`TINY`]'s student both see 32 px, so training compares every view with its row's hash.
#[test]
fn the_command_line_trains_on_the_views_that_it_cached() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    workshop.done(&["teacher-cache", "-p", "tiny.toml", "--set", THREE_VIEWS]);
    workshop.done(&["train-student", "-p", "tiny.toml", "--set", THREE_VIEWS]);
    let cache = Cache::open(&workshop.only("cache", "tiny-")).unwrap();
    let splits = &cache.manifest().dataset.splits;
    let rows: Vec<u64> = splits.iter().map(|split| cache.manifest().rows(split)).collect();
    assert_eq!(rows, [72, 9, 9]);
    let (code, said) = workshop.refused(&[
        "train-student",
        "-p",
        "tiny.toml",
        "--set",
        THREE_VIEWS,
        "--set",
        "cache.view.flip=0.0",
    ]);
    assert!(
        code == 2 && said.contains("flipped with probability 0.5") && said.contains("expected"),
        "{said}"
    );
}

fn host(pixels: &Pixels) -> &[f32] {
    match pixels {
        Pixels::Host(values) => values,
        Pixels::Device(_) => panic!("without a device they stay on the host"),
    }
}
