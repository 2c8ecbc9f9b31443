//! The targets of full logits, to hold stored ones against.

use std::sync::LazyLock;

use crate::support::exp::exp_of_negative;

/// A target that is stored as 0 counts as the smallest normal float32.
pub(super) const LEAST: f64 = f32::MIN_POSITIVE as f64;

static LOG_LEAST: LazyLock<f64> = LazyLock::new(|| libm::log(LEAST));

/// The targets of a row of full logits at one temperature: each one's mass and its logarithm, in class order.
pub(super) fn targets(logits: &[f32], temperature: f32) -> impl Iterator<Item = (f64, f64)> {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::encoding::soften;

    pub(in crate::encoding) const LOGITS: [f32; 5] = [3.0, 1.5, -2.0, 0.25, -9.0];

    pub(in crate::encoding) fn plain_kl(stored: &[f64], temperature: f32) -> f64 {
        let mut truth = [0.0; 5];
        soften(&LOGITS, temperature, &mut truth);
        let pairs = truth.iter().map(|&p| f64::from(p)).zip(stored);
        pairs.map(|(p, q)| p * (p / q.max(LEAST)).ln() - p + q).sum()
    }
}
