//! `[student]`: the model that is trained.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rule::{Invalid, list, within};
use super::{Architecture, Freeze};

/// `[student]`: a MobileNetV2.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Student {
    /// Depth multiplier: scales the channels of every layer.
    pub width: f64,
    /// Side of the square input, in pixels.
    pub image_size: usize,
    /// Dropout before the classifier, in training.
    pub dropout: f64,
    /// Weight of the batch in the running statistics of BatchNorm. `transformers` has 0.997, TensorFlow's number read the
    /// other way round, so that its statistics are nearly those of the last batch alone.
    pub batch_norm_momentum: f64,
    /// A Hugging Face `model.safetensors` to start from, in place of random weights.
    pub init: Option<PathBuf>,
    /// How much of the backbone keeps those weights and its running statistics: `none`, `blocks:N` (the stem and the first
    /// N of the 16 blocks) or `backbone`.
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
            width: 1.0,
            image_size: 224,
            dropout: 0.8,
            batch_norm_momentum: 0.1,
            init: None,
            freeze: Freeze::None,
            image_mean: [0.5; 3],
            image_std: [0.5; 3],
        }
    }
}

impl Student {
    /// The network that is trained.
    pub fn architecture(&self) -> Architecture {
        Architecture::default()
    }

    /// What is trained, in a few words: `MobileNetV2 x0.5, 224 px`.
    pub fn describe(&self) -> String {
        self.architecture().describe(self.width, self.image_size)
    }

    /// Checks every value that a type alone does not bound.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        within(
            "student.width",
            self.width,
            (0.35..=1.4).contains(&self.width),
            "0.35 to 1.4, the widths that MobileNetV2 is published with",
        )?;
        within("student.image-size", self.image_size, (32..=1024).contains(&self.image_size), "32 to 1024")?;
        within("student.dropout", self.dropout, (0.0..1.0).contains(&self.dropout), "from 0 to below 1")?;
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
