//! ResNet-18 (arXiv 1512.03385), layer for layer `transformers`' `ResNetForImageClassification`.

mod format;

use burn::module::Module;

use super::{
    StudentShape,
    block::{Block, Ending},
    classifier::Classifier,
    kernels::{Activation, Conv, Padding},
    layer::{ConvLayer, LayerSpec, Slots, Style},
    network::{Format, Layers, Network},
};

/// Channels of each stage; the stem has those of the first.
const CHANNELS: [usize; 4] = [64, 128, 256, 512];
/// Blocks of each stage.
const DEPTH: usize = 2;

/// `ResNetForImageClassification`.
#[derive(Module, Debug)]
pub(super) struct ResNet18 {
    resnet: Backbone,
    classifier: (Flatten, Classifier),
    #[module(skip)]
    shape: StudentShape,
}

/// The first part of `transformers`' head, which has no parameters.
#[derive(Module, Debug)]
struct Flatten {
    #[module(skip)]
    nothing: (),
}

impl Network for ResNet18 {
    const FORMAT: Format = format::FORMAT;

    fn new(shape: &StudentShape, slots: &mut Slots) -> Self {
        Self {
            resnet: Backbone::new(shape, slots),
            classifier: (Flatten { nothing: () }, Classifier::new(CHANNELS[3], shape.classes, slots)),
            shape: shape.clone(),
        }
    }
}

impl Layers for ResNet18 {
    fn shape(&self) -> &StudentShape {
        &self.shape
    }

    fn blocks(&self) -> Vec<Block<'_>> {
        let Backbone { embedder, encoder } = &self.resnet;
        let stem = Block {
            name: "embedder".to_owned(),
            layers: vec![("", &embedder.embedder)],
            ending: Ending::MaxPool,
        };
        let stages = encoder.stages.iter().enumerate().flat_map(|(stage, Stage { layers })| {
            let name = move |layer| format!("stages.{stage}.{layer}");
            layers.iter().enumerate().map(move |(layer, basic)| basic.block(name(layer)))
        });
        let last = Block { name: "pooler".to_owned(), layers: Vec::new(), ending: Ending::Pool };
        std::iter::once(stem).chain(stages).chain(std::iter::once(last)).collect()
    }

    fn classifier(&self) -> &Classifier {
        &self.classifier.1
    }
}

/// `ResNetModel`.
#[derive(Module, Debug)]
struct Backbone {
    embedder: Embedder,
    encoder: Encoder,
}

/// `ResNetEmbeddings`.
#[derive(Module, Debug)]
struct Embedder {
    embedder: ConvLayer,
}

/// `ResNetEncoder`.
#[derive(Module, Debug)]
struct Encoder {
    stages: Vec<Stage>,
}

/// `ResNetStage`.
#[derive(Module, Debug)]
struct Stage {
    layers: Vec<BasicLayer>,
}

/// `ResNetBasicLayer`: two convolutions beside a shortcut.
#[derive(Module, Debug)]
struct BasicLayer {
    shortcut: Option<ConvLayer>,
    layer: Vec<ConvLayer>,
}

impl Backbone {
    fn new(shape: &StudentShape, slots: &mut Slots) -> Self {
        let style = Style {
            padding: Padding::Centred,
            epsilon: format::EPSILON,
            momentum: shape.batch_norm_momentum,
        };
        let stem = LayerSpec {
            channels_in: 3,
            channels_out: CHANNELS[0],
            conv: Conv::Planes { kernel: 7, stride: 2 },
            activation: Activation::Relu,
        };
        let embedder = Embedder { embedder: ConvLayer::new(stem, style, slots) };
        let mut stages = Vec::new();
        let mut channels_in = CHANNELS[0];
        for channels in CHANNELS {
            let first = if stages.is_empty() { 1 } else { 2 };
            let mut layers = vec![BasicLayer::new([channels_in, channels], first, style, slots)];
            layers.extend((1..DEPTH).map(|_| BasicLayer::new([channels; 2], 1, style, slots)));
            stages.push(Stage { layers });
            channels_in = channels;
        }
        Self { embedder, encoder: Encoder { stages } }
    }
}

impl BasicLayer {
    fn new([channels_in, channels_out]: [usize; 2], stride: usize, style: Style, slots: &mut Slots) -> Self {
        let spec = |channels_in, kernel, stride, activation| LayerSpec {
            channels_in,
            channels_out,
            conv: Conv::Dense { kernel, stride },
            activation,
        };
        let changes = channels_in != channels_out || stride != 1;
        let shortcut = spec(channels_in, 1, stride, Activation::Linear);
        Self {
            shortcut: changes.then(|| ConvLayer::new(shortcut, style, slots)),
            layer: vec![
                ConvLayer::new(spec(channels_in, 3, stride, Activation::Relu), style, slots),
                ConvLayer::new(spec(channels_out, 3, 1, Activation::Linear), style, slots),
            ],
        }
    }

    fn block(&self, name: String) -> Block<'_> {
        let shortcut = self.shortcut.as_ref().map(|layer| ("shortcut", layer));
        let layers = ["layer.0", "layer.1"].into_iter().zip(&self.layer).collect();
        Block { name, layers, ending: Ending::Shortcut(shortcut) }
    }
}
