//! What a student is trained on: the loss, how its weights move over the epochs, and the controls.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::Train;

/// The teacher's term of the loss; `train::loss` has a file for each, with its formula and its paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Hinton's: KL of the softened probabilities (arXiv 1503.02531).
    Kd,
    /// The same, of logits that are standardised row by row first (arXiv 2403.01427).
    StdKd,
    /// Decoupled: the target class and the others weighted apart (arXiv 2203.08679).
    Dkd,
    /// Pearson's correlation of probabilities, by sample and by class (arXiv 2205.10536).
    Dist,
    /// Mean squared error of the logits (arXiv 2105.08919).
    Mse,
    /// None: cross-entropy with the labels alone.
    Ce,
}

impl Loss {
    /// Its name, as the file has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kd => "kd",
            Self::StdKd => "std-kd",
            Self::Dkd => "dkd",
            Self::Dist => "dist",
            Self::Mse => "mse",
            Self::Ce => "ce",
        }
    }
}

/// `[train.dkd]`: the weights of decoupled distillation. The defaults are the paper's for most pairs of networks on
/// CIFAR-100; it takes `beta = 0.5` on ImageNet.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Dkd {
    /// Weight of the target class against all others together.
    pub alpha: f32,
    /// Weight of how the others divide among themselves.
    pub beta: f32,
}

impl Default for Dkd {
    fn default() -> Self {
        Self { alpha: 1.0, beta: 8.0 }
    }
}

/// `[train.dist]`: the weights of DIST. The defaults are the authors'; they take 2 and 2 on CIFAR-100.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Dist {
    /// Weight of the correlation over the classes of each sample.
    pub beta: f32,
    /// Weight of the correlation over the samples of each class.
    pub gamma: f32,
}

impl Default for Dist {
    fn default() -> Self {
        Self { beta: 1.0, gamma: 1.0 }
    }
}

/// How temperature and lambda go from their first value to their last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ramp {
    /// In a straight line.
    Linear,
    /// Along half a cosine: slowly at both ends.
    Cosine,
}

/// A run that shows what the teacher's targets are worth, beside one that uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// No control: the run itself.
    None,
    /// Each image is taught by the targets of another one; labels stay.
    PermutedTargets,
    /// Lambda 0 in every epoch: the labels alone, with all else as it was.
    LabelsOnly,
}

impl Control {
    /// Its name, as the file and the run's folder have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PermutedTargets => "permuted-targets",
            Self::LabelsOnly => "labels-only",
        }
    }
}

impl Train {
    /// The temperature in `epoch`, from 0.
    pub fn temperature_at(&self, epoch: usize) -> f32 {
        self.between(self.temperature, self.temperature_end, epoch)
    }

    /// The weight of the teacher's term in `epoch`, from 0; the labels' weight is one minus it.
    pub fn lambda_at(&self, epoch: usize) -> f32 {
        match (self.loss, self.control) {
            (Loss::Ce, _) | (_, Control::LabelsOnly) => 0.0,
            _ => self.between(self.lambda, self.lambda_end, epoch),
        }
    }

    /// Whether any epoch looks at what the teacher said.
    pub fn is_taught(&self) -> bool {
        self.lambda_at(0) > 0.0 || self.lambda_at(self.epochs - 1) > 0.0
    }

    /// The temperature whose soft targets are read from the cache, which must hold them. Whatever else is taught reads
    /// the logits.
    pub fn cached_temperature(&self) -> Option<f32> {
        let cached = self.is_taught() && self.loss == Loss::Kd && self.temperature_end.is_none();
        cached.then_some(self.temperature)
    }

    fn between(&self, first: f32, last: Option<f32>, epoch: usize) -> f32 {
        let (Some(last), true) = (last, self.epochs > 1) else { return first };
        let done = epoch as f64 / (self.epochs - 1) as f64;
        let share = match self.ramp {
            Ramp::Linear => done,
            Ramp::Cosine => 0.5 * (1.0 - (PI * done).cos()),
        };
        (f64::from(first) * (1.0 - share) + f64::from(last) * share) as f32
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the ends and the middle are exact")]
mod tests {
    use super::*;

    #[test]
    fn temperature_and_lambda_go_from_their_first_value_to_their_last() {
        let mut train = Train {
            epochs: 5,
            temperature: 9.0,
            temperature_end: Some(1.0),
            lambda: 0.0,
            lambda_end: Some(1.0),
            ..Train::default()
        };
        let temperatures =
            |train: &Train| (0..5).map(|epoch| train.temperature_at(epoch)).collect::<Vec<_>>();
        assert_eq!(temperatures(&train), [9.0, 7.0, 5.0, 3.0, 1.0]);
        assert_eq!(train.lambda_at(3), 0.75);
        assert!(train.is_taught());
        train.ramp = Ramp::Cosine;
        let cosine = temperatures(&train);
        assert_eq!([cosine[0], cosine[2], cosine[4]], [9.0, 5.0, 1.0]);
        assert!((cosine[1] - 7.828_427).abs() < 1e-6);
        train.epochs = 1;
        assert_eq!((train.temperature_at(0), train.lambda_at(0)), (9.0, 0.0));
    }

    #[test]
    fn the_labels_alone_have_no_use_for_a_teacher() {
        for (loss, control) in [(Loss::Ce, Control::None), (Loss::Dkd, Control::LabelsOnly)] {
            let train = Train { loss, control, lambda_end: Some(1.0), ..Train::default() };
            assert!((0..train.epochs).all(|epoch| train.lambda_at(epoch) == 0.0));
            assert!(!train.is_taught() && train.cached_temperature().is_none());
        }
        assert_eq!(Train::default().cached_temperature(), Some(5.0));
        assert_eq!(Train { loss: Loss::Mse, ..Train::default() }.cached_temperature(), None);
        assert_eq!(Train { temperature_end: Some(1.0), ..Train::default() }.cached_temperature(), None);
    }
}
