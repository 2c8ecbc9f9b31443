//! Convolution, batch normalisation and ReLU6: the one layer that the whole network is made of.

use burn::{
    module::{Module, Param, ParamId, RunningState},
    tensor::{Device, Tensor, activation::relu, module::batch_norm_train, module::conv2d, ops::ConvOptions},
};

/// `layer_norm_eps` of `MobileNetV2Config`, which is the epsilon of its batch normalisation.
pub const EPSILON: f64 = 1e-3;

/// Whether batch normalisation uses the batch's statistics and updates the running ones, or uses the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Train,
    Evaluate,
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

    /// `[batch, channels_in, height, width]` to `[batch, channels_out, ceil(height / stride), ceil(width / stride)]`.
    pub(super) fn forward(&self, input: Tensor<4>, phase: Phase) -> Tensor<4> {
        let output = self.convolution.forward(input);
        let output = match phase {
            Phase::Train => self.normalization.forward_train(output),
            Phase::Evaluate => self.normalization.forward(output),
        };
        if self.relu6 { relu6(output) } else { output }
    }
}

/// A convolution with TensorFlow's "SAME" padding and no bias.
#[derive(Module, Debug)]
struct Convolution {
    /// `[channels_out, channels_in / groups, kernel, kernel]`
    weight: Param<Tensor<4>>,
    stride: usize,
    groups: usize,
}

impl Convolution {
    fn new(spec: LayerSpec, slots: &mut Slots) -> Self {
        let LayerSpec { channels_in, channels_out, kernel, stride, depthwise, .. } = spec;
        let groups = if depthwise { channels_in } else { 1 };
        Self { weight: slots.parameter([channels_out, channels_in / groups, kernel, kernel]), stride, groups }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = input.dims();
        let [_, _, kernel_height, kernel_width] = self.weight.dims();
        let padding = [
            same_padding(height, kernel_height, self.stride),
            same_padding(width, kernel_width, self.stride),
        ];
        let options = ConvOptions::new_with_padding([self.stride; 2], padding, [1, 1], self.groups);
        conv2d(input, self.weight.val(), None, options)
    }
}

/// Zeros before and after one axis, so that `ceil(size / stride)` outputs remain; an odd one goes after.
fn same_padding(size: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let covered = if size.is_multiple_of(stride) { stride } else { size % stride };
    let total = kernel.saturating_sub(covered);
    (total / 2, total - total / 2)
}

/// Batch normalisation over `[batch, channels, height, width]`.
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

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let channels = self.weight.dims()[0];
        let scale = self.weight.val() / (self.running_var.value() + EPSILON).sqrt();
        let shift = self.bias.val() - self.running_mean.value() * scale.clone();
        input * scale.reshape([1, channels, 1, 1]) + shift.reshape([1, channels, 1, 1])
    }

    fn forward_train(&self, input: Tensor<4>) -> Tensor<4> {
        let [batch, _, height, width] = input.dims();
        let normalized = batch_norm_train(input, self.weight.val(), self.bias.val(), EPSILON);
        self.update_running(normalized.mean, normalized.variance, batch * height * width);
        normalized.output
    }

    /// Moves the running statistics towards the `mean` and the biased `variance` of `count` values a channel. A single
    /// value has no unbiased variance; it counts as 0, where PyTorch refuses the batch.
    fn update_running(&self, mean: Tensor<1>, variance: Tensor<1>, count: usize) {
        let unbiased = variance * (count as f64 / count.saturating_sub(1).max(1) as f64);
        for (state, value) in [(&self.running_mean, mean), (&self.running_var, unbiased)] {
            state.update((state.value() * (1.0 - self.momentum) + value * self.momentum).detach());
            // Without this, whoever visits the module next (a record, an export) sees the value before the update.
            state.value_sync();
        }
    }
}

/// `min(max(x, 0), 6)`. As in PyTorch, and unlike in burn's `relu6`, no gradient passes at exactly 0 and 6: a channel whose
/// batch is constant sits at 0.
fn relu6(input: Tensor<4>) -> Tensor<4> {
    let rectified = relu(input);
    let saturated = rectified.clone().greater_equal_scalar(6.0);
    rectified.mask_fill(saturated, 6.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_zero_after() {
        assert_eq!(same_padding(224, 3, 2), (0, 1));
        assert_eq!(same_padding(225, 3, 2), (1, 1));
        assert_eq!(same_padding(7, 3, 1), (1, 1));
        assert_eq!(same_padding(7, 1, 1), (0, 0));
        assert_eq!(same_padding(1, 3, 2), (1, 1));
    }

    #[test]
    fn no_gradient_passes_where_relu6_is_flat_or_has_a_corner() {
        let device = Device::flex().autodiff();
        let input = Tensor::<4>::from_data([[[[-1.0, 0.0, 1.0, 6.0, 7.0]]]], &device).require_grad();
        let output = relu6(input.clone());
        assert_eq!(output.to_data().try_to_vec::<f32>().unwrap(), [0.0, 0.0, 1.0, 6.0, 6.0]);
        let gradient = input.grad(&output.sum().backward()).unwrap();
        assert_eq!(gradient.to_data().try_to_vec::<f32>().unwrap(), [0.0, 0.0, 1.0, 0.0, 0.0]);
    }
}
