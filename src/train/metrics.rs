//! The measures of a student: against the labels, and against its teacher.

use serde::{Deserialize, Deserializer, Serialize};

use crate::support::calibration::Calibration;
pub(crate) use crate::support::calibration::argmax;
use crate::support::confusion::Confusion;

/// A student's measures on one split. Measures of labels are missing where no image has one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Samples, labelled or not.
    pub samples: usize,
    /// Share of labelled samples whose most likely class is the label.
    pub accuracy: Option<f64>,
    /// Mean of the classes' F1, a class that never comes or is never predicted counting 0, as scikit-learn's `f1_score(average="macro")`.
    pub macro_f1: Option<f64>,
    /// Mean negative log-likelihood of the labels, in nats.
    pub negative_log_likelihood: Option<f64>,
    /// Expected calibration error over 15 equal bins of confidence (arXiv 1706.04599).
    pub calibration_error: Option<f64>,
    /// Share of samples on which student and teacher name the same class (arXiv 2106.05945).
    /// Not a number, and null in files, where another tool does not say it.
    #[serde(deserialize_with = "number_or_unknown")]
    pub teacher_agreement: f64,
    /// Mean KL(teacher || student) of the two softened at the run's temperature, in nats; unknown likewise.
    #[serde(deserialize_with = "number_or_unknown")]
    pub teacher_kl: f64,
    /// Which classes were taken for which, in samples. An epoch's line leaves it out.
    #[serde(default, skip_serializing_if = "Confusion::is_empty")]
    pub confusion: Confusion,
}

fn number_or_unknown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Metrics {
    /// Labelled samples. Where another tool gave an accuracy and no more, those that it is over.
    pub fn labelled(&self) -> usize {
        if self.confusion.is_empty() && self.accuracy.is_some() {
            return self.samples;
        }
        self.confusion.labelled() as usize
    }

    /// The measures without the confusion matrix, which don't grow with the classes.
    #[must_use]
    pub(crate) fn without_confusion(&self) -> Self {
        Self { confusion: Confusion::default(), ..self.clone() }
    }
}

/// By which measure the better of two students is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// Accuracy; where it ties, negative log-likelihood.
    #[default]
    Accuracy,
    /// Agreement with the teacher; where it ties, KL to the teacher. This is for images without labels.
    TeacherAgreement,
}

impl Criterion {
    /// The criterion that these measures allow.
    pub fn of(metrics: &Metrics) -> Self {
        if metrics.accuracy.is_some() { Self::Accuracy } else { Self::TeacherAgreement }
    }

    /// Whether it is accuracy, which files need not say.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_accuracy(&self) -> bool {
        *self == Self::Accuracy
    }

    /// Its name in a sentence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::TeacherAgreement => "agreement with the teacher",
        }
    }

    /// The measure, larger for the better student; nothing where it can't be told.
    pub(crate) fn measure(self, metrics: &Metrics) -> Option<f64> {
        match self {
            Self::Accuracy => metrics.accuracy,
            Self::TeacherAgreement => Some(metrics.teacher_agreement),
        }
    }

    /// The measure that decides between students of the same accuracy, smaller for the better one.
    pub(crate) fn tie_breaker(self, metrics: &Metrics) -> Option<f64> {
        match self {
            Self::Accuracy => metrics.negative_log_likelihood,
            Self::TeacherAgreement => Some(metrics.teacher_kl),
        }
    }

    /// Whether an epoch with the measures `new` is better than one with `old`. Between epochs, an accuracy that ties keeps the earlier
    /// one.
    pub(crate) fn is_better(self, new: &Metrics, old: &Metrics) -> bool {
        let (better, worse) = (self.measure(new), self.measure(old));
        match self {
            Self::Accuracy => better > worse,
            Self::TeacherAgreement => better > worse || better == worse && new.teacher_kl < old.teacher_kl,
        }
    }
}

/// Gathers a split batch by batch.
pub(crate) struct Meter {
    temperature: f64,
    samples: usize,
    agreed: usize,
    kl: f64,
    confusion: Confusion,
    calibration: Calibration,
}

impl Meter {
    /// An empty meter for `classes` classes that compares with the teacher at `temperature`.
    pub(crate) fn new(classes: usize, temperature: f32) -> Self {
        Self {
            temperature: f64::from(temperature),
            samples: 0,
            agreed: 0,
            kl: 0.0,
            confusion: Confusion::new(classes),
            calibration: Calibration::default(),
        }
    }

    /// Adds a batch: `student` and `teacher` logits `[batch, classes]`, `labels` `[batch]` with -1 for none.
    pub(crate) fn add(&mut self, student: &[f32], teacher: &[f32], labels: &[i32]) {
        let classes = self.confusion.classes();
        let rows = student.chunks_exact(classes).zip(teacher.chunks_exact(classes));
        for ((student, teacher), &label) in rows.zip(labels) {
            let predicted = argmax(student);
            self.samples += 1;
            self.agreed += usize::from(predicted == argmax(teacher));
            self.kl += self.divergence(teacher, student);
            if let Ok(label) = usize::try_from(label) {
                self.confusion.add(label, predicted);
                self.calibration.add(student, label);
            }
        }
    }

    fn divergence(&self, teacher: &[f32], student: &[f32]) -> f64 {
        let teacher = log_softmax(teacher, self.temperature);
        let student = log_softmax(student, self.temperature);
        teacher.iter().zip(&student).map(|(t, s)| t.exp() * (t - s)).sum()
    }

    /// The measures over everything added.
    pub(crate) fn finish(self) -> Metrics {
        let over_samples = |value: f64| if self.samples == 0 { 0.0 } else { value / self.samples as f64 };
        let is_labelled = self.calibration.labelled() > 0;
        let of_labels = |value: f64| is_labelled.then_some(value);
        Metrics {
            samples: self.samples,
            accuracy: of_labels(self.calibration.accuracy()),
            macro_f1: self.confusion.macro_f1(),
            negative_log_likelihood: of_labels(self.calibration.negative_log_likelihood()),
            calibration_error: of_labels(self.calibration.expected_calibration_error()),
            teacher_agreement: over_samples(self.agreed as f64),
            teacher_kl: over_samples(self.kl),
            confusion: self.confusion,
        }
    }
}

/// The probability of each class of a row of logits.
pub(crate) fn softmax(logits: &[f32]) -> Vec<f64> {
    log_softmax(logits, 1.0).into_iter().map(f64::exp).collect()
}

fn log_softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let scaled: Vec<f64> = logits.iter().map(|&logit| f64::from(logit) / temperature).collect();
    let largest = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = largest + scaled.iter().map(|value| (value - largest).exp()).sum::<f64>().ln();
    scaled.iter().map(|value| value - log_sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measures_are_their_formulas() {
        let mut meter = Meter::new(3, 1.0);
        let ln = |values: [f32; 3]| values.map(f32::ln);
        let student: Vec<f32> =
            [ln([0.7, 0.2, 0.1]), ln([0.1, 0.8, 0.1]), ln([0.3, 0.3, 0.4]), ln([0.6, 0.3, 0.1])].concat();
        meter.add(&student, &student, &[0, 1, 2, 1]);
        let metrics = meter.finish();
        let is = |found: Option<f64>, expected: f64, within: f64| {
            assert!((found.unwrap() - expected).abs() < within, "{found:?} is not {expected}");
        };
        is(metrics.accuracy, 0.75, 1e-12);
        // F1 of the classes: 2/3, 2/3, 1.
        is(metrics.macro_f1, 7.0 / 9.0, 1e-12);
        let expected = -(0.7f64.ln() + 0.8f64.ln() + 0.4f64.ln() + 0.3f64.ln()) / 4.0;
        is(metrics.negative_log_likelihood, expected, 1e-6);
        assert_eq!(metrics.confusion.rows(), [[1, 0, 0], [1, 1, 0], [0, 0, 1]]);
        // Confidences 0.7, 0.8, 0.4 are right and 0.6 is wrong, each alone in its bin.
        is(metrics.calibration_error, (0.3 + 0.2 + 0.6 + 0.6) / 4.0, 1e-6);
        assert!((metrics.teacher_agreement - 1.0).abs() < 1e-12 && metrics.teacher_kl.abs() < 1e-12);
    }

    #[test]
    fn the_kl_is_from_teacher_to_student_at_the_temperature() {
        let mut meter = Meter::new(2, 2.0);
        meter.add(&[0.0, 0.0], &[2.0 * 3f32.ln(), 0.0], &[-1]);
        let metrics = meter.finish();
        let expected = 0.75 * (0.75f64 / 0.5).ln() + 0.25 * (0.25f64 / 0.5).ln();
        assert!((metrics.teacher_kl - expected).abs() < 1e-6);
        // Nothing has a label, so nothing is known of what labels measure.
        assert_eq!((metrics.samples, metrics.accuracy, metrics.macro_f1), (1, None, None));
        assert_eq!((metrics.negative_log_likelihood, metrics.calibration_error), (None, None));
    }

    #[test]
    fn without_labels_the_better_epoch_agrees_more_and_then_is_nearer() {
        let metrics =
            |teacher_agreement, teacher_kl| Metrics { teacher_agreement, teacher_kl, ..Metrics::default() };
        let criterion = Criterion::of(&metrics(0.5, 1.0));
        assert_eq!(criterion, Criterion::TeacherAgreement);
        assert!(criterion.is_better(&metrics(0.6, 2.0), &metrics(0.5, 1.0)));
        assert!(criterion.is_better(&metrics(0.5, 0.9), &metrics(0.5, 1.0)));
        assert!(!criterion.is_better(&metrics(0.5, 1.0), &metrics(0.5, 1.0)));
    }
}
