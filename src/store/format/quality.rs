//! The quality of a teacher's logits, as `complete.json` has it.

use serde::{Deserialize, Serialize};

/// The teacher on one split's labelled samples, at temperature 1, on the plain view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherQuality {
    /// The split.
    pub split: String,
    /// Labelled samples; with none of them, the numbers below are 0.
    pub labelled: u64,
    /// Share of samples whose largest logit is at the label.
    pub accuracy: f64,
    /// Mean negative log-likelihood of the label, in nats.
    pub nll: f64,
    /// Expected calibration error over 15 bins of confidence.
    pub ece: f64,
}

impl TeacherQuality {
    /// The teacher on one of its splits, where that has labels.
    pub fn on<'a>(split: &str, splits: &'a [Self]) -> Option<&'a Self> {
        splits.iter().find(|quality| quality.split == split && quality.labelled > 0)
    }
}
