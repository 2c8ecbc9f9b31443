//! `[student]`: the model that is trained.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::key::{Condition, Declared, Role};
use super::kind::{Kind, parses};
use super::rule::{Invalid, within};
use super::{Architecture, Freeze};
use crate::support::range::Range;

/// How the random weights of a student are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initializer {
    /// torchvision's: convolutions Kaiming-normal by their outputs, the classifier normal with a deviation of 0.01.
    Kaiming,
    /// Those of the architecture's model in `transformers`: MobileNetV2's are all normal with a deviation of 0.02.
    Transformers,
}

/// `[student]`: which network is trained, and on which images.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Student {
    /// The network: `mobilenet-v2` or another one of [`Architecture`].
    pub architecture: Architecture,
    /// Scales the channels of every layer; only of an architecture that has widths, as MobileNetV2's depth multiplier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<f64>,
    /// Side of the square input, in pixels.
    pub image_size: usize,
    /// Dropout before the classifier, in training; where it is left out, as torchvision has it: 0.2 for MobileNetV2, 0 for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Weight of the batch in the running statistics of BatchNorm. `transformers` has 0.997, TensorFlow's number read the
    /// other way round, so that its statistics are nearly those of the last batch only.
    pub batch_norm_momentum: f64,
    /// How random weights are drawn: `kaiming` as torchvision does, `transformers` as `transformers` does.
    pub initializer: Initializer,
    /// A Hugging Face `model.safetensors` to start from, in place of random weights.
    pub init: Option<PathBuf>,
    /// How much of the backbone keeps those weights and its running statistics: `none`, `blocks:N` (the stem and the first
    /// N blocks, of which MobileNetV2 has 16) or `backbone`.
    pub freeze: Freeze,
    /// Mean of each channel, of pixels scaled to 0..1.
    pub image_mean: [f32; 3],
    /// Standard deviation of each channel, of pixels scaled to 0..1.
    pub image_std: [f32; 3],
}

impl Default for Student {
    /// A student for two cores. What is left out here depends on other keys: `Pipeline::settle`.
    fn default() -> Self {
        Self {
            architecture: Architecture::default(),
            width: None,
            image_size: 128,
            dropout: None,
            batch_norm_momentum: 0.1,
            initializer: Initializer::Kaiming,
            init: None,
            freeze: Freeze::None,
            image_mean: [0.5; 3],
            image_std: [0.5; 3],
        }
    }
}

impl Student {
    /// The factor of every layer's channels; 1 where the architecture has one width.
    pub fn width(&self) -> f64 {
        self.width.unwrap_or(1.0)
    }

    /// Dropout before the classifier, in training.
    pub(crate) fn dropout(&self) -> f64 {
        self.dropout.unwrap_or(self.architecture.traits().dropout)
    }

    /// The network in a few words: `MobileNetV2 x0.5, 224 px`.
    pub fn describe(&self) -> String {
        let width = self.width.map_or_else(String::new, |width| format!(" x{width}"));
        format!("{}{width}, {} px", self.architecture.traits().title, self.image_size)
    }

    /// Fills in what was left out and depends on the architecture; `width` is for one that can be scaled.
    pub(super) fn settle(&mut self, width: f64) {
        let width = self.architecture.traits().widths.map(|_| width);
        self.width = self.width.or(width);
        self.dropout = Some(self.dropout());
    }

    /// Checks what one value asks of another.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let (name, traits) = (self.architecture.name(), self.architecture.traits());
        if let (Some(width), Some([least, largest])) = (self.width, traits.widths) {
            let rule = format!(
                "a number from {least} to {largest}, the widths that {} is published with",
                traits.title
            );
            within("student.width", width, (least..=largest).contains(&width), &rule)?;
        }
        let fits = !matches!(self.freeze, Freeze::Blocks(blocks) if blocks > traits.blocks);
        let rule = format!("none, blocks:N with N from 0 to {}, or backbone with \"{name}\"", traits.blocks);
        within("student.freeze", self.freeze, fits, &rule)
    }
}

type Key = Declared<Student>;

const HAS_WIDTHS: Condition<Student> = Condition {
    holds: |student, _| student.architecture.traits().widths.is_some(),
    text: "with a student.architecture whose layers can be scaled, such as \"mobilenet-v2\"",
    with: &["student.architecture=mobilenet-v2"],
    without: &["student.architecture=resnet-18"],
};

/// The declarations of the section's keys.
pub(super) const KEYS: &[Key] = &[
    Key::new("student.architecture", Kind::OneOf(Architecture::NAMES), Role::Decides, "Which network is trained")
        .also(&["arch", "model", "model-name", "network"]),
    Key::new(
        "student.width",
        Kind::Number(Range::closed(0.35, 1.4)),
        Role::Decides,
        "Depth multiplier: scales the channels of every layer; unless given 0.5, and 1 with student.init",
    )
    .read(HAS_WIDTHS)
    .also(&["depth-multiplier", "width-mult", "width-multiplier", "alpha"]),
    Key::new("student.image-size", Kind::Whole(32, 1024), Role::Decides, "Side of the square input, in pixels")
        .also(&["size", "img-size", "input-size", "resolution"]),
    Key::new("student.dropout", Kind::Number(Range::below(0.0, 1.0)), Role::Decides, "Dropout before the classifier, in training; unless given, as torchvision has it: 0.2 for mobilenet-v2, else 0")
        .also(&["drop", "drop-rate", "dropout-rate", "classifier-dropout-prob"]),
    Key::new(
        "student.batch-norm-momentum",
        Kind::Number(Range::above(0.0, 1.0)),
        Role::Decides,
        "Weight of the batch in BatchNorm's running statistics, as PyTorch counts it",
    )
    .also(&["bn-momentum", "momentum"]),
    Key::new(
        "student.initializer",
        Kind::OneOf(&["kaiming", "transformers"]),
        Role::Decides,
        "How random weights are drawn: as torchvision does (kaiming), or as the architecture's model in transformers",
    )
    .also(&["initialisation", "initialization", "weight-init"]),
    Key::new(
        "student.init",
        Kind::Path,
        Role::Decides,
        "A Hugging Face model.safetensors to start from, in place of random weights",
    )
    .also(&["pretrained", "weights", "checkpoint", "init-from"]),
    Key::new(
        "student.freeze",
        Kind::Written { expected: "\"none\", \"blocks:N\" or \"backbone\"", example: "\"blocks:8\"", check: parses::<Freeze> },
        Role::Decides,
        "How much of the backbone keeps its first weights: \"none\", \"blocks:N\" (the stem and the first N blocks) or \"backbone\"",
    ),
    Key::new("student.image-mean", Kind::Array(3, Range::FINITE), Role::Decides, "Mean of each channel, of pixels scaled to 0..1")
        .also(&["mean"]),
    Key::new(
        "student.image-std",
        Kind::Array(3, Range::closed(1e-3, 1e3)),
        Role::Decides,
        "Standard deviation of each channel, of pixels scaled to 0..1",
    )
    .also(&["std"]),
];
