//! The declaration of a loss.

use burn::tensor::{Int, Tensor};

use crate::support::range::Range;

/// A distillation loss, as its file declares it. The checks and the reference of pipeline files, the loader, the head of a run and the reports all read
/// from here.
#[derive(Debug)]
pub(crate) struct Declaration {
    /// Its name in a pipeline file.
    pub name: &'static str,
    /// One line, with its paper.
    pub about: &'static str,
    /// Whether it softens teacher and student with `train.temperature`.
    pub softens: bool,
    /// The part of the cache that it reads.
    pub reads: Reads,
    /// The numbers that it takes, keys of `[train.<name>]`.
    pub parameters: &'static [Parameter],
    /// Its formula with these values of its parameters, as a run's head prints it.
    pub formula: fn(&[f32]) -> String,
    /// Its value, `[1]`, the mean over the batch. Its gradient is taken through it.
    pub value: fn(Batch<'_>) -> Tensor<1>,
}

/// The part of the cache that a loss reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Nothing: the labels are all that it learns from.
    Nothing,
    /// Probabilities at a temperature; a cache of the largest classes has them too. It takes the logits where the temperature moves.
    SoftTargets,
    /// The logits of every class.
    Logits,
}

/// A number that a loss takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    /// Its key, `train.<loss>.<parameter>`.
    pub key: &'static str,
    /// Its value where none is given.
    pub default: f32,
    /// The values that it may have.
    pub range: Range,
    /// One line.
    pub about: &'static str,
}

impl Parameter {
    /// A weight, from 0 to 1000.
    pub(crate) const fn weight(key: &'static str, default: f32, about: &'static str) -> Self {
        Self { key, default, range: Range::closed(0.0, 1000.0), about }
    }

    /// Its own name, `beta` of `train.dkd.beta`.
    pub(crate) fn name(&self) -> &'static str {
        self.key.rsplit('.').next().unwrap_or(self.key)
    }
}

/// A batch of images as a loss sees it.
#[derive(Clone, Debug)]
pub(crate) struct Batch<'a> {
    /// The student's logits, `[batch, classes]`.
    pub student_logits: Tensor<2>,
    /// The labels, `[batch]`, -1 for unlabelled.
    pub labels: Tensor<1, Int>,
    /// The teacher's outputs, as [`Declaration::reads`] says.
    pub targets: Targets,
    /// Softens both sides.
    pub temperature: f32,
    /// The values of [`Declaration::parameters`].
    pub parameters: &'a [f32],
}

/// The teacher's outputs for a batch.
#[expect(clippy::large_enum_variant, reason = "there is one a step")]
#[derive(Clone, Debug)]
pub enum Targets {
    /// None that the run reads.
    None,
    /// Probabilities of every class at the temperature, `[batch, classes]`.
    Soft(Tensor<2>),
    /// Probabilities of the largest classes at the temperature.
    Top {
        /// Which they are, `[batch, kept]`.
        classes: Tensor<2, Int>,
        /// Their probabilities, then that of all other classes together, `[batch, kept + 1]`.
        masses: Tensor<2>,
    },
    /// Raw logits, `[batch, classes]`.
    Logits(Tensor<2>),
}

impl Targets {
    /// The logits, of a loss that reads them.
    ///
    /// # Panics
    /// When the loader read something else.
    pub(super) fn logits(self) -> Tensor<2> {
        match self {
            Self::Logits(logits) => logits,
            _ => unreachable!("the loader gives logits to a loss that reads logits"),
        }
    }
}
