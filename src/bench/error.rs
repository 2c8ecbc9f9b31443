//! Errors of a benchmark.

use crate::support::exit::{ExitKind, Kind};
use crate::support::scratch::Unusable;
use crate::{dataset, stage_one, teacher, train};

/// An error of a benchmark, as one sentence that names the thing, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The device runs neither stage.
    #[error("nothing can be measured: {teacher}; {student}")]
    Nothing {
        /// Why not the teacher.
        teacher: String,
        /// Why not the student.
        student: String,
    },
    /// The teacher.
    #[error(transparent)]
    Teacher(#[from] teacher::Error),
    /// Stage one.
    #[error(transparent)]
    StageOne(#[from] stage_one::Error),
    /// The generated leaves.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// The student.
    #[error(transparent)]
    Train(#[from] train::Error),
    /// The measurement has no room.
    #[error(transparent)]
    Scratch(#[from] Unusable),
    /// Stopped by the user.
    #[error("interrupted; nothing was kept")]
    Interrupted,
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Nothing { .. } => Kind::Usage,
            Self::Teacher(error) => error.kind(),
            Self::StageOne(error) => error.kind(),
            Self::Dataset(error) => error.kind(),
            Self::Train(error) => error.kind(),
            Self::Scratch(error) => error.kind(),
            Self::Interrupted => Kind::Interrupted,
        }
    }
}
