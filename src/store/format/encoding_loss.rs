//! The encoding's loss of the soft targets: measured while a shard is written, when the teacher's own logits are still
//! there, and kept in its record.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::encoding::RowLoss;

/// The loss of a shard's encoding at one temperature, summed over its rows in order, so that shards made by different
/// processes add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// The temperature.
    pub temperature: f32,
    /// Sum over rows of `KL(targets of the teacher's logits || targets as they are read)`, in nats.
    pub kl_sum: f64,
    /// The largest of them.
    pub kl_largest: f64,
    /// Where classes are dropped: the sum over rows of the mass that the kept ones have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_sum: Option<f64>,
    /// And the least of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_least: Option<f64>,
}

/// The loss of an encoding in a split's targets at one temperature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EncodingLoss {
    /// The split.
    pub split: String,
    /// The temperature.
    pub temperature: f32,
    /// Mean over rows of `KL(targets of the teacher's logits || targets as they are read)`, in nats; dropped classes share
    /// the rest evenly.
    pub mean_kl: f64,
    /// The largest of a row.
    pub largest_kl: f64,
    /// Where classes are dropped: the mean mass that the kept ones have.
    pub mean_kept: Option<f64>,
    /// And the least of a row.
    pub least_kept: Option<f64>,
}

impl fmt::Display for EncodingLoss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { split, temperature, mean_kl, largest_kl, .. } = self;
        write!(
            formatter,
            "at T = {temperature} the stored targets of {split} are {mean_kl:.1e} nats of KL from the teacher's, "
        )?;
        write!(formatter, "{largest_kl:.1e} at most")?;
        if let (Some(mean), Some(least)) = (self.mean_kept, self.least_kept) {
            write!(
                formatter,
                "; they keep {:.1} % of the mass, {:.1} % at least",
                100.0 * mean,
                100.0 * least
            )?;
        }
        Ok(())
    }
}

impl Lost {
    /// Adds up rows.
    pub(in crate::store) fn of_rows(temperature: f32, rows: &[RowLoss]) -> Self {
        let mut lost = Self { temperature, ..Self::default() };
        for &RowLoss { kl, rest } in rows {
            lost.add(&Self {
                temperature,
                kl_sum: kl,
                kl_largest: kl,
                kept_sum: rest.map(|rest| 1.0 - rest),
                kept_least: rest.map(|rest| 1.0 - rest),
            });
        }
        lost
    }

    /// Adds what another shard lost to the sums over shards, temperature by temperature.
    pub(crate) fn add_all(sums: &mut Vec<Self>, lost: Vec<Self>) {
        if sums.is_empty() {
            *sums = lost;
        } else {
            sums.iter_mut().zip(&lost).for_each(|(sum, lost)| sum.add(lost));
        }
    }

    /// Adds what another shard lost at the same temperature.
    pub(in crate::store) fn add(&mut self, other: &Self) {
        self.kl_sum += other.kl_sum;
        self.kl_largest = self.kl_largest.max(other.kl_largest);
        if let (Some(sum), Some(least)) = (other.kept_sum, other.kept_least) {
            self.kept_sum = Some(self.kept_sum.unwrap_or(0.0) + sum);
            self.kept_least = Some(self.kept_least.unwrap_or(1.0).min(least));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_reads_as_a_sentence() {
        let half = EncodingLoss {
            split: "train".to_owned(),
            temperature: 2.5,
            mean_kl: 1.24e-6,
            largest_kl: 3e-5,
            mean_kept: None,
            least_kept: None,
        };
        let sentence =
            "at T = 2.5 the stored targets of train are 1.2e-6 nats of KL from the teacher's, 3.0e-5 at most";
        assert_eq!(half.to_string(), sentence);
        let top = EncodingLoss { mean_kept: Some(0.9), least_kept: Some(0.25), ..half };
        assert_eq!(top.to_string(), format!("{sentence}; they keep 90.0 % of the mass, 25.0 % at least"));
    }
}
