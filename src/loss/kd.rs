//! Distillation as Hinton, Vinyals and Dean put it (arXiv 1503.02531, section 2).

use burn::tensor::{Int, Tensor, activation, activation::log_softmax};

use super::softmax::{is_among, log_of_rest};
use super::{Batch, Declaration, Reads, Targets};

/// Its declaration.
pub(super) const DECLARATION: Declaration = Declaration {
    name: "kd",
    about: "Hinton's: KL of the softened probabilities (arXiv 1503.02531)",
    softens: true,
    reads: Reads::SoftTargets,
    parameters: &[],
    formula: |_| "T^2 * KL(teacher || student)".to_owned(),
    value: |Batch { student_logits, targets, temperature, .. }| match targets {
        Targets::Soft(targets) => kd(student_logits, targets, temperature),
        Targets::Top { classes, masses } => kd_top(student_logits, classes, masses, temperature),
        targets => kd(student_logits, activation::softmax(targets.logits() / temperature, 1), temperature),
    },
};

/// `T^2 * KL(targets || softmax(student / T))`, the mean over the batch, `[1]`: PyTorch's
/// `KLDivLoss(reduction="batchmean")` of the softened, times `T^2`.
///
/// `student_logits` is `[batch, classes]`, and so are `targets`, the teacher's probabilities at `temperature` already.
pub fn kd(student_logits: Tensor<2>, targets: Tensor<2>, temperature: f32) -> Tensor<1> {
    let log_student = log_softmax(student_logits / temperature, 1);
    divergence(log_student, targets) * temperature.powi(2)
}

/// As [`kd`], of a teacher of whom only the largest classes are known: `classes` `[batch, kept]`, and their probabilities
/// followed by that of all others together, `masses` `[batch, kept + 1]`.
///
/// The divergence is over the kept classes and one more, which all others make together: exact on what is known, and
/// silent on how the student spreads the rest. It is never above that over all classes, and equals it where one class
/// was dropped.
pub fn kd_top(
    student_logits: Tensor<2>,
    classes: Tensor<2, Int>,
    masses: Tensor<2>,
    temperature: f32,
) -> Tensor<1> {
    let logits = student_logits / temperature;
    let rest = log_of_rest(logits.clone(), is_among(classes.clone(), &logits));
    let kept = log_softmax(logits, 1).gather(1, classes);
    divergence(Tensor::cat(vec![kept, rest], 1), masses) * temperature.powi(2)
}

/// The mean over the batch of `KL(targets || student)`. A class that the teacher gives no probability adds 0.
fn divergence(log_student: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let batch = targets.dims()[0];
    let log_targets = targets.clone().clamp_min(f32::MIN_POSITIVE).log();
    (targets * (log_targets - log_student)).sum() / batch as f64
}
