//! The student's convolutions at the speed of the hardware.
//!
//! A [`ChainSpec`] describes a chain of convolutions, each followed by BatchNorm and an activation: an inverted residual
//! block, a stem. [`run`] runs it. On burn's Flex backend (the CPU) a
//! chain is one operation with a hand-written gradient; elsewhere it is a composition of burn's own.
//!
//! Activations lie channels last, `[batch, height, width, channels]`. That makes a pointwise convolution one matrix
//! product, gives the depthwise one whole registers of neighbouring channels, and lets norm, activation and residual be
//! folded into their neighbours' reads and writes: between the convolutions of a chain, an activation is written once
//! and read once, in each direction.
//!
//! The work is cut only by shapes and partial sums are added in a fixed order, so the results are the same bits for any
//! number of threads.

#![allow(
    clippy::inline_always,
    reason = "vector code must be inlined into the function that is compiled for its instruction set"
)]

mod activation;
mod adamw;
mod average;
mod batch_norm;
mod chain;
mod chain_spec;
mod composition;
mod dense;
mod depthwise;
mod depthwise_rows;
mod extension;
mod gemm;
mod max_pool;
mod moment_sums;
mod norm;
mod partition;
mod patches;
mod pointwise;
mod pool;
mod rows;
mod simd;
mod tensors;
mod window;

#[cfg(test)]
mod tests;

use burn::{
    backend::{Dispatch, DispatchTensorKind},
    tensor::{DType, Tensor},
};

pub(crate) use activation::Activation;
pub use adamw::AdamW;
pub(crate) use average::move_average;
pub(crate) use chain_spec::{ChainSpec, Conv, Layer};
pub(crate) use max_pool::max_pool;
pub(crate) use window::Padding;

use extension::{EvaluateChain, TrainChain};
use tensors::TensorList;

/// A BatchNorm's statistics, `[channels]` each.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    /// Mean of each channel.
    pub mean: Tensor<1>,
    /// Biased variance of each channel.
    pub variance: Tensor<1>,
}

/// The statistics that a layer measured of its batch, for the running ones.
#[derive(Clone, Debug)]
pub(crate) struct BatchStatistics {
    /// Mean of each channel, `[channels]`.
    pub mean: Tensor<1>,
    /// Biased variance of each channel, `[channels]`.
    pub variance: Tensor<1>,
    /// How many values of each channel they are of.
    pub count: usize,
}

/// One layer's tensors.
#[derive(Clone, Debug)]
pub(crate) struct LayerTensors {
    /// The convolution's weight, in the shape that its [`Conv`] names.
    pub weight: Tensor<4>,
    /// BatchNorm's scale, `[out]`.
    pub gamma: Tensor<1>,
    /// BatchNorm's shift, `[out]`.
    pub beta: Tensor<1>,
    /// Statistics to normalise with; `None` takes the batch's.
    pub running: Option<Statistics>,
}

impl LayerTensors {
    /// The same tensors as constants.
    #[must_use]
    pub(crate) fn without_autodiff(self) -> Self {
        Self {
            weight: self.weight.without_autodiff(),
            gamma: self.gamma.without_autodiff(),
            beta: self.beta.without_autodiff(),
            running: self.running.map(|Statistics { mean, variance }| Statistics {
                mean: mean.without_autodiff(),
                variance: variance.without_autodiff(),
            }),
        }
    }
}

/// Runs a chain of one to three layers on `x`, `[batch, height, width, channels]`, or `[batch, planes, height, width]`
/// where the first layer is [`Conv::Planes`]. Returns the output, `[batch, height, width, channels]` (with `height` and
/// `width` one where it is pooled), and the batch statistics of each layer that has no running ones.
///
/// # Panics
/// If the tensors do not fit the spec.
pub(crate) fn run(
    x: Tensor<4>,
    spec: &ChainSpec,
    layers: Vec<LayerTensors>,
) -> (Tensor<4>, Vec<BatchStatistics>) {
    let weights: Vec<[usize; 4]> = layers.iter().map(|layer| layer.weight.dims()).collect();
    spec.check(x.dims(), &weights);
    let counts = spec.counts(x.dims(), &weights);
    let training = layers.iter().all(|layer| layer.running.is_none());
    // The kernels have no gradient for fixed statistics.
    let evaluating =
        layers.iter().all(|layer| layer.running.is_some() && !layer.weight.is_autodiff()) && !x.is_autodiff();
    if !on_flex(&x) || !(training || evaluating) {
        return composition::run(x, spec, layers);
    }
    let mut inputs = vec![x.into_dispatch()];
    for LayerTensors { weight, gamma, beta, running } in layers {
        inputs.extend([weight.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch()]);
        if let Some(Statistics { mean, variance }) = running {
            inputs.extend([mean.into_dispatch(), variance.into_dispatch()]);
        }
    }
    let outputs = if training {
        Dispatch::train_chain(TensorList(inputs), spec.clone())
    } else {
        Dispatch::evaluate_chain(TensorList(inputs), spec.clone())
    };
    let mut outputs = outputs.0.into_iter();
    let out = Tensor::from_dispatch(outputs.next().expect("a chain has an output"));
    let mut statistics = Vec::new();
    for count in counts {
        if let (Some(mean), Some(variance)) = (outputs.next(), outputs.next()) {
            let (mean, variance) = (Tensor::from_dispatch(mean), Tensor::from_dispatch(variance));
            statistics.push(BatchStatistics { mean, variance, count });
        }
    }
    (out, statistics)
}

/// Whether the kernels can read `x`.
fn on_flex<const D: usize>(x: &Tensor<D>) -> bool {
    let kind = x.clone().into_dispatch().kind;
    let kind = if let DispatchTensorKind::Autodiff(inner) = kind { *inner } else { kind };
    matches!(kind, DispatchTensorKind::Flex(_)) && x.dtype() == DType::F32
}
