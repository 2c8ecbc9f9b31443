//! The chain as a composition of burn's operations: what every backend without kernels of our own runs, and what the
//! kernels are tested against.
//!
//! Activations lie channels last here too, as burn's convolutions on GPUs take and give them: a permutation before one and after
//! it moves nothing there. They have the type of the input: of bfloat16 pixels the convolutions are products of bfloat16, and
//! what is between them is computed in float32, weights and statistics included.

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor, activation::relu, module::conv2d, ops::ConvOptions},
};

use super::{
    BatchStatistics, LayerTensors, Statistics,
    activation::Activation,
    batch_norm::{BatchNorm, NormSpec},
    chain_spec::{ChainSpec, Conv},
    tensors::TensorList,
    window::Padding,
};

/// The chain's output in the layout of its kernels, and each layer's batch statistics where it has no running ones.
pub(super) fn run(
    x: Tensor<4>,
    spec: &ChainSpec,
    layers: Vec<LayerTensors>,
) -> (Tensor<4>, Vec<BatchStatistics>) {
    let mut statistics = Vec::new();
    let (mut out, dtype) = (x.clone(), x.dtype());
    for (layer, tensors) in spec.layers.iter().zip(layers) {
        let LayerTensors { weight, gamma, beta, running } = tensors;
        // burn's convolution has the channels first by name.
        let planes = match layer.conv {
            Conv::Planes { .. } => out,
            Conv::Dense { .. } | Conv::Pointwise | Conv::Depthwise { .. } => out.permute([0, 3, 1, 2]),
        };
        out = convolve(planes, weight.cast(dtype), layer.conv, spec.padding).permute([0, 2, 3, 1]);
        out = if let Some(Statistics { mean, variance }) = running {
            let channels = gamma.dims()[0];
            let scale = gamma / (variance + spec.epsilon).sqrt();
            let shift = beta - mean * scale.clone();
            let [scale, shift] = [scale, shift].map(|vector| vector.reshape([1, 1, 1, channels]));
            let normalised = out.cast(DType::F32) * scale + shift;
            match layer.activation {
                Activation::Linear => normalised,
                Activation::Relu => relu(normalised),
                Activation::Relu6 => relu6(normalised),
            }
            .cast(dtype)
        } else {
            let [batch, height, width, _] = out.dims();
            let norm = NormSpec { epsilon: spec.epsilon, activation: layer.activation };
            let inputs = vec![out.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch()];
            let mut outputs = Dispatch::batch_norm_activated(TensorList(inputs), norm).0.into_iter();
            let mut next = || outputs.next().expect("a normalisation has an output, a mean and a variance");
            let normalised = Tensor::from_dispatch(next());
            let (mean, variance) = (Tensor::from_dispatch(next()), Tensor::from_dispatch(next()));
            statistics.push(BatchStatistics { mean, variance, count: batch * height * width });
            normalised
        };
    }
    if spec.residual {
        out = out + x;
    }
    if spec.pool {
        let [batch, height, width, channels] = out.dims();
        // Features are float32 again.
        let rows = out.cast(DType::F32).reshape([batch, height * width, channels]);
        out = rows.mean_dim(1).reshape([batch, 1, 1, channels]);
    }
    (out, statistics)
}

fn convolve(x: Tensor<4>, weight: Tensor<4>, conv: Conv, padding: Padding) -> Tensor<4> {
    let [_, channels, height, width] = x.dims();
    let groups = if matches!(conv, Conv::Depthwise { .. }) { channels } else { 1 };
    let (kernel, stride) = (conv.kernel(), conv.stride());
    if kernel == 1 {
        return conv2d(x, weight, None, ConvOptions::new([stride; 2], [0, 0], [1, 1], groups));
    }
    let zeros = [height, width].map(|size| {
        let (before, outputs) = padding.along(size, kernel, stride);
        (before, ((outputs - 1) * stride + kernel).saturating_sub(before + size))
    });
    conv2d(x, weight, None, ConvOptions::new_with_padding([stride; 2], zeros, [1, 1], groups))
}

/// `min(max(x, 0), 6)`. As in PyTorch, and unlike in burn's `relu6`, no gradient passes at exactly 0 and 6: a channel whose
/// batch is constant sits at 0.
fn relu6(x: Tensor<4>) -> Tensor<4> {
    let rectified = relu(x);
    let saturated = rectified.clone().greater_equal_scalar(6.0);
    rectified.mask_fill(saturated, 6.0)
}
