//! `[student]`: the model that is trained.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rule::{Invalid, list, within};
use super::{Architecture, Freeze};

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
    /// Dropout before the classifier, in training; where it is left out, as `transformers` has it: 0.8 for MobileNetV2, 0 for
    /// others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Weight of the batch in the running statistics of BatchNorm. `transformers` has 0.997, TensorFlow's number read the
    /// other way round, so that its statistics are nearly those of the last batch alone.
    pub batch_norm_momentum: f64,
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
    /// `MobileNetV2Config`'s defaults, with the input of `google/mobilenet_v2_1.0_224`, but for PyTorch's own momentum.
    fn default() -> Self {
        Self {
            architecture: Architecture::default(),
            width: Some(1.0),
            image_size: 224,
            dropout: Some(0.8),
            batch_norm_momentum: 0.1,
            init: None,
            freeze: Freeze::None,
            image_mean: [0.5; 3],
            image_std: [0.5; 3],
        }
    }
}

impl Student {
    /// What scales the channels of every layer; 1 where the architecture has one width.
    pub fn width(&self) -> f64 {
        self.width.unwrap_or(1.0)
    }

    /// Dropout before the classifier, in training.
    pub fn dropout(&self) -> f64 {
        self.dropout.unwrap_or(self.architecture.traits().dropout)
    }

    /// What is trained, in a few words: `MobileNetV2 x0.5, 224 px`.
    pub fn describe(&self) -> String {
        let width = self.width.map_or_else(String::new, |width| format!(" x{width}"));
        format!("{}{width}, {} px", self.architecture.traits().title, self.image_size)
    }

    /// Fills in what was left out and depends on the architecture.
    pub(super) fn settle(&mut self) {
        let width = self.architecture.traits().widths.map(|_| self.width());
        self.width = self.width.or(width);
        self.dropout = Some(self.dropout());
    }

    /// Checks every value that a type alone does not bound.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let (name, traits) = (self.architecture.name(), self.architecture.traits());
        let in_range = |[least, largest]: [f64; 2]| (least..=largest).contains(&self.width());
        let rule = match traits.widths {
            Some([least, largest]) => {
                format!("{least} to {largest}, the widths that {} is published with", traits.title)
            }
            None => format!("left out with student.architecture = \"{name}\", which has one width"),
        };
        within("student.width", self.width(), traits.widths.map_or(self.width.is_none(), in_range), &rule)?;
        within("student.image-size", self.image_size, (32..=1024).contains(&self.image_size), "32 to 1024")?;
        within("student.dropout", self.dropout(), (0.0..1.0).contains(&self.dropout()), "from 0 to below 1")?;
        let fits = !matches!(self.freeze, Freeze::Blocks(blocks) if blocks > traits.blocks);
        let rule = format!("none, blocks:N with N from 0 to {}, or backbone with \"{name}\"", traits.blocks);
        within("student.freeze", self.freeze, fits, &rule)?;
        let momentum = self.batch_norm_momentum;
        within(
            "student.batch-norm-momentum",
            momentum,
            momentum > 0.0 && momentum <= 1.0,
            "above 0 and at most 1",
        )?;
        for (key, channels) in
            [("student.image-mean", self.image_mean), ("student.image-std", self.image_std)]
        {
            within(
                key,
                list(&channels),
                channels.iter().all(|value| value.is_finite()),
                "three finite numbers",
            )?;
        }
        within(
            "student.image-std",
            list(&self.image_std),
            self.image_std.iter().all(|&value| value > 0.0),
            "three numbers above 0",
        )?;
        Ok(())
    }
}
