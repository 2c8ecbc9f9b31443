//! The cache that a pipeline will have: its key, its folder, and which of its shards are there.

use std::path::PathBuf;

use crate::config::{Pipeline, Provider, ProviderDevice};
use crate::dataset::Dataset;
use crate::stage_one::{self, Settings};
use crate::store::{self, Manifest, ShardSpec};
use crate::support::context::Context;
use crate::teacher::{Description, Identity};

/// A shard, and whether it is there.
#[derive(Clone, Debug)]
pub(crate) struct PlannedShard {
    /// Which rows it holds.
    pub spec: ShardSpec,
    /// Whether it is finished.
    pub done: bool,
}

/// The cache that stage one makes of a pipeline.
#[derive(Clone, Debug)]
pub(crate) struct PlannedCache {
    /// The manifest of the cache that will be made. Provider, precision and runtime are guessed or not known, and not part of its key.
    pub manifest: Manifest,
    /// Its folder, whether it is there or not.
    pub dir: PathBuf,
    /// Its shards, in their order.
    pub shards: Vec<PlannedShard>,
    /// Whether it is closed, so that students can be trained from it.
    pub complete: bool,
}

impl PlannedCache {
    /// Finds what is there of the cache of `dataset` under `teacher`.
    ///
    /// # Errors
    /// Classes that are not the teacher's; a cache that is there and can't be read or is damaged.
    pub(crate) fn find(
        pipeline: &Pipeline,
        dataset: &Dataset,
        teacher: &Identity,
        context: &Context,
    ) -> Result<Self, stage_one::Error> {
        teacher.class_order(&dataset.classes)?;
        let provider = pipeline.teacher.device.provider().unwrap_or(Provider::Cpu);
        let unknown = || "not known yet".to_owned();
        let description = Description {
            model: teacher.model.clone(),
            device: ProviderDevice { provider, index: 0 },
            precision: unknown(),
            runtime: unknown(),
            notes: Vec::new(),
        };
        let settings = Settings {
            cache: &pipeline.cache,
            batch_size: pipeline.teacher.batch(provider),
            part: (0, 1),
            context,
        };
        let resize = teacher.preprocess.resize();
        let manifest = stage_one::manifest(dataset, &description, teacher.fingerprint, &resize, &settings)?;
        let dir = pipeline.cache.dir.join(manifest.folder_name());
        let (missing, complete) = store::left(&dir, &manifest, context)?;
        let shards = stage_one::done_or_missing(&manifest, missing);
        let shards = shards.map(|(spec, done)| PlannedShard { spec, done }).collect();
        Ok(Self { manifest, dir, shards, complete })
    }

    /// Rows of all shards: a view of an image each.
    pub(crate) fn rows(&self) -> u64 {
        self.shards.iter().map(|shard| shard.spec.rows).sum()
    }

    /// Rows of the shards that are not there.
    pub(crate) fn rows_left(&self) -> u64 {
        self.shards.iter().filter(|shard| !shard.done).map(|shard| shard.spec.rows).sum()
    }
}
