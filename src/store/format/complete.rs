//! `complete.json`: written last, it says that a cache is whole and states the teacher's quality.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::error::{Damage, Error, Mismatch};
use crate::store::format::checksummed_json;
use crate::store::format::encoding_loss::{EncodingLoss, Lost};
use crate::store::format::manifest::{MANIFEST_FILE, Manifest};
use crate::store::format::quality::TeacherQuality;
use crate::store::format::record::ShardRecord;
use crate::support::hash::{Digest, FieldHasher};

/// Its file name in a cache's folder.
pub const COMPLETE_FILE: &str = "complete.json";

/// A complete cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    /// The cache's key.
    pub key: Digest,
    /// BLAKE3 of `manifest.json`.
    pub manifest_blake3: Digest,
    /// The cache's content hash: over its key and the rows of every shard, in order. Soft columns are not part of it.
    pub content: Digest,
    /// The temperatures that every shard has soft targets at, ascending.
    pub temperatures: Vec<f32>,
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

    /// Reads `complete.json`, if it is there, and checks that it belongs to `manifest`.
    pub(in crate::store) fn find(dir: &Path, manifest: &Manifest) -> Result<Option<Self>, Error> {
        let path = dir.join(COMPLETE_FILE);
        let Some(complete) = checksummed_json::read::<Self>(&path)? else { return Ok(None) };
        complete.check(dir, &path, manifest)?;
        Ok(Some(complete))
    }

    fn check(&self, dir: &Path, path: &Path, manifest: &Manifest) -> Result<(), Error> {
        let contradiction = |field: &str, expected: String, found: String| {
            Err(Error::Damage(Damage::Contradiction {
                path: path.to_path_buf(),
                field: field.to_owned(),
                expected,
                found,
            }))
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
        self.check_quality(path, manifest)?;
        let content = content_hash(manifest.key, &self.shards);
        if self.content != content {
            return contradiction("content", content.to_string(), self.content.to_string());
        }
        Ok(())
    }

    /// One quality for each split, whose numbers are in their ranges.
    fn check_quality(&self, path: &Path, manifest: &Manifest) -> Result<(), Error> {
        let contradiction = |field: String, expected: String, found: String| {
            Err(Error::Damage(Damage::Contradiction { path: path.to_path_buf(), field, expected, found }))
        };
        let splits = &manifest.dataset.splits;
        let (expected, found) = (splits.len(), self.teacher_quality.len());
        if expected != found {
            return contradiction(
                "teacher_quality".to_owned(),
                format!("{expected} splits"),
                found.to_string(),
            );
        }
        for (split, quality) in splits.iter().zip(&self.teacher_quality) {
            let field = |name: &str| format!("teacher_quality.{name} of {}", split.name);
            if quality.split != split.name {
                return contradiction(field("split"), split.name.clone(), quality.split.clone());
            }
            if quality.labelled > split.samples {
                let expected = format!("at most {}", split.samples);
                return contradiction(field("labelled"), expected, quality.labelled.to_string());
            }
            let numbers = [
                ("accuracy", quality.accuracy, 1.0),
                ("nll", quality.nll, f64::INFINITY),
                ("ece", quality.ece, 1.0),
            ];
            if let Some((name, found, most)) =
                numbers.into_iter().find(|(_, number, most)| !(0.0..=*most).contains(number))
            {
                return contradiction(field(name), format!("from 0 to {most}"), found.to_string());
            }
        }
        Ok(())
    }
}

/// BLAKE3 of the manifest in `dir`.
pub(in crate::store) fn manifest_digest(dir: &Path) -> Result<Digest, Error> {
    let bytes = checksummed_json::read_bytes(&dir.join(MANIFEST_FILE))?;
    bytes
        .map(|bytes| Digest::of(&bytes))
        .ok_or_else(|| Error::Mismatch(Mismatch::NoCache { dir: dir.to_path_buf() }))
}

/// The content hash of a cache.
pub(in crate::store) fn content_hash(key: Digest, records: &[ShardRecord]) -> Digest {
    let mut hasher = FieldHasher::new("decant cache content");
    hasher.field("key", key.0);
    for record in records {
        hasher.field("rows", record.rows_blake3.0);
    }
    hasher.finish()
}

impl Complete {
    /// The encoding's loss at each temperature of each split that has rows. A temperature at which it was not measured
    /// is left out: float32 loses nothing, and of the float16 targets that were added later only the rounded logits were
    /// known.
    pub(crate) fn encoding_losses(&self, manifest: &Manifest) -> Vec<EncodingLoss> {
        let splits = manifest.dataset.splits.iter();
        let pairs = splits.flat_map(|split| self.temperatures.iter().map(move |&t| (split, t)));
        let losses = pairs.filter_map(|(split, temperature)| {
            let mut lost = Lost::default();
            for record in self.shards.iter().filter(|record| record.split == split.name) {
                lost.add(record.lost.iter().find(|lost| lost.temperature.total_cmp(&temperature).is_eq())?);
            }
            let rows = manifest.rows(split) as f64;
            (rows > 0.0).then(|| EncodingLoss {
                split: split.name.clone(),
                temperature,
                mean_kl: lost.kl_sum / rows,
                largest_kl: lost.kl_largest,
                mean_kept: lost.kept_sum.map(|sum| sum / rows),
                least_kept: lost.kept_least,
            })
        });
        losses.collect()
    }
}
