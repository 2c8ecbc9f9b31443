//! `MobileNetV2` (arXiv 1801.04381), layer for layer `transformers`' `MobileNetV2ForImageClassification`.

mod format;
mod shape;

use burn::module::Module;

use super::{
    StudentShape,
    block::{Block, Ending},
    classifier::Classifier,
    kernels::{Activation, Conv, Padding},
    layer::{ConvLayer, LayerSpec, Slots, Style},
    network::{Format, Layers, Network},
};

/// `MobileNetV2ForImageClassification`.
#[derive(Module, Debug)]
pub(super) struct MobileNetV2 {
    mobilenet_v2: Backbone,
    classifier: Classifier,
    #[module(skip)]
    shape: StudentShape,
}

impl Network for MobileNetV2 {
    const FORMAT: Format = format::FORMAT;

    fn new(shape: &StudentShape, slots: &mut Slots) -> Self {
        Self {
            mobilenet_v2: Backbone::new(shape, slots),
            classifier: Classifier::new(shape::features(shape.width), shape.classes, slots),
            shape: shape.clone(),
        }
    }
}

impl Layers for MobileNetV2 {
    fn shape(&self) -> &StudentShape {
        &self.shape
    }

    fn blocks(&self) -> Vec<Block<'_>> {
        let Backbone { conv_stem, layer, conv_1x1 } = &self.mobilenet_v2;
        let last = Block { name: "conv_1x1".to_owned(), layers: vec![("", conv_1x1)], ending: Ending::Pool };
        std::iter::once(conv_stem.block())
            .chain(layer.iter().enumerate().map(|(index, residual)| residual.block(index)))
            .chain(std::iter::once(last))
            .collect()
    }

    fn classifier(&self) -> &Classifier {
        &self.classifier
    }
}

/// `MobileNetV2Model`.
#[derive(Module, Debug)]
struct Backbone {
    conv_stem: Stem,
    layer: Vec<InvertedResidual>,
    conv_1x1: ConvLayer,
}

impl Backbone {
    fn new(shape: &StudentShape, slots: &mut Slots) -> Self {
        const STRIDES: [usize; 16] = [2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1];
        let channels = shape::block_channels(shape.width);
        let style =
            Style { padding: Padding::Same, epsilon: format::EPSILON, momentum: shape.batch_norm_momentum };
        Self {
            conv_stem: Stem::new(shape::stem_channels(shape.width), channels[0], style, slots),
            layer: (channels.windows(2).zip(STRIDES))
                .map(|(pair, stride)| InvertedResidual::new([pair[0], pair[1]], stride, style, slots))
                .collect(),
            conv_1x1: ConvLayer::new(pointwise(channels[16], shape::features(shape.width)), style, slots),
        }
    }
}

/// `MobileNetV2Stem` with `first_layer_is_expansion`: a strided 3x3 convolution, then an inverted residual's second half.
#[derive(Module, Debug)]
struct Stem {
    first_conv: ConvLayer,
    conv_3x3: ConvLayer,
    reduce_1x1: ConvLayer,
}

impl Stem {
    fn new(inside: usize, channels_out: usize, style: Style, slots: &mut Slots) -> Self {
        let first = LayerSpec { conv: Conv::Planes { kernel: 3, stride: 2 }, ..pointwise(3, inside) };
        Self {
            first_conv: ConvLayer::new(first, style, slots),
            conv_3x3: ConvLayer::new(depthwise(inside, 1), style, slots),
            reduce_1x1: ConvLayer::new(linear(inside, channels_out), style, slots),
        }
    }

    fn block(&self) -> Block<'_> {
        let layers = vec![
            ("first_conv", &self.first_conv),
            ("conv_3x3", &self.conv_3x3),
            ("reduce_1x1", &self.reduce_1x1),
        ];
        Block { name: "conv_stem".to_owned(), layers, ending: Ending::Nothing }
    }
}

/// `MobileNetV2InvertedResidual`: expand, filter each channel, reduce, and add the input where the shape allows it.
#[derive(Module, Debug)]
struct InvertedResidual {
    expand_1x1: ConvLayer,
    conv_3x3: ConvLayer,
    reduce_1x1: ConvLayer,
    residual: bool,
}

impl InvertedResidual {
    fn new([channels_in, channels_out]: [usize; 2], stride: usize, style: Style, slots: &mut Slots) -> Self {
        let inside = shape::expanded(channels_in);
        Self {
            expand_1x1: ConvLayer::new(pointwise(channels_in, inside), style, slots),
            conv_3x3: ConvLayer::new(depthwise(inside, stride), style, slots),
            reduce_1x1: ConvLayer::new(linear(inside, channels_out), style, slots),
            residual: stride == 1 && channels_in == channels_out,
        }
    }

    fn block(&self, index: usize) -> Block<'_> {
        let layers = vec![
            ("expand_1x1", &self.expand_1x1),
            ("conv_3x3", &self.conv_3x3),
            ("reduce_1x1", &self.reduce_1x1),
        ];
        let ending = if self.residual { Ending::Residual } else { Ending::Nothing };
        Block { name: format!("layer.{index}"), layers, ending }
    }
}

/// A 1x1 convolution.
fn pointwise(channels_in: usize, channels_out: usize) -> LayerSpec {
    LayerSpec { channels_in, channels_out, conv: Conv::Pointwise, activation: Activation::Relu6 }
}

/// A 1x1 convolution without an activation, which ends a block.
fn linear(channels_in: usize, channels_out: usize) -> LayerSpec {
    LayerSpec { activation: Activation::Linear, ..pointwise(channels_in, channels_out) }
}

/// A 3x3 convolution of each channel with its own filter.
fn depthwise(channels: usize, stride: usize) -> LayerSpec {
    LayerSpec { conv: Conv::Depthwise { stride }, ..pointwise(channels, channels) }
}
