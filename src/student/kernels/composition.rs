//! The chain as a composition of burn's operations: what every backend without kernels of our own runs, and what the
//! kernels are tested against.
//!
//! Activations have the type of the input: of bfloat16 pixels the convolutions are products of bfloat16, and what is between
//! them is computed in float32, weights and statistics included.

use burn::tensor::{
    DType, Tensor,
    activation::relu,
    module::{batch_norm_train, conv2d},
    ops::ConvOptions,
};

use super::{
    BatchStatistics, LayerTensors, Statistics,
    activation::Activation,
    chain_spec::{ChainSpec, Conv},
    window::Padding,
};

/// The chain's output in the layout of its kernels, and each layer's batch statistics where it has no running ones.
pub(super) fn run(
    x: Tensor<4>,
    spec: &ChainSpec,
    layers: Vec<LayerTensors>,
) -> (Tensor<4>, Vec<BatchStatistics>) {
    let mut statistics = Vec::new();
    // Channels first, as burn's convolution wants it; for a tensor that came out of here, this is its own order.
    let x = match spec.layers[0].conv {
        Conv::Planes { .. } => x,
        Conv::Dense { .. } | Conv::Pointwise | Conv::Depthwise { .. } => x.permute([0, 3, 1, 2]),
    };
    let (mut out, dtype) = (x.clone(), x.dtype());
    for (layer, tensors) in spec.layers.iter().zip(layers) {
        let LayerTensors { weight, gamma, beta, running } = tensors;
        out = convolve(out, weight.cast(dtype), layer.conv, spec.padding).cast(DType::F32);
        out = if let Some(Statistics { mean, variance }) = running {
            let channels = gamma.dims()[0];
            let scale = gamma / (variance + spec.epsilon).sqrt();
            let shift = beta - mean * scale.clone();
            out * scale.reshape([1, channels, 1, 1]) + shift.reshape([1, channels, 1, 1])
        } else {
            let [batch, _, height, width] = out.dims();
            let normalised = batch_norm_train(out, gamma, beta, spec.epsilon);
            statistics.push(BatchStatistics {
                mean: normalised.mean,
                variance: normalised.variance,
                count: batch * height * width,
            });
            normalised.output
        };
        out = match layer.activation {
            Activation::Linear => out,
            Activation::Relu => relu(out),
            Activation::Relu6 => relu6(out),
        }
        .cast(dtype);
    }
    if spec.residual {
        out = out + x;
    }
    if spec.pool {
        let [batch, channels, height, width] = out.dims();
        // Features are float32 again.
        out = out
            .cast(DType::F32)
            .reshape([batch, channels, height * width])
            .mean_dim(2)
            .reshape([batch, channels, 1, 1]);
    }
    (out.permute([0, 2, 3, 1]), statistics)
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
