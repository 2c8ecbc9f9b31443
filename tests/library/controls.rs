//! Control runs: targets of the wrong images teach nothing of the right ones, and labels without targets need no targets.

use std::fs;
use std::path::Path;

use decant::config::{self, Control, Pipeline, StudentDevice};
use decant::dataset::Dataset;
use decant::loss::Loss;
use decant::runs;
use decant::stage_one::{self, Settings};
use decant::store::Encoding;
use decant::support::context::Context;
use decant::train::{self, EpochRecord, Outcome, RunResult, Seal, Setup};
use image::{Rgb, RgbImage};

use crate::teacher_support::{CLASSES, GrayTeacher, level_of};

/// Images whose class is their gray level, which a student learns in a few steps, and the cache of a teacher that sees it.
pub(crate) struct Workshop {
    folder: tempfile::TempDir,
    pub(crate) pipeline: Pipeline,
}

impl Workshop {
    pub(crate) fn new(encoding: Encoding) -> Self {
        Self::with(encoding, |_| {})
    }

    /// As [`Workshop::new`], once `change` has been at the folder of its images.
    fn with(encoding: Encoding, change: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (split, each) in [("train", 8), ("validation", 8), ("test", 8)] {
            for class in CLASSES {
                for index in 0..each {
                    let path = folder.path().join(format!("images/{split}/{class}/{index}.png"));
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    gray(level_of(class), index).save(path).unwrap();
                }
            }
        }
        change(&folder.path().join("images"));
        let mut pipeline = Pipeline { name: "gray".to_owned(), ..Pipeline::default() };
        pipeline.dataset.source = folder.path().join("images").display().to_string();
        let temperatures = vec![1.0, 2.0];
        let (name, dir) = ("gray".to_owned(), folder.path().join("cache"));
        pipeline.cache = config::Cache { name, dir, temperatures, encoding, views: 1, ..pipeline.cache };
        pipeline.student = config::Student {
            width: Some(0.1),
            image_size: 32,
            dropout: Some(0.0),
            batch_norm_momentum: 0.3,
            ..config::Student::default()
        };
        pipeline.student.initializer = config::Initializer::Transformers;
        pipeline.train = config::Train {
            temperature: 2.0,
            lambda: 1.0,
            epochs: 20,
            batch_size: 12,
            lr: 3e-3,
            weight_decay: 0.0,
            schedule: config::Schedule::Linear,
            device: StudentDevice::Cpu,
            dir: folder.path().join("runs"),
            ..config::Train::default()
        };
        let dataset = Dataset::open(&pipeline.dataset, &Context::silent()).unwrap();
        let cache = &pipeline.cache;
        let settings = Settings { cache, batch_size: 8, part: (0, 1), context: &Context::silent() };
        stage_one::run(&dataset, &mut GrayTeacher::new(&CLASSES), &settings).unwrap();
        Self { folder, pipeline }
    }

    fn train(&self, change: impl FnOnce(&mut config::Train)) -> (Setup, RunResult) {
        let mut pipeline = self.pipeline.clone();
        change(&mut pipeline.train);
        let setup = Setup::new(pipeline, None, Path::new("gray.toml"), &Context::silent()).unwrap();
        let outcome = runs::train(&setup, &Context::silent(), &mut |_| {}).unwrap();
        let Outcome::Done { result, already: false, .. } = outcome else { panic!("it trains to its end") };
        (setup, *result)
    }
}

/// An image of a gray level, with a stripe that is its own.
fn gray(level: f32, index: u32) -> RgbImage {
    let level = (255.0 * level) as u8;
    let mut image = RgbImage::from_pixel(40, 40, Rgb([level; 3]));
    for row in 0..40 {
        image.put_pixel(5 * index % 40, row, Rgb([level.saturating_add(20 + index as u8); 3]));
    }
    image
}

/// Agreement with the teacher on validation, and KL to it, after the last epoch: the best one is chosen by the labels, from
/// which a control could learn by being chosen.
fn last_epoch(run: &Path) -> (f64, f64) {
    let epochs = train::read_epochs(run, Seal::Required).unwrap();
    let record: &EpochRecord = epochs.last().unwrap();
    (record.validation.teacher_agreement, record.validation.teacher_kl)
}

#[test]
fn permuted_targets_teach_nothing_where_the_right_ones_do() {
    let workshop = Workshop::new(Encoding::FLOAT32);
    // From the targets only, so that what is learnt is learnt from them.
    let (run, _) = workshop.train(|_| {});
    let (control, permuted) = workshop.train(|train| train.control = Control::PermutedTargets);
    let (labels, scratch) = workshop.train(|train| train.control = Control::LabelsOnly);
    let another = |seed| {
        workshop.train(|train| {
            (train.control, train.seed) = (Control::PermutedTargets, seed);
        })
    };
    let controls = [control.folder.clone(), another(1).0.folder, another(2).0.folder];
    let ([taught_at_last, scratch_at_last], controls) = (
        [&run.folder, &labels.folder].map(|folder| last_epoch(folder)),
        controls.map(|folder| last_epoch(&folder)),
    );
    assert!(taught_at_last.0 > 0.9, "the right targets teach: {taught_at_last:?}");
    assert!(scratch_at_last.0 > 0.9, "and so do the labels: {scratch_at_last:?}");
    let agreement = controls.iter().map(|control| control.0).sum::<f64>() / 3.0;
    assert!(agreement < 0.6, "the wrong targets do not: {controls:?}");
    let apart = controls.iter().all(|control| control.1 > 10.0 * taught_at_last.1);
    assert!(
        apart,
        "nor do they make probabilities like the teacher's: {controls:?} beside {taught_at_last:?}"
    );

    let name = |setup: &Setup| setup.folder.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name(&control).starts_with("gray-permuted-targets-"), "{}", name(&control));
    assert!(name(&labels).starts_with("gray-labels-only-"), "{}", name(&labels));
    assert!(run.key != control.key && run.key != labels.key && control.key != labels.key);
    assert_eq!((scratch.lambda, permuted.lambda), (0.0, 1.0));
}

#[test]
fn every_loss_learns_from_the_cache_alone_with_temperatures_that_it_does_not_hold() {
    let workshop = Workshop::new(Encoding::FLOAT16);
    for loss in [Loss::Kd, Loss::StdKd, Loss::Dkd, Loss::Dist, Loss::Mse, Loss::Ce] {
        let (_, result) = workshop.train(|train| {
            train.loss = loss;
            train.temperature = 3.0;
            train.temperature_end = Some(1.5);
            train.label_smoothing = 0.1;
            // Labels and teacher agree, so that either would do.
            train.lambda = 0.8;
        });
        let agreement = result.test.unwrap().teacher_agreement;
        assert!(agreement > 0.9, "{loss:?} agrees on {agreement}");
    }
}

#[test]
fn the_largest_classes_alone_teach_with_hintons_loss() {
    let workshop = Workshop::new(Encoding::top_k(2));
    let (_, result) = workshop.train(|_| {});
    assert!(result.test.unwrap().teacher_agreement > 0.9);
    assert!(workshop.folder.path().join("runs").exists());
}

#[test]
fn a_single_train_image_has_no_other_whose_targets_it_could_take() {
    let workshop = Workshop::with(Encoding::FLOAT32, |images| {
        fs::remove_dir_all(images.join("train")).unwrap();
        fs::create_dir(images.join("train")).unwrap();
        gray(0.5, 0).save(images.join("train/alone.png")).unwrap();
    });
    let mut pipeline = workshop.pipeline.clone();
    pipeline.train.control = Control::PermutedTargets;
    let refused =
        Setup::new(pipeline, None, Path::new("gray.toml"), &Context::silent()).err().expect("it is refused");
    assert!(refused.is_usage());
    insta::assert_snapshot!(refused, @"the train split of images has a single image, and permuted targets need another one to come from; leave out --control");
}
