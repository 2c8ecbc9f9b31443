//! Encodings that store every class: the logits, then the targets at each temperature, each `[rows, classes]`.

use super::codec::{At, StoredRow, Wrong};
use super::element::{Element, ValueColumn};
use super::soften::{soft_column, soften};

/// The position of the logits among the columns.
pub(super) const LOGITS: usize = 0;

/// The column of the logits.
pub(super) fn columns(element: Element, classes: usize) -> Vec<ValueColumn> {
    vec![ValueColumn { name: "logits".to_owned(), element, list: Some(classes) }]
}

/// The column of the targets at a temperature.
pub(super) fn column_at(element: Element, temperature: f32, classes: usize) -> ValueColumn {
    ValueColumn { name: soft_column(temperature), element, list: Some(classes) }
}

/// Reads the logits of a row.
pub(super) fn read_logits(element: Element, row: &dyn StoredRow, out: &mut [f32]) -> Result<(), Wrong> {
    element.floats(row.bytes(LOGITS)?, out);
    Ok(())
}

/// Reads the targets of a row; where the temperature has no column, as it would hold them.
pub(super) fn read_soft(element: Element, row: &dyn StoredRow, at: At, out: &mut [f32]) -> Result<(), Wrong> {
    if let Some(column) = at.column {
        element.floats(row.bytes(column)?, out);
        return Ok(());
    }
    let mut logits = vec![0.0; out.len()];
    element.floats(row.bytes(LOGITS)?, &mut logits);
    soften(&logits, at.temperature, out);
    for target in out {
        *target = element.round(*target);
    }
    Ok(())
}

/// Softens the logits again and compares every target, bit by bit.
pub(super) fn check_derived(
    element: Element,
    row: &dyn StoredRow,
    temperature: f32,
    column: usize,
) -> Result<(), Wrong> {
    let (mut derived, mut stored) = (vec![0.0; row.classes()], vec![0.0; row.classes()]);
    read_soft(element, row, At { temperature, column: None }, &mut derived)?;
    element.floats(row.bytes(column)?, &mut stored);
    match derived.iter().zip(&stored).position(|(derived, stored)| derived.to_bits() != stored.to_bits()) {
        Some(class) => Err(Wrong::Target { column, class, expected: derived[class], found: stored[class] }),
        None => Ok(()),
    }
}
