//! Which kind of thing the named folders are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Error;
use crate::runs::{self, Run};
use crate::store::MANIFEST_FILE;
use crate::support::files::may_be_there;
use crate::support::hash::Digest;
use crate::sweep::{LOCK_FILE, Lock};
use crate::train::RUN_FILE;

/// Digits of a run's key in its folder's name.
const KEY_DIGITS: usize = 12;

/// The subject of a report.
pub(crate) enum Input {
    /// One cache.
    Cache(PathBuf),
    /// One run.
    Run(Box<Run>),
    /// Several runs of one dataset.
    Sweep {
        /// By lambda, temperature and seed.
        runs: Vec<Run>,
        /// Which runs are not there, in sentences.
        notes: Vec<String>,
    },
}

impl Input {
    /// Reads what `paths` name, each run once. Several runs make a sweep; a sweep's folder stands for the runs that it
    /// lists, which are looked for in `runs_dir`.
    ///
    /// # Errors
    /// A folder that is none of the three, a run that is damaged, a cache beside other paths.
    pub(crate) fn read(paths: &[PathBuf], runs_dir: &Path) -> Result<Self, Error> {
        let mut folders = Vec::new();
        let mut notes = Vec::new();
        let mut is_sweep = false;
        for path in paths {
            let is_own = [MANIFEST_FILE, LOCK_FILE].iter().any(|file| path.join(file).is_file());
            let path = &if is_own { path.clone() } else { runs::find(path, runs_dir)? };
            if may_be_there(&path.join(MANIFEST_FILE)) {
                return match paths {
                    [_] => Ok(Self::Cache(path.clone())),
                    _ => Err(Error::Mixed { path: path.clone() }),
                };
            }
            if may_be_there(&path.join(RUN_FILE)) {
                folders.push(path.clone());
            } else if may_be_there(&path.join(LOCK_FILE)) {
                is_sweep = true;
                folders.extend(runs_of_sweep(path, runs_dir, &mut notes)?);
            } else if let runs @ [_, ..] = runs::folders(path)?.as_slice() {
                folders.extend_from_slice(runs);
            } else {
                return Err(Error::Unknown { path: path.clone() });
            }
        }
        let mut seen = BTreeSet::new();
        folders.retain(|folder| seen.insert(canonical(folder)));
        let mut runs = folders.iter().map(|folder| Run::read(folder)).collect::<Result<Vec<_>, _>>()?;
        if runs.len() == 1 && !is_sweep {
            return Ok(Self::Run(Box::new(runs.remove(0))));
        }
        runs.sort_by(|a, b| order(a).partial_cmp(&order(b)).unwrap_or(std::cmp::Ordering::Equal));
        Ok(Self::Sweep { runs, notes })
    }
}

/// The runs that `paths` name: runs, sweeps, and folders of runs, with notes on those that are not there.
///
/// # Errors
/// A folder that is none of these, a cache, or a run that is damaged.
pub(crate) fn runs_of(paths: &[PathBuf], runs_dir: &Path) -> Result<(Vec<Run>, Vec<String>), Error> {
    match Input::read(paths, runs_dir)? {
        Input::Run(run) => Ok((vec![*run], Vec::new())),
        Input::Sweep { runs, notes } => Ok((runs, notes)),
        Input::Cache(path) => Err(Error::Unknown { path }),
    }
}

/// The folders of a sweep's runs: a run's key ends its folder's name.
fn runs_of_sweep(sweep: &Path, runs_dir: &Path, notes: &mut Vec<String>) -> Result<Vec<PathBuf>, Error> {
    let mut lock = Lock::read(&sweep.join(LOCK_FILE))?;
    // As in the sweep's own summary, only the runs that were trained to the end are compared.
    let last = lock.runs.iter().map(|run| run.rung).max().unwrap_or(0);
    let all = lock.runs.len();
    lock.runs.retain(|run| run.rung == last);
    if lock.runs.len() < all {
        notes.push(format!(
            "{} runs of {} are from earlier rungs of successive halving, with fewer epochs, and are left out.",
            all - lock.runs.len(),
            sweep.display()
        ));
    }
    let there = runs::folders(runs_dir)?;
    let find = |key: &Digest| {
        let ending = format!("-{}", key.short(KEY_DIGITS));
        let is_it = |folder: &&PathBuf| {
            folder.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&ending))
        };
        there.iter().find(is_it)
    };
    let found: Vec<PathBuf> = lock.runs.iter().filter_map(|run| find(&run.key)).cloned().collect();
    if found.is_empty() {
        return Err(Error::NoRuns {
            sweep: sweep.to_owned(),
            runs: lock.runs.len(),
            dir: runs_dir.to_owned(),
        });
    }
    if found.len() < lock.runs.len() {
        notes.push(format!(
            "{} of the {} runs of {} are not in {} and are left out.",
            lock.runs.len() - found.len(),
            lock.runs.len(),
            sweep.display(),
            runs_dir.display()
        ));
    }
    Ok(found)
}

/// Runs are told by lambda, temperature and seed, however they were named.
fn order(run: &Run) -> (f32, f32, u64, &Path) {
    let train = &run.description.pipeline.train;
    (train.lambda, train.temperature, train.seed, &run.folder)
}

fn canonical(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}
