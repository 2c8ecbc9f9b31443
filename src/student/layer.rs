//! Convolution, batch normalisation and activation: the layer that every architecture is made of.

use burn::{
    module::{Module, Param, ParamId, RunningState},
    tensor::{Device, Tensor},
};

use super::kernels::{Activation, BatchStatistics, Conv, Layer, LayerTensors, Padding, Statistics};

/// Whether batch normalisation uses the batch's statistics and updates the running ones, or uses the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Train,
    /// As it trains, but each batch is averaged into the running statistics: this is the batch of this number, from 1.
    Measure {
        batch: usize,
    },
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
    pub(crate) fn new(device: &'a Device) -> Self {
        Self { device, used: 0 }
    }

    fn next_id(&mut self) -> ParamId {
        self.used += 1;
        ParamId::from(self.used)
    }

    pub(crate) fn parameter<const D: usize>(&mut self, dims: [usize; D]) -> Param<Tensor<D>> {
        let mut parameter = Param::from_tensor(Tensor::zeros(dims, self.device));
        parameter.id = self.next_id();
        parameter
    }

    fn running(&mut self, channels: usize) -> RunningState<Tensor<1>> {
        RunningState::with_id(self.next_id(), Tensor::zeros([channels], self.device))
    }
}

/// The settings that all layers of a network have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// The border of a convolution.
    pub padding: Padding,
    /// Added to each variance.
    pub epsilon: f64,
    /// Weight of the batch in the running statistics.
    pub momentum: f64,
}

/// The specification of a [`ConvLayer`].
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerSpec {
    pub channels_in: usize,
    pub channels_out: usize,
    pub conv: Conv,
    pub activation: Activation,
}

/// A convolution without bias, batch normalisation and an activation.
#[derive(Module, Debug)]
pub(super) struct ConvLayer {
    convolution: Convolution,
    normalization: BatchNorm,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    padding: Padding,
}

impl ConvLayer {
    pub(crate) fn new(spec: LayerSpec, style: Style, slots: &mut Slots) -> Self {
        Self {
            convolution: Convolution::new(spec, slots),
            normalization: BatchNorm::new(spec.channels_out, style, slots),
            activation: spec.activation,
            padding: style.padding,
        }
    }

    /// The layer as the kernels run it.
    pub(crate) fn kind(&self) -> Layer {
        Layer { conv: self.convolution.conv, activation: self.activation }
    }

    pub(crate) fn padding(&self) -> Padding {
        self.padding
    }

    pub(crate) fn epsilon(&self) -> f64 {
        self.normalization.epsilon
    }

    /// The layer as one convolution with a bias: batch normalisation of the running statistics is put into it.
    pub(crate) fn folded(&self) -> Folded {
        let Convolution { weight, conv } = &self.convolution;
        let weight_dims = weight.dims();
        let weight = weight.val().into_data();
        let norm = &self.normalization;
        let values = |tensor: Tensor<1>| tensor.into_data().iter::<f64>().collect::<Vec<_>>();
        let (gamma, beta) = (values(norm.weight.val()), values(norm.bias.val()));
        let (mean, variance) = (values(norm.running_mean.value()), values(norm.running_var.value()));
        let scales: Vec<f64> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, variance)| gamma / (variance + norm.epsilon).sqrt())
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
            dims: weight_dims,
            weight: folded.into_iter().map(|value| value as f32).collect(),
            bias: bias.collect(),
            stride: conv.stride(),
            groups: if matches!(conv, Conv::Depthwise { .. }) { channels } else { 1 },
            activation: self.activation,
            padding: self.padding,
        }
    }

    /// The layer's tensors, with running statistics unless it trains.
    pub(crate) fn tensors(&self, phase: Phase) -> LayerTensors {
        let norm = &self.normalization;
        let tensors = LayerTensors {
            weight: self.convolution.weight.val(),
            gamma: norm.weight.val(),
            beta: norm.bias.val(),
            running: (!matches!(phase, Phase::Train | Phase::Measure { .. }))
                .then(|| Statistics { mean: norm.running_mean.value(), variance: norm.running_var.value() }),
        };
        if phase == Phase::Frozen { tensors.without_autodiff() } else { tensors }
    }

    /// Moves the running statistics towards those of a batch of `phase`.
    pub(crate) fn update_running(&self, batch: BatchStatistics, phase: Phase) {
        let share = match phase {
            // The first batch replaces what was there.
            Phase::Measure { batch } => 1.0 / batch as f64,
            _ => self.normalization.momentum,
        };
        self.normalization.update_running(batch, share);
    }
}

/// A [`ConvLayer`] as a convolution with a bias and an activation.
pub(super) struct Folded {
    /// `[channels_out, channels_in / groups, kernel, kernel]`
    pub dims: [usize; 4],
    pub weight: Vec<f32>,
    /// `[channels_out]`
    pub bias: Vec<f32>,
    pub stride: usize,
    pub groups: usize,
    pub activation: Activation,
    pub padding: Padding,
}

/// A convolution without bias.
#[derive(Module, Debug)]
struct Convolution {
    /// `[channels_out, channels_in / groups, kernel, kernel]`
    weight: Param<Tensor<4>>,
    #[module(skip)]
    conv: Conv,
}

impl Convolution {
    fn new(spec: LayerSpec, slots: &mut Slots) -> Self {
        let LayerSpec { channels_in, channels_out, conv, .. } = spec;
        Self { weight: slots.parameter(conv.weight(channels_in, channels_out)), conv }
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
    epsilon: f64,
}

impl BatchNorm {
    fn new(channels: usize, style: Style, slots: &mut Slots) -> Self {
        Self {
            weight: slots.parameter([channels]),
            bias: slots.parameter([channels]),
            running_mean: slots.running(channels),
            running_var: slots.running(channels),
            momentum: style.momentum,
            epsilon: style.epsilon,
        }
    }

    /// Moves the running statistics by `share` towards the `mean` and the biased `variance` of `count` values a channel. A single
    /// value has no unbiased variance; it counts as 0, where PyTorch refuses the batch.
    fn update_running(&self, batch: BatchStatistics, share: f64) {
        let BatchStatistics { mean, variance, count } = batch;
        let unbiased = variance * (count as f64 / count.saturating_sub(1).max(1) as f64);
        for (state, value) in [(&self.running_mean, mean), (&self.running_var, unbiased)] {
            state.update((state.value() * (1.0 - share) + value * share).detach());
            // Without this, the next visit of the module (for a record or an export) sees the value before the update.
            state.value_sync();
        }
    }
}
