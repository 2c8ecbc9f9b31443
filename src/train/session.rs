//! A session: the hashes of a dataset, one map of each cache and one copy of the decoded pixels, shared by many runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::open_cache::OpenCache;
use super::pixel_cache::PixelCache;
use super::setup::{Setup, Wanted};
use super::{Error, device, setup};
use crate::config::{self, Pipeline};
use crate::dataset::{Dataset, SplitName};
use crate::store::{self, Cache};
use crate::support::context::Context;

/// The dataset of many runs, with the caches and the pixels that they have used so far.
///
/// Opening it hashes every image; a [`Setup`] made from it costs next to nothing. Runs on several threads may share it.
pub(crate) struct Session {
    config: config::Dataset,
    context: Context,
    dataset: Arc<Dataset>,
    caches: Mutex<HashMap<PathBuf, Arc<OpenCache>>>,
    found: Mutex<HashMap<String, PathBuf>>,
    pixels: Arc<PixelCache>,
}

impl Session {
    /// Opens the dataset and hashes its images.
    ///
    /// # Errors
    /// A dataset that can't be opened.
    pub(crate) fn open(config: &config::Dataset, context: &Context) -> Result<Arc<Self>, Error> {
        let dataset = Dataset::open(config, context)?;
        Ok(Arc::new(Self {
            config: config.clone(),
            context: context.clone(),
            dataset: Arc::new(dataset),
            caches: Mutex::default(),
            found: Mutex::default(),
            pixels: Arc::default(),
        }))
    }

    /// Where the progress of the runs goes, and whether they are to stop.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// The images.
    pub(crate) fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// How many images are trained on, which `Pipeline::settle_for` asks for.
    pub(crate) fn train_images(&self) -> usize {
        self.dataset.split(SplitName::Train).map_or(0, |split| split.samples.len())
    }

    /// Finds the cache that was made from the dataset and names the run. The teacher is not touched: it may be gone.
    ///
    /// `cache` names the cache's folder; without it the one under `pipeline.cache.dir` that fits is taken. `file` is
    /// the pipeline file, for messages.
    ///
    /// # Errors
    /// A device that is not available; no cache that fits, or several; a cache without train or validation rows.
    ///
    /// # Panics
    /// When the pipeline is one of another dataset.
    pub(crate) fn setup(
        self: &Arc<Self>,
        mut pipeline: Pipeline,
        cache: Option<&Path>,
        file: &Path,
    ) -> Result<Setup, Error> {
        pipeline.settle_for(self.train_images());
        assert!(pipeline.dataset == self.config, "a run shares the dataset of its own pipeline");
        let device = device::choose(pipeline.train.device)?;
        device.check_precision(pipeline.train.precision)?;
        let opened = self.cache(
            &Wanted { pipeline: &pipeline, dataset: &self.dataset, context: &self.context },
            cache,
            file,
        )?;
        let kept = Wanted { pipeline: &pipeline, dataset: &self.dataset, context: &self.context }
            .kept(opened.cache.manifest());
        let dataset = kept.map_or_else(|| Arc::clone(&self.dataset), Arc::new);
        setup::new(dataset, pipeline, (opened, Arc::clone(&self.pixels)), device)
    }

    /// The cache that is wanted, mapped once.
    fn cache(&self, wanted: &Wanted<'_>, named: Option<&Path>, file: &Path) -> Result<Arc<OpenCache>, Error> {
        let question = format!("{named:?} {}", wanted.question());
        let known = lock(&self.found).get(&question).cloned();
        if let Some(folder) = known {
            return Ok(Arc::clone(&lock(&self.caches)[&folder]));
        }
        let folder = match named {
            Some(folder) => folder.to_owned(),
            None => wanted.find(file)?,
        };
        let folder = store::pull(&folder, &self.context)?;
        let mapped = lock(&self.caches).get(&folder).cloned();
        let opened = match mapped {
            Some(opened) => opened,
            None => Arc::new(OpenCache::new(Cache::open(&folder)?)),
        };
        wanted.check(&opened.cache)?;
        lock(&self.caches).insert(folder.clone(), Arc::clone(&opened));
        lock(&self.found).insert(question, folder);
        Ok(opened)
    }
}

impl Setup {
    /// A run that shares nothing with others; see [`Session::setup`].
    ///
    /// # Errors
    /// A dataset or device that is not available; no cache that fits, or several; a cache without train or validation rows.
    pub fn new(
        pipeline: Pipeline,
        cache: Option<&Path>,
        file: &Path,
        context: &Context,
    ) -> Result<Self, Error> {
        Session::open(&pipeline.dataset, context)?.setup(pipeline, cache, file)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
