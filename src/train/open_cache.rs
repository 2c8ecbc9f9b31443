//! A cache that is mapped once for many runs.

use std::sync::{Arc, OnceLock};

use super::Error;
use crate::store::Cache;

/// A mapped cache, and whether every byte of it was read and found sound.
pub(super) struct OpenCache {
    pub cache: Arc<Cache>,
    sound: OnceLock<()>,
}

impl OpenCache {
    /// Nothing of `cache` was read yet.
    pub(crate) fn new(cache: Cache) -> Self {
        Self { cache: Arc::new(cache), sound: OnceLock::new() }
    }

    /// Reads every byte, unless that was done before.
    pub(crate) fn check_content(&self) -> Result<(), Error> {
        if self.sound.get().is_none() {
            self.cache.check_content()?;
            self.sound.get_or_init(|| ());
        }
        Ok(())
    }
}
