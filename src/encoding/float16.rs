//! Every logit and target rounded to float16, the targets softened from the rounded logits.

use std::sync::LazyLock;

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::Encoding;
use super::codec::RowLoss;
use super::dense::Dense;
use super::element::{Element, put};
use super::kl::{LEAST, targets};
use super::soften::soften;

pub(super) struct Float16;

impl Encoding {
    /// Dense float16, the targets softened from the rounded logits.
    pub const FLOAT16: Self = Self { codec: &Float16, parameter: 0 };
}

impl Dense for Float16 {
    const NAME: &str = "float16";
    const ABOUT: &str = "every logit and target, rounded to 11 bits";
    const ELEMENT: Element = Element::Float16;
    const ROUNDING: f64 = 1.0 / 2048.0;
    const WARNING: Option<&str> = Some("the cache holds float16: every target is rounded to 11 bits");

    fn unstorable(logits: &[f32]) -> Option<(usize, &'static str)> {
        let class = logits.iter().position(|&logit| !f16::from_f32(logit).is_finite())?;
        Some((class, "more than float16 holds (65504)"))
    }

    fn write(logits: &[f32], classes: usize, temperature: Option<f32>, out: &mut [u8]) {
        let rows = out.par_chunks_mut(classes * Self::ELEMENT.bytes());
        rows.zip(logits.par_chunks(classes)).for_each_init(
            || Halves::new(classes),
            |halves, (out, logits)| {
                halves.round(logits);
                if let Some(temperature) = temperature {
                    halves.soften(temperature);
                }
                put(halves.stored.reinterpret_cast(), out);
            },
        );
    }

    fn lost(logits: &[f32], classes: usize, temperature: f32) -> Option<Vec<RowLoss>> {
        let of_row = |halves: &mut Halves, logits: &[f32]| {
            halves.round(logits);
            halves.soften(temperature);
            RowLoss { kl: kl(logits, temperature, &halves.stored), rest: None }
        };
        Some(logits.par_chunks(classes).map_init(|| Halves::new(classes), of_row).collect())
    }
}

/// A row in float16.
struct Halves {
    stored: Vec<f16>,
    logits: Vec<f32>,
    targets: Vec<f32>,
}

impl Halves {
    fn new(classes: usize) -> Self {
        Self { stored: vec![f16::ZERO; classes], logits: vec![0.0; classes], targets: vec![0.0; classes] }
    }

    /// Stores the rounded logits.
    fn round(&mut self, logits: &[f32]) {
        self.stored.convert_from_f32_slice(logits);
    }

    /// Stores the targets of the rounded logits, rounded again.
    fn soften(&mut self, temperature: f32) {
        self.stored.convert_to_f32_slice(&mut self.logits);
        soften(&self.logits, temperature, &mut self.targets);
        self.stored.convert_from_f32_slice(&self.targets);
    }
}

/// The KL of stored targets, which need not sum to one: that of unnormalised masses, `sum p ln(p / q) - p + q`.
fn kl(logits: &[f32], temperature: f32, stored: &[f16]) -> f64 {
    let pairs = targets(logits, temperature).zip(stored);
    pairs.map(|((p, log_p), q)| p * (log_p - log_of_half(*q)) - p + q.to_f64()).sum()
}

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
    use crate::encoding::kl::tests::{LOGITS, plain_kl};

    #[test]
    fn float16_loses_what_the_formula_says() {
        for temperature in [0.5, 1.0, 5.0] {
            let mut soft = [0.0; 5];
            soften(&LOGITS, temperature, &mut soft);
            let stored = soft.map(f16::from_f32);
            let expected = plain_kl(&stored.map(f16::to_f64), temperature);
            assert!((kl(&LOGITS, temperature, &stored) - expected).abs() < 1e-7, "{temperature}");
        }
    }

    #[test]
    fn targets_that_are_0_cost_a_finite_loss() {
        let logits = [1e4, 0.0];
        let stored = [f16::ONE, f16::ZERO];
        assert!(kl(&logits, 1.0, &stored).abs() < 1e-12);
        assert!(kl(&[0.0, -12.0], 0.5, &stored).is_finite());
    }
}
