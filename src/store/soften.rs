//! Soft targets: `softmax(logits / temperature)`, equation 1 of Hinton, Vinyals and Dean (arXiv 1503.02531).

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
    let temperature = f64::from(temperature);
    let largest = logits.iter().fold(f64::NEG_INFINITY, |largest, &logit| largest.max(f64::from(logit)));
    let exponential = |logit: f32| libm::exp((f64::from(logit) - largest) / temperature);
    let exponentials: Vec<f64> = logits.iter().map(|&logit| exponential(logit)).collect();
    let sum: f64 = exponentials.iter().sum();
    for (target, exponential) in out.iter_mut().zip(exponentials) {
        *target = (exponential / sum) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn softened(logits: &[f32], temperature: f32) -> Vec<f32> {
        let mut out = vec![0.0; logits.len()];
        soften(logits, temperature, &mut out);
        out
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
}
