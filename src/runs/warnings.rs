//! Warnings about a run's numbers, each from the run itself.

use crate::dataset::{Dataset, SplitName};
use crate::store::{EncodingLoss, TeacherQuality};
use crate::support::text::percent;
use crate::train::metrics::Metrics;
use crate::train::{Description, EpochRecord, RUN_FILE, RunResult, Seal, Setup, read_json};

/// A measure that resolves more than this, as a share, needs no warning.
const FINE: f64 = 0.02;
/// A BatchNorm momentum above this leaves most of the running statistics to the last batch.
const FORGETFUL: f64 = 0.5;
/// A training loss that fell by less than this share hardly moved.
const HARDLY: f64 = 0.05;
/// One-sided, at 95 %: how many standard deviations chance may be above itself.
const ABOVE_CHANCE: f64 = 1.645;

/// Warnings before training, one sentence each. Those about the dataset come once for all its runs in a folder.
pub(crate) fn before(setup: &Setup) -> Vec<String> {
    let mut warnings = if is_first_of_its_cache(setup) { of_dataset(setup) } else { Vec::new() };
    warnings.extend(lossy(setup));
    let samples = setup.dataset.split(SplitName::Train).map_or(0, |split| split.samples.len());
    let momentum = setup.pipeline.student.batch_norm_momentum;
    warnings.extend(last_batch(samples, setup.pipeline.train.batch_size, momentum));
    warnings
}

/// Warnings about a student that learned nothing, one sentence each.
pub(crate) fn after(result: &RunResult, epochs: &[EpochRecord]) -> Vec<String> {
    let (split, metrics) =
        result.test.as_ref().map_or(("validation", &result.validation), |test| ("test", test));
    at_chance(split, metrics).or_else(|| hardly_moved(epochs, metrics)).into_iter().collect()
}

/// Warnings about the dataset and its teacher.
fn of_dataset(setup: &Setup) -> Vec<String> {
    let mut warnings = setup.dataset.small_splits();
    warnings.extend(no_test(&setup.dataset));
    warnings.extend(seen_by_the_teacher(&setup.cache.complete().teacher_quality));
    warnings.extend(unlabelled(setup));
    warnings
}

/// Whether no other run beside this one reads the same cache.
fn is_first_of_its_cache(setup: &Setup) -> bool {
    let Some(runs) = setup.folder.parent() else { return true };
    let mut others = std::fs::read_dir(runs).into_iter().flatten().flatten().map(|entry| entry.path());
    others.all(|folder| {
        let found = read_json::<Description>(&folder, RUN_FILE, Seal::Optional).ok().flatten();
        folder == setup.folder || found.is_none_or(|run| run.cache_content != setup.cache.complete().content)
    })
}

fn at_chance(split: &str, metrics: &Metrics) -> Option<String> {
    let accuracy = metrics.accuracy?;
    let images = metrics.confusion.images();
    let labelled = metrics.confusion.labelled().max(1) as f64;
    let chance = images.iter().copied().max().unwrap_or(0) as f64 / labelled;
    let noise = ABOVE_CHANCE * (chance * (1.0 - chance) / labelled).sqrt();
    (images.len() > 1 && chance < 1.0 && accuracy <= chance + noise).then(|| {
        format!(
            "the student is no better than chance on {split} ({}; always predicting the most frequent class gives {}); raise train.lr or \
             train.epochs",
            percent(accuracy),
            percent(chance)
        )
    })
}

/// A loss that stayed near its first value while the student is not near its teacher.
fn hardly_moved(epochs: &[EpochRecord], metrics: &Metrics) -> Option<String> {
    let (first, last) = (epochs.first()?, epochs.last()?);
    let same_loss = first.temperature.total_cmp(&last.temperature).is_eq()
        && first.lambda.total_cmp(&last.lambda).is_eq();
    let fell = (first.train_loss - last.train_loss) / first.train_loss.abs().max(f64::MIN_POSITIVE);
    (epochs.len() > 1 && same_loss && fell < HARDLY && metrics.teacher_agreement < 0.9).then(|| {
        format!(
            "the training loss hardly moved ({:.3} in epoch 1, {:.3} in epoch {}); raise train.lr or train.epochs",
            first.train_loss, last.train_loss, last.epoch
        )
    })
}

fn no_test(dataset: &Dataset) -> Option<String> {
    dataset.split(SplitName::Test).is_none().then(|| {
        "there is no test split: validation accuracy is optimistic, since it also selects the epoch"
            .to_owned()
    })
}

/// A teacher that was trained on the images that it teaches adds little to their labels.
fn seen_by_the_teacher(quality: &[TeacherQuality]) -> Option<String> {
    let of = |split: SplitName| TeacherQuality::on(split.as_str(), quality);
    let (train, validation) = (of(SplitName::Train)?, of(SplitName::Validation)?);
    let variance =
        |quality: &TeacherQuality| quality.accuracy * (1.0 - quality.accuracy) / quality.labelled as f64;
    let gap = train.accuracy - validation.accuracy;
    (gap > 1.96 * (variance(train) + variance(validation)).sqrt() && gap > FINE).then(|| {
        format!(
            "the teacher's accuracy is {:.1} % on train and {:.1} % on validation: it was probably trained on train, where its \
             targets then add little to the labels",
            100.0 * train.accuracy,
            100.0 * validation.accuracy
        )
    })
}

fn unlabelled(setup: &Setup) -> Option<String> {
    let samples = &setup.dataset.split(SplitName::Train)?.samples;
    let unlabelled = samples.iter().filter(|sample| sample.label < 0).count();
    let then = if setup.pipeline.train.is_taught() {
        "the teacher only teaches them"
    } else {
        "they teach nothing in this run"
    };
    (unlabelled > 0).then(|| {
        let all = samples.len();
        format!("{unlabelled} of {all} train images have no label: {then}")
    })
}

/// The loss by the cache's encoding in the targets that this run reads.
fn lossy(setup: &Setup) -> Option<String> {
    let train = &setup.pipeline.train;
    if !train.is_taught() {
        return None;
    }
    let manifest = setup.cache.manifest();
    let mass = train.cached_temperature().and_then(|temperature| {
        let losses = setup.cache.complete().encoding_losses(manifest);
        let on_validation = |loss: &&EncodingLoss| {
            loss.split == SplitName::Validation.as_str() && loss.temperature.total_cmp(&temperature).is_eq()
        };
        Some((temperature, losses.iter().find(on_validation)?.mean_kept?))
    });
    manifest.encoding.warning(manifest.classes(), mass)
}

fn last_batch(samples: usize, batch_size: usize, momentum: f64) -> Option<String> {
    let last = match samples % batch_size {
        0 => batch_size.min(samples),
        rest => rest,
    };
    if momentum > FORGETFUL {
        return Some(format!(
            "student.batch-norm-momentum = {momentum}: {:.1} % of the statistics that the student is measured with come \
             from the last batch of an epoch ({last} images)",
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
    use crate::support::confusion::Confusion;

    fn quality(split: &str, labelled: u64, accuracy: f64) -> TeacherQuality {
        TeacherQuality { split: split.to_owned(), labelled, accuracy, nll: 0.1, ece: 0.02 }
    }

    #[test]
    fn a_teacher_that_was_trained_on_train_is_warned_about() {
        let found = seen_by_the_teacher(&[quality("train", 1034, 1.0), quality("validation", 133, 0.91)]);
        insta::assert_snapshot!(found.unwrap(), @"the teacher's accuracy is 100.0 % on train and 91.0 % on validation: it was probably trained on train, where its targets then add little to the labels");
        // Two points on 133 images are chance.
        assert_eq!(
            seen_by_the_teacher(&[quality("train", 1034, 0.99), quality("validation", 133, 0.97)]),
            None
        );
        assert_eq!(seen_by_the_teacher(&[quality("train", 0, 0.0)]), None);
    }

    #[test]
    fn statistics_that_hang_on_the_last_batch_are_warned_about() {
        insta::assert_snapshot!(last_batch(1034, 8, 0.997).unwrap(), @"student.batch-norm-momentum = 0.997: 99.7 % of the statistics that the student is measured with come from the last batch of an epoch (2 images)");
        assert_eq!(last_batch(1034, 8, 0.1), None);
        assert!(last_batch(1025, 8, 0.1).unwrap().contains("a single image"));
    }

    /// Measures of a student that takes `right` of `each` images of two classes for their own.
    fn measured(each: usize, right: usize) -> Metrics {
        let mut confusion = Confusion::new(2);
        for class in 0..2 {
            (0..each).for_each(|image| confusion.add(class, if image < right { class } else { 1 - class }));
        }
        let accuracy = Some(right as f64 / each as f64);
        Metrics { samples: 2 * each, accuracy, confusion, ..Metrics::default() }
    }

    #[test]
    fn a_student_at_chance_is_warned_about_and_a_better_one_is_not() {
        insta::assert_snapshot!(at_chance("test", &measured(64, 34)).unwrap(), @"the student is no better than chance on test (53.1 %; always predicting the most frequent class gives 50.0 %); raise train.lr or train.epochs");
        assert_eq!(at_chance("test", &measured(64, 48)), None);
        assert_eq!(at_chance("test", &Metrics::default()), None);
    }

    #[test]
    fn a_loss_that_hardly_moved_is_warned_about() {
        let epoch = |epoch, train_loss| EpochRecord {
            epoch,
            step: epoch,
            lr: 1e-5,
            temperature: 5.0,
            lambda: 0.5,
            train_loss,
            ce_loss: 1.0,
            kd_loss: 1.0,
            train_accuracy: None,
            validation: Metrics::default(),
            best: false,
        };
        insta::assert_snapshot!(hardly_moved(&[epoch(1, 1.10), epoch(2, 1.08)], &Metrics::default()).unwrap(), @"the training loss hardly moved (1.100 in epoch 1, 1.080 in epoch 2); raise train.lr or train.epochs");
        assert_eq!(hardly_moved(&[epoch(1, 1.1), epoch(2, 0.9)], &Metrics::default()), None);
        // A student that began near its teacher has nowhere to go.
        let near = Metrics { teacher_agreement: 0.95, ..Metrics::default() };
        assert_eq!(hardly_moved(&[epoch(1, 0.1), epoch(2, 0.1)], &near), None);
    }
}
