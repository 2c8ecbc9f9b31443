//! The digest of a shard's rows: of every column that is not derived from others.

use crate::encoding::Encoding;
use crate::support::hash::{Digest, FieldHasher};

/// Digests columns as they come, in the order of the schema.
pub(in crate::store) struct RowsHasher {
    hasher: FieldHasher,
    encoding: Encoding,
    /// The position of the first column of logits and targets.
    first_value: usize,
}

impl RowsHasher {
    pub(in crate::store) fn new(encoding: Encoding, first_value: usize) -> Self {
        Self { hasher: FieldHasher::new("decant rows"), encoding, first_value }
    }

    /// Adds a column by its position, its name and the content of its page before compression, unless it is derived from the logits.
    pub(in crate::store) fn add(&mut self, index: usize, name: &str, page: &[u8]) {
        let value = index.checked_sub(self.first_value);
        if !value.is_some_and(|value| self.encoding.is_derived(value)) {
            self.hasher.field(name, page);
        }
    }

    pub(in crate::store) fn finish(self) -> Digest {
        self.hasher.finish()
    }
}
