//! The network.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};

use super::{
    initial,
    layer::{ConvLayer, Ending, LayerSpec, Phase, Slots, chain},
    shape::{StudentShape, expanded},
};
use crate::config::Freeze;

/// `MobileNetV2ForImageClassification`.
#[derive(Module, Debug)]
pub struct MobileNetV2 {
    mobilenet_v2: Backbone,
    classifier: Classifier,
    #[module(skip)]
    shape: StudentShape,
}

impl MobileNetV2 {
    /// A student with random weights, a function of `seed` and a parameter's name alone: the same on every device, and
    /// the same backbone for every number of classes. On an autodiff `device` it is ready to train.
    pub fn new(shape: &StudentShape, seed: u64, device: &Device) -> Self {
        let slots = &mut Slots::new(device);
        let model = Self {
            mobilenet_v2: Backbone::new(shape, slots),
            classifier: Classifier {
                weight: slots.parameter([shape.classes, shape.features()]),
                bias: slots.parameter([shape.classes]),
            },
            shape: shape.clone(),
        };
        initial::randomise(model, seed)
    }

    /// What this student was made from.
    pub fn shape(&self) -> &StudentShape {
        &self.shape
    }

    /// Number of features that the classifier and its dropout see.
    pub fn features(&self) -> usize {
        self.shape.features()
    }

    /// The backbone, from the stem over the inverted residual blocks to the last convolution.
    pub(super) fn chains(&self) -> impl Iterator<Item = Chain<'_>> {
        self.mobilenet_v2.chains()
    }

    /// The classifier's weight `[classes, features]` and bias `[classes]`.
    pub(super) fn classifier(&self) -> (TensorData, TensorData) {
        (self.classifier.weight.val().into_data(), self.classifier.bias.val().into_data())
    }

    /// Logits `[batch, classes]` of `pixels` `[batch, 3, height, width]`, with the running statistics and no dropout.
    /// Call it on [`Module::valid`]'s model where no gradient is wanted.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<2> {
        self.classifier.forward(self.mobilenet_v2.forward(pixels, |_| Phase::Evaluate))
    }

    /// Logits `[batch, classes]` of `pixels` `[batch, 3, height, width]`, with the batch's statistics, which also move the
    /// running ones, but for the layers that the shape has frozen: those evaluate. The pooled features are multiplied by
    /// `dropout_mask` `[batch, features]` (see [`dropout::mask`](super::dropout::mask)).
    pub fn forward_train(&self, pixels: Tensor<4>, dropout_mask: Option<Tensor<2>>) -> Tensor<2> {
        // The stem is the first chain, each block one, and the last convolution another.
        let frozen = match self.shape.freeze {
            Freeze::None => 0,
            Freeze::Blocks(blocks) => 1 + blocks,
            Freeze::Backbone => usize::MAX,
        };
        let phase = |chain| if chain < frozen { Phase::Frozen } else { Phase::Train };
        let features = self.mobilenet_v2.forward(pixels, phase);
        let features =
            if self.classifier.weight.val().is_autodiff() { features.autodiff() } else { features };
        let features = match dropout_mask {
            Some(mask) => features * mask,
            None => features,
        };
        self.classifier.forward(features)
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
        let channels = shape.block_channels();
        let momentum = shape.batch_norm_momentum;
        Self {
            conv_stem: Stem::new(shape.stem_channels(), channels[0], momentum, slots),
            layer: (channels.windows(2).zip(STRIDES))
                .map(|(pair, stride)| InvertedResidual::new([pair[0], pair[1]], stride, momentum, slots))
                .collect(),
            conv_1x1: ConvLayer::new(LayerSpec::pointwise(channels[16], shape.features()), momentum, slots),
        }
    }

    /// Everything before the classifier, in order.
    fn chains(&self) -> impl Iterator<Item = Chain<'_>> {
        let last = Chain { layers: vec![("", &self.conv_1x1)], ending: Ending::Pool };
        std::iter::once(self.conv_stem.chain())
            .chain(self.layer.iter().map(InvertedResidual::chain))
            .chain(std::iter::once(last))
    }

    /// `[batch, 3, height, width]` to the mean over all positions, `[batch, features]`; `phase` is that of each chain by its
    /// number.
    fn forward(&self, pixels: Tensor<4>, phase: impl Fn(usize) -> Phase) -> Tensor<2> {
        let pooled = self.chains().enumerate().fold(pixels, |input, (number, Chain { layers, ending })| {
            let layers: Vec<&ConvLayer> = layers.into_iter().map(|(_, layer)| layer).collect();
            chain(&layers, ending, input, phase(number))
        });
        let [batch, _, _, features] = pooled.dims();
        pooled.reshape([batch, features])
    }
}

/// Layers that run one after another, each with its name in its block, and what follows them.
pub(super) struct Chain<'a> {
    pub layers: Vec<(&'static str, &'a ConvLayer)>,
    pub ending: Ending,
}

/// `MobileNetV2Stem` with `first_layer_is_expansion`: a strided 3x3 convolution, then an inverted residual's second half.
#[derive(Module, Debug)]
struct Stem {
    first_conv: ConvLayer,
    conv_3x3: ConvLayer,
    reduce_1x1: ConvLayer,
}

impl Stem {
    fn new(inside: usize, channels_out: usize, momentum: f64, slots: &mut Slots) -> Self {
        let first = LayerSpec {
            channels_in: 3,
            channels_out: inside,
            kernel: 3,
            stride: 2,
            depthwise: false,
            relu6: true,
        };
        Self {
            first_conv: ConvLayer::new(first, momentum, slots),
            conv_3x3: ConvLayer::new(LayerSpec::depthwise(inside, 1), momentum, slots),
            reduce_1x1: ConvLayer::new(LayerSpec::pointwise(inside, channels_out).linear(), momentum, slots),
        }
    }

    fn chain(&self) -> Chain<'_> {
        let layers = vec![
            ("first_conv", &self.first_conv),
            ("conv_3x3", &self.conv_3x3),
            ("reduce_1x1", &self.reduce_1x1),
        ];
        Chain { layers, ending: Ending::Nothing }
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
    fn new([channels_in, channels_out]: [usize; 2], stride: usize, momentum: f64, slots: &mut Slots) -> Self {
        let inside = expanded(channels_in);
        Self {
            expand_1x1: ConvLayer::new(LayerSpec::pointwise(channels_in, inside), momentum, slots),
            conv_3x3: ConvLayer::new(LayerSpec::depthwise(inside, stride), momentum, slots),
            reduce_1x1: ConvLayer::new(LayerSpec::pointwise(inside, channels_out).linear(), momentum, slots),
            residual: stride == 1 && channels_in == channels_out,
        }
    }

    fn chain(&self) -> Chain<'_> {
        let layers = vec![
            ("expand_1x1", &self.expand_1x1),
            ("conv_3x3", &self.conv_3x3),
            ("reduce_1x1", &self.reduce_1x1),
        ];
        Chain { layers, ending: if self.residual { Ending::Residual } else { Ending::Nothing } }
    }
}

/// The head, in PyTorch's layout: `weight` is `[classes, features]`.
#[derive(Module, Debug)]
struct Classifier {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Classifier {
    fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        features.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze()
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        module::{ModuleVisitor, ParamId},
        optim::GradientsParams,
    };

    use super::*;
    use crate::student::visit_parameters;

    fn student(classes: usize, device: &Device) -> MobileNetV2 {
        MobileNetV2::new(&StudentShape::new(0.35, classes, 32), 5, device)
    }

    fn values(model: &MobileNetV2) -> Vec<(String, TensorData)> {
        let mut found = Vec::new();
        visit_parameters(model, |name, data| found.push((name.to_owned(), data)));
        found
    }

    #[test]
    fn a_seed_gives_the_same_backbone_on_any_device_and_for_any_classes() {
        let three = values(&student(3, &Device::flex()));
        assert_eq!(three, values(&student(3, &Device::flex().autodiff())));
        let five = values(&student(5, &Device::flex()));
        let backbone = three.len() - 2;
        assert_eq!(three[..backbone], five[..backbone]);
    }

    #[test]
    fn ids_are_the_same_in_every_process() {
        struct Ids(Vec<ParamId>);
        impl ModuleVisitor for Ids {
            fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
                self.0.push(parameter.id);
            }
        }
        let mut ids = Ids(Vec::new());
        student(3, &Device::flex().autodiff()).visit(&mut ids);
        let expected: Vec<ParamId> = (1..=ids.0.len() as u64).map(ParamId::from).collect();
        assert_eq!(ids.0, expected);
    }

    #[test]
    fn running_statistics_are_current_as_soon_as_a_step_has_been_forward() {
        let device = Device::flex().autodiff();
        let model = student(3, &device);
        let before = values(&model);
        model.forward_train(Tensor::ones([2, 3, 32, 32], &device), None);
        let after = values(&model);
        assert_ne!(before, after);
        assert_eq!(after, values(&model.valid()));
    }

    #[test]
    fn frozen_layers_keep_their_statistics_and_get_no_gradient() {
        let device = Device::flex().autodiff();
        let changed = |freeze: Freeze| {
            let shape = StudentShape { freeze, ..StudentShape::new(0.35, 3, 32) };
            let model = MobileNetV2::new(&shape, 5, &device);
            let before = values(&model);
            let loss = model.forward_train(Tensor::ones([2, 3, 32, 32], &device), None).square().sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            let moved = values(&model).iter().zip(&before).filter(|(after, before)| after != before).count();
            (gradients.len(), moved)
        };
        // Three layers in the stem, 16 blocks of three, one last: a weight, two affine and two running ones each.
        assert_eq!(changed(Freeze::None), (52 * 3 + 2, 52 * 2));
        assert_eq!(changed(Freeze::Blocks(0)), (49 * 3 + 2, 49 * 2));
        assert_eq!(changed(Freeze::Blocks(15)), (4 * 3 + 2, 4 * 2));
        assert_eq!(changed(Freeze::Backbone), (2, 0));
    }

    #[test]
    fn a_frozen_backbone_trains_on_the_features_that_it_evaluates_to() {
        let device = Device::flex().autodiff();
        let shape = StudentShape { freeze: Freeze::Backbone, ..StudentShape::new(0.35, 3, 32) };
        let model = MobileNetV2::new(&shape, 5, &device);
        let pixels = Tensor::<4>::ones([2, 3, 32, 32], &device);
        let training = model.forward_train(pixels.clone(), None).into_data();
        assert_eq!(training, model.valid().forward(pixels.inner()).into_data());
    }

    #[test]
    fn a_batch_with_one_value_a_channel_gives_finite_statistics() {
        let device = Device::flex().autodiff();
        let model = student(3, &device);
        model.forward_train(Tensor::ones([1, 3, 32, 32], &device), None);
        assert!(values(&model).iter().all(|(_, data)| data.iter::<f32>().all(f32::is_finite)));
    }

    #[test]
    fn the_mask_drops_features_before_the_classifier() {
        let device = Device::flex();
        let model = student(3, &device);
        let pixels = || Tensor::<4>::ones([2, 3, 32, 32], &device);
        let mask = |value: f64| Some(Tensor::<2>::full([2, model.features()], value, &device));
        let logits = |mask| model.forward_train(pixels(), mask).into_data();
        assert_eq!(logits(mask(1.0)), logits(None));
        assert!(logits(mask(0.0)).iter::<f32>().all(|logit| logit == 0.0), "the bias starts at 0");
    }
}
