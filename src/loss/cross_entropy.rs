//! Cross-entropy with the labels, smoothed if asked for.

use burn::tensor::{Int, Tensor, activation::log_softmax};

use super::{Batch, Declaration, Reads};

/// Its declaration as a distillation loss: it has no such term.
pub(super) const DECLARATION: Declaration = Declaration {
    name: "ce",
    about: "no distillation: cross-entropy with the labels only",
    softens: false,
    reads: Reads::Nothing,
    parameters: &[],
    formula: |_| "0".to_owned(),
    value: |Batch { labels, student_logits, .. }| cross_entropy(student_logits, labels, 0.0).zeros_like(),
};

/// The mean over labelled samples of `-sum(q * log softmax(logits))`, where `q` is `1 - smoothing` at the label and
/// `smoothing / classes` more at every class (arXiv 1512.00567, section 7). `[1]`; 0 where no sample is labelled.
///
/// `logits` is `[batch, classes]`, `labels` `[batch]` with -1 for unlabelled: PyTorch's
/// `CrossEntropyLoss(ignore_index=-1, label_smoothing=smoothing)`.
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>, smoothing: f32) -> Tensor<1> {
    weighted_cross_entropy(logits, labels, smoothing, None)
}

/// [`cross_entropy`] where each class counts for its weight, `[classes]`: PyTorch's
/// `CrossEntropyLoss(weight=class_weights, ignore_index=-1, label_smoothing=smoothing)`.
pub(crate) fn weighted_cross_entropy(
    logits: Tensor<2>,
    labels: Tensor<1, Int>,
    smoothing: f32,
    class_weights: Option<Tensor<1>>,
) -> Tensor<1> {
    let labelled = labels.clone().greater_equal_scalar(0).float().cast(logits.dtype());
    let index = labels.clamp_min(0);
    let log_probabilities = log_softmax(logits, 1);
    let mut picked = log_probabilities.clone().gather(1, index.clone().unsqueeze_dim(1)).squeeze_dim::<1>(1);
    let mut spread = log_probabilities;
    let mut weights = labelled.clone();
    if let Some(class_weights) = class_weights {
        let of_labels = class_weights.clone().gather(0, index);
        picked = picked * of_labels.clone();
        spread = spread * class_weights.unsqueeze();
        weights = weights * of_labels;
    }
    if smoothing > 0.0 {
        picked = picked * (1.0 - smoothing) + spread.mean_dim(1).squeeze_dim::<1>(1) * smoothing;
    }
    let sum = weights.sum();
    // Where nothing counts, 0 / 1.
    let sum = sum.clone() + sum.clone().equal_scalar(0.0).float().cast(sum.dtype());
    -(picked * labelled).sum() / sum
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// `torch.nn.CrossEntropyLoss(weight=..., ignore_index=-1, label_smoothing=...)` of PyTorch 2.11.
    #[test]
    fn class_weights_are_pytorchs_with_and_without_smoothing() {
        let device = Device::flex();
        let found = |labels: [i32; 3], smoothing: f32, weights: [f32; 3]| {
            let logits =
                Tensor::<2>::from_data([[2.0, -1.0, 0.5], [0.25, 0.75, -3.0], [0.0, 1.0, 2.0]], &device);
            let labels = Tensor::<1, Int>::from_data(labels, &device);
            let weights = Some(Tensor::<1>::from_data(weights, &device));
            weighted_cross_entropy(logits, labels, smoothing, weights).into_scalar::<f32>()
        };
        for (labels, smoothing, expected) in
            [([0, 1, -1], 0.0, EXPECTED[0]), ([0, 1, -1], 0.1, EXPECTED[1]), ([2, 1, 0], 0.1, EXPECTED[2])]
        {
            let found = found(labels, smoothing, [0.25, 2.0, 7.0]);
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
        assert!(found([0, -1, -1], 0.0, [0.0, 2.0, 7.0]).abs() <= 0.0);
    }

    const EXPECTED: [f32; 3] = [0.461_132_1, 1.150_230_3, 1.541_049_5];
}
