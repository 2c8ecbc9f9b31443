//! The loss that a student is trained on: `(1 - lambda) * hard + lambda * soft`.
//!
//! The hard term is cross-entropy with the labels. The soft term compares the student with the teacher, in one of the ways of
//! [`crate::loss`]. Those with a temperature multiply by its square, so that their gradient does not shrink with it. Both are means
//! over all samples of a step, where a sample without a label has a cross-entropy of 0: a labelled image counts the same however
//! many unlabelled ones are beside it.

use burn::tensor::{Int, Tensor};

use crate::config;
use crate::loss::{Batch, Targets, weighted_cross_entropy};

/// A batch's loss and its two terms, each `[1]`.
#[derive(Clone, Debug)]
pub struct Loss {
    /// `hard_weight * hard + lambda * soft`: what is trained on.
    pub total: Tensor<1>,
    /// Cross-entropy with the labels, the mean over the batch's labelled samples; 0 where none is labelled.
    pub hard: Tensor<1>,
    /// The teacher's term, the mean over the batch; 0 where the run looks at no teacher.
    pub soft: Tensor<1>,
    /// The weight of `hard` in `total`: `1 - lambda` times the share of the step's samples that have a label; 1 where the run
    /// looks at no teacher.
    pub hard_weight: f32,
}

impl Loss {
    /// The share of a part of a batch in `total` of the whole one, when it has the share `hard` of what the labels count for and
    /// `soft` of the samples.
    pub fn share(&self, hard: f64, soft: f64) -> Tensor<1> {
        // The hard term takes part in `total` with the samples' share as well.
        self.total.clone() * soft + self.hard.clone() * (f64::from(self.hard_weight) * (hard - soft))
    }
}

/// The loss of `train` in `epoch`, from 0.
///
/// `student_logits` is `[batch, classes]`, `labels` `[batch]` with -1 for unlabelled. `targets` are of the kind that the
/// loader reads for `train`: probabilities at the epoch's temperature for `kd`, logits for every other loss. Each class counts
/// for its weight in `class_weights`, `[classes]`, in the hard term. `labelled` is the share of the step's samples that have a
/// label, from 0 to 1; the step may be larger than this batch.
pub fn distillation(
    train: &config::Train,
    epoch: usize,
    student_logits: Tensor<2>,
    labels: Tensor<1, Int>,
    targets: Targets,
    class_weights: Option<Tensor<1>>,
    labelled: f32,
) -> Loss {
    let smoothing = train.label_smoothing;
    let hard = weighted_cross_entropy(student_logits.clone(), labels.clone(), smoothing, class_weights);
    if matches!(targets, Targets::None) {
        return Loss { total: hard.clone(), soft: hard.zeros_like(), hard, hard_weight: 1.0 };
    }
    let (temperature, parameters) = (train.temperature_at(epoch), train.parameters.of(train.loss));
    let soft =
        (train.loss.declaration().value)(Batch { student_logits, labels, targets, temperature, parameters });
    let lambda = train.lambda_at(epoch);
    let hard_weight = (1.0 - lambda) * labelled;
    let total = hard.clone() * hard_weight + soft.clone() * lambda;
    Loss { total, hard, soft, hard_weight }
}
