//! A run that is done, as its folder tells it.

use std::path::{Path, PathBuf};

use crate::config;
use crate::dataset::SplitName;
use crate::student::hf;
use crate::support::context::Context;
use crate::support::hash::Digest;
use crate::train::{Answers, BEST, Description, Error, RunResult, Setup, answers, read_json};

/// The folder of a finished run.
pub struct FinishedRun {
    /// The folder.
    pub folder: PathBuf,
    /// What the run was made of.
    pub description: Description,
    /// What it came to.
    pub result: RunResult,
}

impl FinishedRun {
    /// Reads `run.json` and `result.json`, and checks that the kept weights are those of the result.
    ///
    /// # Errors
    /// A folder that holds no finished run, a file that can't be read or is damaged.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let no_run = || Error::NoRun { path: folder.to_owned() };
        let description: Description = read_json(folder, "run.json")?.ok_or_else(no_run)?;
        let result: RunResult = read_json(folder, "result.json")?.ok_or_else(no_run)?;
        let run = Self { folder: folder.to_owned(), description, result };
        let weights = run.best().join(hf::WEIGHTS);
        let found = Digest::of_file(&weights).map_err(Error::file("read", &weights))?.to_string();
        if found != run.result.weights {
            let reason = format!("its BLAKE3 begins with {}, expected {}", &found[..12], run.result.weights);
            return Err(Error::Weights { path: weights, reason });
        }
        Ok(run)
    }

    /// The folder of the kept weights, as Hugging Face tools open it.
    pub fn best(&self) -> PathBuf {
        self.folder.join(BEST)
    }

    /// Dataset, cache and device, as the run had them but for the device.
    ///
    /// # Errors
    /// A dataset or cache that is gone or another, a device that can't be had.
    pub fn setup(&self, device: config::StudentDevice, context: &Context) -> Result<Setup, Error> {
        let mut pipeline = self.description.pipeline.clone();
        pipeline.train.device = device;
        let mut setup = Setup::new(pipeline, Some(&self.description.cache), &self.folder, context)?;
        setup.folder.clone_from(&self.folder);
        Ok(setup)
    }
    /// What the kept weights say of every sample of one split of `setup`, which is this run's.
    ///
    /// # Errors
    /// Weights that are damaged, a split that is not there, an image that can't be read.
    pub fn answers(&self, setup: &Setup, split: SplitName) -> Result<Answers, Error> {
        let device = &setup.device.device;
        let model = hf::open_folder(&self.best(), device)?.model;
        answers(&model, &setup.images(split)?, setup.pipeline.train.temperature, device)
    }
}
