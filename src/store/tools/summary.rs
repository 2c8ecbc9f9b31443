//! The data that `cache ls` and `cache inspect` show.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::store::error::Error;
use crate::store::format::complete::Complete;
use crate::store::format::encoding_loss::EncodingLoss;
use crate::store::format::manifest::Manifest;
use crate::store::format::quality::TeacherQuality;
use crate::store::format::record::ShardRecord;
use crate::store::format::schema;
use crate::store::format::schema::ColumnSummary;
use crate::store::read::resume;
use crate::support::hash::Digest;

/// One cache in a line or a page.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Its folder.
    pub dir: PathBuf,
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: Digest,
    /// The dataset's name.
    pub dataset: String,
    /// The teacher's name.
    pub teacher: String,
    /// The provider that ran it, and the precision.
    pub provider: String,
    /// How many classes.
    pub classes: usize,
    /// Rows of each split.
    pub splits: Vec<SplitSummary>,
    /// Views of each sample.
    pub views: u16,
    /// Temperatures of the soft targets.
    pub temperatures: Vec<f32>,
    /// How values are stored.
    pub encoding: String,
    /// Bytes of the shards that are there.
    pub bytes: u64,
    /// Shards that are there.
    pub shards_done: usize,
    /// Shards in all.
    pub shards: usize,
    /// Whether `complete.json` is there.
    pub complete: bool,
    /// The content hash, once complete.
    pub content: Option<Digest>,
    /// The teacher on each split, once complete.
    pub teacher_quality: Vec<TeacherQuality>,
    /// The columns of a shard.
    pub columns: Vec<ColumnSummary>,
    /// Whether the encoding keeps every number as the teacher gave it.
    pub lossless: bool,
    /// The encoding's loss on each split at each temperature, once complete and as far as it was measured.
    pub encoding_loss: Vec<EncodingLoss>,
}

/// One split in a line.
#[derive(Debug, Clone, Serialize)]
pub struct SplitSummary {
    /// Its name.
    pub name: String,
    /// Its samples.
    pub samples: u64,
    /// Its rows.
    pub rows: u64,
}

impl Summary {
    /// Summarises the cache in `dir`, complete or not; reads no shard.
    ///
    /// # Errors
    /// When the manifest or `complete.json` can't be used.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let manifest = Manifest::read(dir)?;
        let temperatures = resume::temperatures(dir, &manifest)?;
        let manifest = manifest.with_temperatures(&temperatures)?;
        let mut records = Vec::new();
        for spec in manifest.shards() {
            records.extend(resume::finished(dir, &manifest, &spec)?);
        }
        let complete = Complete::find(dir, &manifest)?;
        Ok(Self::new(dir, manifest, complete, &records))
    }

    /// The summary of a cache that has the shards of `records`; `dir` is what it is called.
    pub(in crate::store) fn new(
        dir: &Path,
        manifest: Manifest,
        complete: Option<Complete>,
        records: &[ShardRecord],
    ) -> Self {
        let splits = manifest.dataset.splits.iter();
        let splits = splits.map(|split| SplitSummary {
            name: split.name.clone(),
            samples: split.samples,
            rows: manifest.rows(split),
        });
        Self {
            dir: dir.to_path_buf(),
            key: manifest.key,
            classes: manifest.classes(),
            splits: splits.collect(),
            views: manifest.view.views,
            encoding: manifest.storage(),
            bytes: records.iter().map(|record| record.bytes).sum(),
            shards_done: records.len(),
            shards: manifest.shards().len(),
            complete: complete.is_some(),
            content: complete.as_ref().map(|complete| complete.content),
            columns: schema::describe(&manifest),
            lossless: manifest.encoding.is_exact(),
            encoding_loss: complete
                .as_ref()
                .map(|complete| complete.encoding_losses(&manifest))
                .unwrap_or_default(),
            teacher_quality: complete.map(|complete| complete.teacher_quality).unwrap_or_default(),
            provider: format!("{} {}", manifest.teacher.provider, manifest.teacher.precision),
            name: manifest.name,
            dataset: manifest.dataset.name,
            teacher: manifest.teacher.name,
            temperatures: manifest.temperatures,
        }
    }
}
