//! Runs trained once more from nothing, and compared with what is there.

use std::fs;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;

use super::Error;
use super::plan::{Plan, Planned};
use crate::config::StudentDevice;
use crate::runs::{self, Run};
use crate::support::{files, rng};
use crate::train::{BEST, METRICS_FILE, Outcome, RESULT_FILE, RunResult};

/// The files that must be the same to the last bit on the CPU.
const FILES: [&str; 2] = ["best/model.safetensors", METRICS_FILE];

/// The largest file that is compared, in bytes.
const LIMIT: u64 = 64 << 30;

/// A run that was trained again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verified {
    /// The run's folder.
    pub folder: PathBuf,
    /// The differences; nothing when the run was reproduced.
    pub difference: Option<String>,
}

/// Trains `count` of `runs` again, chosen by the sweep's key, in a folder under `folder` that is gone afterwards.
///
/// # Errors
/// [`Error::Interrupted`], a run that fails, a file that can't be read.
pub(crate) fn verify(
    plan: &Plan,
    runs: &[Planned],
    count: usize,
    folder: &Path,
    watch: &mut dyn FnMut(&Planned, &Verified),
) -> Result<Vec<Verified>, Error> {
    let mut chosen: Vec<usize> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        if run.result()?.is_some() {
            chosen.push(index);
        }
    }
    let key = u64::from_le_bytes(plan.key().0[..8].try_into().expect("eight bytes"));
    chosen.shuffle(&mut rng::keyed("sweep verify", &[key]));
    chosen.truncate(count);
    chosen.sort_unstable();
    fs::create_dir_all(folder).map_err(Error::write(folder))?;
    let scratch = tempfile::Builder::new().prefix("verify-").suffix(".tmp").tempdir_in(folder);
    let scratch = scratch.map_err(Error::write(folder))?;
    let mut verified = Vec::new();
    for index in chosen {
        let run = &runs[index];
        let difference = again(plan, run, scratch.path())?;
        let outcome = Verified { folder: run.setup.folder.clone(), difference };
        watch(run, &outcome);
        verified.push(outcome);
    }
    Ok(verified)
}

fn again(plan: &Plan, run: &Planned, scratch: &Path) -> Result<Option<String>, Error> {
    let mut pipeline = run.setup.pipeline.clone();
    scratch.clone_into(&mut pipeline.train.dir);
    let setup = plan.shared.setup(pipeline, Some(run.setup.cache.dir()), Path::new(""))?;
    if let Outcome::Interrupted { .. } = runs::train(&setup, plan.shared.context(), &mut |_| {})? {
        return Err(Error::Interrupted);
    }
    let (there, here) = (&run.setup.folder, &setup.folder);
    let difference =
        if setup.device.name.repeats_exactly() { bytes(there, here)? } else { close(there, here)? };
    let _ = fs::remove_dir_all(here);
    Ok(difference)
}

/// The first file that differs.
fn bytes(there: &Path, here: &Path) -> Result<Option<String>, Error> {
    for name in FILES {
        let read = |folder: &Path| {
            let path = folder.join(name);
            files::read_regular(&path, LIMIT).map_err(|source| Error::Read { path, source })
        };
        if read(there)? != read(here)? {
            return Ok(Some(format!("{} differs", there.join(name).display())));
        }
    }
    let result = |folder: &Path| -> Result<Option<RunResult>, Error> { Ok(Run::read(folder)?.result) };
    let (there_is, mut here_is) = (result(there)?, result(here)?);
    if let (Some(there_is), Some(here_is)) = (&there_is, &mut here_is)
        && there_is.configs.is_empty()
    {
        // A run that was made before results named these files.
        here_is.configs.clear();
    }
    Ok((there_is != here_is).then(|| format!("{} differs", there.join(RESULT_FILE).display())))
}

/// Whether the validation accuracies are too far from each other.
fn close(there: &Path, here: &Path) -> Result<Option<String>, Error> {
    let accuracy = |folder: &Path| -> Result<f64, Error> {
        let result = Run::read(folder)?.result;
        let measure = |result: RunResult| result.chosen_by.measure(&result.validation);
        Ok(result.and_then(measure).unwrap_or(f64::NAN))
    };
    let (there_is, here_is) = (accuracy(there)?, accuracy(here)?);
    let is_close = (there_is - here_is).abs() <= StudentDevice::GPU_TOLERANCE;
    Ok((!is_close).then(|| {
        format!(
            "{}: validation accuracy {there_is:.4}, trained again {here_is:.4}",
            there.join(BEST).display()
        )
    }))
}
