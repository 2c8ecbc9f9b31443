//! From a shard's logits to its columns of logits and targets.

use std::collections::BTreeMap;

use crate::encoding::{Encoder, ValueColumn};
use crate::store::format::encoding_loss::Lost;
use crate::store::format::manifest::Manifest;
use crate::store::format::row_losses::{Measured, RowLosses};
use crate::store::read::stored_values::StoredValues;

/// The logits of a shard, from which each column is derived when it is written.
pub(in crate::store) struct Derived {
    encoder: Box<dyn Encoder>,
    temperatures: Vec<f32>,
    /// The position of the first column of a temperature.
    first_temperature: usize,
    columns: Vec<ValueColumn>,
}

impl Derived {
    /// Takes the logits of a shard, `[rows, classes]`.
    pub(in crate::store) fn new(manifest: &Manifest, logits: Vec<f32>) -> Self {
        Self {
            encoder: manifest.encoding.encoder(logits, manifest.classes()),
            temperatures: manifest.temperatures.clone(),
            first_temperature: manifest.encoding.first_temperature(),
            columns: manifest.value_columns(),
        }
    }

    /// One of the columns, by position among those of logits and targets.
    pub(in crate::store) fn column(&self, index: usize) -> &ValueColumn {
        &self.columns[index]
    }

    /// Writes a column's numbers to `out`, little-endian, `[rows, width]`.
    pub(in crate::store) fn write(&self, index: usize, out: &mut [u8]) {
        let temperature = index.checked_sub(self.first_temperature).map(|index| self.temperatures[index]);
        self.encoder.write(index, temperature, out);
    }

    /// The loss at each temperature; nothing where every number is stored as it is. That of the rows `stored` is known from the cache that
    /// they come from, or the shard's is not.
    pub(in crate::store) fn measured(&self, stored: &BTreeMap<usize, StoredValues>) -> Measured {
        let mut measured = Measured { lost: Vec::new(), rows: RowLosses::default() };
        for (at, &temperature) in self.temperatures.iter().enumerate() {
            let Some(mut rows) = self.encoder.lost(temperature) else { continue };
            for (&row, values) in stored {
                rows[row] = values.losses[at];
            }
            measured.rows.temperatures.push(temperature);
            measured.rows.kl.extend(rows.iter().map(|row| row.kl));
            if rows.iter().all(|row| !row.kl.is_nan()) {
                measured.lost.push(Lost::of_rows(temperature, &rows));
            }
        }
        measured
    }
}
