//! Losses, ramps and controls by name.

use serde::{Deserialize, Serialize};

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
