//! Closing a cache: `complete.json`.

use std::path::Path;
use std::sync::Arc;

use crate::store::error::Error;
use crate::store::folder;
use crate::store::format::checksummed_json;
use crate::store::format::complete::{COMPLETE_FILE, Complete, content_hash, manifest_digest};
use crate::store::format::manifest::Manifest;
use crate::store::read::{reader, resume};

/// Writes `complete.json` once every shard is there, and removes what dead processes left.
///
/// Reads every byte of every shard first, so that a shard that was damaged since it was written is found here. When
/// `complete.json` is there already and says the same, nothing is done.
///
/// # Errors
/// [`Error::NotComplete`] while shards are missing; whatever is damaged.
pub fn complete(dir: &Path) -> Result<Complete, Error> {
    let manifest = Arc::new(Manifest::read(dir)?);
    let specs = manifest.shards();
    let mut records = Vec::with_capacity(specs.len());
    for spec in &specs {
        records.extend(resume::finished(dir, &manifest, spec)?);
    }
    if records.len() < specs.len() {
        return Err(Error::NotComplete { dir: dir.to_path_buf(), done: records.len(), shards: specs.len() });
    }
    // One that is there but damaged, or about shards that were made again, is written anew from the records.
    if let Ok(Some(existing)) = Complete::find(dir, &manifest)
        && existing.shards == records
    {
        folder::clean_leftovers(dir)?;
        return Ok(existing);
    }
    let mut teacher_quality = Vec::new();
    for rows in reader::open_splits(dir, &manifest, &records)? {
        rows.check_content()?;
        teacher_quality.push(rows.teacher_quality()?);
    }
    let complete = Complete {
        key: manifest.key,
        manifest_blake3: manifest_digest(dir)?,
        content: content_hash(manifest.key, &records),
        teacher_quality,
        shards: records,
    };
    checksummed_json::write(&dir.join(COMPLETE_FILE), &complete)?;
    folder::clean_leftovers(dir)?;
    Ok(complete)
}
