//! The digest of a shard's rows: of every column that is not derived from others.

use crate::encoding::Encoding;
use crate::store::format::schema::column;
use crate::support::hash::{Digest, FieldHasher};

/// Digests columns as they come, in the order of the schema.
pub(in crate::store) struct RowsHasher(FieldHasher);

impl RowsHasher {
    pub(in crate::store) fn new() -> Self {
        Self(FieldHasher::new("decant rows"))
    }

    /// Adds a column by its position, its name and the content of its page before compression, unless it is derived from the logits.
    pub(in crate::store) fn add(&mut self, encoding: Encoding, index: usize, name: &str, page: &[u8]) {
        let is_derived = index.checked_sub(column::VALUES).is_some_and(|value| encoding.is_derived(value));
        if !is_derived {
            self.0.field(name, page);
        }
    }

    pub(in crate::store) fn finish(self) -> Digest {
        self.0.finish()
    }
}
