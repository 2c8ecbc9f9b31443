//! What of a run can't be trusted, each from this run's own numbers.

use crate::config::Encoding;
use crate::dataset::{Dataset, SplitName};
use crate::store::{EncodingLoss, TeacherQuality};
use crate::support::statistics::resolution;
use crate::train::Setup;

/// A measure that resolves more than this, as a share, goes without a warning.
const FINE: f64 = 0.02;
/// A BatchNorm momentum above this leaves most of the running statistics to the last batch.
const FORGETFUL: f64 = 0.5;

/// One sentence each; empty where there is nothing to say. Whether the teacher is any good is not asked here.
pub fn of(setup: &Setup) -> Vec<String> {
    let mut doubts = few_images(&setup.dataset);
    doubts.extend(no_test(&setup.dataset));
    doubts.extend(seen_by_the_teacher(&setup.cache.complete().teacher_quality));
    doubts.extend(unlabelled(setup));
    doubts.extend(lossy(setup));
    let samples = setup.dataset.split(SplitName::Train).map_or(0, |split| split.samples.len());
    let momentum = setup.pipeline.student.batch_norm_momentum;
    doubts.extend(last_batch(samples, setup.pipeline.train.batch_size, momentum));
    doubts
}

/// The splits of which one student more or less right may be chance.
fn few_images(dataset: &Dataset) -> Vec<String> {
    let splits = [SplitName::Validation, SplitName::Test].into_iter();
    let splits = splits.filter_map(|name| Some((name, dataset.split(name)?.samples.len())));
    splits.filter_map(|(name, images)| few_images_of(name.as_str(), images)).collect()
}

fn few_images_of(split: &str, images: usize) -> Option<String> {
    let chance = resolution(0.5, 0.5, images);
    (chance > FINE).then(|| {
        format!(
            "{split} has {images} images: one is {:.1} points of accuracy, and two students that are equally good may \
             differ by up to {:.0} points by chance (95 %)",
            100.0 / images as f64,
            100.0 * chance
        )
    })
}

fn no_test(dataset: &Dataset) -> Option<String> {
    dataset.split(SplitName::Test).is_none().then(|| {
        "there is no test split, and validation, which chooses the epoch, flatters what it chooses".to_owned()
    })
}

/// A teacher that was trained on the images that it now teaches says there little but their labels.
fn seen_by_the_teacher(quality: &[TeacherQuality]) -> Option<String> {
    let of = |split: SplitName| {
        quality.iter().find(|quality| quality.split == split.as_str() && quality.labelled > 0)
    };
    let (train, validation) = (of(SplitName::Train)?, of(SplitName::Validation)?);
    let variance =
        |quality: &TeacherQuality| quality.accuracy * (1.0 - quality.accuracy) / quality.labelled as f64;
    let gap = train.accuracy - validation.accuracy;
    (gap > 1.96 * (variance(train) + variance(validation)).sqrt() && gap > FINE).then(|| {
        format!(
            "the teacher names the label of {:.1} % of train and {:.1} % of validation: it has probably learnt train by \
             heart, where its targets then say little more than the labels",
            100.0 * train.accuracy,
            100.0 * validation.accuracy
        )
    })
}

fn unlabelled(setup: &Setup) -> Option<String> {
    let samples = &setup.dataset.split(SplitName::Train)?.samples;
    let unlabelled = samples.iter().filter(|sample| sample.label < 0).count();
    let then =
        if setup.pipeline.train.is_taught() { "the teacher alone teaches" } else { "teach nothing here" };
    (unlabelled > 0).then(|| {
        let all = samples.len();
        format!("{unlabelled} of {all} train images have no label: those {then}")
    })
}

/// What the cache's encoding took from the targets that this run reads.
fn lossy(setup: &Setup) -> Option<String> {
    let train = &setup.pipeline.train;
    if !train.is_taught() {
        return None;
    }
    match setup.pipeline.cache.encoding {
        Encoding::Float32 => None,
        Encoding::Float16 => Some("the cache holds float16: every target is rounded to 11 bits".to_owned()),
        Encoding::TopK => {
            let temperature = train.cached_temperature()?;
            let manifest = setup.cache.manifest();
            let losses = setup.cache.complete().encoding_losses(manifest);
            let on_validation = |loss: &&EncodingLoss| {
                loss.split == SplitName::Validation.as_str()
                    && loss.temperature.total_cmp(&temperature).is_eq()
            };
            let mass = losses.iter().find(on_validation)?.mean_kept?;
            let kept = setup.pipeline.cache.top_k?;
            Some(format!(
                "the cache keeps the {kept} largest of {} classes, {:.1} % of the teacher's mass at T = {temperature} on \
                 validation; nothing is known of how the rest is spread, and agreement and KL take it to be even",
                manifest.dataset.classes.len(),
                100.0 * mass
            ))
        }
    }
}

fn last_batch(samples: usize, batch_size: usize, momentum: f64) -> Option<String> {
    let last = match samples % batch_size {
        0 => batch_size.min(samples),
        rest => rest,
    };
    if momentum > FORGETFUL {
        return Some(format!(
            "student.batch-norm-momentum = {momentum}: {:.1} % of the statistics that the student is measured with come \
             from the last batch of an epoch alone ({last} images)",
            100.0 * momentum
        ));
    }
    (last == 1).then(|| {
        "the last batch of each epoch is a single image, whose BatchNorm statistics are its own; another \
         train.batch-size avoids it"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(split: &str, labelled: u64, accuracy: f64) -> TeacherQuality {
        TeacherQuality { split: split.to_owned(), labelled, accuracy, nll: 0.1, ece: 0.02 }
    }

    #[test]
    fn few_images_are_said_and_many_are_not() {
        insta::assert_snapshot!(few_images_of("validation", 133).unwrap(), @"validation has 133 images: one is 0.8 points of accuracy, and two students that are equally good may differ by up to 12 points by chance (95 %)");
        assert_eq!(few_images_of("validation", 50_000), None);
    }

    #[test]
    fn a_teacher_that_knows_train_by_heart_is_said() {
        let found = seen_by_the_teacher(&[quality("train", 1034, 1.0), quality("validation", 133, 0.91)]);
        insta::assert_snapshot!(found.unwrap(), @"the teacher names the label of 100.0 % of train and 91.0 % of validation: it has probably learnt train by heart, where its targets then say little more than the labels");
        // Two points on 133 images are chance.
        assert_eq!(
            seen_by_the_teacher(&[quality("train", 1034, 0.99), quality("validation", 133, 0.97)]),
            None
        );
        assert_eq!(seen_by_the_teacher(&[quality("train", 0, 0.0)]), None);
    }

    #[test]
    fn statistics_that_hang_on_the_last_batch_are_said() {
        insta::assert_snapshot!(last_batch(1034, 8, 0.997).unwrap(), @"student.batch-norm-momentum = 0.997: 99.7 % of the statistics that the student is measured with come from the last batch of an epoch alone (2 images)");
        assert_eq!(last_batch(1034, 8, 0.1), None);
        assert!(last_batch(1025, 8, 0.1).unwrap().contains("a single image"));
    }
}
