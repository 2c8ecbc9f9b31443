//! Errors of a plan.

use crate::support::exit::{ExitKind, Kind};
use crate::support::scratch::Unusable;
use crate::{stage_one, store, teacher};

/// An error of a plan, as one sentence that names the thing, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An error that would stop stage one.
    #[error(transparent)]
    Caching(#[from] stage_one::Error),
    /// The teacher can't be run here.
    #[error(transparent)]
    Teacher(#[from] teacher::Error),
    /// The cache that is there, or the one that was measured.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The measurement has no room.
    #[error("{0}, or give --no-measure")]
    Scratch(Unusable),
    /// Stopped by the user.
    #[error("interrupted; nothing was kept")]
    Interrupted,
}

// The message holds that of the cause, which is not given a second time.
impl From<Unusable> for Error {
    fn from(error: Unusable) -> Self {
        Self::Scratch(error)
    }
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Caching(error) => error.kind(),
            Self::Teacher(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Scratch(error) => error.kind(),
            Self::Interrupted => Kind::Interrupted,
        }
    }
}
