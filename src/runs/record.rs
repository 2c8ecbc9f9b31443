//! One run as its folder has it, with every file checked against its checksum and against the others.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Label, checks};
use crate::config::Pipeline;
use crate::student::hf;
use crate::train::{
    self, BEST, Description, EpochRecord, Error, RESULT_FILE, RUN_FILE, RunResult, Seal, TIMING_FILE, Timing,
};

/// One run, finished or not.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Its folder, as it was named.
    pub folder: PathBuf,
    /// Its description.
    pub description: Description,
    /// Its results, once it is finished.
    pub result: Option<RunResult>,
    /// The cost so far.
    pub timing: Timing,
    /// Bytes of the kept weights.
    pub weights_bytes: Option<u64>,
    /// Every finished epoch.
    pub epochs: Vec<EpochRecord>,
    /// The name for people.
    pub label: Label,
}

impl Run {
    /// Reads the run in `folder`. A finished run of decant 0.1.0, which sealed none of its files, is read as well: its result must agree
    /// with its epochs and with itself.
    ///
    /// # Errors
    /// No `run.json`; a file that can't be read, is damaged, or contradicts another file.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let Some((description, seal)) = read_description(folder)? else {
            return Err(Error::NoRun { path: folder.to_owned() });
        };
        let run = Self {
            folder: folder.to_owned(),
            description,
            result: train::read_json(folder, RESULT_FILE, seal)?,
            timing: train::read_json(folder, TIMING_FILE, seal)?.unwrap_or_default(),
            weights_bytes: weights_bytes(folder),
            epochs: train::read_epochs(folder, seal)?,
            label: Label::read(folder)?,
        };
        match checks::contradiction(&run.description, &run.epochs, run.result.as_ref()) {
            Some((file, reason)) => Err(Error::Damaged { path: folder.join(file), reason }),
            None => Ok(run),
        }
    }

    /// Its resolved pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.description.pipeline
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.description.pipeline.train.seed
    }

    /// The name for people: its own, or that of its folder.
    pub(crate) fn title(&self) -> String {
        self.label.name.clone().unwrap_or_else(|| self.name())
    }

    /// The name of its folder.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or(self.folder.as_os_str()).to_string_lossy().into_owned()
    }
}

/// `run.json`, if it is there, and whether the other files must be sealed.
pub(super) fn read_description(folder: &Path) -> Result<Option<(Description, Seal)>, Error> {
    let path = folder.join(RUN_FILE);
    let Some((description, is_sealed)) = train::read_sealed::<Description>(&path, Seal::Optional)? else {
        return Ok(None);
    };
    let expected = if is_sealed { Description::FORMAT } else { 1 };
    if description.format != expected {
        let reason = format!("expected format {expected}, found {}", description.format);
        return Err(Error::Damaged { path, reason });
    }
    Ok(Some((description, if is_sealed { Seal::Required } else { Seal::Optional })))
}

fn weights_bytes(folder: &Path) -> Option<u64> {
    std::fs::metadata(folder.join(BEST).join(hf::WEIGHTS)).ok().map(|file| file.len())
}
