//! The layers of a chain, and how large each of them is on an input.

use super::{
    activation::Activation,
    dense, depthwise, pointwise,
    window::{Padding, Window},
};

/// The kernel of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conv {
    /// Over all planes of an image; weight `[out, planes, kernel, kernel]`. Only as first layer, on `[batch, planes, height,
    /// width]`.
    Planes {
        /// Height and width of the window, odd.
        kernel: usize,
        /// Pixels between neighbouring outputs: 1 or 2.
        stride: usize,
    },
    /// Over all channels; weight `[out, in, kernel, kernel]`.
    Dense {
        /// Height and width of the window, odd.
        kernel: usize,
        /// Pixels between neighbouring outputs: 1 or 2.
        stride: usize,
    },
    /// 1 x 1; weight `[out, in, 1, 1]`.
    Pointwise,
    /// 3 x 3 in each channel; weight `[channels, 1, 3, 3]`.
    Depthwise {
        /// Pixels between neighbouring outputs: 1 or 2.
        stride: usize,
    },
}

impl Conv {
    /// Height and width of its window.
    pub(crate) fn kernel(self) -> usize {
        match self {
            Self::Planes { kernel, .. } | Self::Dense { kernel, .. } => kernel,
            Self::Pointwise => 1,
            Self::Depthwise { .. } => 3,
        }
    }

    /// Pixels between neighbouring outputs.
    pub(crate) fn stride(self) -> usize {
        match self {
            Self::Planes { stride, .. } | Self::Dense { stride, .. } | Self::Depthwise { stride } => stride,
            Self::Pointwise => 1,
        }
    }

    /// The shape of its weight.
    pub(crate) fn weight(self, inputs: usize, outputs: usize) -> [usize; 4] {
        let filter = if matches!(self, Self::Depthwise { .. }) { 1 } else { inputs };
        [outputs, filter, self.kernel(), self.kernel()]
    }
}

/// One layer: convolution, BatchNorm and activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// The convolution.
    pub conv: Conv,
    /// The activation after the norm.
    pub activation: Activation,
}

/// The layers of a chain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChainSpec {
    /// First to last.
    pub layers: Vec<Layer>,
    /// The border of the convolutions.
    pub padding: Padding,
    /// Added to each variance.
    pub epsilon: f64,
    /// Whether the input is added to the output; the last layer then has no activation.
    pub residual: bool,
    /// Whether the output is averaged over its pixels.
    pub pool: bool,
}

/// A layer's extent.
#[derive(Clone, Copy)]
pub(super) enum Extent {
    Planes { rows: pointwise::Extent, planes: usize, window: Window },
    Dense(dense::Extent),
    Pointwise(pointwise::Extent),
    Depthwise(depthwise::Extent),
}

impl ChainSpec {
    /// # Panics
    /// If the input or the layers' weights do not fit.
    pub(super) fn check(&self, input: [usize; 4], weights: &[[usize; 4]]) {
        assert!(
            (1..=3).contains(&self.layers.len()),
            "a chain has one to three layers, not {}",
            self.layers.len()
        );
        assert_eq!(weights.len(), self.layers.len(), "a chain needs one weight a layer");
        assert!(input.iter().all(|&side| side > 0), "a chain's input is empty: {input:?}");
        let mut channels =
            if matches!(self.layers[0].conv, Conv::Planes { .. }) { input[1] } else { input[3] };
        for (i, (layer, &weight)) in self.layers.iter().zip(weights).enumerate() {
            let out = weight[0];
            let (kernel, stride) = (layer.conv.kernel(), layer.conv.stride());
            let outputs = if matches!(layer.conv, Conv::Depthwise { .. }) { channels } else { out };
            if matches!(layer.conv, Conv::Planes { .. }) {
                assert_eq!(i, 0, "planes are read by a chain's first layer, not its number {i}");
            }
            let expected = layer.conv.weight(channels, outputs);
            assert_eq!(weight, expected, "the weight of a chain's layer {i} does not fit its input");
            assert!(kernel % 2 == 1, "a kernel is odd, not {kernel}");
            assert!(stride == 1 || stride == 2, "a stride is 1 or 2, not {stride}");
            channels = out;
        }
        if self.residual {
            let same = self
                .layers
                .iter()
                .all(|layer| layer.conv.stride() == 1 && !matches!(layer.conv, Conv::Planes { .. }));
            assert!(same && channels == input[3] && !self.pool, "a residual needs an output like its input");
            let last = self.layers[self.layers.len() - 1].activation;
            assert_eq!(last, Activation::Linear, "a residual is added to a layer without activation");
        }
    }

    /// Each layer's extent and the output's shape `[batch, height, width, channels]`, from the input's shape and the
    /// layers' numbers of output channels.
    pub(super) fn extents(
        &self,
        input: [usize; 4],
        widths: impl Iterator<Item = usize>,
    ) -> (Vec<Extent>, [usize; 4]) {
        let [batch, mut height, mut width, mut channels] = match self.layers[0].conv {
            Conv::Planes { .. } => [input[0], input[2], input[3], input[1]],
            _ => input,
        };
        let mut extents = Vec::with_capacity(self.layers.len());
        for (layer, outputs) in self.layers.iter().zip(widths) {
            let (kernel, stride) = (layer.conv.kernel(), layer.conv.stride());
            let window = Window::new(self.padding, kernel, stride, height, width);
            let extent = match layer.conv {
                Conv::Planes { .. } => {
                    let rows = batch * window.out_height * window.out_width;
                    let rows = pointwise::Extent { rows, inputs: channels * kernel * kernel, outputs };
                    Extent::Planes { rows, planes: channels, window }
                }
                Conv::Dense { .. } => {
                    Extent::Dense(dense::Extent { batch, inputs: channels, outputs, window })
                }
                Conv::Pointwise => Extent::Pointwise(pointwise::Extent {
                    rows: batch * height * width,
                    inputs: channels,
                    outputs,
                }),
                Conv::Depthwise { .. } => Extent::Depthwise(depthwise::Extent { batch, channels, window }),
            };
            (height, width) = (window.out_height, window.out_width);
            channels = outputs;
            extents.push(extent);
        }
        (extents, [batch, height, width, channels])
    }

    /// How many values a channel has after each layer.
    pub(super) fn counts(&self, input: [usize; 4], weights: &[[usize; 4]]) -> Vec<usize> {
        let (extents, _) = self.extents(input, weights.iter().map(|weight| weight[0]));
        let rows = |extent: &Extent| match *extent {
            Extent::Planes { rows, .. } | Extent::Pointwise(rows) => rows.rows,
            Extent::Dense(dense::Extent { batch, window, .. })
            | Extent::Depthwise(depthwise::Extent { batch, window, .. }) => {
                batch * window.out_height * window.out_width
            }
        };
        extents.iter().map(rows).collect()
    }
}
