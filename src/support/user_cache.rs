//! The user's cache folder: what may be deleted at any time and is then made again.

use std::env;
use std::path::PathBuf;

/// `decant` under `XDG_CACHE_HOME`, `~/.cache` or the system's temporary folder.
pub fn folder() -> PathBuf {
    let named = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    cache.unwrap_or_else(env::temp_dir).join("decant")
}
