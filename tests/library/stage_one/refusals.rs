//! Teachers that are refused, and images on which a teacher fails.

use std::fs;

use decant::dataset::SplitName;
use decant::stage_one::{Settings, State};
use decant::store::Cache;
use decant::support::context::Context;
use decant::teacher::Teacher;
use decant::{config, stage_one};
use image::{Rgb, RgbImage};

use super::{BATCH, Counting, End, Images, PROBED, cache_in, run};
use crate::teacher_support::{CLASSES, GrayTeacher};

#[test]
fn a_teacher_whose_rows_depend_on_their_neighbours_is_refused() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = Counting { of_neighbours: 0.1, ..Counting::new() };
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains("other logits when other images are in its batch"), "{message}");
    assert_eq!(teacher.images, PROBED);
}

#[test]
fn a_teacher_that_answers_differently_when_it_is_asked_again_is_refused() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = Counting { of_call: 0.1, ..Counting::new() };
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains("or when it is asked again"), "{message}");
    assert!(message.contains("on cpu in fp32"), "{message}");
}

#[test]
fn a_teacher_that_is_steady_on_noise_and_not_on_the_images_is_refused() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = Counting { of_call: 0.1, only_if_flat: true, ..Counting::new() };
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains("or when it is asked again"), "{message}");
    assert_eq!(teacher.images, 2 * PROBED);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn an_output_of_classes_by_batch_is_refused_where_its_shape_does_not_show_it() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let mut teacher = Counting { transposed: true, ..Counting::new() };
    let settings =
        Settings { cache: &cache, batch_size: CLASSES.len(), part: (0, 1), context: &Context::silent() };
    let message = stage_one::run(&dataset, &mut teacher, &settings).unwrap_err().to_string();
    assert!(message.contains("export it with an output of [batch, classes]"), "{message}");
}

#[test]
fn a_teacher_of_probabilities_is_refused() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = Counting { end: End::Softmax, ..Counting::new() };
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains("gives probabilities, expected logits"), "{message}");
    assert!(message.contains("teacher.outputs = \"probabilities\""), "{message}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_teacher_of_sigmoids_is_warned_about() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let warnings = |name: &str, end: End| {
        let mut teacher = Counting { end, ..Counting::new() };
        run(&images.open(), &mut teacher, &cache_in(&root.path().join(name))).unwrap().warnings
    };
    let of_sigmoids = |warning: &String| warning.contains("values from 0 to 1 only, as a Sigmoid does");
    assert!(warnings("sigmoid", End::Sigmoid).iter().any(of_sigmoids));
    assert!(!warnings("logits", End::Logits).iter().any(of_sigmoids));
}

#[test]
fn an_image_on_which_the_teacher_fails_is_named() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let white = images.path("train/bean_rust/3.png");
    RgbImage::from_pixel(40, 30, Rgb([255; 3])).save(&white).unwrap();
    let mut teacher = GrayTeacher { fails_on: |level| level > 0.95, ..GrayTeacher::new(&CLASSES) };
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains(&white.display().to_string()), "{message}");
}

#[test]
fn an_image_is_named_where_a_batch_holds_its_views_only() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let white = images.path("train/bean_rust/3.png");
    RgbImage::from_pixel(40, 30, Rgb([255; 3])).save(&white).unwrap();
    let mut teacher = GrayTeacher { fails_on: |level| level > 0.95, ..GrayTeacher::new(&CLASSES) };
    let cache = config::Cache { views: 30, ..cache_in(root.path()) };
    let message = run(&images.open(), &mut teacher, &cache).unwrap_err();
    assert!(message.contains(&white.display().to_string()), "{message}");
}

#[test]
fn images_on_which_the_teacher_fails_can_be_left_out_and_are_listed() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    for name in ["train/bean_rust/3.png", "test/healthy/1.png"] {
        RgbImage::from_pixel(40, 30, Rgb([255; 3])).save(images.path(name)).unwrap();
    }
    let mut teacher = GrayTeacher { fails_on: |level| level > 0.95, ..GrayTeacher::new(&CLASSES) };
    let fingerprint = teacher.fingerprint();
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let settings = Settings { cache: &cache, batch_size: BATCH, part: (0, 1), context: &Context::silent() };
    let (kept, summary) =
        stage_one::run_all_skipping(dataset.clone(), &mut [&mut teacher], BATCH, &settings).unwrap();
    assert_eq!(kept.split(SplitName::Train).unwrap().samples.len(), 14);
    assert!(matches!(summary.state, State::Complete(_)));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "what was begun with them is gone");
    let manifest = Cache::open(&summary.dir).unwrap().manifest().clone();
    let notes = manifest.dataset.notes.join("\n");
    assert!(notes.contains("train/bean_rust/3.png, on which the teacher fails"), "{notes}");
    assert_eq!(manifest.dataset.left_out.len(), 1, "both have the same bytes");
    // The next one knows them before it asks the teacher.
    let known = stage_one::without_left_out(&dataset, fingerprint, &settings).unwrap().unwrap();
    assert_eq!(known.fingerprint(), kept.fingerprint());
}
