//! What a student's answers are worth: against the labels, and against its teacher.

use serde::{Deserialize, Serialize};

use crate::support::calibration::Calibration;
pub use crate::support::calibration::argmax;

/// A student's measures on one split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Samples, labelled or not.
    pub samples: usize,
    /// Share of labelled samples whose most likely class is the label.
    pub accuracy: f64,
    /// Mean of the classes' F1, a class that never comes or is never predicted counting 0, as scikit-learn's `f1_score(average="macro")`.
    pub macro_f1: f64,
    /// Mean negative log-likelihood of the labels, in nats.
    pub negative_log_likelihood: f64,
    /// Expected calibration error over 15 equal bins of confidence (arXiv 1706.04599).
    pub calibration_error: f64,
    /// Share of samples on which student and teacher name the same class (arXiv 2106.05945).
    pub teacher_agreement: f64,
    /// Mean KL(teacher || student) of the two softened at the run's temperature, in nats.
    pub teacher_kl: f64,
    /// `confusion[label][predicted]`, in samples.
    pub confusion: Vec<Vec<u64>>,
}

/// Gathers a split batch by batch.
pub struct Meter {
    classes: usize,
    temperature: f64,
    samples: usize,
    agreed: usize,
    kl: f64,
    confusion: Vec<Vec<u64>>,
    calibration: Calibration,
}

impl Meter {
    /// An empty meter for `classes` classes that compares with the teacher at `temperature`.
    pub fn new(classes: usize, temperature: f32) -> Self {
        Self {
            classes,
            temperature: f64::from(temperature),
            samples: 0,
            agreed: 0,
            kl: 0.0,
            confusion: vec![vec![0; classes]; classes],
            calibration: Calibration::default(),
        }
    }

    /// Adds a batch: `student` and `teacher` logits `[batch, classes]`, `labels` `[batch]` with -1 for none.
    pub fn add(&mut self, student: &[f32], teacher: &[f32], labels: &[i32]) {
        let rows = student.chunks_exact(self.classes).zip(teacher.chunks_exact(self.classes));
        for ((student, teacher), &label) in rows.zip(labels) {
            let predicted = argmax(student);
            self.samples += 1;
            self.agreed += usize::from(predicted == argmax(teacher));
            self.kl += self.divergence(teacher, student);
            if let Ok(label) = usize::try_from(label) {
                self.confusion[label][predicted] += 1;
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
    pub fn finish(self) -> Metrics {
        let over_samples = |value: f64| if self.samples == 0 { 0.0 } else { value / self.samples as f64 };
        Metrics {
            samples: self.samples,
            accuracy: self.calibration.accuracy(),
            macro_f1: macro_f1(&self.confusion),
            negative_log_likelihood: self.calibration.negative_log_likelihood(),
            calibration_error: self.calibration.expected_calibration_error(),
            teacher_agreement: over_samples(self.agreed as f64),
            teacher_kl: over_samples(self.kl),
            confusion: self.confusion,
        }
    }
}

/// Precision, recall and F1 of each class, from a confusion matrix `[label][predicted]`.
pub fn per_class(confusion: &[Vec<u64>]) -> Vec<(f64, f64, f64)> {
    let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    (0..confusion.len())
        .map(|class| {
            let hit = confusion[class][class];
            let labelled: u64 = confusion[class].iter().sum();
            let predicted: u64 = confusion.iter().map(|row| row[class]).sum();
            (ratio(hit, predicted), ratio(hit, labelled), ratio(2 * hit, labelled + predicted))
        })
        .collect()
}

fn macro_f1(confusion: &[Vec<u64>]) -> f64 {
    let classes = confusion.len().max(1) as f64;
    per_class(confusion).iter().map(|(_, _, f1)| f1).sum::<f64>() / classes
}

/// The probability of each class of a row of logits.
pub fn softmax(logits: &[f32]) -> Vec<f64> {
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
        assert!((metrics.accuracy - 0.75).abs() < 1e-12);
        // F1 of the classes: 2/3, 2/3, 1.
        assert!((metrics.macro_f1 - 7.0 / 9.0).abs() < 1e-12);
        let expected = -(0.7f64.ln() + 0.8f64.ln() + 0.4f64.ln() + 0.3f64.ln()) / 4.0;
        assert!((metrics.negative_log_likelihood - expected).abs() < 1e-6);
        assert_eq!(metrics.confusion, [[1, 0, 0], [1, 1, 0], [0, 0, 1]]);
        // Confidences 0.7, 0.8, 0.4 are right and 0.6 is wrong, each alone in its bin.
        assert!((metrics.calibration_error - (0.3 + 0.2 + 0.6 + 0.6) / 4.0).abs() < 1e-6);
        assert!((metrics.teacher_agreement - 1.0).abs() < 1e-12 && metrics.teacher_kl.abs() < 1e-12);
    }

    #[test]
    fn the_kl_is_from_teacher_to_student_at_the_temperature() {
        let mut meter = Meter::new(2, 2.0);
        meter.add(&[0.0, 0.0], &[2.0 * 3f32.ln(), 0.0], &[-1]);
        let metrics = meter.finish();
        let expected = 0.75 * (0.75f64 / 0.5).ln() + 0.25 * (0.25f64 / 0.5).ln();
        assert!((metrics.teacher_kl - expected).abs() < 1e-6);
        assert_eq!((metrics.samples, metrics.accuracy), (1, 0.0));
    }
}
