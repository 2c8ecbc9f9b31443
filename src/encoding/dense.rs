//! Encodings that store every class: the logits, then the targets at each temperature, each `[rows, classes]`.

use std::marker::PhantomData;

use super::codec::{At, Codec, Encoder, RowLoss, StoredRow, Wrong};
use super::element::{Element, ValueColumn};
use super::soften::{soft_column, soften};

/// The position of the logits among the columns.
const LOGITS: usize = 0;

/// An encoding that stores every class.
pub(super) trait Dense: Sync {
    /// Its name in manifests and pipeline files.
    const NAME: &str;
    /// One line for the reference.
    const ABOUT: &str;
    /// The type of the stored numbers.
    const ELEMENT: Element;
    /// The most that a logit is rounded by, as a share of it.
    const ROUNDING: f64;
    /// A warning about the targets that a run reads.
    const WARNING: Option<&str>;

    /// The first class whose finite logit can't be stored, and the limit that it breaks.
    fn unstorable(_logits: &[f32]) -> Option<(usize, &'static str)> {
        None
    }

    /// As [`Encoder::write`], of the logits `[rows, classes]`.
    fn write(logits: &[f32], classes: usize, temperature: Option<f32>, out: &mut [u8]);

    /// As [`Encoder::lost`], of the logits `[rows, classes]`.
    fn lost(_logits: &[f32], _classes: usize, _temperature: f32) -> Option<Vec<RowLoss>> {
        None
    }
}

/// The logits of a shard, `[rows, classes]`.
struct Rows<D> {
    logits: Vec<f32>,
    classes: usize,
    of: PhantomData<fn() -> D>,
}

impl<D: Dense> Encoder for Rows<D> {
    fn write(&self, _: usize, temperature: Option<f32>, out: &mut [u8]) {
        D::write(&self.logits, self.classes, temperature, out);
    }

    fn lost(&self, temperature: f32) -> Option<Vec<RowLoss>> {
        D::lost(&self.logits, self.classes, temperature)
    }
}

impl<D: Dense + 'static> Codec for D {
    fn name(&self) -> &'static str {
        D::NAME
    }

    fn about(&self) -> &'static str {
        D::ABOUT
    }

    fn rounding(&self) -> Option<f64> {
        Some(D::ROUNDING)
    }

    fn unstorable(&self, logits: &[f32]) -> Option<(usize, &'static str)> {
        D::unstorable(logits)
    }

    fn warning(&self, _: u32, _: usize, _: Option<(f32, f64)>) -> Option<String> {
        D::WARNING.map(str::to_owned)
    }

    fn columns(&self, _: u32, classes: usize) -> Vec<ValueColumn> {
        vec![ValueColumn { name: "logits".to_owned(), element: D::ELEMENT, list: Some(classes) }]
    }

    fn logits_column(&self) -> usize {
        LOGITS
    }

    fn column_at(&self, temperature: f32, classes: usize) -> ValueColumn {
        ValueColumn { name: soft_column(temperature), element: D::ELEMENT, list: Some(classes) }
    }

    fn encoder(&self, _: u32, logits: Vec<f32>, classes: usize) -> Box<dyn Encoder> {
        Box::new(Rows::<D> { logits, classes, of: PhantomData })
    }

    fn read_logits(&self, row: &dyn StoredRow, _: At, out: &mut [f32]) -> Result<(), Wrong> {
        D::ELEMENT.floats(row.bytes(LOGITS)?, out);
        Ok(())
    }

    /// Where the temperature has no column, the targets are as it would hold them.
    fn read_soft(&self, row: &dyn StoredRow, at: At, out: &mut [f32]) -> Result<(), Wrong> {
        if let Some(column) = at.column {
            D::ELEMENT.floats(row.bytes(column)?, out);
            return Ok(());
        }
        let mut logits = vec![0.0; out.len()];
        D::ELEMENT.floats(row.bytes(LOGITS)?, &mut logits);
        soften(&logits, at.temperature, out);
        for target in out {
            *target = D::ELEMENT.round(*target);
        }
        Ok(())
    }

    /// Softens the logits again and compares every target, bit by bit.
    fn check_derived(&self, row: &dyn StoredRow, temperature: f32, column: usize) -> Result<(), Wrong> {
        let (mut derived, mut stored) = (vec![0.0; row.classes()], vec![0.0; row.classes()]);
        self.read_soft(row, At { temperature, column: None }, &mut derived)?;
        D::ELEMENT.floats(row.bytes(column)?, &mut stored);
        let differs = |(derived, stored): (&f32, &f32)| derived.to_bits() != stored.to_bits();
        match derived.iter().zip(&stored).position(differs) {
            Some(class) => {
                Err(Wrong::Target { column, class, expected: derived[class], found: stored[class] })
            }
            None => Ok(()),
        }
    }
}
