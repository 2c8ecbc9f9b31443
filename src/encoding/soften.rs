//! Soft targets: `softmax(logits / temperature)`, equation 1 of Hinton, Vinyals and Dean (arXiv 1503.02531).

#![expect(unsafe_code, reason = "calls a function compiled for AVX2 where the processor has it")]

use crate::support::exp::exp_of_negative;

/// Writes `softmax(logits / temperature)` to `out`, both `[classes]`.
///
/// Every step is in float64 and in class order: subtract the largest logit, divide by the temperature, `exp` (the
/// software implementation of `libm`, the same on every machine), sum, divide; the result is rounded to float32
/// once. So the same logits give the same bytes everywhere.
///
/// # Panics
/// When the two slices differ in length.
pub fn soften(logits: &[f32], temperature: f32, out: &mut [f32]) {
    assert_eq!(logits.len(), out.len(), "one target a logit");
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: this processor has AVX2.
        return unsafe { soften_with_avx2(logits, temperature, out) };
    }
    soften_in_order(logits, temperature, out);
}

/// The same operations, hence the same bits, four at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn soften_with_avx2(logits: &[f32], temperature: f32, out: &mut [f32]) {
    soften_in_order(logits, temperature, out);
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled for several instruction sets")]
fn soften_in_order(logits: &[f32], temperature: f32, out: &mut [f32]) {
    let temperature = f64::from(temperature);
    let largest = f64::from(logits.iter().fold(f32::NEG_INFINITY, |largest, &logit| largest.max(logit)));
    let mut exponentials = vec![0.0; logits.len()];
    for (exponential, &logit) in exponentials.iter_mut().zip(logits) {
        *exponential = exp_of_negative((f64::from(logit) - largest) / temperature);
    }
    let sum: f64 = exponentials.iter().sum();
    for (target, exponential) in out.iter_mut().zip(exponentials) {
        *target = (exponential / sum) as f32;
    }
}

/// The name of the soft column at `temperature`: `soft_t5`, `soft_t2p5`.
pub(crate) fn soft_column(temperature: f32) -> String {
    format!("soft_t{temperature}").replace('.', "p")
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    fn softened(logits: &[f32], temperature: f32) -> Vec<f32> {
        let mut out = vec![0.0; logits.len()];
        soften(logits, temperature, &mut out);
        out
    }

    #[test]
    fn soft_columns_are_named_after_their_temperature() {
        let names: Vec<String> = [1.0, 5.0, 2.5, 0.1].into_iter().map(soft_column).collect();
        assert_eq!(names, ["soft_t1", "soft_t5", "soft_t2p5", "soft_t0p1"]);
    }

    #[test]
    fn equal_logits_share_the_mass() {
        assert_eq!(softened(&[3.0, 3.0, 3.0, 3.0], 5.0), [0.25; 4]);
    }

    #[test]
    fn known_values_are_met() {
        // exp(0) and exp(-1) over their sum.
        assert_eq!(softened(&[2.0, 0.0], 2.0), [0.731_058_6, 0.268_941_43]);
    }

    #[test]
    fn huge_logits_neither_overflow_nor_vanish() {
        let targets = softened(&[3e38, -3e38, 3e38], 1.0);
        assert_eq!(targets, [0.5, 0.0, 0.5]);
    }

    #[test]
    fn a_higher_temperature_is_flatter() {
        let logits = [4.0, 1.0, -2.0];
        let largest = |temperature| softened(&logits, temperature)[0];
        assert!(largest(1.0) > largest(2.0) && largest(2.0) > largest(10.0));
    }

    #[test]
    fn every_target_is_that_of_the_plain_formula() {
        let mut rng = crate::support::rng::keyed("test soften", &[]);
        for temperature in [0.05, 1.0, 2.5, 5.0, 1e6] {
            for classes in [2, 3, 7, 1000] {
                let logits: Vec<f32> = (0..classes).map(|_| rng.random_range(-30.0..30.0)).collect();
                let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let exponential = |&logit: &f32| {
                    libm::exp((f64::from(logit) - f64::from(largest)) / f64::from(temperature))
                };
                let exponentials: Vec<f64> = logits.iter().map(exponential).collect();
                let sum: f64 = exponentials.iter().sum();
                let expected: Vec<f32> = exponentials.iter().map(|value| (value / sum) as f32).collect();
                assert_eq!(softened(&logits, temperature), expected);
            }
        }
    }
}
