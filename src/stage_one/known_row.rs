//! A row that the teacher need not be asked for.

use crate::store::StoredValues;
use crate::view::operation::Operation;

/// The known part of a row, beside what the dataset and its place say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KnownRow {
    pub crop: [f32; 4],
    pub flip: bool,
    pub operations: Vec<Operation>,
    pub input_hash: [u8; 8],
    /// In the dataset's class order.
    pub logits: Vec<f32>,
    /// The row as the cache stores it that it comes from, where that rounds or drops logits as the one that is made does.
    pub stored: Option<StoredValues>,
}
