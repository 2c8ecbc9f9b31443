//! Errors of a sweep.

use std::path::PathBuf;

use crate::support::exit::{ExitKind, Kind};
use crate::support::hash::Digest;
use crate::{config, store, train};

/// An error of a sweep, as one sentence that names the thing, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline file, or a value of its `[sweep]`.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The dataset, the cache or the device of every run.
    #[error(transparent)]
    Train(#[from] train::Error),
    /// A temperature can't be added to the cache.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A `[sweep]` that makes no run.
    #[error(
        "{place}: [sweep] is missing or makes no run; give it an axis such as train.temperature = [1.0, 5.0], or fewer exclusions"
    )]
    NoRuns {
        /// The file.
        place: String,
    },
    /// Too many runs.
    #[error(
        "{place}: [sweep] makes {points} combinations, more than {most}; shorten its lists or draw from them with [sweep.search]"
    )]
    TooMany {
        /// The file.
        place: String,
        /// How many it would be.
        points: usize,
        /// How many there may be.
        most: usize,
    },
    /// A value that is not an axis or a range.
    #[error("{place}: {key} = {value}, expected {expected}")]
    Axis {
        /// File and line.
        place: String,
        /// The dotted key.
        key: String,
        /// The value found.
        value: String,
        /// The values that fit.
        expected: &'static str,
    },
    /// A key that every run must have the same.
    #[error("{place}: {key} can't differ between the runs of a sweep, since {reason}")]
    NoAxis {
        /// File and line.
        place: String,
        /// The dotted key.
        key: String,
        /// Why.
        reason: &'static str,
    },
    /// A unit that the sweep does not have.
    #[error(
        "{place}: [sweep] has no run with the id {id} among the {units} that are known; decant plan -p {place} --units json lists them, with the --set of the sweep if it has any"
    )]
    NoUnit {
        /// The id.
        id: String,
        /// The file.
        place: String,
        /// Runs that are known.
        units: usize,
    },
    /// Runs that are not done yet.
    #[error(
        "{missing} of {known} runs are not done{later}: {named}; train each with decant sweep --run ID, then collect"
    )]
    NotDone {
        /// How many.
        missing: usize,
        /// Runs that are known.
        known: usize,
        /// A remark about later rungs.
        later: String,
        /// The first of them, each with its id.
        named: String,
    },
    /// Stopped by the user.
    #[error("interrupted; what is done is kept, and the same command resumes from there")]
    Interrupted,
    /// Results that can't be written.
    #[error(
        "can't write {path}: {source}; check free space and permissions, and run the same command again, which trains nothing twice"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        r#source: std::io::Error,
    },
    /// A file that can't be read.
    #[error("can't read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        r#source: std::io::Error,
    },
    /// A file that is not a lockfile.
    #[error("{path} is not a lockfile of a sweep ({reason}); copy one from a finished sweep's folder")]
    Lock {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A lockfile whose bytes are not those that were written.
    #[error(
        "{path} is damaged: its BLAKE3 is {found}, and its last line says {expected}; copy it again from the sweep's folder"
    )]
    DamagedLock {
        /// The file.
        path: PathBuf,
        /// The digest in its last line.
        expected: String,
        /// The digest of the lines before it.
        found: Digest,
    },
    /// A lockfile of another sweep.
    #[error("{path} is the lockfile of another sweep: {difference}")]
    OtherLock {
        /// The file.
        path: PathBuf,
        /// The difference, with the expected and the found value.
        difference: String,
    },
}

/// Runs that a message names at most.
const NAMED: usize = 20;

impl Error {
    /// [`Error::NotDone`] about these of `known` runs, with this many rungs after them.
    pub(super) fn not_done(missing: &[String], known: usize, rungs_left: usize) -> Self {
        let named = match missing.get(..NAMED) {
            Some(first) if missing.len() > NAMED => {
                format!("{} and {} more", first.join(", "), missing.len() - NAMED)
            }
            _ => missing.join(", "),
        };
        let later = match rungs_left {
            0 => String::new(),
            rungs => format!(", and {rungs} rungs come after them"),
        };
        Self::NotDone { missing: missing.len(), known, later, named }
    }

    /// Wraps an I/O error with the file that was being written.
    pub(super) fn write(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Write { path, source }
    }
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Config(error) => error.kind(),
            Self::Train(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Interrupted => Kind::Interrupted,
            Self::DamagedLock { .. } => Kind::Damaged,
            Self::Write { .. } | Self::NotDone { .. } => Kind::Failed,
            _ => Kind::Usage,
        }
    }
}
