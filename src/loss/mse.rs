//! Logits as a regression (Kim et al., arXiv 2105.08919; before them Ba and Caruana, arXiv 1312.6184).

use burn::tensor::Tensor;

use super::{Batch, Declaration, Reads};

/// Its declaration.
pub(super) const DECLARATION: Declaration = Declaration {
    name: "mse",
    about: "mean squared error of the logits (arXiv 2105.08919)",
    softens: false,
    reads: Reads::Logits,
    parameters: &[],
    formula: |_| "MSE of the logits, without T".to_owned(),
    value: |Batch { student_logits, targets, .. }| mse(student_logits, targets.logits()),
};

/// `mean((student - teacher)^2)` over batch and classes, `[1]`: PyTorch's `MSELoss()`. It has no temperature; `T^2 * KL` tends
/// to half of it as `T` grows, for logits that have the same mean.
///
/// Both logits are `[batch, classes]`.
pub fn mse(student_logits: Tensor<2>, teacher_logits: Tensor<2>) -> Tensor<1> {
    (student_logits - teacher_logits).square().mean()
}
