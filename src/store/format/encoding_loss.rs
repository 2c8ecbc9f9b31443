//! What an encoding loses of the soft targets: measured while a shard is written, when the teacher's own logits are still
//! there, and kept in its record.

use std::fmt;
use std::sync::LazyLock;

use half::f16;
use serde::{Deserialize, Serialize};

use crate::support::exp::exp_of_negative;

/// A target that is stored as 0 counts as the smallest normal float32.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// What a shard's encoding lost at one temperature, summed over its rows in order, so that shards made by different
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

/// What an encoding lost of a split's targets at one temperature.
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
    /// Adds up rows, each its KL and, where classes are dropped, its mass of the rest.
    pub(in crate::store) fn of_rows(temperature: f32, rows: &[(f64, Option<f64>)]) -> Self {
        let mut lost = Self { temperature, ..Self::default() };
        for &(kl, rest) in rows {
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

/// The targets of a row of full logits at one temperature: each one's mass and its logarithm, in class order.
fn targets(logits: &[f32], temperature: f32) -> impl Iterator<Item = (f64, f64)> {
    let temperature = f64::from(temperature);
    let largest = f64::from(logits.iter().fold(f32::NEG_INFINITY, |largest, &logit| largest.max(logit)));
    let scaled = move |&logit: &f32| (f64::from(logit) - largest) / temperature;
    let sum: f64 = logits.iter().map(|logit| exp_of_negative(scaled(logit))).sum();
    let log_sum = libm::log(sum);
    logits.iter().map(move |logit| {
        let scaled = scaled(logit);
        (exp_of_negative(scaled) / sum, (scaled - log_sum).max(*LOG_LEAST))
    })
}

/// The KL of targets that are stored in float16, which need not sum to one: that of unnormalised masses,
/// `sum p ln(p / q) - p + q`.
pub(in crate::store) fn of_halves(logits: &[f32], temperature: f32, stored: &[f16]) -> f64 {
    let pairs = targets(logits, temperature).zip(stored);
    pairs.map(|((p, log_p), q)| p * (log_p - log_of_half(*q)) - p + q.to_f64()).sum()
}

/// The KL of targets of which the classes `kept` are known, and of the others their mass `rest`, which is then spread evenly.
pub(in crate::store) fn of_kept(logits: &[f32], temperature: f32, kept: &[i32], rest: f32) -> f64 {
    let each = f64::from(rest) / (logits.len() - kept.len()) as f64;
    let log_each = libm::log(each.max(LEAST));
    let mut is_kept = vec![false; logits.len()];
    for &class in kept {
        is_kept[class as usize] = true;
    }
    // The kept targets are exact.
    let dropped = targets(logits, temperature).zip(is_kept).filter(|(_, is_kept)| !is_kept);
    dropped.map(|((p, log_p), _)| p * (log_p - log_each) - p + each).sum()
}

static LOG_LEAST: LazyLock<f64> = LazyLock::new(|| libm::log(LEAST));

/// The logarithm of each float16 from 0 to 1.
static LOGS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let halves = 0..=f16::ONE.to_bits();
    halves.map(|bits| libm::log(f16::from_bits(bits).to_f64().max(LEAST))).collect()
});

fn log_of_half(value: f16) -> f64 {
    LOGS[usize::from(value.to_bits())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::format::soften::soften;

    const LOGITS: [f32; 5] = [3.0, 1.5, -2.0, 0.25, -9.0];

    fn plain_kl(stored: &[f64], temperature: f32) -> f64 {
        let mut truth = [0.0; 5];
        soften(&LOGITS, temperature, &mut truth);
        let pairs = truth.iter().map(|&p| f64::from(p)).zip(stored);
        pairs.map(|(p, q)| p * (p / q.max(LEAST)).ln() - p + q).sum()
    }

    #[test]
    fn float16_loses_what_the_formula_says() {
        for temperature in [0.5, 1.0, 5.0] {
            let mut soft = [0.0; 5];
            soften(&LOGITS, temperature, &mut soft);
            let stored = soft.map(f16::from_f32);
            let expected = plain_kl(&stored.map(f16::to_f64), temperature);
            assert!((of_halves(&LOGITS, temperature, &stored) - expected).abs() < 1e-7, "{temperature}");
        }
    }

    #[test]
    fn dropped_classes_share_the_rest() {
        for temperature in [1.0, 5.0] {
            let mut soft = [0.0; 5];
            soften(&LOGITS, temperature, &mut soft);
            let rest = soft[2] + soft[3] + soft[4];
            let stored = [0, 1, 5, 5, 5].map(|at| soft.get(at).map_or(f64::from(rest) / 3.0, |&p| p.into()));
            let expected = plain_kl(&stored, temperature);
            assert!(expected > 1e-3);
            assert!((of_kept(&LOGITS, temperature, &[0, 1], rest) - expected).abs() < 1e-6);
        }
    }

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

    #[test]
    fn targets_that_are_0_cost_a_finite_loss() {
        let logits = [1e4, 0.0];
        let stored = [f16::ONE, f16::ZERO];
        assert!(of_halves(&logits, 1.0, &stored).abs() < 1e-12);
        assert!(of_halves(&[0.0, -12.0], 0.5, &stored).is_finite());
    }
}
