//! The loss that a student is trained on: `(1 - lambda) * hard + lambda * soft`.
//!
//! The hard term is [`cross_entropy`] with the labels. The soft term is what the teacher said, in one of several ways, each
//! a pure function in a file of its own: [`kd`], [`std_kd`], [`dkd`], [`dist`], [`mse`]. All are means over the batch, and
//! those with a temperature multiply by its square, so that their gradient does not shrink with it.

mod cross_entropy;
mod dist;
mod dkd;
mod kd;
mod mse;
mod softmax;
mod std_kd;

use burn::tensor::{Int, Tensor, activation};

use crate::config;

pub use cross_entropy::{cross_entropy, weighted_cross_entropy};
pub use dist::dist;
pub use dkd::dkd;
pub use kd::{kd, kd_top};
pub use mse::mse;
pub use std_kd::std_kd;

/// A batch's loss and its two terms, each `[1]`.
#[derive(Clone, Debug)]
pub struct Loss {
    /// `(1 - lambda) * hard + lambda * soft`: what is trained on.
    pub total: Tensor<1>,
    /// Cross-entropy with the labels, the mean over the batch's labelled samples; 0 where none is labelled.
    pub hard: Tensor<1>,
    /// The teacher's term, the mean over the batch; 0 where the run looks at no teacher.
    pub soft: Tensor<1>,
    /// The weight of `hard` in `total`.
    pub hard_weight: f32,
}

impl Loss {
    /// What a part of a batch adds to `total` of the whole one, when it has the share `hard` of what the labels count for and
    /// `soft` of the samples.
    pub fn share(&self, hard: f64, soft: f64) -> Tensor<1> {
        // The hard term takes part in `total` with the samples' share as well.
        self.total.clone() * soft + self.hard.clone() * (f64::from(self.hard_weight) * (hard - soft))
    }
}

/// What the teacher said of a batch.
#[expect(clippy::large_enum_variant, reason = "there is one a step")]
#[derive(Clone, Debug)]
pub enum Targets {
    /// Nothing that the run looks at.
    None,
    /// Its probabilities at the temperature, of every class, `[batch, classes]`.
    Soft(Tensor<2>),
    /// Its probabilities at the temperature, of the largest classes alone.
    Top {
        /// Which they are, `[batch, kept]`.
        classes: Tensor<2, Int>,
        /// Their probabilities, then that of all other classes together, `[batch, kept + 1]`.
        masses: Tensor<2>,
    },
    /// Its raw logits, `[batch, classes]`.
    Logits(Tensor<2>),
}

/// The loss of `train` in `epoch`, from 0.
///
/// `student_logits` is `[batch, classes]`, `labels` `[batch]` with -1 for unlabelled. `targets` are of the kind that the
/// loader reads for `train`: probabilities at the epoch's temperature for `kd`, logits for every other loss. Each class counts
/// for its weight in `class_weights`, `[classes]`, in the hard term.
pub fn distillation(
    train: &config::Train,
    epoch: usize,
    student_logits: Tensor<2>,
    labels: Tensor<1, Int>,
    targets: Targets,
    class_weights: Option<Tensor<1>>,
) -> Loss {
    let smoothing = train.label_smoothing;
    let hard = weighted_cross_entropy(student_logits.clone(), labels.clone(), smoothing, class_weights);
    let temperature = train.temperature_at(epoch);
    let soft = match targets {
        Targets::None => {
            return Loss { total: hard.clone(), soft: hard.zeros_like(), hard, hard_weight: 1.0 };
        }
        Targets::Soft(targets) => kd(student_logits, targets, temperature),
        Targets::Top { classes, masses } => kd_top(student_logits, classes, masses, temperature),
        Targets::Logits(teacher) => match train.loss {
            config::Loss::Kd | config::Loss::Ce => {
                kd(student_logits, activation::softmax(teacher / temperature, 1), temperature)
            }
            config::Loss::StdKd => std_kd(student_logits, teacher, temperature),
            config::Loss::Dkd => dkd(student_logits, teacher, labels, temperature, train.dkd),
            config::Loss::Dist => dist(student_logits, teacher, temperature, train.dist),
            config::Loss::Mse => mse(student_logits, teacher),
        },
    };
    let lambda = train.lambda_at(epoch);
    let hard_weight = 1.0 - lambda;
    let total = hard.clone() * hard_weight + soft.clone() * lambda;
    Loss { total, hard, soft, hard_weight }
}
