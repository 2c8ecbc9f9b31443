//! Distillation from a stronger teacher, DIST (arXiv 2205.10536).

use burn::tensor::{Tensor, activation::softmax};

use super::{Batch, Declaration, Parameter, Reads};

/// Its declaration. The defaults are the authors'; they take 2 and 2 on CIFAR-100.
pub(super) const DECLARATION: Declaration = Declaration {
    name: "dist",
    about: "Pearson's correlation of the probabilities, over classes and over samples (arXiv 2205.10536)",
    softens: true,
    reads: Reads::Logits,
    parameters: &[
        Parameter::weight(
            "train.dist.beta",
            1.0,
            "Weight of the correlation over the classes of each sample",
        ),
        Parameter::weight(
            "train.dist.gamma",
            1.0,
            "Weight of the correlation over the samples of each class",
        ),
    ],
    formula: |weights| format!("T^2 * (beta {} * inter + gamma {} * intra)", weights[0], weights[1]),
    value: |Batch { student_logits, targets, temperature, parameters, .. }| {
        dist(student_logits, targets.logits(), temperature, [parameters[0], parameters[1]])
    },
};

/// Added to the product of two norms, as the authors' code does (hunto/DIST_KD).
const EPSILON: f64 = 1e-8;

/// `T^2 * (beta * inter + gamma * intra)`, `[1]`, where both are a mean of `1 - r` and `r` is Pearson's correlation of the student's
/// probabilities with the teacher's: `inter` over the classes of each sample, `intra` over the samples of each class (the paper's
/// section 4). The student may differ from the teacher in scale and level, and learns its relations.
///
/// Both logits are `[batch, classes]`, the weights are `[beta, gamma]`. Of a batch of one sample `intra` is 1 and teaches nothing. It looks at a whole
/// batch, so that of gradients that are accumulated over several batches it sees each by itself.
pub fn dist(
    student_logits: Tensor<2>,
    teacher_logits: Tensor<2>,
    temperature: f32,
    [beta, gamma]: [f32; 2],
) -> Tensor<1> {
    let student = softmax(student_logits / temperature, 1);
    let teacher = softmax(teacher_logits / temperature, 1);
    let inter = uncorrelated(student.clone(), teacher.clone());
    let intra = uncorrelated(student.transpose(), teacher.transpose());
    (inter * beta + intra * gamma) * temperature.powi(2)
}

/// The mean over rows of `1 - r`; both are `[rows, columns]`.
fn uncorrelated(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    let a = a.clone() - a.mean_dim(1);
    let b = b.clone() - b.mean_dim(1);
    let correlation = (a.clone() * b.clone()).sum_dim(1) / (norm(a) * norm(b) + EPSILON);
    -correlation.mean() + 1.0
}

/// The Euclidean norm of each row, `[rows, 1]`. At 0 it has no slope, and is given none.
fn norm(rows: Tensor<2>) -> Tensor<2> {
    rows.square().sum_dim(1).clamp_min(f32::MIN_POSITIVE).sqrt()
}
