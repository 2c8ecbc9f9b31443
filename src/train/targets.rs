//! The part of the cache that a run reads: one column, or nothing.

use burn::tensor::{Device, Tensor, TensorData};

use crate::config;
use crate::loss::Targets;
use crate::store::{Error, SplitRows};

/// The column of the cache that a run reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Column {
    /// None: the labels are enough.
    None,
    /// The soft targets at a temperature.
    Soft(f32),
    /// The raw logits.
    Logits,
}

impl Column {
    /// The one that the loss of `train` needs.
    pub fn of(train: &config::Train) -> Self {
        match train.cached_temperature() {
            Some(temperature) => Self::Soft(temperature),
            None if train.is_taught() => Self::Logits,
            None => Self::None,
        }
    }

    /// Copies its values at `at`, and touches no other column.
    ///
    /// # Errors
    /// A temperature that the cache does not hold, a row that there is not, a column that is not laid out as it should be.
    pub fn gather(self, rows: &SplitRows, at: &[usize]) -> Result<CachedTargets, Error> {
        match (self, rows.kept()) {
            (Self::None, _) => Ok(CachedTargets::None),
            (Self::Soft(temperature), Some(kept)) => {
                let mut classes = vec![0; at.len() * kept];
                let mut masses = vec![0.0; at.len() * (kept + 1)];
                rows.gather_top(temperature, at, &mut classes, &mut masses)?;
                Ok(CachedTargets::Top { classes, masses })
            }
            (Self::Soft(temperature), None) => {
                let mut targets = vec![0.0; at.len() * rows.classes()];
                rows.gather_soft(temperature, at, &mut targets)?;
                Ok(CachedTargets::Soft(targets))
            }
            (Self::Logits, _) => {
                let mut logits = vec![0.0; at.len() * rows.classes()];
                rows.gather_logits(at, &mut logits)?;
                Ok(CachedTargets::Logits(logits))
            }
        }
    }
}

/// A batch of one column, on the host; [`Targets`] on the device.
#[derive(Clone, Debug, PartialEq)]
pub enum CachedTargets {
    /// Of a run that reads none.
    None,
    /// Soft targets of every class, `[batch, classes]`.
    Soft(Vec<f32>),
    /// Soft targets of the largest classes, for a cache that keeps no others.
    Top {
        /// Which they are, `[batch, kept]`.
        classes: Vec<i32>,
        /// Their targets, then what all others have together, `[batch, kept + 1]`.
        masses: Vec<f32>,
    },
    /// Raw logits, `[batch, classes]`.
    Logits(Vec<f32>),
}

impl CachedTargets {
    /// Moves the targets of `samples` samples to `device`.
    pub(super) fn on(self, device: &Device, samples: usize) -> Targets {
        let floats = |values: Vec<f32>| {
            let width = values.len() / samples;
            Tensor::from_data(TensorData::new(values, [samples, width]), device)
        };
        match self {
            Self::None => Targets::None,
            Self::Soft(targets) => Targets::Soft(floats(targets)),
            Self::Logits(logits) => Targets::Logits(floats(logits)),
            Self::Top { classes, masses } => {
                let kept = classes.len() / samples;
                let classes: Vec<i64> = classes.into_iter().map(i64::from).collect();
                let classes = Tensor::from_data(TensorData::new(classes, [samples, kept]), device);
                Targets::Top { classes, masses: floats(masses) }
            }
        }
    }
}
