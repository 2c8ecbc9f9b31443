//! Every logit and target in float32, as the teacher gave it.

use rayon::prelude::*;

use super::codec::{At, Codec, Encoder, StoredRow, Wrong};
use super::element::{Element, ValueColumn, put};
use super::soften::soften;
use super::{Encoding, dense};

pub(super) struct Float32;

impl Encoding {
    /// Dense float32: the logits as the teacher gave them.
    pub const FLOAT32: Self = Self { codec: &Float32, parameter: 0 };
}

const ELEMENT: Element = Element::Float32;

impl Codec for Float32 {
    fn name(&self) -> &'static str {
        "float32"
    }

    fn about(&self) -> &'static str {
        "every logit and target, as the teacher gave it"
    }

    fn rounding(&self) -> Option<f64> {
        Some(0.0)
    }

    fn columns(&self, _: u32, classes: usize) -> Vec<ValueColumn> {
        dense::columns(ELEMENT, classes)
    }

    fn logits_column(&self) -> usize {
        dense::LOGITS
    }

    fn column_at(&self, temperature: f32, classes: usize) -> ValueColumn {
        dense::column_at(ELEMENT, temperature, classes)
    }

    fn encoder(&self, _: u32, logits: Vec<f32>, classes: usize) -> Box<dyn Encoder> {
        Box::new(Rows { classes, logits })
    }

    fn read_logits(&self, row: &dyn StoredRow, _: At, out: &mut [f32]) -> Result<(), Wrong> {
        dense::read_logits(ELEMENT, row, out)
    }

    fn read_soft(&self, row: &dyn StoredRow, at: At, out: &mut [f32]) -> Result<(), Wrong> {
        dense::read_soft(ELEMENT, row, at, out)
    }

    fn check_derived(&self, row: &dyn StoredRow, temperature: f32, column: usize) -> Result<(), Wrong> {
        dense::check_derived(ELEMENT, row, temperature, column)
    }
}

struct Rows {
    classes: usize,
    logits: Vec<f32>,
}

impl Encoder for Rows {
    fn write(&self, _: usize, temperature: Option<f32>, out: &mut [u8]) {
        let rows = out.par_chunks_mut(self.classes * ELEMENT.bytes());
        let rows = rows.zip(self.logits.par_chunks(self.classes));
        let Some(temperature) = temperature else {
            return rows.for_each(|(out, logits)| put(logits, out));
        };
        let targets = || vec![0.0; self.classes];
        rows.for_each_init(targets, |targets, (out, logits)| {
            soften(logits, temperature, targets);
            put(targets, out);
        });
    }
}
