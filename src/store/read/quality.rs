//! The quality of the teacher's logits against the labels: accuracy, likelihood, calibration, confusions.

use serde::Serialize;

use crate::encoding::soften;
use crate::store::error::Error;
use crate::store::format::quality::TeacherQuality;
use crate::store::read::reader::SplitRows;
use crate::support::calibration::{Calibration, argmax};

/// One kind of mistake of the teacher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The label, as a class index.
    pub label: usize,
    /// The class that the teacher gives instead.
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
        let mut calibration = Calibration::default();
        self.each_labelled(|label, logits| calibration.add(logits, label))?;
        Ok(TeacherQuality {
            split: self.name().to_owned(),
            labelled: calibration.labelled(),
            accuracy: calibration.accuracy(),
            nll: calibration.negative_log_likelihood(),
            ece: calibration.expected_calibration_error(),
        })
    }

    /// The teacher's most frequent mistakes on the plain view, at most `most`.
    ///
    /// # Errors
    /// As [`SplitRows::gather_logits`].
    pub fn confusions(&self, most: usize) -> Result<Vec<Confusion>, Error> {
        let mut counts = std::collections::BTreeMap::new();
        self.each_labelled(|label, logits| {
            let predicted = argmax(logits);
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

    /// Calls `visit(label, logits)` for the plain view of each labelled sample.
    fn each_labelled(&self, mut visit: impl FnMut(usize, &[f32])) -> Result<(), Error> {
        let mut logits = vec![0.0; self.classes()];
        for row in (0..self.len()).step_by(usize::from(self.views())) {
            if let Ok(label) = usize::try_from(self.label(row)) {
                self.gather_logits(&[row], &mut logits)?;
                visit(label, &logits);
            }
        }
        Ok(())
    }
}
