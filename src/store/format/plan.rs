//! Which rows stand in which shard: a pure function of the manifest.

use std::path::{Path, PathBuf};

use crate::store::format::manifest::Manifest;
use crate::store::format::record_files::about_shard;

/// One shard: a contiguous range of the rows of one split.
///
/// Rows are ordered by sample, then by view: row `r` of a split is view `r % views` of sample `r / views`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardSpec {
    /// The split.
    pub split: String,
    /// The shard's number in its split.
    pub index: u32,
    /// Its first row, counted in the split.
    pub first_row: u64,
    /// How many rows.
    pub rows: u64,
    /// Views of each sample.
    pub views: u16,
    /// The parquet file, relative to the cache's folder.
    pub path: PathBuf,
}

impl ShardSpec {
    /// The record's file, relative to the cache's folder.
    pub fn record_path(&self) -> PathBuf {
        about_shard(&self.path, "json")
    }

    /// The (sample, view) that stands in `row`, counted in the shard.
    pub fn identity(&self, row: u64) -> (u64, u16) {
        let row = self.first_row + row;
        let views = u64::from(self.views);
        (row / views, (row % views) as u16)
    }

    /// The samples that have a view in this shard.
    pub fn samples(&self) -> std::ops::Range<u64> {
        let views = u64::from(self.views);
        self.first_row / views..(self.first_row + self.rows).div_ceil(views)
    }
}

impl Manifest {
    /// Every shard, split by split, in row order.
    pub fn shards(&self) -> Vec<ShardSpec> {
        let step = u64::from(self.shard_rows);
        let mut shards = Vec::new();
        for split in &self.dataset.splits {
            let rows = self.rows(split);
            for index in 0..rows.div_ceil(step) {
                shards.push(ShardSpec {
                    split: split.name.clone(),
                    index: index as u32,
                    first_row: index * step,
                    rows: step.min(rows - index * step),
                    views: self.views(split),
                    path: Path::new(&split.name).join(format!("part-{index:05}.parquet")),
                });
            }
        }
        shards
    }
}
