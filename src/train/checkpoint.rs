//! Where a run stands, so that it goes on from there and ends with the same bytes.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::ModuleRecord;
use serde::{Deserialize, Serialize};

use super::Error;
use super::log::EpochRecord;
use super::step::{Learner, StepLoss};
use crate::support::atomic;

const PREFIX: &str = "checkpoint-";
/// The extension of a checkpoint that is half written or half deleted.
const TEMPORARY: &str = "tmp";

/// Everything of a run but its weights and the optimiser's moments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The epoch in which training goes on, from 0.
    pub epoch: usize,
    /// Batches of that epoch that are done.
    pub batch: usize,
    /// Sums over those batches.
    pub sums: LossSums,
    /// Every finished epoch.
    pub log: Vec<EpochRecord>,
}

/// Sums of the losses over the samples of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossSums {
    /// Samples so far.
    pub samples: usize,
    /// Of the whole loss.
    pub total: f64,
    /// Of the labels' part.
    pub hard: f64,
    /// Of the teacher's part.
    pub soft: f64,
    /// Labelled samples so far, and how many of them were named rightly.
    pub labelled: usize,
    /// See [`LossSums::labelled`].
    pub correct: usize,
}

/// Writes a checkpoint into the run's folder, atomically, and deletes the one before it. One of the same moment is the
/// same to the last bit, and stays.
///
/// # Errors
/// A file that can't be written; the checkpoint before is then still there.
pub fn save(run: &Path, state: &State, learner: &Learner) -> Result<(), Error> {
    let folder = run.join(format!("{PREFIX}{:06}-{:06}", state.epoch, state.batch));
    if folder.exists() {
        return Ok(());
    }
    let temporary = folder.with_extension(TEMPORARY);
    delete(&temporary)?;
    let weights = learner.model.clone().into_record().into_bytes();
    let moments = learner.optimizer.into_bytes();
    let damaged = |reason: String| Error::Damaged { path: temporary.clone(), reason };
    put(&temporary.join("model.bpk"), &weights.map_err(|error| damaged(error.to_string()))?)?;
    put(&temporary.join("optimizer.bpk"), &moments.map_err(|error| damaged(error.to_string()))?)?;
    let text = serde_json::to_vec_pretty(state).expect("a state is plain data");
    put(&temporary.join("state.json"), &text)?;
    fs::rename(&temporary, &folder).map_err(Error::file("rename", &folder))?;
    atomic::sync_folder(run).map_err(Error::file("sync", run))?;
    folders(run)?.iter().filter(|old| **old != folder).try_for_each(|old| discard(old))
}

/// Takes a checkpoint's name away before its files, so that none is ever half deleted.
fn discard(folder: &Path) -> Result<(), Error> {
    let temporary = folder.with_extension(TEMPORARY);
    delete(&temporary)?;
    fs::rename(folder, &temporary).map_err(Error::file("delete", folder))?;
    delete(&temporary)
}

fn delete(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("delete", folder)(error))
        }
        _ => Ok(()),
    }
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    atomic::write(path, bytes).map_err(Error::file("write", path))
}

/// Puts the newest checkpoint of a run, if it has one, into `learner`, and says where it stands.
///
/// # Errors
/// A folder that can't be read, or a checkpoint that is damaged.
pub fn load(run: &Path, learner: &mut Learner) -> Result<State, Error> {
    let Some(folder) = folders(run)?.pop() else { return Ok(State::default()) };
    let damaged = |path: &Path, reason: String| Error::Damaged { path: path.to_owned(), reason };
    let path = folder.join("state.json");
    let text = fs::read(&path).map_err(Error::file("read", &path))?;
    let state: State = serde_json::from_slice(&text).map_err(|error| damaged(&path, error.to_string()))?;
    let path = folder.join("model.bpk");
    let record = ModuleRecord::load(&path).map_err(|error| damaged(&path, error.to_string()))?;
    let model = learner.model.clone().try_load_record(record);
    learner.model = model.map_err(|error| damaged(&path, error.to_string()))?;
    let path = folder.join("optimizer.bpk");
    let optimizer = learner.optimizer.clone().load(&path);
    learner.optimizer = optimizer.map_err(|error| damaged(&path, error.to_string()))?;
    Ok(state)
}

/// Deletes a finished run's checkpoints, which nothing needs any more, and whatever was left of the files of processes
/// that died.
///
/// # Errors
/// A folder that can't be read, or a file that can't be deleted.
pub fn clear(run: &Path) -> Result<(), Error> {
    folders(run)?.iter().try_for_each(|folder| discard(folder))?;
    for path in entries(run)? {
        if is_checkpoint(&path) {
            delete(&path)?;
            continue;
        }
        let inner = if path.is_dir() { entries(&path)? } else { vec![path] };
        for path in inner {
            atomic::remove_if_abandoned(&path).map_err(Error::file("delete", &path))?;
        }
    }
    Ok(())
}

/// The run's checkpoints, oldest first. One that is half written or half deleted has another name.
fn folders(run: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut folders = entries(run)?;
    folders.retain(|path| is_checkpoint(path) && path.extension().is_none());
    folders.sort();
    Ok(folders)
}

fn is_checkpoint(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

/// What is in a folder; nothing when it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("read", folder)(error)),
    };
    entries.map(|entry| Ok(entry.map_err(Error::file("read", folder))?.path())).collect()
}

impl LossSums {
    /// Adds the mean losses of a batch of `samples`, of which `labelled` have a label.
    pub fn add(&mut self, loss: StepLoss, samples: usize, labelled: usize) {
        self.labelled += labelled;
        self.correct += loss.correct as usize;
        self.samples += samples;
        self.total += f64::from(loss.total) * samples as f64;
        self.hard += f64::from(loss.hard) * samples as f64;
        self.soft += f64::from(loss.soft) * samples as f64;
    }

    /// Share of the labelled samples that were named rightly.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.labelled.max(1) as f64
    }

    /// The mean of one of the sums over the samples.
    pub fn mean(&self, sum: f64) -> f64 {
        sum / self.samples.max(1) as f64
    }
}
