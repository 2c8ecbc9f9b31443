//! A finished run and its student.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Run;
use crate::config;
use crate::dataset::SplitName;
use crate::student::hf;
use crate::support::context::Context;
use crate::support::hash::Digest;
use crate::train::{Answers, BEST, Description, Error, RunResult, Setup, answers};

/// The folder of a finished run.
pub struct FinishedRun {
    /// The folder.
    pub folder: PathBuf,
    /// The record of how the run was made.
    pub description: Description,
    /// Its results.
    pub result: RunResult,
}

impl FinishedRun {
    /// Reads the run's files, and checks that the kept weights are those of the result, and what is beside them that of the run.
    ///
    /// # Errors
    /// A folder that holds no finished run, a file that can't be read or is damaged.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let Run { folder, description, result, .. } = Run::read(folder)?;
        let Some(result) = result else { return Err(Error::NoRun { path: folder }) };
        if description.imported.is_some() {
            return Err(Error::NoWeights { path: folder });
        }
        let run = Self { folder, description, result };
        run.check(hf::WEIGHTS, &run.result.weights)?;
        for (name, digest) in &run.result.configs {
            run.check(name, &digest.to_string())?;
        }
        Ok(run)
    }

    /// Checks that a file of the kept student has this digest.
    fn check(&self, name: &str, expected: &str) -> Result<(), Error> {
        let path = self.best().join(name);
        let found = match Digest::of_file(&path) {
            Ok(digest) => digest.to_string(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::Weights { path, reason: "it is missing".to_owned() });
            }
            Err(source) => return Err(Error::read(path, source)),
        };
        if found == expected {
            return Ok(());
        }
        let reason = format!("its BLAKE3 begins with {}, expected {expected}", &found[..12]);
        Err(Error::Weights { path, reason })
    }

    /// The folder of the kept weights, as Hugging Face tools open it.
    pub(crate) fn best(&self) -> PathBuf {
        self.folder.join(BEST)
    }

    /// Dataset, cache and device, as the run had them but for the device.
    ///
    /// # Errors
    /// A dataset or cache that is gone or differs, a device that is not available.
    pub(crate) fn setup(&self, device: config::StudentDevice, context: &Context) -> Result<Setup, Error> {
        let mut pipeline = self.description.pipeline.clone();
        pipeline.train.device = device;
        let mut setup = Setup::new(pipeline, Some(&self.description.cache), &self.folder, context)?;
        setup.folder.clone_from(&self.folder);
        Ok(setup)
    }

    /// The logits of the kept weights for every sample of one split of `setup`, which is this run's.
    ///
    /// # Errors
    /// Weights that are damaged, a split that is not there, an image that can't be read; a request to stop.
    pub(crate) fn answers(
        &self,
        setup: &Setup,
        split: SplitName,
        context: &Context,
    ) -> Result<Answers, Error> {
        let device = &setup.device.device;
        let model = hf::open_folder(&self.best(), device)?.model;
        answers(&model, &setup.images(split)?, setup.pipeline.train.temperature, device, context)
    }
}
