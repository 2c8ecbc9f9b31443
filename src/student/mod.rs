//! The student: a small classifier, layer for layer a model of `transformers`.
//!
//! [`Student`] is the one type that the rest of the program knows. [`Student::new`] gives random weights from a seed,
//! [`hf::load_weights`] those of a Hugging Face checkpoint; [`hf::save_folder`] writes a folder that
//! `AutoModelForImageClassification.from_pretrained` opens, [`onnx::save_folder`] an ONNX file.
//!
//! An architecture is a folder in this module, a line in the list below and a line in the registry of
//! [`Architecture`]. Its folder says which layers there are, in which order they run, how they start and what `config.json`
//! says about them. The fields of its modules have the checkpoint's names, so a parameter's path in the module is its name
//! in the file.

mod block;
mod classifier;
pub(crate) mod dropout;
pub mod hf;
mod initial;
pub mod kernels;
mod layer;
mod mobilenet_v2;
mod network;
pub mod onnx;
mod parameters;
mod resnet;
mod shape;

use burn::module::{Module, ModuleMapper, ModuleVisitor};
use burn::tensor::{DType, Device, Tensor};

pub(crate) use parameters::parameter_count;
pub use parameters::visit_parameters;
pub use shape::StudentShape;

use crate::config::{Architecture, Freeze, Initializer};
use layer::{Phase, Slots};
use network::{Format, Layers, Network, students};

type Devices = Vec<Device>;

students! {
    MobileNetV2(mobilenet_v2::MobileNetV2),
    ResNet18(resnet::ResNet18),
}

impl Student {
    /// A student with random weights as `transformers` draws them, a function of `seed` and a parameter's name only: the same on every device, and
    /// the same backbone for every number of classes. On an autodiff `device` it is ready to train.
    pub fn new(shape: &StudentShape, seed: u64, device: &Device) -> Self {
        Self::initialised(shape, Initializer::Transformers, seed, device)
    }

    /// [`Student::new`] with the random weights of another `initializer`.
    pub fn initialised(shape: &StudentShape, initializer: Initializer, seed: u64, device: &Device) -> Self {
        let student = Self::zeros(shape, &mut Slots::new(device));
        let initial = match initializer {
            Initializer::Kaiming => initial::kaiming,
            Initializer::Transformers => format(shape.architecture).initial,
        };
        initial::randomise(student, initial, seed)
    }

    /// The configuration that this student was made from.
    pub fn shape(&self) -> &StudentShape {
        self.layers().shape()
    }

    /// Number of features that the classifier and its dropout see.
    pub(crate) fn features(&self) -> usize {
        self.layers().classifier().features()
    }

    /// Logits `[batch, classes]` of `pixels` `[batch, 3, height, width]`, with the running statistics and no dropout.
    /// Call it on [`Module::valid`]'s model where no gradient is wanted.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<2> {
        self.layers().classifier().forward(self.backbone(pixels, |_| Phase::Evaluate))
    }

    /// Logits `[batch, classes]` of `pixels` `[batch, 3, height, width]`, with the batch's statistics, which also move the
    /// running ones, except in the layers that the shape has frozen: those evaluate. The pooled features are multiplied by
    /// `dropout_mask` `[batch, features]` (see [`dropout::mask`]).
    pub fn forward_train(&self, pixels: Tensor<4>, dropout_mask: Option<Tensor<2>>) -> Tensor<2> {
        let features = self.backbone(pixels, self.unless_frozen(Phase::Train));
        let classifier = self.layers().classifier();
        let features = if classifier.is_autodiff() { features.autodiff() } else { features };
        let features = match dropout_mask {
            Some(mask) => features * mask,
            None => features,
        };
        classifier.forward(features)
    }

    /// Makes the running statistics those of the batches that are given one after another: `batch` is the number of this one,
    /// `pixels` `[batch, 3, height, width]`, from 1. After the last one they are the mean over all batches, as
    /// `torch.optim.swa_utils.update_bn` leaves them. Layers that the shape has frozen keep theirs.
    pub(crate) fn measure_statistics(&self, pixels: Tensor<4>, batch: usize) {
        self.backbone(pixels, self.unless_frozen(Phase::Measure { batch }));
    }

    /// `phase`, but for the blocks that the shape has frozen.
    fn unless_frozen(&self, phase: Phase) -> impl Fn(usize) -> Phase {
        // The stem comes before the blocks that are counted.
        let frozen = match self.shape().freeze {
            Freeze::None => 0,
            Freeze::Blocks(blocks) => 1 + blocks,
            Freeze::Backbone => usize::MAX,
        };
        move |block| if block < frozen { Phase::Frozen } else { phase }
    }

    /// From `[batch, 3, height, width]` to `[batch, features]`; `phase` is that of each block by its number.
    fn backbone(&self, pixels: Tensor<4>, phase: impl Fn(usize) -> Phase) -> Tensor<2> {
        let blocks = self.layers().blocks().into_iter().enumerate();
        let pooled = blocks.fold(pixels, |input, (number, block)| block.forward(input, phase(number)));
        let [batch, _, _, features] = pooled.dims();
        // The head is float32 after blocks of bfloat16 as well.
        pooled.reshape([batch, features]).cast(DType::F32)
    }
}

/// The name that the Hugging Face hub has for an architecture: `mobilenet_v2`.
pub(crate) fn model_type(architecture: Architecture) -> &'static str {
    format(architecture).model_type
}

#[cfg(test)]
mod tests;
