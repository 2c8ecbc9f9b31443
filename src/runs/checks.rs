//! Checks of a run's files against each other: a result that contradicts its epochs or itself is damaged, whatever its checksum says.

use crate::config::StudentDevice;
use crate::train::metrics::{Criterion, Metrics};
use crate::train::{Description, EpochRecord, METRICS_FILE, RESULT_FILE, RUN_FILE, RunResult};

/// The first contradiction: the file that is wrong, and what is wrong with it.
pub(super) fn contradiction(
    description: &Description,
    log: &[EpochRecord],
    result: Option<&RunResult>,
) -> Option<(&'static str, String)> {
    if description.imported.is_some() {
        return result.and_then(|result| imported(description, result)).map(|reason| (RESULT_FILE, reason));
    }
    if let Err(reason) = description.pipeline.validate() {
        return Some((RUN_FILE, reason));
    }
    if let Some(reason) = epochs(log, description.pipeline.train.epochs) {
        return Some((METRICS_FILE, reason));
    }
    of_result(description, log, result?).map(|reason| (RESULT_FILE, reason))
}

/// The fault of the result of a run that another tool trained, which has no epochs here.
fn imported(description: &Description, result: &RunResult) -> Option<String> {
    if result.key != description.key.to_string() || result.seed != description.pipeline.train.seed {
        return Some(format!("its key or seed is not that of {RUN_FILE}"));
    }
    let accuracies = [Some(&result.validation), result.test.as_ref()].into_iter().flatten();
    not_a_share(accuracies.filter_map(|metrics| metrics.accuracy))
}

/// The fault of the lines of `metrics.jsonl`, if there is one.
fn epochs(log: &[EpochRecord], planned: usize) -> Option<String> {
    if log.len() > planned {
        return Some(format!("it has {} epochs, and the run has {planned}", log.len()));
    }
    let steps = log.first().map_or(0, |first| first.step);
    for (record, epoch) in log.iter().zip(1..) {
        if record.epoch != epoch || Some(record.step) != steps.checked_mul(epoch) {
            return Some(format!(
                "line {epoch} is that of epoch {} after {} steps",
                record.epoch, record.step
            ));
        }
        let shares = [record.train_accuracy].into_iter().flatten();
        if let Some(reason) = measures(&record.validation).or_else(|| not_a_share(shares)) {
            return Some(format!("line {epoch}: {reason}"));
        }
    }
    let marks: Vec<bool> = log.iter().map(|record| record.best).collect();
    (marks != EpochRecord::best_of(log))
        .then(|| "the epoch that it calls the best is not the best".to_owned())
}

fn of_result(description: &Description, log: &[EpochRecord], result: &RunResult) -> Option<String> {
    let train = &description.pipeline.train;
    if result.key != description.key.to_string() {
        return Some(format!("its key is {}, and the key of {RUN_FILE} is {}", result.key, description.key));
    }
    if log.len() != train.epochs {
        return Some(format!("{METRICS_FILE} has {} of {} epochs", log.len(), train.epochs));
    }
    let same_settings = result.temperature.total_cmp(&train.temperature).is_eq()
        && result.lambda.total_cmp(&train.lambda_at(0)).is_eq()
        && result.seed == train.seed;
    if !same_settings {
        return Some(format!("its temperature, lambda or seed is not that of {RUN_FILE}"));
    }
    let best = log.iter().rev().find(|record| record.best)?;
    if result.best_epoch != best.epoch || result.chosen_by != Criterion::of(&best.validation) {
        return Some(format!(
            "its best epoch is {}, and that of {METRICS_FILE} is {}",
            result.best_epoch, best.epoch
        ));
    }
    if !same(&result.validation, &best.validation, description.device) {
        return Some(format!(
            "its validation measures are not those of epoch {} in {METRICS_FILE}",
            best.epoch
        ));
    }
    let classes = result.validation.confusion.classes();
    for (split, metrics) in [("validation", Some(&result.validation)), ("test", result.test.as_ref())] {
        let Some(metrics) = metrics else { continue };
        if metrics.confusion.classes() != classes || classes == 0 {
            return Some(format!(
                "its confusion matrix on {split} has {} classes",
                metrics.confusion.classes()
            ));
        }
        if let Some(reason) = measures(metrics).or_else(|| confusion(metrics)) {
            return Some(format!("{split}: {reason}"));
        }
    }
    (result.parameters == 0).then(|| "it has no parameters".to_owned())
}

/// The fault of measures by themselves, if there is one.
fn measures(metrics: &Metrics) -> Option<String> {
    if metrics.samples == 0 {
        return Some("it is over no images".to_owned());
    }
    let of_labels = [metrics.accuracy, metrics.macro_f1, metrics.calibration_error];
    let labelled = of_labels.iter().flatten().count();
    if labelled != 0 && labelled != of_labels.len()
        || (labelled > 0) != metrics.negative_log_likelihood.is_some()
    {
        return Some("it has some measures of labelled images, and lacks others".to_owned());
    }
    if metrics.teacher_kl.is_nan() {
        return Some("its KL to the teacher is not a number".to_owned());
    }
    not_a_share(of_labels.into_iter().flatten().chain([metrics.teacher_agreement]))
}

fn not_a_share(mut shares: impl Iterator<Item = f64>) -> Option<String> {
    shares
        .find(|share| !(0.0..=1.0).contains(share))
        .map(|share| format!("{share} is not a share from 0 to 1"))
}

/// The measure that contradicts the confusion matrix, if there is one.
fn confusion(metrics: &Metrics) -> Option<String> {
    let (labelled, correct) = (metrics.confusion.labelled(), metrics.confusion.correct());
    if labelled > metrics.samples as u64 {
        return Some(format!("its confusion matrix has {labelled} images of {}", metrics.samples));
    }
    if (labelled > 0) != metrics.accuracy.is_some() {
        return Some(format!("it has {labelled} labelled images, and its accuracy is of others"));
    }
    let accuracy = (labelled > 0).then(|| correct as f64 / labelled as f64);
    let is_mean =
        metrics.macro_f1 == metrics.confusion.macro_f1() || metrics.macro_f1 == over_all_classes(metrics);
    (metrics.accuracy != accuracy || !is_mean).then(|| {
        format!(
            "its accuracy and macro F1 are not those of its confusion matrix, {correct} of {labelled} images"
        )
    })
}

/// The macro F1 of earlier runs, in which a class without images or predictions counted as 0.
fn over_all_classes(metrics: &Metrics) -> Option<f64> {
    let classes = metrics.confusion.per_class();
    let sum: f64 = classes.iter().map(|class| class.f1.unwrap_or(0.0)).sum();
    (metrics.confusion.labelled() > 0).then(|| sum / classes.len() as f64)
}

/// Whether two measures of the same weights on the same images agree: to the bit on the CPU.
fn same(a: &Metrics, b: &Metrics, device: StudentDevice) -> bool {
    if device == StudentDevice::Cpu {
        return a.without_confusion() == b.without_confusion();
    }
    let is_near = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= StudentDevice::GPU_TOLERANCE,
        (a, b) => a.is_none() && b.is_none(),
    };
    a.samples == b.samples
        && is_near(a.accuracy, b.accuracy)
        && is_near(Some(a.teacher_agreement), Some(b.teacher_agreement))
}
