//! Convolution, batch normalisation and ReLU6: the one layer that the whole network is made of.

use burn::{
    module::{Module, Param, ParamId, RunningState},
    tensor::{Device, Tensor},
};

use super::kernels::{self, BatchStatistics, Conv, Layer, LayerTensors, Padding, Statistics, Structure};

/// `layer_norm_eps` of `MobileNetV2Config`, which is the epsilon of its batch normalisation.
pub const EPSILON: f64 = 1e-3;

/// Whether batch normalisation uses the batch's statistics and updates the running ones, or uses the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Train,
    Evaluate,
    /// As it evaluates, and without gradients: part of a student whose other layers are trained.
    Frozen,
}

/// Makes parameters with ids 1, 2, 3… in the order of the model's definition. burn's own ids are random; with these, the
/// optimiser's state finds its parameters in another process, and a record has the same bytes every time.
pub(super) struct Slots<'a> {
    device: &'a Device,
    used: u64,
}

impl<'a> Slots<'a> {
    pub fn new(device: &'a Device) -> Self {
        Self { device, used: 0 }
    }

    fn next_id(&mut self) -> ParamId {
        self.used += 1;
        ParamId::from(self.used)
    }

    pub fn parameter<const D: usize>(&mut self, dims: [usize; D]) -> Param<Tensor<D>> {
        let mut parameter = Param::from_tensor(Tensor::zeros(dims, self.device));
        parameter.id = self.next_id();
        parameter
    }

    fn running(&mut self, channels: usize) -> RunningState<Tensor<1>> {
        RunningState::with_id(self.next_id(), Tensor::zeros([channels], self.device))
    }
}

/// What a [`ConvLayer`] is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerSpec {
    pub channels_in: usize,
    pub channels_out: usize,
    pub kernel: usize,
    pub stride: usize,
    /// One filter for each channel, in place of one over all channels.
    pub depthwise: bool,
    pub relu6: bool,
}

impl LayerSpec {
    /// A 1x1 convolution.
    pub fn pointwise(channels_in: usize, channels_out: usize) -> Self {
        Self { channels_in, channels_out, kernel: 1, stride: 1, depthwise: false, relu6: true }
    }

    /// A 3x3 convolution of each channel with its own filter.
    pub fn depthwise(channels: usize, stride: usize) -> Self {
        Self {
            channels_in: channels,
            channels_out: channels,
            kernel: 3,
            stride,
            depthwise: true,
            relu6: true,
        }
    }

    /// The same without an activation.
    pub fn linear(self) -> Self {
        Self { relu6: false, ..self }
    }
}

/// `MobileNetV2ConvLayer`: TensorFlow's "SAME" padding, convolution without bias, batch normalisation and, unless it
/// closes a block, ReLU6.
#[derive(Module, Debug)]
pub struct ConvLayer {
    convolution: Convolution,
    normalization: BatchNorm,
    relu6: bool,
}

impl ConvLayer {
    pub(super) fn new(spec: LayerSpec, momentum: f64, slots: &mut Slots) -> Self {
        Self {
            convolution: Convolution::new(spec, slots),
            normalization: BatchNorm::new(spec.channels_out, momentum, slots),
            relu6: spec.relu6,
        }
    }

    fn kind(&self) -> Layer {
        let Convolution { kernel, stride, depthwise, .. } = self.convolution;
        let conv = match (kernel, depthwise) {
            (1, _) => Conv::Pointwise,
            (_, false) => Conv::Dense { stride },
            (_, true) => Conv::Depthwise { stride },
        };
        Layer { conv, relu6: self.relu6 }
    }

    /// The layer as one convolution with a bias: batch normalisation of the running statistics is put into it.
    pub(super) fn folded(&self) -> Folded {
        let Convolution { weight, kernel, stride, depthwise } = &self.convolution;
        let weight = weight.val().into_data();
        let norm = &self.normalization;
        let values = |tensor: Tensor<1>| tensor.into_data().iter::<f64>().collect::<Vec<_>>();
        let (gamma, beta) = (values(norm.weight.val()), values(norm.bias.val()));
        let (mean, variance) = (values(norm.running_mean.value()), values(norm.running_var.value()));
        let scales: Vec<f64> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, variance)| gamma / (variance + EPSILON).sqrt())
            .collect();
        let channels = scales.len();
        let filter = weight.num_elements() / channels;
        let mut folded: Vec<f64> = weight.iter::<f64>().collect();
        for (filter, scale) in folded.chunks_exact_mut(filter).zip(&scales) {
            for value in filter {
                *value *= scale;
            }
        }
        let bias = (0..channels).map(|channel| (beta[channel] - mean[channel] * scales[channel]) as f32);
        Folded {
            dims: [channels, filter / (kernel * kernel), *kernel, *kernel],
            weight: folded.into_iter().map(|value| value as f32).collect(),
            bias: bias.collect(),
            stride: *stride,
            groups: if *depthwise { channels } else { 1 },
            relu6: self.relu6,
        }
    }

    fn tensors(&self, phase: Phase) -> LayerTensors {
        let norm = &self.normalization;
        let tensors = LayerTensors {
            weight: self.convolution.weight.val(),
            gamma: norm.weight.val(),
            beta: norm.bias.val(),
            running: (phase != Phase::Train)
                .then(|| Statistics { mean: norm.running_mean.value(), variance: norm.running_var.value() }),
        };
        if phase == Phase::Frozen { tensors.without_autodiff() } else { tensors }
    }
}

/// A [`ConvLayer`] of which a convolution with a bias is left: "SAME" padding, and ReLU6 where it says so.
pub(super) struct Folded {
    /// `[channels_out, channels_in / groups, kernel, kernel]`
    pub dims: [usize; 4],
    pub weight: Vec<f32>,
    /// `[channels_out]`
    pub bias: Vec<f32>,
    pub stride: usize,
    pub groups: usize,
    pub relu6: bool,
}

/// What follows the last layer of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Nothing,
    /// The chain's input is added.
    Residual,
    /// The mean over all positions.
    Pool,
}

/// Runs layers one after another, as one operation: `[batch, height, width, channels]`, channels last, in and out; in is
/// `[batch, 3, height, width]` where the first layer is the network's.
pub(super) fn chain(layers: &[&ConvLayer], ending: Ending, input: Tensor<4>, phase: Phase) -> Tensor<4> {
    let structure = Structure {
        layers: layers.iter().map(|layer| layer.kind()).collect(),
        padding: Padding::Same,
        epsilon: EPSILON,
        residual: ending == Ending::Residual,
        pool: ending == Ending::Pool,
    };
    let tensors: Vec<LayerTensors> = layers.iter().map(|layer| layer.tensors(phase)).collect();
    let input = match phase {
        Phase::Frozen => input.without_autodiff(),
        // It may come from frozen layers.
        Phase::Train if tensors[0].weight.is_autodiff() => input.autodiff(),
        Phase::Train | Phase::Evaluate => input,
    };
    let (output, statistics) = kernels::run(input, &structure, tensors);
    for (layer, statistics) in layers.iter().zip(statistics) {
        layer.normalization.update_running(statistics);
    }
    output
}

/// A convolution with TensorFlow's "SAME" padding and no bias.
#[derive(Module, Debug)]
struct Convolution {
    /// `[channels_out, channels_in / groups, kernel, kernel]`
    weight: Param<Tensor<4>>,
    kernel: usize,
    stride: usize,
    depthwise: bool,
}

impl Convolution {
    fn new(spec: LayerSpec, slots: &mut Slots) -> Self {
        let LayerSpec { channels_in, channels_out, kernel, stride, depthwise, .. } = spec;
        let filter = if depthwise { 1 } else { channels_in };
        Self { weight: slots.parameter([channels_out, filter, kernel, kernel]), kernel, stride, depthwise }
    }
}

/// Batch normalisation over all but the channels.
///
/// burn's own puts the biased variance into the running statistics; PyTorch, and so this one, the unbiased.
#[derive(Module, Debug)]
struct BatchNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    running_mean: RunningState<Tensor<1>>,
    running_var: RunningState<Tensor<1>>,
    momentum: f64,
}

impl BatchNorm {
    fn new(channels: usize, momentum: f64, slots: &mut Slots) -> Self {
        Self {
            weight: slots.parameter([channels]),
            bias: slots.parameter([channels]),
            running_mean: slots.running(channels),
            running_var: slots.running(channels),
            momentum,
        }
    }

    /// Moves the running statistics towards the `mean` and the biased `variance` of `count` values a channel. A single
    /// value has no unbiased variance; it counts as 0, where PyTorch refuses the batch.
    fn update_running(&self, batch: BatchStatistics) {
        let BatchStatistics { mean, variance, count } = batch;
        let unbiased = variance * (count as f64 / count.saturating_sub(1).max(1) as f64);
        for (state, value) in [(&self.running_mean, mean), (&self.running_var, unbiased)] {
            state.update((state.value() * (1.0 - self.momentum) + value * self.momentum).detach());
            // Without this, whoever visits the module next (a record, an export) sees the value before the update.
            state.value_sync();
        }
    }
}
