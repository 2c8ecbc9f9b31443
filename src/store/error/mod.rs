//! Errors of a cache. The kind of an error is its type.

mod damage;
mod mismatch;

use std::io;
use std::path::{Path, PathBuf};

pub use damage::Damage;
pub use mismatch::Mismatch;

use crate::objects;
use crate::support::exit::{ExitKind, Kind};

/// An error of writing or using a cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request that does not match what is there.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Stored data is damaged.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// The file system refused.
    #[error("{} could not be {action} ({source})", .path.display())]
    Io {
        /// The action that failed, as a participle: "read", "written".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The file system's error.
        r#source: io::Error,
    },
    /// The user asked to stop.
    #[error("interrupted; what is done stays in {}, the same command goes on from there", .dir.display())]
    Stopped {
        /// The cache's folder.
        dir: PathBuf,
    },
    /// The object store that the cache is in, or its local copy.
    #[error(transparent)]
    Objects(#[from] objects::Error),
}

impl Error {
    /// Whether what was asked for and what is there do not match.
    pub fn is_mismatch(&self) -> bool {
        matches!(self, Self::Mismatch(_))
            || matches!(self, Self::Objects(error) if error.is_usage() && !error.is_damage())
    }

    /// Whether stored data is damaged.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damage(_)) || matches!(self, Self::Objects(error) if error.is_damage())
    }

    /// An input/output error at `path`, for `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Objects(error) => error.kind(),
            Self::Stopped { .. } => Kind::Interrupted,
            Self::Damage(_) => Kind::Damaged,
            Self::Mismatch(_) => Kind::Usage,
            Self::Io { .. } => Kind::Failed,
        }
    }
}
