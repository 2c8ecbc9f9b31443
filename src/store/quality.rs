//! What the teacher's logits are worth against the labels: accuracy, likelihood, calibration, confusions.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::reader::SplitRows;
use super::soften;

/// Bins of the calibration error, of equal width, as Guo et al. use (arXiv 1706.04599).
const BINS: usize = 15;

/// The teacher on one split's labelled samples, at temperature 1, on the plain view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherQuality {
    /// The split.
    pub split: String,
    /// Labelled samples; with none of them, the numbers below are 0.
    pub labelled: u64,
    /// Share of samples whose largest logit is at the label.
    pub accuracy: f64,
    /// Mean negative log-likelihood of the label, in nats.
    pub nll: f64,
    /// Expected calibration error over 15 bins of confidence.
    pub ece: f64,
}

/// One kind of mistake of the teacher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The label, as a class index.
    pub label: usize,
    /// What the teacher says instead.
    pub predicted: usize,
    /// How often.
    pub count: u64,
}

/// Entropy of a split's targets at one temperature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entropy {
    /// The temperature.
    pub temperature: f32,
    /// Mean over rows, in nats; `ln(classes)` says nothing, 0 is a hard label.
    pub mean_nats: f64,
}

impl SplitRows {
    /// The teacher's accuracy and calibration.
    ///
    /// # Errors
    /// As [`SplitRows::gather_logits`].
    pub fn teacher_quality(&self) -> Result<TeacherQuality, Error> {
        let mut bins = [(0u64, 0.0f64, 0u64); BINS];
        let (mut labelled, mut correct, mut nll) = (0u64, 0u64, 0.0f64);
        self.each_labelled(|label, logits, probabilities| {
            let predicted = largest(logits);
            let confidence = f64::from(probabilities[predicted]);
            let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
            let right = u64::from(predicted == label);
            *bin = (bin.0 + 1, bin.1 + confidence, bin.2 + right);
            labelled += 1;
            correct += right;
            nll += negative_log_likelihood(logits, label);
        })?;
        let count = labelled.max(1) as f64;
        // A bin's count times the gap between its accuracy and its mean confidence.
        let gaps = bins.iter().map(|&(_, confidence, right)| (right as f64 - confidence).abs());
        let ece = gaps.sum::<f64>() / count;
        let split = self.name().to_owned();
        Ok(TeacherQuality { split, labelled, accuracy: correct as f64 / count, nll: nll / count, ece })
    }

    /// The teacher's most frequent mistakes on the plain view, at most `most`.
    ///
    /// # Errors
    /// As [`SplitRows::gather_logits`].
    pub fn confusions(&self, most: usize) -> Result<Vec<Confusion>, Error> {
        let mut counts = std::collections::BTreeMap::new();
        self.each_labelled(|label, logits, _| {
            let predicted = largest(logits);
            if predicted != label {
                *counts.entry((label, predicted)).or_insert(0u64) += 1;
            }
        })?;
        let mut confusions: Vec<Confusion> = counts
            .into_iter()
            .map(|((label, predicted), count)| Confusion { label, predicted, count })
            .collect();
        // The sort is stable: equal counts stay in class order.
        confusions.sort_by_key(|confusion| std::cmp::Reverse(confusion.count));
        confusions.truncate(most);
        Ok(confusions)
    }

    /// The mean entropy of the targets at each temperature, over all rows.
    ///
    /// # Errors
    /// As [`SplitRows::gather_soft`].
    pub fn entropies(&self) -> Result<Vec<Entropy>, Error> {
        let mut targets = vec![0.0; self.classes()];
        let mut entropies = Vec::new();
        for &temperature in self.temperatures() {
            let mut sum = 0.0;
            for row in 0..self.len() {
                self.gather_soft(temperature, &[row], &mut targets)?;
                let masses = targets.iter().map(|&mass| f64::from(mass)).filter(|&mass| mass > 0.0);
                sum -= masses.map(|mass| mass * mass.ln()).sum::<f64>();
            }
            entropies.push(Entropy { temperature, mean_nats: sum / self.len().max(1) as f64 });
        }
        Ok(entropies)
    }

    /// How many rows of the plain view have a largest probability, at temperature 1, in each of `bins` equal parts of 0 to 1.
    ///
    /// # Errors
    /// As [`SplitRows::gather_logits`].
    pub fn confidences(&self, bins: usize) -> Result<Vec<u64>, Error> {
        let mut counts = vec![0; bins];
        let (mut logits, mut probabilities) = (vec![0.0; self.classes()], vec![0.0; self.classes()]);
        for row in (0..self.len()).step_by(usize::from(self.views())) {
            self.gather_logits(&[row], &mut logits)?;
            soften(&logits, 1.0, &mut probabilities);
            let confidence = f64::from(probabilities.iter().copied().fold(0.0, f32::max));
            counts[((confidence * bins as f64) as usize).min(bins - 1)] += 1;
        }
        Ok(counts)
    }

    /// Calls `visit(label, logits, probabilities)` for the plain view of each labelled sample.
    fn each_labelled(&self, mut visit: impl FnMut(usize, &[f32], &[f32])) -> Result<(), Error> {
        let (mut logits, mut probabilities) = (vec![0.0; self.classes()], vec![0.0; self.classes()]);
        for row in (0..self.len()).step_by(usize::from(self.views())) {
            if let Ok(label) = usize::try_from(self.label(row)) {
                self.gather_logits(&[row], &mut logits)?;
                soften(&logits, 1.0, &mut probabilities);
                visit(label, &logits, &probabilities);
            }
        }
        Ok(())
    }
}

/// The first of the largest.
fn largest(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}

/// `logsumexp(logits) - logits[label]`, finite where the probability itself is 0 in float32.
fn negative_log_likelihood(logits: &[f32], label: usize) -> f64 {
    let largest = f64::from(logits[largest(logits)]);
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    largest + sum.ln() - f64::from(logits[label])
}
