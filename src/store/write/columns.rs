//! The rows of a shard in memory, and the content of the page that each of its columns becomes.

use std::collections::BTreeMap;

use crate::store::format::levels;
use crate::store::format::manifest::Manifest;
use crate::store::format::row_losses::Measured;
use crate::store::format::schema::{CROP_WIDTH, IMAGE_HASH_BYTES, INPUT_HASH_BYTES, column};
use crate::store::read::stored_values::StoredValues;
use crate::store::write::encode::Derived;
use crate::store::write::row::Row;
use crate::view::operation;

/// The rows of a shard before anything is derived from their logits.
pub(in crate::store) struct Rows {
    samples: Vec<u64>,
    /// As a page of byte arrays holds them: each after its length.
    paths: Vec<u8>,
    image_hashes: Vec<u8>,
    labels: Vec<i32>,
    views: Vec<u16>,
    crops: Vec<f32>,
    flips: Vec<bool>,
    input_hashes: Vec<u8>,
    /// Code and amount of each operation.
    operations: Vec<f32>,
    /// Numbers of these in a row.
    operations_width: usize,
    logits: Vec<f32>,
    /// Rows whose values are those of another cache, by their place.
    stored: BTreeMap<usize, StoredValues>,
}

impl Rows {
    pub(in crate::store) fn with_capacity(rows: usize, manifest: &Manifest) -> Self {
        let operations_width = manifest.operations_width();
        Self {
            samples: Vec::with_capacity(rows),
            paths: Vec::new(),
            image_hashes: Vec::with_capacity(rows * IMAGE_HASH_BYTES),
            labels: Vec::with_capacity(rows),
            views: Vec::with_capacity(rows),
            crops: Vec::with_capacity(rows * CROP_WIDTH),
            flips: Vec::with_capacity(rows),
            input_hashes: Vec::with_capacity(rows * INPUT_HASH_BYTES),
            operations: Vec::with_capacity(rows * operations_width),
            operations_width,
            logits: Vec::with_capacity(rows * manifest.classes()),
            stored: BTreeMap::new(),
        }
    }

    pub(in crate::store) fn len(&self) -> usize {
        self.samples.len()
    }

    pub(in crate::store) fn push(&mut self, row: &Row<'_>) {
        self.samples.push(row.sample);
        self.paths.extend((row.path.len() as u32).to_le_bytes());
        self.paths.extend_from_slice(row.path.as_bytes());
        self.image_hashes.extend_from_slice(&row.image_hash);
        self.labels.push(row.label);
        self.views.push(row.view);
        self.crops.extend_from_slice(&row.crop);
        self.flips.push(row.flip);
        self.input_hashes.extend_from_slice(&row.input_hash);
        self.operations.extend(operation::numbers(row.operations, self.operations_width));
        self.logits.extend_from_slice(row.logits);
    }

    pub(in crate::store) fn push_stored(&mut self, row: &Row<'_>, values: StoredValues) {
        self.stored.insert(self.len(), values);
        self.push(row);
    }
}

/// The columns of a shard; each page is made when it is asked for.
pub(in crate::store) struct Columns {
    rows: Rows,
    derived: Derived,
    /// The position of the first column of logits and targets.
    first_value: usize,
}

/// The content of a column's only page before it is compressed.
pub(in crate::store) struct Content {
    /// Levels, where the column is of lists, then the values.
    pub(in crate::store) bytes: Vec<u8>,
    /// How many values.
    pub(in crate::store) values: usize,
}

impl Columns {
    pub(in crate::store) fn new(manifest: &Manifest, mut rows: Rows) -> Self {
        let derived = Derived::new(manifest, std::mem::take(&mut rows.logits));
        Self { rows, derived, first_value: manifest.first_value() }
    }

    /// The encoding's loss at each temperature.
    pub(in crate::store) fn measured(&self) -> Measured {
        self.derived.measured(&self.rows.stored)
    }

    /// The page of a column, by its position in the schema.
    pub(in crate::store) fn page(&self, column: usize) -> Content {
        let rows = &self.rows;
        let scalar = |bytes| Content { bytes, values: rows.len() };
        let list = |numbers: &[f32], width: usize| {
            let mut bytes = levels::regular(rows.len(), width);
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            Content { bytes, values: numbers.len() }
        };
        match column {
            column::SAMPLE => scalar(rows.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()),
            column::PATH => scalar(rows.paths.clone()),
            column::IMAGE_HASH => scalar(rows.image_hashes.clone()),
            column::LABEL => scalar(rows.labels.iter().flat_map(|label| label.to_le_bytes()).collect()),
            column::VIEW => {
                scalar(rows.views.iter().flat_map(|&view| u32::from(view).to_le_bytes()).collect())
            }
            column::CROP => list(&rows.crops, CROP_WIDTH),
            column::FLIP => {
                let bits = rows.flips.chunks(8);
                let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
                scalar(bits.map(byte).collect())
            }
            column::INPUT_HASH => scalar(rows.input_hashes.clone()),
            value if value >= self.first_value => self.value_page(value - self.first_value),
            _ => list(&rows.operations, rows.operations_width),
        }
    }

    fn value_page(&self, index: usize) -> Content {
        let rows = self.rows.len();
        let column = self.derived.column(index);
        let mut bytes = column.list.map_or_else(Vec::new, |width| levels::regular(rows, width));
        let start = bytes.len();
        let values = rows * column.width();
        bytes.resize(start + values * column.element.bytes(), 0);
        self.derived.write(index, &mut bytes[start..]);
        let width = column.width() * column.element.bytes();
        for (row, values) in &self.rows.stored {
            if let Some(stored) = values.columns.get(index) {
                bytes[start + row * width..][..width].copy_from_slice(stored);
            }
        }
        Content { bytes, values }
    }
}
