//! What a run's folder says.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::student::hf;
use crate::train::{self, BEST, Description, EpochRecord, RunResult, Timing};

/// One run, finished or not.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Its folder, as it was named.
    pub folder: PathBuf,
    /// What it is.
    pub description: Description,
    /// What it came to, once finished.
    pub result: Option<RunResult>,
    /// What it cost so far.
    pub timing: Timing,
    /// Bytes of the kept weights.
    pub weights_bytes: Option<u64>,
    /// Every finished epoch.
    pub epochs: Vec<EpochRecord>,
}

impl Run {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    /// No `run.json`, or a file that can't be read or is damaged.
    pub fn read(folder: &Path) -> Result<Self, train::Error> {
        let description = train::read_json(folder, "run.json")?;
        let description = description.ok_or_else(|| train::Error::NoRun { path: folder.to_owned() })?;
        let weights = std::fs::metadata(folder.join(BEST).join(hf::WEIGHTS));
        Ok(Self {
            folder: folder.to_owned(),
            description,
            result: train::read_json(folder, "result.json")?,
            timing: train::read_json(folder, "timing.json")?.unwrap_or_default(),
            weights_bytes: weights.ok().map(|file| file.len()),
            epochs: train::read_epochs(folder)?,
        })
    }

    /// The run's seed.
    pub fn seed(&self) -> u64 {
        self.description.pipeline.train.seed
    }
}
