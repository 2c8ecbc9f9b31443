//! Errors of a report.

use std::path::PathBuf;

use crate::support::exit::{ExitKind, Kind};
use crate::support::overwrite::Refused;
use crate::{dataset, store, sweep, train, view};

/// An error of a report, as one sentence that names the thing, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path that a report can't be about.
    #[error(
        "{path} is not a cache (manifest.json), a run (run.json) or a sweep (sweep.lock.toml); name a folder that teacher-cache, train-student or sweep wrote"
    )]
    Unknown {
        /// The folder.
        path: PathBuf,
    },
    /// Several folders that are not all runs.
    #[error(
        "{path} is a cache, and a report is about one cache, or about one or more runs; name only the cache"
    )]
    Mixed {
        /// The cache.
        path: PathBuf,
    },
    /// None of a sweep's runs was found.
    #[error(
        "none of the {runs} runs of {sweep} is in {dir}; name the folder that holds them with --runs-dir"
    )]
    NoRuns {
        /// The sweep's folder.
        sweep: PathBuf,
        /// How many runs it lists.
        runs: usize,
        /// Where they were looked for.
        dir: PathBuf,
    },
    /// A sweep's list of runs can't be read or is malformed.
    #[error(transparent)]
    Sweep(#[from] sweep::Error),
    /// None of the runs has finished.
    #[error(
        "none of the {runs} runs has finished, so there is nothing to compare; resume them, or report one by itself"
    )]
    NothingFinished {
        /// How many there are.
        runs: usize,
    },
    /// The split that was asked for is not there.
    #[error("{path} has no {split} split; it has {available}")]
    NoSplit {
        /// The cache's folder.
        path: PathBuf,
        /// The request.
        split: String,
        /// The names that there are.
        available: String,
    },
    /// Two runs of one comparison know different classes.
    #[error(
        "{path} has other classes than {first}, so the two can't be compared; report runs of one dataset together"
    )]
    OtherClasses {
        /// The run.
        path: PathBuf,
        /// The first run.
        first: PathBuf,
    },
    /// The dataset of `--pipeline` is not the cache's.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The dataset can't be opened or read.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// A run is damaged or can't be read.
    #[error(transparent)]
    Train(#[from] train::Error),
    /// An image can't be shown.
    #[error("{image} can't be shown: {source}; fix or remove it")]
    Image {
        /// Its file, or file and row.
        image: String,
        /// Why.
        r#source: view::Error,
    },
    /// The report would replace a file that decant did not write.
    #[error(transparent)]
    Foreign(#[from] Refused),
    /// Stopped by the user.
    #[error("interrupted; no report was written")]
    Interrupted,
    /// A file of the report can't be written.
    #[error("can't write {path}: {source}; check free space, or name another place")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        r#source: std::io::Error,
    },
}

impl Error {
    /// Whether stored data is damaged.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Sweep(sweep::Error::Lock { .. } | sweep::Error::DamagedLock { .. }) => true,
            Self::Store(error) => error.is_damage(),
            Self::Train(error) => error.is_damage(),
            _ => false,
        }
    }

    /// Whether the input does not match.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Store(error) => error.kind() == Kind::Usage,
            Self::Train(error) => error.is_usage(),
            Self::Sweep(error) => error.kind() == Kind::Usage,
            Self::Write { .. } => false,
            _ => true,
        }
    }
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Train(error) => error.kind(),
            Self::Dataset(error) => error.kind(),
            Self::Interrupted => Kind::Interrupted,
            _ if self.is_damage() => Kind::Damaged,
            _ if self.is_usage() => Kind::Usage,
            _ => Kind::Failed,
        }
    }
}
