//! `complete.json`: written last, it says that a cache is whole, and what it is worth.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::manifest::{MANIFEST_FILE, Manifest};
use super::quality::TeacherQuality;
use super::record::ShardRecord;
use super::{checksummed_json, folder, reader, resume};
use crate::support::hash::{Digest, FieldHasher};

/// Its file name in a cache's folder.
pub const COMPLETE_FILE: &str = "complete.json";

/// What a whole cache is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    /// The cache's key.
    pub key: Digest,
    /// BLAKE3 of `manifest.json`.
    pub manifest_blake3: Digest,
    /// The cache's content hash: over its key and every shard's digest, in order.
    pub content: Digest,
    /// The teacher on each split.
    pub teacher_quality: Vec<TeacherQuality>,
    /// Every shard's record, in the manifest's order.
    pub shards: Vec<ShardRecord>,
}

impl Complete {
    /// Bytes of all shards.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(|record| record.bytes).sum()
    }

    /// Reads `complete.json` and checks that it belongs to `manifest`.
    pub(super) fn read(dir: &Path, manifest: &Manifest) -> Result<Self, Error> {
        let path = dir.join(COMPLETE_FILE);
        let Some(complete) = checksummed_json::read::<Self>(&path)? else {
            let shards = manifest.shards().len();
            let done = shards - resume::missing_shards(dir, manifest)?.len();
            return Err(Error::NotComplete { dir: dir.to_path_buf(), done, shards });
        };
        complete.check(dir, &path, manifest)?;
        Ok(complete)
    }

    fn check(&self, dir: &Path, path: &Path, manifest: &Manifest) -> Result<(), Error> {
        let contradiction = |field: &str, expected: String, found: String| {
            Err(Error::Contradiction { path: path.to_path_buf(), field: field.to_owned(), expected, found })
        };
        if self.key != manifest.key {
            return contradiction("key", manifest.key.to_string(), self.key.to_string());
        }
        let digest = manifest_digest(dir)?;
        if self.manifest_blake3 != digest {
            return contradiction("manifest_blake3", digest.to_string(), self.manifest_blake3.to_string());
        }
        let specs = manifest.shards();
        if self.shards.len() != specs.len() {
            return contradiction("number of shards", specs.len().to_string(), self.shards.len().to_string());
        }
        for (record, spec) in self.shards.iter().zip(&specs) {
            record.check(path, manifest, spec)?;
        }
        let content = content_hash(manifest.key, &self.shards);
        if self.content != content {
            return contradiction("content", content.to_string(), self.content.to_string());
        }
        Ok(())
    }
}

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
    if let Ok(existing) = Complete::read(dir, &manifest)
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

fn manifest_digest(dir: &Path) -> Result<Digest, Error> {
    let path = dir.join(MANIFEST_FILE);
    fs::read(&path).map(|bytes| Digest::of(&bytes)).map_err(Error::io("read", &path))
}

/// The content hash of a cache.
pub(super) fn content_hash(key: Digest, records: &[ShardRecord]) -> Digest {
    let mut hasher = FieldHasher::new("decant cache content");
    hasher.field("key", key.0);
    for record in records {
        hasher.field("shard", record.blake3.0);
    }
    hasher.finish()
}
