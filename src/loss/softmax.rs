//! The parts of softmax that several losses share.

use burn::tensor::{Bool, IndexingUpdateOp, Int, Tensor};

/// `log(sum(exp(logits)))` of each row, `[batch, 1]`, whatever their size.
pub(super) fn log_sum_exp(logits: Tensor<2>) -> Tensor<2> {
    let largest = logits.clone().detach().max_dim(1);
    (logits - largest.clone()).exp().sum_dim(1).log() + largest
}

/// Where in `[batch, classes]`, the shape of `like`, the classes of each row are, which are `[batch, some]`, each once.
pub(super) fn is_among(classes: Tensor<2, Int>, like: &Tensor<2>) -> Tensor<2, Bool> {
    let ones = like.clone().detach().gather(1, classes.clone()).ones_like();
    like.zeros_like().scatter(1, classes, ones, IndexingUpdateOp::Add).greater_elem(0.5)
}

/// The logarithms of what the classes outside of `inside` have together in `softmax(logits)`, `[batch, 1]`.
///
/// It is summed from their own logits: one minus the others would lose every digit where they have nearly all.
pub(super) fn log_of_rest(logits: Tensor<2>, inside: Tensor<2, Bool>) -> Tensor<2> {
    let rest = log_sum_exp(logits.clone().mask_fill(inside, f32::MIN));
    rest - log_sum_exp(logits)
}
