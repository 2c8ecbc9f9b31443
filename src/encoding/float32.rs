//! Every logit and target in float32, as the teacher gave it.

use rayon::prelude::*;

use super::Encoding;
use super::dense::Dense;
use super::element::{Element, put};
use super::soften::soften;

pub(super) struct Float32;

impl Encoding {
    /// Dense float32: the logits as the teacher gave them.
    pub const FLOAT32: Self = Self { codec: &Float32, parameter: 0 };
}

impl Dense for Float32 {
    const NAME: &str = "float32";
    const ABOUT: &str = "every logit and target, as the teacher gave it";
    const ELEMENT: Element = Element::Float32;
    const ROUNDING: f64 = 0.0;
    const WARNING: Option<&str> = None;

    fn write(logits: &[f32], classes: usize, temperature: Option<f32>, out: &mut [u8]) {
        let rows = out.par_chunks_mut(classes * Self::ELEMENT.bytes()).zip(logits.par_chunks(classes));
        let Some(temperature) = temperature else {
            return rows.for_each(|(out, logits)| put(logits, out));
        };
        let targets = || vec![0.0; classes];
        rows.for_each_init(targets, |targets, (out, logits)| {
            soften(logits, temperature, targets);
            put(targets, out);
        });
    }
}
