//! What the runs of one dataset share: its hashes, one map of each cache, one copy of the decoded pixels.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::pixel_cache::{Kept, PixelKey, Pixels};
use super::setup::{Setup, Wanted};
use super::{Error, device, setup};
use crate::config::{self, Pipeline};
use crate::dataset::{Dataset, SplitName};
use crate::store::{self, Cache, SplitRows};
use crate::support::context::Context;

/// The dataset of many runs, with the caches and the pixels that they have used so far.
///
/// Opening it hashes every image; a [`Setup`] made from it costs next to nothing. Runs on several threads may share it.
pub struct Shared {
    config: config::Dataset,
    context: Context,
    dataset: Arc<Dataset>,
    caches: Mutex<HashMap<PathBuf, Arc<Opened>>>,
    found: Mutex<HashMap<String, PathBuf>>,
    pixels: Kept,
}

/// A cache that is mapped, and whether every byte of it was read and found sound.
pub(super) struct Opened {
    pub cache: Arc<Cache>,
    sound: OnceLock<()>,
}

impl Opened {
    /// Reads every byte, unless that was done before.
    pub fn check_content(&self) -> Result<(), Error> {
        if self.sound.get().is_none() {
            self.cache.check_content()?;
            self.sound.get_or_init(|| ());
        }
        Ok(())
    }
}

impl Shared {
    /// Opens the dataset and hashes its images.
    ///
    /// # Errors
    /// A dataset that can't be had.
    pub fn open(config: &config::Dataset, context: &Context) -> Result<Arc<Self>, Error> {
        let dataset = Dataset::open(config, context)?;
        Ok(Arc::new(Self {
            config: config.clone(),
            context: context.clone(),
            dataset: Arc::new(dataset),
            caches: Mutex::default(),
            found: Mutex::default(),
            pixels: Kept::default(),
        }))
    }

    /// Where the progress of the runs goes, and whether they are to stop.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The images.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// Finds the cache that was made from the dataset and names the run. The teacher is not touched: it may be gone.
    ///
    /// `cache` names the cache's folder; without it the one under `pipeline.cache.dir` that fits is taken. `file` is
    /// the pipeline file, for messages.
    ///
    /// # Errors
    /// A device that can't be had; no cache that fits, or several; a cache without train or validation rows.
    ///
    /// # Panics
    /// When the pipeline is one of another dataset.
    pub fn setup(
        self: &Arc<Self>,
        pipeline: Pipeline,
        cache: Option<&Path>,
        file: &Path,
    ) -> Result<Setup, Error> {
        assert!(pipeline.dataset == self.config, "a run shares the dataset of its own pipeline");
        let device = device::choose(pipeline.train.device)?;
        let opened = self.cache(
            &Wanted { pipeline: &pipeline, dataset: &self.dataset, context: &self.context },
            cache,
            file,
        )?;
        setup::new(Arc::clone(self), pipeline, opened, device)
    }

    /// The cache that is wanted, mapped once.
    fn cache(&self, wanted: &Wanted<'_>, named: Option<&Path>, file: &Path) -> Result<Arc<Opened>, Error> {
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
            None => Arc::new(Opened { cache: Arc::new(Cache::open(&folder)?), sound: OnceLock::new() }),
        };
        wanted.check(&opened.cache)?;
        lock(&self.caches).insert(folder.clone(), Arc::clone(&opened));
        lock(&self.found).insert(question, folder);
        Ok(opened)
    }

    /// Room for the pixels of a split at one size, where they fit into memory.
    pub(super) fn pixels(
        &self,
        cache: &Cache,
        rows: &SplitRows,
        split: SplitName,
        size: (u32, u32),
    ) -> Option<Arc<Pixels>> {
        self.pixels.get(PixelKey { cache: cache.dir().to_owned(), split, size }, rows.len())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
