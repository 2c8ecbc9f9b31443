//! Cross-entropy with the labels, smoothed if asked for.

use burn::tensor::{Int, Tensor, activation::log_softmax};

/// The mean over labelled samples of `-sum(q * log softmax(logits))`, where `q` is `1 - smoothing` at the label and
/// `smoothing / classes` more at every class (arXiv 1512.00567, section 7). `[1]`; 0 where no sample is labelled.
///
/// `logits` is `[batch, classes]`, `labels` `[batch]` with -1 for unlabelled: PyTorch's
/// `CrossEntropyLoss(ignore_index=-1, label_smoothing=smoothing)`.
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>, smoothing: f32) -> Tensor<1> {
    let labelled = labels.clone().greater_equal_scalar(0).float().cast(logits.dtype());
    let index = labels.clamp_min(0).unsqueeze_dim(1);
    let log_probabilities = log_softmax(logits, 1);
    let mut picked = log_probabilities.clone().gather(1, index);
    if smoothing > 0.0 {
        picked = picked * (1.0 - smoothing) + log_probabilities.mean_dim(1) * smoothing;
    }
    let count = labelled.clone().sum().clamp_min(1.0);
    -(picked.squeeze_dim::<1>(1) * labelled).sum() / count
}
