//! Accuracy, likelihood and calibration of a classifier, teacher or student.

use super::exp::exp_of_negative;

/// Bins of the calibration error, of equal width, as Guo et al. use (arXiv 1706.04599).
const BINS: usize = 15;

/// Gathers labelled samples one by one. The numbers are the same on every machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calibration {
    labelled: u64,
    correct: u64,
    nll: f64,
    bins: [Bin; BINS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    confidence: f64,
    correct: u64,
}

impl Calibration {
    /// Adds one sample: its logits `[classes]`, and its label, a class index.
    pub(crate) fn add(&mut self, logits: &[f32], label: usize) {
        let predicted = argmax(logits);
        let largest = f64::from(logits[predicted]);
        let sum: f64 = logits.iter().map(|&logit| exp_of_negative(f64::from(logit) - largest)).sum();
        let confidence = 1.0 / sum;
        let correct = u64::from(predicted == label);
        self.labelled += 1;
        self.correct += correct;
        self.nll += largest + libm::log(sum) - f64::from(logits[label]);
        let bin = &mut self.bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        bin.confidence += confidence;
        bin.correct += correct;
    }

    /// How many samples were added.
    pub(crate) fn labelled(&self) -> u64 {
        self.labelled
    }

    /// Share of samples whose largest logit is at the label; 0 of none, as all below.
    pub(crate) fn accuracy(&self) -> f64 {
        self.mean(self.correct as f64)
    }

    /// Mean negative log-likelihood of the labels, in nats.
    pub(crate) fn negative_log_likelihood(&self) -> f64 {
        self.mean(self.nll)
    }

    /// Expected calibration error over 15 equal bins of confidence.
    pub(crate) fn expected_calibration_error(&self) -> f64 {
        // A bin's count times the gap between its accuracy and its mean confidence.
        self.mean(self.bins.iter().map(|bin| (bin.confidence - bin.correct as f64).abs()).sum())
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.labelled.max(1) as f64
    }
}

/// The index of the largest value, the first of equals.
pub(crate) fn argmax(values: &[f32]) -> usize {
    let best = values.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measures_are_their_formulas() {
        let mut calibration = Calibration::default();
        let rows = [([0.7, 0.2, 0.1], 0), ([0.1, 0.8, 0.1], 1), ([0.3, 0.3, 0.4], 2), ([0.6, 0.3, 0.1], 1)];
        for (probabilities, label) in rows {
            calibration.add(&probabilities.map(f32::ln), label);
        }
        assert_eq!(calibration.labelled(), 4);
        assert!((calibration.accuracy() - 0.75).abs() < 1e-12);
        let expected = -(0.7f64.ln() + 0.8f64.ln() + 0.4f64.ln() + 0.3f64.ln()) / 4.0;
        assert!((calibration.negative_log_likelihood() - expected).abs() < 1e-6);
        // Confidences 0.7, 0.8, 0.4 are right and 0.6 is wrong, each alone in its bin.
        let expected = (0.3 + 0.2 + 0.6 + 0.6) / 4.0;
        assert!((calibration.expected_calibration_error() - expected).abs() < 1e-6);
    }

    #[test]
    fn a_label_without_mass_costs_a_finite_likelihood_and_no_sample_is_0() {
        let mut calibration = Calibration::default();
        assert!(calibration.accuracy() + calibration.expected_calibration_error() < 1e-12);
        calibration.add(&[3e4, -3e4], 1);
        assert!((calibration.negative_log_likelihood() - 6e4).abs() < 1e-6);
    }
}
