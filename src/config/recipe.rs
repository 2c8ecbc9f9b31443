//! The choices of a training recipe that are more than a number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a gradient becomes a step. Each is PyTorch's of that name, but for LAMB and Lion, which are their papers'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam with decoupled weight decay (arXiv 1711.05101).
    AdamW,
    /// Adam (arXiv 1412.6980); weight decay is added to the gradient.
    Adam,
    /// Stochastic gradient descent, with momentum where it is asked for.
    Sgd,
    /// RMSprop: the gradient over the root of its mean square.
    RmsProp,
    /// The sign of a momentum (arXiv 2302.06675), with decoupled weight decay.
    Lion,
    /// Adam with a rate for each layer (arXiv 1904.00962), for large batches.
    Lamb,
}

impl Optimizer {
    /// The names in a pipeline file.
    pub(crate) const NAMES: &[&str] = &["adamw", "adam", "sgd", "rmsprop", "lion", "lamb"];

    /// Whether it keeps a velocity that `train.momentum` scales.
    pub(crate) fn has_momentum(self) -> bool {
        matches!(self, Self::Sgd | Self::RmsProp)
    }

    /// Its name in the literature.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdamW => "AdamW",
            Self::Adam => "Adam",
            Self::Sgd => "SGD",
            Self::RmsProp => "RMSprop",
            Self::Lion => "Lion",
            Self::Lamb => "LAMB",
        }
    }
}

/// The precision of the products of a student's layers; its weights, statistics and losses are always float32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As the CPU has it.
    #[default]
    Float32,
    /// Half the memory, and on recent GPUs several times the speed.
    Bfloat16,
}

impl Precision {
    /// The names in a pipeline file.
    pub(crate) const NAMES: &[&str] = &["float32", "bfloat16"];

    /// Its name in a pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Bfloat16 => "bfloat16",
        }
    }

    /// Whether it is float32, which files need not say: a run that does not name it keeps its key.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(super) fn is_float32(&self) -> bool {
        *self == Self::Float32
    }
}

/// The weight of each class in the cross-entropy.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected \"balanced\" or a list with a weight for each class")]
pub enum ClassWeights {
    /// A rule: [`ClassRule`].
    Rule(ClassRule),
    /// One weight a class, in the order of the class list.
    List(Vec<f32>),
}

impl ClassWeights {
    /// Checks a value; the error says what is wrong with it.
    pub(super) fn check(value: &toml::Value) -> Result<(), String> {
        let expected = || "expected \"balanced\" or a list with a number for each class, 0 or more and one of them above 0";
        let weights: Self = value.clone().try_into().map_err(|_| expected().to_owned())?;
        let Self::List(weights) = weights else { return Ok(()) };
        let fine = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
        let some = weights.iter().any(|weight| *weight > 0.0);
        if fine && some { Ok(()) } else { Err(expected().to_owned()) }
    }
}

/// How class weights follow from the train split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassRule {
    /// `samples / (classes * samples of the class)`, scikit-learn's.
    Balanced,
}

/// How much of the student's backbone keeps its first weights and running statistics, as it is written in a pipeline file:
/// `none`, `blocks:8`, `backbone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum Freeze {
    /// Everything is trained.
    #[default]
    None,
    /// The stem and this many of the 16 inverted residual blocks stay as they are.
    Blocks(usize),
    /// Only the classifier is trained.
    Backbone,
}

impl FromStr for Freeze {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("blocks:").map(str::parse)) {
            ("none", _) => Ok(Self::None),
            ("backbone", _) => Ok(Self::Backbone),
            (_, Some(Ok(blocks))) if blocks <= 16 => Ok(Self::Blocks(blocks)),
            _ => Err(format!(
                "unknown freeze {text:?}, expected none, blocks:N with N from 0 to 16, or backbone"
            )),
        }
    }
}

impl TryFrom<String> for Freeze {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("none"),
            Self::Blocks(blocks) => write!(formatter, "blocks:{blocks}"),
            Self::Backbone => formatter.write_str("backbone"),
        }
    }
}

impl Serialize for Freeze {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frozen_reads_back_as_written() {
        for text in ["none", "blocks:0", "blocks:16", "backbone"] {
            assert_eq!(text.parse::<Freeze>().unwrap().to_string(), text);
        }
        for text in ["blocks:17", "blocks", "all", ""] {
            assert!(text.parse::<Freeze>().unwrap_err().contains("blocks:N"));
        }
    }
}
