//! Rows, their order, and what stops a run.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use decant::config::OnBadImage;
use decant::dataset::SplitName;
use decant::stage_one::{Left, Settings, State};
use decant::store::Cache;
use decant::support::context::Context;
use decant::support::hash::Digest;
use decant::teacher::{OnnxTeacher, Teacher};
use decant::{config, stage_one, view};

use super::tuning::CallCost;
use super::{BATCH, Images, cache_in, files_of, run};
use crate::teacher_support::{CLASSES, GrayTeacher, golden, level_of, on_cpu};

#[test]
fn every_row_is_what_a_direct_call_gives_on_the_same_pixels() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let mut teacher = OnnxTeacher::open(&on_cpu(&golden("fp32"))).unwrap();
    let summary = run(&dataset, &mut teacher, &cache_in(root.path())).unwrap();
    let cache = Cache::open(&summary.dir).unwrap();

    for split in &dataset.splits {
        let rows = cache.split(split.name.as_str()).unwrap();
        assert_eq!(rows.len(), split.samples.len());
        let identities: Vec<usize> = (0..rows.len()).collect();
        // The batches of stage one: they end where a shard ends.
        for batch in identities.chunks(7).flat_map(|shard| shard.chunks(BATCH)) {
            let mut pixels = vec![0.0; BATCH * 3 * 32 * 32];
            for (&index, out) in batch.iter().zip(pixels.chunks_mut(3 * 32 * 32)) {
                let bytes = dataset.read(split.name, index).unwrap();
                let image = view::decode(&bytes).unwrap();
                let whole = view::Geometry::whole(image.width(), image.height());
                let seen = teacher.preprocess().pixels(&image, &whole).unwrap();
                teacher.preprocess().normalise(&seen, out);
                let row = rows.row(index as u64, 0).unwrap();
                assert_eq!(rows.label(row), split.samples[index].label);
                assert_eq!(rows.image_hash(row), Digest::of(&bytes).0[..16]);
                assert_eq!(rows.input_hash(row), Digest::of(seen.as_raw()).0[..8]);
                assert_eq!((rows.crop(row), rows.flip(row)), (whole.crop, false));
            }
            let mut cached = vec![0.0; batch.len() * 3];
            rows.gather_logits(batch, &mut cached).unwrap();
            // A last batch is filled up; with what, its rows do not show.
            assert_eq!(cached, teacher.logits(&pixels, BATCH).unwrap()[..cached.len()]);
        }
    }
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bytes() {
    let (images, whole, pieces) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let uninterrupted = run(&dataset, &mut GrayTeacher::new(&CLASSES), &cache_in(whole.path())).unwrap();
    assert!(matches!(uninterrupted.state, State::Complete(_)));
    assert_eq!(uninterrupted.shards, 3 + 1 + 2);

    // Interrupted at the second, third, ... question: within a shard, and between two.
    let cache = cache_in(pieces.path());
    let mut done = 0;
    for patience in 1.. {
        let asked = AtomicUsize::new(0);
        let interrupted = move || asked.fetch_add(1, Ordering::SeqCst) == patience;
        let context = Context::silent().until(interrupted);
        let settings = Settings { cache: &cache, batch_size: BATCH, part: (0, 1), context: &context };
        let summary = stage_one::run(&dataset, &mut GrayTeacher::new(&CLASSES), &settings).unwrap();
        assert_eq!(summary.shards_done_before, done, "finished shards stay, and are not done again");
        done += summary.shards_done_now;
        match summary.state {
            State::Complete(_) => {
                assert!(patience > 1);
                assert_eq!(files_of(&summary.dir), files_of(&uninterrupted.dir));
                break;
            }
            state => assert_eq!(state, State::Interrupted),
        }
    }
    let again = run(&dataset, &mut GrayTeacher::new(&CLASSES), &cache).unwrap();
    assert_eq!((again.images, again.shards_done_before), (0, again.shards));
}

#[test]
fn parts_done_apart_make_the_same_cache() {
    let (images, whole, parts) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let expected = run(&dataset, &mut GrayTeacher::new(&CLASSES), &cache_in(whole.path())).unwrap();
    let cache = cache_in(parts.path());
    let part = |part| {
        let settings = Settings { cache: &cache, batch_size: BATCH, part, context: &Context::silent() };
        stage_one::run(&dataset, &mut GrayTeacher::new(&CLASSES), &settings).unwrap()
    };
    assert_eq!(part((1, 2)).state, State::PartDone);
    let last = part((0, 2));
    assert!(matches!(last.state, State::Complete(_)));
    assert_eq!(files_of(&last.dir), files_of(&expected.dir));
}

#[test]
fn any_number_of_teachers_and_any_size_of_a_call_make_the_same_cache() {
    let (images, whole) = (Images::new(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let expected = run(&dataset, &mut GrayTeacher::new(&CLASSES), &cache_in(whole.path())).unwrap();
    for (count, call_size) in [(1, 3), (2, BATCH), (3, 16)] {
        let root = tempfile::tempdir().unwrap();
        let cache = cache_in(root.path());
        let mut several: Vec<GrayTeacher> = (0..count).map(|_| GrayTeacher::new(&CLASSES)).collect();
        let mut teachers: Vec<&mut dyn Teacher> = Vec::new();
        for teacher in &mut several {
            teachers.push(teacher);
        }
        let settings =
            Settings { cache: &cache, batch_size: BATCH, part: (0, 1), context: &Context::silent() };
        let summary = stage_one::run_all(&dataset, &mut teachers, call_size, &settings).unwrap();
        assert_eq!(
            files_of(&summary.dir),
            files_of(&expected.dir),
            "{count} teachers, {call_size} images a call"
        );
    }
}

#[test]
fn one_of_several_teachers_that_fails_ends_the_run() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let mut failing = GrayTeacher { fails_on: |_| true, ..GrayTeacher::new(&CLASSES) };
    // Slow enough for the other one to be given something.
    let mut sound = CallCost { teacher: GrayTeacher::new(&CLASSES), milliseconds: 20, drift: 0.0 };
    let settings = Settings { cache: &cache, batch_size: 1, part: (0, 1), context: &Context::silent() };
    let mut teachers: [&mut dyn Teacher; 2] = [&mut failing, &mut sound];
    let message = stage_one::run_all(&dataset, &mut teachers, 1, &settings).unwrap_err().to_string();
    assert!(message.contains("told to fail"), "{message}");
}

#[test]
fn what_is_left_of_a_cache_and_how_it_was_begun_is_known_beforehand() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let left = |part| {
        let teacher = GrayTeacher::new(&CLASSES);
        let settings = Settings { cache: &cache, batch_size: BATCH, part, context: &Context::silent() };
        let (fingerprint, resize) = (teacher.fingerprint(), teacher.preprocess().resize());
        let manifest =
            stage_one::manifest(&dataset, &teacher.describe(), fingerprint, &resize, &settings).unwrap();
        stage_one::left(&manifest, &settings).unwrap()
    };
    assert_eq!(left((0, 1)), Left { rows: 30, batch_size: None });
    let first = Settings { cache: &cache, batch_size: 5, part: (1, 2), context: &Context::silent() };
    stage_one::run(&dataset, &mut GrayTeacher::new(&CLASSES), &first).unwrap();
    assert_eq!(left((1, 2)), Left { rows: 0, batch_size: Some(5) });
    assert_eq!(left((0, 1)).batch_size, Some(5));
    assert!((1..30).contains(&left((0, 1)).rows));
}

#[test]
fn logits_are_stored_in_the_datasets_class_order() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = GrayTeacher::new(&["healthy", "angular_leaf_spot", "bean_rust"]);
    let summary = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap();
    for quality in summary.teacher_quality() {
        assert!((quality.accuracy - 1.0).abs() < 1e-12, "{quality:?}");
    }
    assert_eq!((summary.notes, summary.warnings), (vec![], vec![]));
    assert_eq!(summary.images, 30);
}

#[test]
fn a_teacher_of_other_classes_is_refused_before_anything_is_written() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = GrayTeacher::new(&["bean_rust", "healthy"]);
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains("does not know \"angular_leaf_spot\""), "{message}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_teacher_at_chance_level_is_warned_of() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    // Random weights that were never fitted to these images.
    let mut teacher = OnnxTeacher::open(&on_cpu(&golden("fp32"))).unwrap();
    let summary = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap();
    assert_eq!(summary.warnings.len(), 1);
    assert!(summary.warnings[0].contains("ignore_mismatched_sizes"), "{}", summary.warnings[0]);
}

#[test]
fn each_view_is_a_row_of_its_own_geometry() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let cache = config::Cache { views: 3, ..cache_in(root.path()) };
    let summary = run(&images.open(), &mut GrayTeacher::new(&CLASSES), &cache).unwrap();
    let rows = Cache::open(&summary.dir).unwrap().split("train").unwrap();
    assert_eq!((rows.len(), rows.views()), (45, 3));
    for sample in 0..15 {
        let row = |view| rows.row(sample, view).unwrap();
        let crop = |view| rows.crop(row(view)).map(f32::to_bits);
        assert_eq!(crop(0), [0.0f32, 0.0, 40.0, 30.0].map(f32::to_bits));
        assert_ne!(crop(1), crop(2));
    }
}

#[test]
fn an_image_that_cannot_be_decoded_stops_the_run_and_is_named() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let bad = images.path("test/bean_rust/1.png");
    fs::write(&bad, "no image").unwrap();
    let message = run(&images.open(), &mut GrayTeacher::new(&CLASSES), &cache_in(root.path())).unwrap_err();
    assert!(message.contains(&bad.display().to_string()) && message.contains("on-bad-image"), "{message}");
}

#[test]
fn a_skipped_image_is_left_out_and_listed_in_the_manifest() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    fs::write(images.path("test/bean_rust/1.png"), "no image").unwrap();
    let kept = images.open_with(OnBadImage::Skip);
    assert_eq!(kept.split(SplitName::Test).unwrap().samples.len(), 8);
    let summary = run(&kept, &mut GrayTeacher::new(&CLASSES), &cache_in(root.path())).unwrap();
    let cache = Cache::open(&summary.dir).unwrap();
    let notes = &cache.manifest().dataset.notes;
    assert!(notes.iter().any(|note| note.contains("test/bean_rust/1.png")), "{notes:?}");
    assert_eq!(cache.split("test").unwrap().len(), 8);
}

#[test]
fn a_teacher_that_fails_leaves_the_finished_shards() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    // The first shard holds the other classes, whichever batch comes first.
    let is_healthy = |level: f32| level > level_of("healthy") - 0.1;
    let mut failing = GrayTeacher { fails_on: is_healthy, ..GrayTeacher::new(&CLASSES) };
    let message = run(&dataset, &mut failing, &cache).unwrap_err();
    assert!(message.contains("told to fail"), "{message}");
    let summary = run(&dataset, &mut GrayTeacher::new(&CLASSES), &cache).unwrap();
    assert_eq!(summary.shards_done_before, 1);
}

#[test]
fn going_on_with_another_batch_size_is_refused() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let stop = Settings {
        cache: &cache,
        batch_size: BATCH,
        part: (0, 1),
        context: &Context::silent().until(|| true),
    };
    let stopped = stage_one::run(&dataset, &mut GrayTeacher::new(&CLASSES), &stop).unwrap();
    assert_eq!((stopped.state, stopped.shards_done_now), (State::Interrupted, 0));
    let other = Settings { batch_size: BATCH + 1, context: &Context::silent(), ..stop };
    let message = stage_one::run(&dataset, &mut GrayTeacher::new(&CLASSES), &other).unwrap_err().to_string();
    assert!(message.contains("teacher.batch_size 4") && message.contains("this run has 5"), "{message}");
}
