//! What a chain is made of, and how large each of its layers is on an input.

use super::{
    depthwise, pointwise,
    window::{Padding, Window},
};

/// What a layer convolves with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conv {
    /// 3 x 3 over all planes of an image; weight `[out, planes, 3, 3]`. Only as first layer, on `[batch, planes, height,
    /// width]`.
    Dense {
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

/// What follows a BatchNorm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

impl Activation {
    /// The least and the largest value that comes out.
    pub(super) fn range(self) -> (f32, f32) {
        match self {
            Self::Linear => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Relu => (0.0, f32::INFINITY),
            Self::Relu6 => (0.0, 6.0),
        }
    }
}

/// One layer: convolution, BatchNorm and activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The convolution.
    pub conv: Conv,
    /// What follows the norm.
    pub activation: Activation,
}

/// A chain's structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Structure {
    /// First to last.
    pub layers: Vec<Layer>,
    /// The border of 3 x 3 convolutions.
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
    Dense { rows: pointwise::Extent, planes: usize, window: Window },
    Pointwise(pointwise::Extent),
    Depthwise(depthwise::Extent),
}

impl Structure {
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
            if matches!(self.layers[0].conv, Conv::Dense { .. }) { input[1] } else { input[3] };
        for (i, (layer, &weight)) in self.layers.iter().zip(weights).enumerate() {
            let out = weight[0];
            let (expected, stride) = match layer.conv {
                Conv::Dense { stride } => {
                    assert_eq!(i, 0, "a dense convolution is a chain's first layer, not its number {i}");
                    ([out, channels, 3, 3], stride)
                }
                Conv::Pointwise => ([out, channels, 1, 1], 1),
                Conv::Depthwise { stride } => ([channels, 1, 3, 3], stride),
            };
            assert_eq!(weight, expected, "the weight of a chain's layer {i} does not fit its input");
            assert!(stride == 1 || stride == 2, "a stride is 1 or 2, not {stride}");
            channels = out;
        }
        if self.residual {
            let same = self
                .layers
                .iter()
                .all(|layer| matches!(layer.conv, Conv::Pointwise | Conv::Depthwise { stride: 1 }));
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
            Conv::Dense { .. } => [input[0], input[2], input[3], input[1]],
            _ => input,
        };
        let mut extents = Vec::with_capacity(self.layers.len());
        for (layer, outputs) in self.layers.iter().zip(widths) {
            let window = |stride| Window::new(self.padding, stride, height, width);
            let extent = match layer.conv {
                Conv::Dense { stride } => {
                    let window = window(stride);
                    let rows = batch * window.out_height * window.out_width;
                    let rows = pointwise::Extent { rows, inputs: channels * 9, outputs };
                    Extent::Dense { rows, planes: channels, window }
                }
                Conv::Pointwise => Extent::Pointwise(pointwise::Extent {
                    rows: batch * height * width,
                    inputs: channels,
                    outputs,
                }),
                Conv::Depthwise { stride } => {
                    Extent::Depthwise(depthwise::Extent { batch, channels, window: window(stride) })
                }
            };
            if let Extent::Dense { window, .. } | Extent::Depthwise(depthwise::Extent { window, .. }) = extent
            {
                (height, width) = (window.out_height, window.out_width);
            }
            channels = outputs;
            extents.push(extent);
        }
        (extents, [batch, height, width, channels])
    }

    /// How many values a channel has after each layer.
    pub(super) fn counts(&self, input: [usize; 4], weights: &[[usize; 4]]) -> Vec<usize> {
        let (extents, _) = self.extents(input, weights.iter().map(|weight| weight[0]));
        let rows = |extent: &Extent| match *extent {
            Extent::Dense { rows, .. } | Extent::Pointwise(rows) => rows.rows,
            Extent::Depthwise(depthwise::Extent { batch, window, .. }) => {
                batch * window.out_height * window.out_width
            }
        };
        extents.iter().map(rows).collect()
    }
}
