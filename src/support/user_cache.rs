//! The user's cache folder: what may be deleted at any time and is then made again.

use std::env;
use std::path::PathBuf;

use etcetera::BaseStrategy;

/// The folder in which programs keep their caches, `XDG_CACHE_HOME` or `~/.cache`; none without a home folder.
pub(crate) fn shared() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.cache_dir())
}

/// `decant` in the user's cache folder, or in the system's temporary folder where there is none.
pub(crate) fn folder() -> PathBuf {
    shared().unwrap_or_else(env::temp_dir).join("decant")
}
