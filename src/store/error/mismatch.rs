//! Requests that do not match what is there.

use std::path::PathBuf;

use crate::support::hash::Digest;

/// Why a cache is not the one that was asked for, or a row is not one that it can take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// A manifest with a value out of range.
    #[error("the cache's {field} must be {expected}, found {found}")]
    Invalid {
        /// The manifest's field, dotted.
        field: &'static str,
        /// The values that are allowed.
        expected: String,
        /// The given text.
        found: String,
    },

    /// The folder holds a cache of something else.
    #[error("{} was made with {field} {found}, this run has {expected}; give the cache another name or folder", .path.display())]
    Different {
        /// The manifest.
        path: PathBuf,
        /// The first field that differs, dotted.
        field: &'static str,
        /// The value of this run.
        expected: String,
        /// The value in the manifest.
        found: String,
    },

    /// There is no cache in this folder.
    #[error("{} holds no cache (no manifest.json); make one with `decant teacher-cache`", .dir.display())]
    NoCache {
        /// The folder.
        dir: PathBuf,
    },

    /// Stage one has not finished.
    #[error("{} is not complete: {done} of {shards} shards are done; finish it with `decant teacher-cache`", .dir.display())]
    NotComplete {
        /// The cache's folder.
        dir: PathBuf,
        /// Shards that are there with their records.
        done: usize,
        /// Shards in all.
        shards: usize,
    },

    /// A cache of format 1.
    #[error("{} has format 1, which decant 0.1.0 wrote; run `decant cache upgrade {}` once, which needs no teacher", .dir.display(), .dir.display())]
    OldFormat {
        /// The cache's folder.
        dir: PathBuf,
    },

    /// A format that this version does not read.
    #[error("{} has format {found}, this version reads format {expected}; use the version of decant that wrote it", .path.display())]
    Format {
        /// The manifest.
        path: PathBuf,
        /// The format that is read.
        expected: u32,
        /// The format that the manifest names.
        found: u64,
    },

    /// The cache was made from other samples, labels or class names.
    #[error("{} was made from dataset {found}, the dataset here is {expected}; run `decant teacher-cache` on this dataset", .dir.display())]
    OtherDataset {
        /// The cache's folder.
        dir: PathBuf,
        /// The fingerprint of the dataset here.
        expected: Digest,
        /// The fingerprint in the manifest.
        found: Digest,
    },

    /// The cache's classes are not the dataset's, or stand in another order.
    #[error("{} has class {index} {found}, the dataset has {expected}; run `decant teacher-cache` on this dataset", .dir.display())]
    OtherClasses {
        /// The cache's folder.
        dir: PathBuf,
        /// The first class that differs.
        index: usize,
        /// The dataset's name for it, quoted, or "none".
        expected: String,
        /// The cache's name for it, quoted, or "none".
        found: String,
    },

    /// The cache has no such split.
    #[error("{} has no split {split:?}, it has {available}", .dir.display())]
    NoSuchSplit {
        /// The cache's folder.
        dir: PathBuf,
        /// The split that was asked for.
        split: String,
        /// The splits that it has.
        available: String,
    },

    /// The cache holds no targets at this temperature.
    #[error(
        "the cache holds no targets at temperature {temperature}, it has {available}; add it with `decant cache soften`, or to [cache] temperatures"
    )]
    NoSuchTemperature {
        /// The temperature that was asked for.
        temperature: f32,
        /// The temperatures that it has.
        available: String,
    },

    /// A batch of kept classes from a cache that has them all.
    #[error("split {split:?} stores every class, not only the largest; read its soft targets instead")]
    NotKept {
        /// The split.
        split: String,
    },

    /// A row past the end of its split.
    #[error("split {split:?} has {rows} rows, row {row} was asked for")]
    NoSuchRow {
        /// The split.
        split: String,
        /// How many rows it has.
        rows: usize,
        /// The row that was asked for.
        row: usize,
    },

    /// A buffer of another length than `rows * classes`.
    #[error("a batch of {rows} rows takes {expected} values, the buffer holds {found}")]
    BufferLength {
        /// Rows in the batch.
        rows: usize,
        /// Values that they take.
        expected: usize,
        /// Values that the buffer holds.
        found: usize,
    },

    /// A row that is not the next one of its shard.
    #[error("{} takes sample {expected_sample} view {expected_view} next, sample {sample} view {view} was given", .path.display())]
    RowOrder {
        /// The shard.
        path: PathBuf,
        /// The sample that comes next.
        expected_sample: u64,
        /// The view that comes next.
        expected_view: u16,
        /// The sample that was given.
        sample: u64,
        /// The view that was given.
        view: u16,
    },

    /// A row after a shard's last one.
    #[error("{} holds {rows} rows already, sample {sample} view {view} is one too many", .path.display())]
    ShardFull {
        /// The shard.
        path: PathBuf,
        /// How many rows it holds.
        rows: u64,
        /// The sample that was given.
        sample: u64,
        /// The view that was given.
        view: u16,
    },

    /// A shard committed before its last row.
    #[error("{} takes {expected} rows, only {found} were written", .path.display())]
    ShardNotFull {
        /// The shard.
        path: PathBuf,
        /// Rows that it takes.
        expected: u64,
        /// Rows that were written.
        found: u64,
    },

    /// The teacher gave another number of logits than there are classes.
    #[error("sample {sample} of split {split:?} has {found} logits, the cache has {expected} classes")]
    LogitsLength {
        /// The split.
        split: String,
        /// The sample.
        sample: u64,
        /// Classes of the cache.
        expected: usize,
        /// Logits that were given.
        found: usize,
    },

    /// The teacher gave a logit that is not finite.
    #[error(
        "the teacher's logit of class {class} for sample {sample} view {view} of split {split:?} is {value}; \
         such a target would ruin a student: check the model, and its precision if it runs in float16"
    )]
    LogitNotFinite {
        /// The split.
        split: String,
        /// The sample.
        sample: u64,
        /// The view.
        view: u16,
        /// The class.
        class: usize,
        /// NaN or an infinity.
        value: f32,
    },

    /// A logit that the encoding can't hold.
    #[error(
        "the teacher's logit of class {class} for sample {sample} view {view} of split {split:?} is {value}, {limit}; set cache.encoding = \"float32\""
    )]
    LogitTooLarge {
        /// The split.
        split: String,
        /// The sample.
        sample: u64,
        /// The view.
        view: u16,
        /// The class.
        class: usize,
        /// The logit.
        value: f32,
        /// The limit that it breaks.
        limit: &'static str,
    },

    /// A temperature that was to be added to a cache of kept classes.
    #[error(
        "{} keeps {kept} of {classes} logits a row, so the mass of the rest at another temperature is not known; add the \
         temperature to [cache] temperatures and run `decant teacher-cache`", .dir.display()
    )]
    RestUnknown {
        /// The cache's folder.
        dir: PathBuf,
        /// Logits kept.
        kept: usize,
        /// Classes of the cache.
        classes: usize,
    },

    /// A label that is not a class.
    #[error("sample {sample} of split {split:?} has label {label}, expected -1 (unlabelled) or 0 to {last}")]
    LabelRange {
        /// The split.
        split: String,
        /// The sample.
        sample: u64,
        /// The label.
        label: i32,
        /// The last class.
        last: usize,
    },

    /// More operations than the manifest says.
    #[error(
        "sample {sample} view {view} of split {split:?} has {found} operations, the cache has {expected} a view"
    )]
    Operations {
        /// The split.
        split: String,
        /// Index in the split.
        sample: u64,
        /// Which view.
        view: u16,
        /// As the manifest says.
        expected: usize,
        /// Of the row.
        found: usize,
    },
    /// A crop that is not a rectangle.
    #[error(
        "sample {sample} view {view} of split {split:?} has crop {crop:?}, expected finite numbers and a width and height above 0"
    )]
    Crop {
        /// The split.
        split: String,
        /// The sample.
        sample: u64,
        /// The view.
        view: u16,
        /// Left, top, width, height.
        crop: [f32; 4],
    },

    /// A cache that is to be upgraded and has the format of this version.
    #[error("{} already has the format of this version", .dir.display())]
    Upgraded {
        /// The cache's folder.
        dir: PathBuf,
    },

    /// A cache of format 1 that is to be upgraded and lacks shards.
    #[error("{} is not complete: {done} of {shards} shards are done; finish it with decant 0.1.0, or delete it and run `decant teacher-cache`", .dir.display())]
    OldNotComplete {
        /// The cache's folder.
        dir: PathBuf,
        /// Shards that are there.
        done: usize,
        /// Shards in all.
        shards: usize,
    },

    /// A file where a folder that holds caches was named.
    #[error("{} is not a folder; name the folder that holds caches", .path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },

    /// A folder of the same name is there already.
    #[error("{} is there already; remove it first (`decant cache rm`) or unpack elsewhere", .path.display())]
    AlreadyThere {
        /// The folder.
        path: PathBuf,
    },

    /// An archive that holds something else than one cache.
    #[error("{} is no packed cache ({reason}); pack one with `decant cache pack`", .path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// The fault.
        reason: String,
    },

    /// Another worker committed other bytes under the same name.
    #[error(
        "{url} was committed by another worker with BLAKE3 {found}, this one made {made}; the committed one stays: run every worker of a cache with the same provider, precision and runtime"
    )]
    OtherBytes {
        /// The URL that was committed.
        url: String,
        /// The digest of what this worker made.
        made: Digest,
        /// The digest that was committed.
        found: Digest,
    },

    /// An action that is possible only on a folder.
    #[error("{url} can't be {action} in an object store; {remedy}")]
    OnlyLocal {
        /// The cache.
        url: String,
        /// The action that was asked for, as a participle.
        action: &'static str,
        /// The remedy.
        remedy: String,
    },
}
