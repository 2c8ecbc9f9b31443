//! A shard's record: the file that says what it is and what its bytes are.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::error::{Damage, Error};
use crate::store::format::checksummed_json;
use crate::store::format::encoding_loss::Lost;
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::support::hash::Digest;

/// A finished shard, written when its bytes are safe on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardRecord {
    /// Key of the cache that it belongs to.
    pub key: Digest,
    /// Its split.
    pub split: String,
    /// Its number in the split.
    pub index: u32,
    /// How many rows.
    pub rows: u64,
    /// Length of the file.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub blake3: Digest,
    /// BLAKE3 over the columns that are not derived: identities and logits. More temperatures leave it as it is.
    pub rows_blake3: Digest,
    /// The temperatures of its soft columns, ascending.
    pub temperatures: Vec<f32>,
    /// BLAKE3 of the parquet footer: metadata, its length and the closing magic.
    pub footer_blake3: Digest,
    /// The encoding's loss at each temperature, as far as it was measured; float32 loses nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
}

impl ShardRecord {
    /// Reads the record of `spec`; `None` when it is not there.
    pub(in crate::store) fn read(
        dir: &Path,
        manifest: &Manifest,
        spec: &ShardSpec,
    ) -> Result<Option<Self>, Error> {
        let path = dir.join(spec.record_path());
        let Some(record) = checksummed_json::read::<Self>(&path)? else { return Ok(None) };
        record.check(&path, manifest, spec)?;
        Ok(Some(record))
    }

    /// Refuses a record that is about another shard; `path` is the file that it was read from.
    pub(in crate::store) fn check(
        &self,
        path: &Path,
        manifest: &Manifest,
        spec: &ShardSpec,
    ) -> Result<(), Error> {
        let name = |split: &str, index: u32| format!("{split}/{index}");
        let fields = [
            ("key", manifest.key.to_string(), self.key.to_string()),
            ("shard", name(&spec.split, spec.index), name(&self.split, self.index)),
            ("rows", spec.rows.to_string(), self.rows.to_string()),
        ];
        for (field, expected, found) in fields {
            if expected != found {
                let field = format!("{field} of {}", spec.path.display());
                return Err(Error::Damage(Damage::Contradiction {
                    path: path.to_path_buf(),
                    field,
                    expected,
                    found,
                }));
            }
        }
        Ok(())
    }
}
