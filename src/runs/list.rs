//! The runs of a folder, and deleting one.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::lock::RunLock;
use super::named::{folders, last_written};
use super::{Label, Run};
use crate::support::files::may_be_there;
use crate::train::{Error, RUN_FILE};

/// One run of a folder, as far as it can be read.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    /// Its folder.
    pub folder: PathBuf,
    /// Its name and tags.
    #[serde(flatten)]
    pub label: Label,
    /// Seconds since it last wrote an epoch or its result.
    pub age_seconds: Option<u64>,
    /// How far it is.
    pub state: State,
    /// The part of it that could be read.
    #[serde(skip)]
    pub run: Option<Box<Run>>,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// It is finished.
    Done,
    /// It was begun: epochs that are done, and all of them.
    Begun {
        /// Epochs that are done.
        epochs: usize,
        /// Epochs in all.
        of: usize,
    },
    /// A file of it is damaged.
    Damaged(String),
    /// A file of it can't be read.
    Unreadable(String),
}

impl Listed {
    fn read(folder: PathBuf) -> Self {
        let age_seconds = last_written(&folder).map(|time| time.elapsed().unwrap_or_default().as_secs());
        let (state, run) = match Run::read(&folder) {
            Ok(run) if run.result.is_some() => (State::Done, Some(Box::new(run))),
            Ok(run) => {
                let (epochs, of) = (run.epochs.len(), run.pipeline().train.epochs);
                (State::Begun { epochs, of }, Some(Box::new(run)))
            }
            Err(error) if error.is_damage() => (State::Damaged(error.to_string()), None),
            Err(error) => (State::Unreadable(error.to_string()), None),
        };
        let label = match &run {
            Some(run) => run.label.clone(),
            None => Label::read(&folder).unwrap_or_default(),
        };
        Self { folder, label, age_seconds, state, run }
    }

    /// The name of its folder.
    pub(crate) fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// The runs in `runs_dir`, the newest first.
///
/// # Errors
/// A folder that can't be listed.
pub(crate) fn list(runs_dir: &Path) -> Result<Vec<Listed>, Error> {
    let mut runs: Vec<Listed> = folders(runs_dir)?.into_iter().map(Listed::read).collect();
    runs.sort_by_key(|run| run.age_seconds.unwrap_or(u64::MAX));
    Ok(runs)
}

/// Deletes a run's folder, unless a process is training in it.
///
/// # Errors
/// A folder that is not a run's, or that another process trains in; a file that can't be deleted.
pub(crate) fn remove(folder: &Path) -> Result<(), Error> {
    if !may_be_there(&folder.join(RUN_FILE)) {
        return Err(Error::NotARun { path: folder.to_owned() });
    }
    let lock = RunLock::take(folder)?;
    fs::remove_dir_all(folder).map_err(Error::file("delete", folder))?;
    drop(lock);
    Ok(())
}
