//! Which shards are still to do.

use std::path::Path;

use super::error::Error;
use super::manifest::Manifest;
use super::plan::ShardSpec;
use super::record::ShardRecord;

/// The shards of `manifest` that `dir` does not hold yet: no file, no sound record of it, or another length.
///
/// Lengths are compared, contents are not: [`super::complete`] and [`super::verify`] read those.
///
/// # Errors
/// [`Error::Io`] when a file is there and can't be read.
pub fn missing_shards(dir: &Path, manifest: &Manifest) -> Result<Vec<ShardSpec>, Error> {
    let mut missing = Vec::new();
    for spec in manifest.shards() {
        if finished(dir, manifest, &spec)?.is_none() {
            missing.push(spec);
        }
    }
    Ok(missing)
}

/// The record of `spec`, if the shard is there in its recorded length.
///
/// A damaged record counts as none: the shard is made again, to the same bytes.
pub(super) fn finished(
    dir: &Path,
    manifest: &Manifest,
    spec: &ShardSpec,
) -> Result<Option<ShardRecord>, Error> {
    let record = match ShardRecord::read(dir, manifest, spec) {
        Err(error) if error.is_damage() => None,
        other => other?,
    };
    let Some(record) = record else { return Ok(None) };
    let path = dir.join(&spec.path);
    match std::fs::metadata(&path) {
        Ok(metadata) => Ok((metadata.is_file() && metadata.len() == record.bytes).then_some(record)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}
