//! Which shards are still to do.

use std::path::Path;

use crate::store::error::{Error, Mismatch};
use crate::store::format::complete::Complete;
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::format::record::ShardRecord;

/// The shards of `manifest` that `dir` does not hold yet: no file, no sound record of it, or another length.
///
/// Lengths are compared, contents are not: [`crate::store::complete()`] and [`crate::store::verify()`] read those.
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

/// `complete.json` of the cache in `dir`.
///
/// # Errors
/// [`Mismatch::NotComplete`] where there is none yet, and whatever is damaged.
pub(in crate::store) fn complete(dir: &Path, manifest: &Manifest) -> Result<Complete, Error> {
    if let Some(complete) = Complete::find(dir, manifest)? {
        return Ok(complete);
    }
    let shards = manifest.shards().len();
    let done = shards - missing_shards(dir, manifest)?.len();
    Err(Error::Mismatch(Mismatch::NotComplete { dir: dir.to_path_buf(), done, shards }))
}

/// The temperatures that the shards of `manifest` in `dir` have soft targets at: those of `complete.json`, or of the first shard that is
/// there.
///
/// # Errors
/// A file that is there and can't be read; whatever is damaged.
pub(crate) fn temperatures(dir: &Path, manifest: &Manifest) -> Result<Vec<f32>, Error> {
    match Complete::find(dir, manifest) {
        Ok(Some(complete)) => return Ok(complete.temperatures),
        // It is written again from the records.
        Err(error) if !error.is_damage() => return Err(error),
        _ => {}
    }
    for spec in manifest.shards() {
        if let Some(record) = finished(dir, manifest, &spec)? {
            return Ok(record.temperatures);
        }
    }
    Ok(Vec::new())
}

/// The record of `spec`, if the shard is there in its recorded length.
///
/// A damaged record counts as none: the shard is made again, to the same bytes.
pub(in crate::store) fn finished(
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
        Ok(metadata) if metadata.is_file() && metadata.len() == record.bytes => Ok(Some(record)),
        // Killed between the record and the shard of added temperatures: the shard is still that of `complete.json`.
        Ok(metadata) if metadata.is_file() => {
            let complete = Complete::find(dir, manifest).ok().flatten();
            let mut records = complete.into_iter().flat_map(|complete| complete.shards);
            Ok(records.find(|before| {
                (&before.split, before.index, before.bytes) == (&spec.split, spec.index, metadata.len())
                    && before.rows_blake3 == record.rows_blake3
            }))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}
