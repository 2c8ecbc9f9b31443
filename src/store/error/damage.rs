//! Stored data is damaged.

use std::path::PathBuf;

use crate::support::hash::Digest;

/// How a stored cache is damaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// An archive that can't be decompressed or whose layout is broken.
    #[error("{} is damaged ({reason}); copy it again", .path.display())]
    ArchiveDamaged {
        /// The archive.
        path: PathBuf,
        /// The decoder's error.
        reason: String,
    },

    /// A JSON file whose bytes are not those that were written.
    #[error("{} is damaged: its checksum says {expected}, its content has {found}; restore it from a copy", .path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The checksum that it carries.
        expected: String,
        /// The digest of its content.
        found: Digest,
    },

    /// A JSON file that is not laid out as it is written.
    #[error("{} is damaged: {reason}; restore it from a copy", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },

    /// A manifest, record or `complete.json` that contradicts itself or its neighbours.
    #[error("{} is damaged: {field} should be {expected}, found {found}; restore it from a copy", .path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The field, dotted.
        field: String,
        /// The value that it should have.
        expected: String,
        /// Its description.
        found: String,
    },

    /// A file that the cache needs is not there.
    #[error("{} is missing; run `decant teacher-cache` to make it again", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },

    /// A file that leads out of the cache's folder.
    #[error("{} leads out of the cache's folder, to {}; a cache holds its own files", .path.display(), .target.display())]
    Escape {
        /// The path inside the cache.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },

    /// A parquet file that the manifest does not know.
    #[error("{} is no shard of this cache; remove it", .path.display())]
    Extra {
        /// The file.
        path: PathBuf,
    },

    /// A shard of another length than recorded.
    #[error("{} has {found} bytes, {expected} were recorded; delete it and run `decant teacher-cache` again", .path.display())]
    Size {
        /// The shard.
        path: PathBuf,
        /// Recorded bytes.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },

    /// A shard whose bytes are not those that were written.
    #[error("{} is damaged: BLAKE3 of its {part} is {found}, {expected} was recorded; delete it and run `decant teacher-cache` again", .path.display())]
    Content {
        /// The shard.
        path: PathBuf,
        /// "footer" or "content".
        part: &'static str,
        /// Recorded digest.
        expected: Digest,
        /// The digest of what is there.
        found: Digest,
    },

    /// A shard that is not laid out as the format says.
    #[error("{} is not laid out as a shard of this cache: {reason}; delete it and run `decant teacher-cache` again", .path.display())]
    Layout {
        /// The shard.
        path: PathBuf,
        /// The expected and the found layout.
        reason: String,
    },

    /// A row that stands where another belongs.
    #[error("{} has sample {sample} view {view} in row {row}, expected sample {expected_sample} view {expected_view}; delete it and run `decant teacher-cache` again", .path.display())]
    Identity {
        /// The shard.
        path: PathBuf,
        /// The row in the shard.
        row: usize,
        /// The sample that belongs there.
        expected_sample: u64,
        /// The view that belongs there.
        expected_view: u16,
        /// The sample that is there.
        sample: u64,
        /// The view that is there.
        view: u32,
    },

    /// A stored value that can't be one.
    #[error("{} has {column} {value} in row {row}, expected {expected}; delete it and run `decant teacher-cache` again", .path.display())]
    Value {
        /// The shard.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row in the shard.
        row: usize,
        /// The value found.
        value: String,
        /// The values that are allowed.
        expected: &'static str,
    },

    /// A mass of the rest that the kept logits don't allow.
    #[error("{} has a {column} of {found} in row {row}, the kept logits leave at most {most}; delete it and run `decant teacher-cache` again", .path.display())]
    Rest {
        /// The shard.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row in the shard.
        row: usize,
        /// The mass of the other classes if each has the smallest kept logit.
        most: f64,
        /// The stored value.
        found: f32,
    },

    /// Soft targets that are not the softened logits.
    #[error("{} has a {column} in row {row} that is not its logits softened: class {class} is {found}, expected {expected}; delete it and run `decant teacher-cache` again", .path.display())]
    Derived {
        /// The shard.
        path: PathBuf,
        /// The soft column.
        column: String,
        /// The row in the shard.
        row: usize,
        /// The first class that differs.
        class: usize,
        /// The logits softened.
        expected: f32,
        /// The stored value.
        found: f32,
    },
}
