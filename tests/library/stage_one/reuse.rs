//! Finished work that is found again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use decant::dataset::SplitName;
use decant::stage_one::{Settings, State};
use decant::store::{Cache, Encoding};
use decant::support::context::Context;
use decant::{config, stage_one};
use image::{Rgb, RgbImage};

use super::{BATCH, Counting, Images, PROBED, cache_in, files_of, run};
use crate::teacher_support::{CLASSES, GrayTeacher};

#[test]
fn a_cache_under_another_name_is_found_by_its_key() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let first = run(&dataset, &mut Counting::new(), &cache).unwrap();
    let mut teacher = Counting::new();
    let other = config::Cache { name: "copy".to_owned(), temperatures: vec![1.0, 3.0], ..cache };
    let again = run(&dataset, &mut teacher, &other).unwrap();
    assert_eq!((again.dir, again.images, teacher.images), (first.dir, 0, 0));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    let State::Complete(complete) = again.state else { panic!("it is complete") };
    assert_eq!(complete.temperatures, [1.0, 3.0, 5.0]);
}

/// The encodings of three classes.
const ENCODINGS: [Encoding; 3] = [Encoding::FLOAT32, Encoding::FLOAT16, Encoding::top_k(2)];

#[test]
fn more_views_and_more_images_ask_the_teacher_for_new_rows_only() {
    ENCODINGS.into_iter().for_each(grows);
}

fn grows(encoding: Encoding) {
    let (images, grown, fresh) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let views = |views, root: &Path| config::Cache { views, encoding, ..cache_in(root) };
    run(&images.open(), &mut Counting::new(), &views(2, grown.path())).unwrap();

    let mut teacher = Counting::new();
    let more_views = run(&images.open(), &mut teacher, &views(3, grown.path())).unwrap();
    let expected = run(&images.open(), &mut Counting::new(), &views(3, fresh.path())).unwrap();
    assert_eq!(files_of(&more_views.dir), files_of(&expected.dir));
    assert_eq!((more_views.images, more_views.reused), (15, 45));
    assert!(teacher.images < 2 * PROBED + 15 + 7 * BATCH, "{}", teacher.images);

    // The first of its class, so that all others have another index.
    RgbImage::from_pixel(40, 30, Rgb([60, 61, 62]))
        .save(images.path("train/angular_leaf_spot/-.png"))
        .unwrap();
    let more_images = run(&images.open(), &mut Counting::new(), &views(3, grown.path())).unwrap();
    let expected =
        run(&images.open(), &mut Counting::new(), &views(3, fresh.path().join("2").as_path())).unwrap();
    assert_eq!(files_of(&more_images.dir), files_of(&expected.dir));
    assert_eq!((more_images.images, more_images.reused), (3, 60));

    // The last of its class, so that the order changes.
    fs::rename(images.path("train/bean_rust/0.png"), images.path("train/bean_rust/z.png")).unwrap();
    let renamed = run(&images.open(), &mut Counting::new(), &views(3, grown.path())).unwrap();
    let expected =
        run(&images.open(), &mut Counting::new(), &views(3, fresh.path().join("3").as_path())).unwrap();
    assert_eq!(files_of(&renamed.dir), files_of(&expected.dir));
    assert_eq!((renamed.images, renamed.reused), (0, 63));
}

#[test]
fn rows_of_other_operations_are_not_taken_but_for_view_0() {
    let (images, grown, fresh) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = |views, hue, root: &Path| {
        let view = config::View { hue, rand_augment: 1, ..config::View::default() };
        config::Cache { views, view, ..cache_in(root) }
    };
    run(&images.open(), &mut Counting::new(), &cache(2, 0.1, grown.path())).unwrap();
    for (views, hue, images_asked, reused) in [(2, 0.2, 15, 30), (3, 0.1, 15, 45)] {
        let taken = run(&images.open(), &mut Counting::new(), &cache(views, hue, grown.path())).unwrap();
        let root = fresh.path().join(format!("{views} {hue}"));
        let expected = run(&images.open(), &mut Counting::new(), &cache(views, hue, &root)).unwrap();
        assert_eq!(files_of(&taken.dir), files_of(&expected.dir));
        assert_eq!((taken.images, taken.reused), (images_asked, reused));
    }
}

#[test]
fn a_float32_cache_gives_the_rows_of_every_encoding() {
    for encoding in ENCODINGS {
        let (images, grown, fresh) =
            (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let encoded = |encoding, root: &Path| config::Cache { shard_rows: 8, encoding, ..cache_in(root) };
        run(&images.open(), &mut Counting::new(), &cache_in(grown.path())).unwrap();
        let taken = run(&images.open(), &mut Counting::new(), &encoded(encoding, grown.path())).unwrap();
        let expected = run(&images.open(), &mut Counting::new(), &encoded(encoding, fresh.path())).unwrap();
        assert_eq!(files_of(&taken.dir), files_of(&expected.dir), "{encoding}");
        assert_eq!((taken.images, taken.reused), (0, 30), "{encoding}");
    }
}

#[test]
fn rows_are_taken_though_their_loss_was_not_kept_and_it_counts_as_not_measured() {
    for encoding in [Encoding::FLOAT16, Encoding::top_k(2)] {
        let (images, grown, fresh) =
            (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let views = |views, root: &Path| config::Cache { views, encoding, ..cache_in(root) };
        let donor = run(&images.open(), &mut Counting::new(), &views(2, grown.path())).unwrap();
        let losses =
            files_of(&donor.dir).into_keys().filter(|name| name.extension() == Some("losses".as_ref()));
        losses.for_each(|name| fs::remove_file(donor.dir.join(name)).unwrap());
        let taken = run(&images.open(), &mut Counting::new(), &views(3, grown.path())).unwrap();
        let expected = run(&images.open(), &mut Counting::new(), &views(3, fresh.path())).unwrap();
        assert_eq!((taken.images, taken.reused), (15, 45));
        let shards = |dir: &Path| {
            let mut files = files_of(dir);
            files.retain(|name, _| name.extension() == Some("parquet".as_ref()));
            files
        };
        assert_eq!(shards(&taken.dir), shards(&expected.dir));
        let (State::Complete(taken), State::Complete(expected)) = (taken.state, expected.state) else {
            panic!("both are complete")
        };
        assert_eq!(taken.content, expected.content);
        assert!(taken.shards.iter().all(|record| record.lost.is_empty()));
        assert!(expected.shards.iter().all(|record| record.lost.len() == 2));
    }
}

#[test]
fn a_cache_of_other_kept_classes_or_temperatures_gives_no_rows() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let cache = |kept, temperatures: &[f32], views| config::Cache {
        encoding: Encoding::top_k(kept),
        temperatures: temperatures.to_vec(),
        views,
        ..cache_in(root.path())
    };
    run(&images.open(), &mut Counting::new(), &cache(2, &[1.0, 5.0], 1)).unwrap();
    let fewer = run(&images.open(), &mut Counting::new(), &cache(1, &[1.0, 5.0], 1)).unwrap();
    assert_eq!((fewer.images, fewer.reused), (30, 0));
    let hotter = run(&images.open(), &mut Counting::new(), &cache(2, &[1.0, 3.0], 2)).unwrap();
    assert_eq!((hotter.images, hotter.reused), (45, 0));
    let colder =
        run(&images.open(), &mut Counting::new(), &config::Cache { shard_rows: 9, ..cache(2, &[5.0], 2) })
            .unwrap();
    assert_eq!((colder.images, colder.reused), (15, 30));
}

#[test]
fn rows_of_a_shard_that_was_interrupted_are_not_asked_for_again() {
    let (images, whole, pieces) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let one_shard = |root: &Path| config::Cache { shard_rows: 64, ..cache_in(root) };
    let expected = run(&dataset, &mut Counting::new(), &one_shard(whole.path())).unwrap();

    let cache = one_shard(pieces.path());
    let asked = AtomicUsize::new(0);
    let asked = std::sync::Arc::new(asked);
    let third = std::sync::Arc::clone(&asked);
    let context = Context::silent().until(move || third.fetch_add(1, Ordering::SeqCst) == 2);
    let settings = Settings { cache: &cache, batch_size: BATCH, part: (0, 1), context: &context };
    let stopped = stage_one::run(&dataset, &mut Counting::new(), &settings).unwrap();
    assert_eq!((stopped.state, stopped.shards_done_now), (State::Interrupted, 0));
    let kept = stopped.dir.join("_records/train/part-00000.rows");
    let length = fs::metadata(&kept).unwrap().len();

    // A block that was not written to its end counts as none.
    let mut bytes = fs::read(&kept).unwrap();
    bytes.extend_from_within(..length as usize / 2);
    fs::write(&kept, bytes).unwrap();
    let again = run(&dataset, &mut Counting::new(), &cache).unwrap();
    assert_eq!(again.reused, 2 * BATCH as u64);
    assert_eq!(files_of(&again.dir), files_of(&expected.dir));
}

#[test]
fn a_kept_row_with_a_flipped_bit_is_asked_for_again() {
    let (images, whole, pieces) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let expected = run(&dataset, &mut Counting::new(), &cache_in(whole.path())).unwrap();
    let cache = cache_in(pieces.path());
    let kept = stop_early(&images, &cache);
    let mut bytes = fs::read(&kept).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&kept, bytes).unwrap();
    let again = run(&dataset, &mut Counting::new(), &cache).unwrap();
    assert_eq!(again.reused, 0);
    assert_eq!(files_of(&again.dir), files_of(&expected.dir));
}

/// Runs stage one until it was asked twice whether to stop.
fn stop_early(images: &Images, cache: &config::Cache) -> PathBuf {
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let context = Context::silent().until(move || asked.fetch_add(1, Ordering::SeqCst) == 1);
    let settings = Settings { cache, batch_size: BATCH, part: (0, 1), context: &context };
    let stopped = stage_one::run(&images.open(), &mut Counting::new(), &settings).unwrap();
    assert_eq!((stopped.state, stopped.shards_done_now), (State::Interrupted, 0));
    stopped.dir.join("_records/train/part-00000.rows")
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_link_in_place_of_kept_rows_is_neither_waited_for_nor_written_to() {
    let (images, whole, root) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = run(&images.open(), &mut Counting::new(), &cache_in(whole.path())).unwrap();
    let cache = cache_in(&root.path().join("cache"));
    let kept = stop_early(&images, &cache);
    let mine = root.path().join("mine");
    fs::write(&mine, "mine").unwrap();
    fs::remove_file(&kept).unwrap();
    std::os::unix::fs::symlink(&mine, &kept).unwrap();
    stop_early(&images, &cache);
    fs::remove_file(&kept).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&kept).status().unwrap().success());
    stop_early(&images, &cache);
    let again = run(&images.open(), &mut Counting::new(), &cache).unwrap();
    assert_eq!((again.reused, files_of(&again.dir)), (0, files_of(&expected.dir)));
    assert_eq!(fs::read_to_string(mine).unwrap(), "mine");
}

#[test]
fn a_report_names_images_that_are_in_two_splits() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    fs::copy(images.path("train/healthy/0.png"), images.path("test/bean_rust/leaked.png")).unwrap();
    let summary = run(&images.open(), &mut GrayTeacher::new(&CLASSES), &cache_in(root.path())).unwrap();
    let cache = Cache::open(&summary.dir).unwrap();
    let found = decant::report::Teacher::of(&cache, SplitName::Test).unwrap().duplicates;
    let parts =
        ["of test are also in train, 1 of them under another label", "leaked.png", "train/healthy/0.png"];
    assert!(found.iter().any(|said| parts.iter().all(|part| said.contains(part))), "{found:?}");
}
