//! Where a run stands, so that it goes on from there and ends with the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::ModuleRecord;
use serde::{Deserialize, Serialize};

use super::Error;
use super::record::EpochRecord;
use super::step::{Learner, StepLoss};
use crate::support::atomic;
use crate::support::hash::Digest;

/// The file of a checkpoint that says where it stands.
pub const STATE: &str = "state.json";
const MODEL: &str = "model.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const EMA: &str = "ema.bpk";
const BEST: &str = "best.safetensors";
const PREFIX: &str = "checkpoint-";
/// The extension of a checkpoint that is half written or half deleted.
const TEMPORARY: &str = "tmp";

/// Everything of a run but its weights and the optimiser's moments. Order, views and dropout are functions of the seed and
/// of where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The run's key.
    pub run: Digest,
    /// The epoch in which training goes on, from 0.
    pub epoch: usize,
    /// Steps of that epoch that are done. A step with several batches is done as a whole or not at all.
    pub step: usize,
    /// Sums over those steps.
    pub sums: LossSums,
    /// Every finished epoch.
    pub log: Vec<EpochRecord>,
    /// BLAKE3 of the best epoch's weights, where one has ended.
    pub best: Option<Digest>,
}

impl State {
    /// Before the first step of the run with this key.
    pub fn new(run: Digest) -> Self {
        Self { run, epoch: 0, step: 0, sums: LossSums::default(), log: Vec::new(), best: None }
    }

    /// The name of its checkpoint.
    fn name(&self) -> String {
        name(self.epoch, self.step)
    }

    /// The checkpoint at the end of the best epoch so far.
    fn best_name(&self) -> Option<String> {
        self.log.iter().rev().find(|record| record.best).map(|record| name(record.epoch, 0))
    }
}

fn name(epoch: usize, step: usize) -> String {
    format!("{PREFIX}{epoch:06}-{step:06}")
}

/// What `state.json` holds: the state, and what the other files are.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    state: State,
    files: BTreeMap<String, Digest>,
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

/// Writes a checkpoint into the run's folder, atomically, with the weights of the best epoch, which are in `best`. One of the
/// same moment is the same to the last bit, and stays.
///
/// # Errors
/// A file that can't be written; the checkpoints before are then still there.
pub fn save(run: &Path, state: &State, learner: &Learner, best: &Path) -> Result<(), Error> {
    let folder = run.join(state.name());
    if folder.exists() {
        return Ok(());
    }
    let temporary = folder.with_extension(TEMPORARY);
    delete(&temporary)?;
    let mut files = BTreeMap::new();
    let mut put = |name: &str, bytes: &[u8]| {
        files.insert(name.to_owned(), Digest::of(bytes));
        let path = temporary.join(name);
        atomic::write(&path, bytes).map_err(Error::file("write", path))
    };
    let record = |error: burn::store::RecordError| Error::Checkpoint {
        path: folder.clone(),
        reason: error.to_string(),
    };
    put(MODEL, &learner.model.clone().into_record().into_bytes().map_err(record)?)?;
    put(OPTIMIZER, &learner.optimizer.into_bytes().map_err(record)?)?;
    if let Some(ema) = &learner.ema {
        put(EMA, &ema.model().into_record().into_bytes().map_err(record)?)?;
    }
    if state.best.is_some() {
        let path = temporary.join(BEST);
        // It is only ever replaced as a whole, so a second name for it costs nothing. Not every file system has those.
        fs::hard_link(best, &path)
            .or_else(|_| fs::copy(best, &path).map(drop))
            .map_err(Error::file("write", path))?;
    }
    let stored = Stored { state: state.clone(), files };
    let text = serde_json::to_vec_pretty(&stored).expect("a state is plain data");
    let path = temporary.join(STATE);
    atomic::write(&path, &text).map_err(Error::file("write", path))?;
    fs::rename(&temporary, &folder).map_err(Error::file("rename", &folder))?;
    atomic::sync_folder(run).map_err(Error::file("sync", run))
}

/// Puts a checkpoint into `learner`, and the weights of its best epoch into `best`, and says where it stands.
///
/// # Errors
/// A checkpoint that can't be read, is damaged, or is one of another run.
pub fn load(folder: &Path, run: Digest, learner: &mut Learner, best: &Path) -> Result<State, Error> {
    let damaged = |reason: String| Error::Checkpoint { path: folder.to_owned(), reason };
    let path = folder.join(STATE);
    let text = fs::read(&path).map_err(Error::file("read", &path))?;
    let Stored { state, files } =
        serde_json::from_slice(&text).map_err(|error| damaged(format!("{STATE}: {error}")))?;
    if state.run != run {
        let differences = vec![format!("its key is {} there and {run} here", state.run)];
        return Err(Error::OtherRun { path: folder.to_owned(), differences });
    }
    let read = |name: &str| {
        let path = folder.join(name);
        let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
        if files.get(name) == Some(&Digest::of(&bytes)) {
            Ok(bytes)
        } else {
            Err(damaged(format!("{name} is not what was written")))
        }
    };
    let bytes = |name: &str| read(name).map(burn::tensor::Bytes::from_bytes_vec);
    let unreadable = |name: &'static str| move |error: burn::store::RecordError| format!("{name}: {error}");
    let model = |name: &'static str, model: crate::student::Student| {
        let record =
            ModuleRecord::from_bytes(bytes(name)?).map_err(|error| damaged(unreadable(name)(error)))?;
        model.try_load_record(record).map_err(|error| damaged(format!("{name}: {error}")))
    };
    learner.model = model(MODEL, learner.model.clone())?;
    let optimizer = learner.optimizer.clone().from_bytes(bytes(OPTIMIZER)?);
    learner.optimizer = optimizer.map_err(|error| damaged(unreadable(OPTIMIZER)(error)))?;
    if let Some(ema) = &mut learner.ema {
        let average = model(EMA, ema.model())?;
        ema.set(average);
    }
    if let Some(expected) = state.best
        && Digest::of_file(best).ok() != Some(expected)
    {
        let path = folder.join(BEST);
        let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
        if Digest::of(&bytes) != expected {
            return Err(damaged(format!("{BEST} is not what was written")));
        }
        atomic::write(best, &bytes).map_err(Error::file("write", best))?;
    }
    Ok(state)
}

/// Deletes what need not be kept while the run goes on: all but the last `keep` checkpoints, one at least, and, where any are to
/// be kept, that of the best epoch.
///
/// # Errors
/// A folder that can't be read, or a file that can't be deleted.
pub fn prune(run: &Path, state: &State, keep: usize) -> Result<(), Error> {
    let best = state.best_name().filter(|_| keep > 0).map(|name| run.join(name));
    let mut old = folders(run)?;
    old.truncate(old.len().saturating_sub(keep.max(1)));
    old.iter().filter(|folder| Some(*folder) != best.as_ref()).try_for_each(|folder| discard(folder))
}

/// Deletes a finished run's checkpoints unless some are to be kept, and whatever was left of the files of processes that died.
///
/// # Errors
/// A folder that can't be read, or a file that can't be deleted.
pub fn clear(run: &Path, keep: usize) -> Result<(), Error> {
    if keep == 0 {
        folders(run)?.iter().try_for_each(|folder| discard(folder))?;
    }
    for path in entries(run)? {
        if is_checkpoint(&path) && path.extension().is_some() {
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
///
/// # Errors
/// A folder that can't be read.
pub fn folders(run: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut folders = entries(run)?;
    folders.retain(|path| is_checkpoint(path) && path.extension().is_none());
    folders.sort();
    Ok(folders)
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
