//! Where the files about shards are kept.

use std::path::{Path, PathBuf};

/// The folder of a cache that holds what is kept about its shards, so that a split's folder holds shards and nothing else.
/// pyarrow and `datasets` pass over names that begin with `_`.
pub(in crate::store) const RECORDS_FOLDER: &str = "_records";

/// The folder of the cache in `dir` that holds the records of `split`.
pub(crate) fn records_folder(dir: &Path, split: impl AsRef<Path>) -> PathBuf {
    dir.join(RECORDS_FOLDER).join(split)
}

/// The file that keeps something about `shard`: `_records/train/part-00003.<extension>` for `train/part-00003.parquet`.
pub(crate) fn about_shard(shard: &Path, extension: &str) -> PathBuf {
    let split = shard.parent().unwrap_or(Path::new(""));
    let cache = split.parent().unwrap_or(Path::new(""));
    let folder = records_folder(cache, split.file_name().unwrap_or_default());
    folder.join(shard.with_extension(extension).file_name().unwrap_or_default())
}
