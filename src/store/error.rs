//! Everything that can be wrong with a cache, each with its own name.

use std::io;
use std::path::{Path, PathBuf};

use crate::objects;
use crate::support::exit::{ExitKind, Kind};
use crate::support::hash::Digest;

/// Why a cache could not be written or is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused.
    #[error("{} could not be {action} ({source})", .path.display())]
    Io {
        /// What was tried, as a participle: "read", "written".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },

    /// A manifest with a value out of range.
    #[error("the cache's {field} must be {expected}, found {found}")]
    Invalid {
        /// The manifest's field, dotted.
        field: &'static str,
        /// What is allowed.
        expected: String,
        /// What was given.
        found: String,
    },

    /// The folder holds a cache of something else.
    #[error("{} was made with {field} {found}, this run has {expected}; give the cache another name or folder", .path.display())]
    Different {
        /// The manifest.
        path: PathBuf,
        /// The first field that differs, dotted.
        field: &'static str,
        /// What this run has.
        expected: String,
        /// What the manifest says.
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

    /// The user asked to stop.
    #[error("interrupted; what is done stays in {}, the same command goes on from there", .dir.display())]
    Stopped {
        /// The cache's folder.
        dir: PathBuf,
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
    #[error("split {split:?} stores every class, not the largest alone; read its soft targets instead")]
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

    /// The teacher gave a logit that is no number.
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

    /// A logit that float16 can't hold.
    #[error(
        "the teacher's logit of class {class} for sample {sample} view {view} of split {split:?} is {value}, more than \
         float16 holds (65504); set cache.encoding = \"float32\""
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
        kept: u32,
        /// Classes of the cache.
        classes: usize,
    },

    /// A label that is no class.
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

    /// A crop that is no rectangle.
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
        /// What was found.
        reason: String,
    },

    /// An archive that can't be decompressed or whose layout is broken.
    #[error("{} is damaged ({reason}); copy it again", .path.display())]
    ArchiveDamaged {
        /// The archive.
        path: PathBuf,
        /// What the decoder said.
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
        /// What is wrong.
        reason: String,
    },

    /// A manifest, record or `complete.json` that contradicts itself or its neighbours.
    #[error("{} is damaged: {field} should be {expected}, found {found}; restore it from a copy", .path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The field, dotted.
        field: String,
        /// What it should be.
        expected: String,
        /// What it is.
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
        /// What was expected and what was found.
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
        /// What is there.
        value: String,
        /// What may be there.
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
        /// What the other classes have if each has the smallest kept logit.
        most: f64,
        /// What is stored.
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
        /// What is stored.
        found: f32,
    },

    /// The object store that the cache is in, or its local copy.
    #[error(transparent)]
    Objects(#[from] objects::Error),

    /// Another worker committed other bytes under the same name.
    #[error(
        "{url} was committed by another worker with BLAKE3 {found}, this one made {made}; the committed one stays: run every worker of a cache with the same provider, precision and runtime"
    )]
    OtherBytes {
        /// What was committed.
        url: String,
        /// The digest that this worker came to.
        made: Digest,
        /// The digest that was committed.
        found: Digest,
    },

    /// What is done to a folder alone.
    #[error("{url} can't be {action} in an object store; {remedy}")]
    OnlyLocal {
        /// The cache.
        url: String,
        /// What was asked for, as a participle.
        action: &'static str,
        /// What to do instead.
        remedy: String,
    },
}

/// What kind of trouble an [`Error`] is, for exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The machine failed: disk, permissions. Exit code 1.
    Io,
    /// What was asked for and what is there do not match. Exit code 2.
    Mismatch,
    /// Stored data is damaged. Exit code 3.
    Damage,
}

impl Error {
    /// Which of the three kinds this is.
    pub fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Objects(error) if error.is_damage() => ErrorKind::Damage,
            Self::Objects(error) if error.is_usage() => ErrorKind::Mismatch,
            Self::Io { .. } | Self::Objects(_) | Self::Stopped { .. } => ErrorKind::Io,
            Self::Invalid { .. }
            | Self::Different { .. }
            | Self::NoCache { .. }
            | Self::NotComplete { .. }
            | Self::Format { .. }
            | Self::OldFormat { .. }
            | Self::OtherDataset { .. }
            | Self::OtherClasses { .. }
            | Self::NoSuchSplit { .. }
            | Self::NoSuchTemperature { .. }
            | Self::NoSuchRow { .. }
            | Self::NotKept { .. }
            | Self::BufferLength { .. }
            | Self::RowOrder { .. }
            | Self::ShardFull { .. }
            | Self::ShardNotFull { .. }
            | Self::LogitsLength { .. }
            | Self::LogitNotFinite { .. }
            | Self::LogitTooLarge { .. }
            | Self::RestUnknown { .. }
            | Self::LabelRange { .. }
            | Self::Crop { .. }
            | Self::NotAFolder { .. }
            | Self::Upgraded { .. }
            | Self::OldNotComplete { .. }
            | Self::AlreadyThere { .. }
            | Self::OtherBytes { .. }
            | Self::OnlyLocal { .. }
            | Self::Archive { .. } => ErrorKind::Mismatch,
            Self::ArchiveDamaged { .. }
            | Self::Checksum { .. }
            | Self::Malformed { .. }
            | Self::Contradiction { .. }
            | Self::Missing { .. }
            | Self::Escape { .. }
            | Self::Extra { .. }
            | Self::Size { .. }
            | Self::Content { .. }
            | Self::Layout { .. }
            | Self::Identity { .. }
            | Self::Value { .. }
            | Self::Rest { .. }
            | Self::Derived { .. } => ErrorKind::Damage,
        }
    }

    /// Whether what was asked for and what is there do not match.
    pub fn is_mismatch(&self) -> bool {
        self.error_kind() == ErrorKind::Mismatch
    }

    /// Whether stored data is damaged.
    pub fn is_damage(&self) -> bool {
        self.error_kind() == ErrorKind::Damage
    }

    /// An input/output error at `path`, for `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Objects(error) => error.kind(),
            Self::Stopped { .. } => Kind::Interrupted,
            _ if self.is_damage() => Kind::Damaged,
            _ if self.error_kind() == ErrorKind::Mismatch => Kind::Usage,
            _ => Kind::Failed,
        }
    }
}
