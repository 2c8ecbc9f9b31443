//! Room for files that are measured and deleted again.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::exit::{ExitKind, Kind};

/// A temporary folder or file that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("can't use {}: {source}; name another folder in TMPDIR", path.display())]
pub(crate) struct Unusable {
    path: PathBuf,
    r#source: io::Error,
}

impl Unusable {
    /// The system's error at `path`.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { path, source }
    }
}

impl ExitKind for Unusable {
    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

/// A new folder, which is deleted with the value.
///
/// # Errors
/// A system that gives none.
pub(crate) fn folder() -> Result<TempDir, Unusable> {
    TempDir::new().map_err(|source| Unusable { path: std::env::temp_dir(), source })
}
