//! Runs that another tool trained: a small JSON becomes a run's folder, which `runs ls`, `compare` and `report` read like any other.
//!
//! The file is checked against the cache that it names: how many images a split has, and their labels.

mod answers;
mod fields;
mod wanted;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::lock::RunLock;
use super::record::Run;
use crate::store::{self, Cache};
use crate::support::exit::{ExitKind, Kind};
use crate::support::files;
use crate::train::{self, Description, RESULT_FILE, RUN_FILE, RunResult, TIMING_FILE, Timing, write_json};
use wanted::Wanted;

/// The largest file that is read, in bytes: logits of a test split of ImageNet's size.
const LIMIT: u64 = 1 << 30;

/// An error of importing a run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The file can't be read.
    #[error("{} can't be read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The file says something that it must not, or lacks something.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// The run was imported before, with other results.
    #[error(
        "{} was imported before with other results; delete it with decant runs rm, or give this run another name, seed or setting",
        folder.display()
    )]
    Other {
        /// The run's folder.
        folder: PathBuf,
    },
    /// The cache that the file names.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The run's folder.
    #[error(transparent)]
    Train(#[from] train::Error),
}

impl ExitKind for ImportError {
    fn kind(&self) -> Kind {
        match self {
            Self::Read { .. } | Self::Malformed { .. } | Self::Other { .. } => Kind::Usage,
            Self::Store(error) => error.kind(),
            Self::Train(error) => error.kind(),
        }
    }
}

/// Imports the run, or the runs of a list, that `file` describes, and gives their folders under `runs_dir`. A path in the file is taken
/// from the working directory. Nothing is written unless every run of the file is sound; what is there already stays.
///
/// # Errors
/// A file that says something unknown, lacks something or does not fit its cache; a cache that can't be read.
pub(crate) fn import(file: &Path, runs_dir: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let malformed = |reason: String| ImportError::Malformed { path: file.to_owned(), reason };
    let bytes = files::read_regular(file, LIMIT)
        .map_err(|reason| ImportError::Read { path: file.to_owned(), reason })?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| malformed(format!("it is not JSON: {error}")))?;
    let runs = match &value {
        Value::Array(runs) if !runs.is_empty() => runs.iter().collect(),
        Value::Object(_) => vec![&value],
        _ => return Err(malformed("expected a run, as {\"name\": ...}, or a list of runs".to_owned())),
    };
    let mut read = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let at = |reason: String| {
            malformed(if runs.len() > 1 { format!("run {}: {reason}", index + 1) } else { reason })
        };
        let wanted = Wanted::read(run).map_err(at)?;
        let cache = Cache::open(&wanted.cache)?;
        let (description, result) = wanted.described(&cache).map_err(at)?;
        let timing = Timing { seconds: wanted.seconds, ..Timing::default() };
        read.push((description, result, timing));
    }
    read.into_iter()
        .map(|(description, result, timing)| write(runs_dir, &description, &result, &timing))
        .collect()
}

fn write(
    runs_dir: &Path,
    description: &Description,
    result: &RunResult,
    timing: &Timing,
) -> Result<PathBuf, ImportError> {
    let folder = runs_dir.join(format!("{}-{}", description.pipeline.name, description.key.short(12)));
    if folder.join(RESULT_FILE).exists() {
        let there = Run::read(&folder)?.result;
        // A measure that is not known differs from itself.
        let text = |result: &RunResult| serde_json::to_string(result).expect("a result is plain data");
        return match there {
            Some(there) if text(&there) == text(result) => Ok(folder),
            _ => Err(ImportError::Other { folder }),
        };
    }
    let failed = |source| train::Error::file("create", &folder)(source);
    fs::create_dir_all(&folder).map_err(failed)?;
    let lock = RunLock::take(&folder)?;
    write_json(&folder, RUN_FILE, description)?;
    write_json(&folder, TIMING_FILE, timing)?;
    write_json(&folder, RESULT_FILE, result)?;
    drop(lock);
    Ok(folder)
}
