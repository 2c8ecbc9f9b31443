//! Checkpoints: the state of a run, from which it resumes and ends with the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::ModuleRecord;
use serde::{Deserialize, Serialize};

use super::Error;
use super::plan::Plan;
use super::record::{EpochRecord, Seal, read_json};
use super::step::{Learner, StepLoss};
use crate::support::checksummed_json;
use crate::support::hash::Digest;
use crate::support::{atomic, files};

/// The file of a checkpoint that holds the state.
pub(crate) const STATE: &str = "state.json";
const MODEL: &str = "model.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const EMA: &str = "ema.bpk";
const BEST: &str = "best.safetensors";
/// The beginning of a checkpoint's name.
pub(crate) const PREFIX: &str = "checkpoint-";
/// The extension of a checkpoint that is half written or half deleted.
const TEMPORARY: &str = "tmp";
/// The extension of a damaged checkpoint, until its run is finished.
const DAMAGED: &str = "damaged";
/// The largest file of weights or moments that is read, in bytes.
const LIMIT: u64 = 64 << 30;

/// Everything of a run but its weights and the optimiser's moments. Order, views and dropout are functions of the seed, the epoch
/// and the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// The run's key.
    pub run: Digest,
    /// The epoch in which training resumes, from 0.
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
    pub(crate) fn new(run: Digest) -> Self {
        Self { run, epoch: 0, step: 0, sums: LossSums::default(), log: Vec::new(), best: None }
    }

    /// The name of its checkpoint.
    fn name(&self) -> String {
        name(self.epoch, self.step)
    }

    /// The name of the checkpoint at the end of the best epoch so far.
    fn best_name(&self) -> Option<String> {
        self.log.iter().rev().find(|record| record.best).map(|record| name(record.epoch, 0))
    }
}

impl State {
    /// The first contradiction to the run's plan, its folder's name or itself, if there is one.
    fn contradiction(&self, folder: &Path, plan: &Plan, epochs: usize) -> Option<String> {
        let (steps, sums) = (plan.steps(), &self.sums);
        let marks: Vec<bool> = self.log.iter().map(|record| record.best).collect();
        let in_order = self
            .log
            .iter()
            .zip(1..)
            .all(|(record, epoch)| record.epoch == epoch && record.step == epoch * steps);
        let done = plan.samples_before(self.step);
        let sound = [
            (
                position(folder) == Some((self.epoch, self.step)),
                "its epoch and step are not those of its folder's name",
            ),
            (
                self.epoch <= epochs && self.step < steps.max(1),
                "its epoch and step are not in the run's plan",
            ),
            (self.log.len() == self.epoch && in_order, "its epochs are not those before it"),
            (marks == EpochRecord::best_of(&self.log), "its best epoch is not the best"),
            (self.best.is_some() != self.log.is_empty(), "the weights of its best epoch are missing"),
            (
                sums.samples == done && sums.correct <= sums.labelled && sums.labelled <= sums.samples,
                "its sums are over other samples",
            ),
        ];
        sound.into_iter().find(|(holds, _)| !holds).map(|(_, reason)| reason.to_owned())
    }
}

fn name(epoch: usize, step: usize) -> String {
    format!("{PREFIX}{epoch:06}-{step:06}")
}

/// The content of `state.json`: the state, and the digests of the other files.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    state: State,
    files: BTreeMap<String, Digest>,
}

/// Sums of the losses over the samples of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossSums {
    /// Samples so far.
    pub samples: usize,
    /// Of the whole loss.
    pub total: f64,
    /// Of the cross-entropy with the labels.
    pub ce: f64,
    /// Of the distillation loss.
    pub kd: f64,
    /// Labelled samples so far, and how many of them were classified correctly.
    pub labelled: usize,
    /// See [`LossSums::labelled`].
    pub correct: usize,
}

/// Writes a checkpoint into the run's folder, atomically, with the weights of the best epoch, which are in `best`. One of the
/// same epoch and step is the same to the last bit, and stays.
///
/// # Errors
/// A file that can't be written; the checkpoints before are then still there.
pub(crate) fn save(run: &Path, state: &State, learner: &Learner, best: &Path) -> Result<(), Error> {
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
    let path = temporary.join(STATE);
    atomic::write(&path, &checksummed_json::to_bytes(&stored)).map_err(Error::file("write", path))?;
    fs::rename(&temporary, &folder).map_err(Error::file("rename", &folder))?;
    atomic::sync_folder(run).map_err(Error::file("sync", run))
}

/// Loads a checkpoint of the run with the key `run` into `learner`, and the weights of its best epoch into `best`, and gives its state.
/// `plan` and `epochs` are the run's, which the state must fit.
///
/// # Errors
/// A checkpoint that can't be read, is damaged, or belongs to another run.
pub(crate) fn load(
    folder: &Path,
    run: Digest,
    (plan, epochs): (&Plan, usize),
    learner: &mut Learner,
    best: &Path,
) -> Result<State, Error> {
    let damaged = |reason: String| Error::Checkpoint { path: folder.to_owned(), reason };
    let stored = read_json::<Stored>(folder, STATE, Seal::Required).map_err(|error| match error {
        Error::Damaged { reason, .. } => damaged(format!("{STATE}: {reason}")),
        error => error,
    })?;
    let Stored { state, files } = stored.ok_or_else(|| damaged(format!("{STATE} is missing")))?;
    if state.run != run {
        let differences = vec![format!("its key is {} there and {run} here", state.run)];
        return Err(Error::OtherRun { path: folder.to_owned(), differences });
    }
    if let Some(reason) = state.contradiction(folder, plan, epochs) {
        return Err(damaged(format!("{STATE}: {reason}")));
    }
    let member = |name: &str| {
        let path = folder.join(name);
        files::read_regular(&path, LIMIT).map_err(|source| match Error::read(&path, source) {
            Error::Damaged { reason, .. } => damaged(format!("{name}: {reason}")),
            Error::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                damaged(format!("{name} is missing"))
            }
            error => error,
        })
    };
    let read = |name: &str| {
        let bytes = member(name)?;
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
        let bytes = member(BEST)?;
        if Digest::of(&bytes) != expected {
            return Err(damaged(format!("{BEST} is not what was written")));
        }
        atomic::write(best, &bytes).map_err(Error::file("write", best))?;
    }
    Ok(state)
}

/// Deletes what need not be kept while the run is trained: all but the last `keep` checkpoints and that of the best epoch; where none
/// are to be kept, all but the last two, since the one before serves where the newest is damaged.
///
/// # Errors
/// A folder that can't be read, or a file that can't be deleted.
pub(crate) fn prune(run: &Path, state: &State, keep: usize) -> Result<(), Error> {
    let best = state.best_name().filter(|_| keep > 0).map(|name| run.join(name));
    let mut old = folders(run)?;
    let last = if keep == 0 { 2 } else { keep };
    old.truncate(old.len().saturating_sub(last));
    old.iter().filter(|folder| Some(*folder) != best.as_ref()).try_for_each(|folder| discard(folder))
}

/// Deletes a finished run's checkpoints unless some are to be kept, and the temporary files of processes that died.
///
/// # Errors
/// A folder that can't be read, or a file that can't be deleted.
pub(crate) fn clear(run: &Path, keep: usize) -> Result<(), Error> {
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
pub(crate) fn folders(run: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut folders: Vec<((usize, usize), PathBuf)> = entries(run)?
        .into_iter()
        .filter_map(|path| Some((position(&path)?, path)))
        .filter(|(_, path)| path.is_dir())
        .collect();
    folders.sort();
    Ok(folders.into_iter().map(|(_, path)| path).collect())
}

/// Epoch and step of a checkpoint's name.
fn position(folder: &Path) -> Option<(usize, usize)> {
    let (epoch, step) = folder.file_name()?.to_str()?.strip_prefix(PREFIX)?.split_once('-')?;
    let number = |digits: &str| {
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    Some((number(epoch)?, number(step)?))
}

/// Takes a damaged checkpoint out of the way, so that the run writes it anew. It stays there until the run is finished.
///
/// # Errors
/// A folder that can't be renamed.
pub(crate) fn set_aside(folder: &Path) -> Result<(), Error> {
    let aside = folder.with_extension(DAMAGED);
    delete(&aside)?;
    fs::rename(folder, &aside).map_err(Error::file("rename", folder))
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

/// The entries of a folder; nothing when it is not there.
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
    pub(crate) fn add(&mut self, loss: StepLoss, samples: usize, labelled: usize) {
        self.labelled += labelled;
        self.correct += loss.correct as usize;
        self.samples += samples;
        self.total += f64::from(loss.total) * samples as f64;
        self.ce += f64::from(loss.ce) * samples as f64;
        self.kd += f64::from(loss.kd) * samples as f64;
    }

    /// Share of the labelled samples that were classified correctly; nothing where none has a label.
    pub(crate) fn accuracy(&self) -> Option<f64> {
        (self.labelled > 0).then(|| self.correct as f64 / self.labelled as f64)
    }

    /// The mean of one of the sums over the samples.
    pub(crate) fn mean(&self, sum: f64) -> f64 {
        sum / self.samples.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_ordered_as_numbers_and_nothing_else_is_one() {
        let run = tempfile::tempdir().unwrap();
        let there =
            ["000000-1000000", "000000-999999", "000001-000000", "zzz", "000001-000002.tmp", "000001-x"];
        for name in there {
            fs::create_dir(run.path().join(format!("{PREFIX}{name}"))).unwrap();
        }
        fs::write(run.path().join("checkpoint-000009-000000"), "a file").unwrap();
        let found = folders(run.path()).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(
            names,
            ["000000-999999", "000000-1000000", "000001-000000"].map(|name| format!("{PREFIX}{name}"))
        );
    }
}
