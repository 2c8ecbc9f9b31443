//! Distillation of standardised logits (arXiv 2403.01427).

use burn::tensor::{Tensor, activation::softmax};

use super::{Batch, Declaration, Reads, kd};

/// Its declaration.
pub(super) const DECLARATION: Declaration = Declaration {
    name: "std-kd",
    about: "kd of logits that are standardised row by row first (arXiv 2403.01427)",
    softens: true,
    reads: Reads::Logits,
    parameters: &[],
    formula: |_| "T^2 * KL(teacher || student) of standardised logits".to_owned(),
    value: |Batch { student_logits, targets, temperature, .. }| {
        std_kd(student_logits, targets.logits(), temperature)
    },
};

/// Added to the deviation, as the authors' code does (sunshangquan/logit-standardization-KD).
const EPSILON: f64 = 1e-7;

/// [`kd`] of logits whose rows have mean 0 and deviation 1, of student and teacher alike: the paper's algorithm 1. The student
/// learns the teacher's relations between classes, not its scale. `[1]`, the mean over the batch, times `T^2`.
///
/// Both logits are `[batch, classes]`. The deviation is the sample's, over `classes - 1`.
pub fn std_kd(student_logits: Tensor<2>, teacher_logits: Tensor<2>, temperature: f32) -> Tensor<1> {
    let targets = softmax(standardised(teacher_logits) / temperature, 1);
    kd(standardised(student_logits), targets, temperature)
}

/// `(logits - mean) / (deviation + epsilon)` by row, and 0 where all of a row are equal.
fn standardised(logits: Tensor<2>) -> Tensor<2> {
    let classes = logits.dims()[1];
    let centred = logits.clone() - logits.mean_dim(1);
    // In units of the largest of a row, whose square can't overflow.
    let unit = centred.clone().detach().abs().max_dim(1).clamp_min(1.0);
    let scaled = centred / unit.clone();
    let variance = scaled.clone().square().sum_dim(1) / (classes - 1) as f64;
    // Below the least float the root has no finite slope.
    let deviation = variance.clamp_min(f32::MIN_POSITIVE).sqrt();
    scaled / (deviation + unit.recip() * EPSILON)
}
