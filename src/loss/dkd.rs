//! Decoupled knowledge distillation (arXiv 2203.08679).

use burn::tensor::{Int, Tensor, activation::log_softmax};

use super::softmax::{is_among, log_of_rest};
use super::{Batch, Declaration, Parameter, Reads};

/// Its declaration. The defaults are the paper's for most pairs of networks on CIFAR-100; it takes `beta = 0.5` on ImageNet.
pub(super) const DECLARATION: Declaration = Declaration {
    name: "dkd",
    about: "decoupled: the target class and the others have a weight each (arXiv 2203.08679)",
    softens: true,
    reads: Reads::Logits,
    parameters: &[
        Parameter::weight("train.dkd.alpha", 1.0, "Weight of the target class against all others together"),
        Parameter::weight("train.dkd.beta", 8.0, "Weight of how the other classes share the rest"),
    ],
    formula: |weights| format!("T^2 * (alpha {} * TCKD + beta {} * NCKD)", weights[0], weights[1]),
    value: |Batch { student_logits, labels, targets, temperature, parameters }| {
        dkd(student_logits, targets.logits(), labels, temperature, [parameters[0], parameters[1]])
    },
};

/// `T^2 * (alpha * TCKD + beta * NCKD)`, the paper's equation 7, the mean over the batch, `[1]`.
///
/// TCKD is the KL between teacher and student over two outcomes, the target class and all others together; NCKD that over the
/// others among themselves. [`super::kd`] is `TCKD + (1 - p) * NCKD` (equation 6), where `p` is the teacher's probability of the
/// target class, so that a sure teacher says little of the others.
///
/// Both logits are `[batch, classes]`, `labels` `[batch]`, the weights `[alpha, beta]`. The target class is the label; an unlabelled sample, which the paper
/// has none of, takes the teacher's largest class in its place.
pub fn dkd(
    student_logits: Tensor<2>,
    teacher_logits: Tensor<2>,
    labels: Tensor<1, Int>,
    temperature: f32,
    [alpha, beta]: [f32; 2],
) -> Tensor<1> {
    let batch = student_logits.dims()[0];
    let labels = labels.unsqueeze_dim::<2>(1);
    let unlabelled = labels.clone().lower_elem(0);
    let target = labels.mask_where(unlabelled, teacher_logits.clone().argmax(1));
    let student = Parts::new(student_logits / temperature, target.clone());
    let teacher = Parts::new(teacher_logits / temperature, target);
    let target_class = divergence(teacher.target_and_rest, student.target_and_rest);
    let other_classes = divergence(teacher.others, student.others);
    let loss = target_class * alpha + other_classes * beta;
    loss * (temperature.powi(2) / batch as f32)
}

/// Log-probabilities of a batch, split at its target classes.
struct Parts {
    /// Of the target class and of all others together, `[batch, 2]`.
    target_and_rest: Tensor<2>,
    /// Of the others among themselves, `[batch, classes]`, and 0 at the target class.
    others: Tensor<2>,
}

impl Parts {
    fn new(logits: Tensor<2>, target: Tensor<2, Int>) -> Self {
        let is_target = is_among(target.clone(), &logits);
        let rest = log_of_rest(logits.clone(), is_target.clone());
        let target = log_softmax(logits.clone(), 1).gather(1, target);
        let others = log_softmax(logits.mask_fill(is_target.clone(), f32::MIN), 1);
        Self { target_and_rest: Tensor::cat(vec![target, rest], 1), others: others.mask_fill(is_target, 0.0) }
    }
}

/// `sum(teacher * (log teacher - log student))` of log-probabilities; where both are 0 they are equal and add nothing.
fn divergence(log_teacher: Tensor<2>, log_student: Tensor<2>) -> Tensor<1> {
    (log_teacher.clone().exp() * (log_teacher - log_student)).sum()
}
