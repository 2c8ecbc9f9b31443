//! How the weights of the loss move, and runs that are controls of others.

use serde::{Deserialize, Serialize};

/// How temperature and lambda go from their first value to their last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ramp {
    /// In a straight line.
    Linear,
    /// Along half a cosine: slowly at both ends.
    Cosine,
}

/// A control: a run that shows what the teacher's targets add, beside one that uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// No control: the run itself.
    None,
    /// Each image is taught by the targets of another one; labels stay.
    PermutedTargets,
    /// Lambda 0 in every epoch: only the labels, with all else as it was.
    LabelsOnly,
}

impl Control {
    /// Its name, as the file and the run's folder have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PermutedTargets => "permuted-targets",
            Self::LabelsOnly => "labels-only",
        }
    }
}
