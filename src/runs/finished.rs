//! A finished run and its student.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Run;
use crate::config;
use crate::dataset::SplitName;
use crate::student::{StudentShape, hf};
use crate::support::context::Context;
use crate::support::files::{TEXT_LIMIT, read_regular};
use crate::support::hash::Digest;
use crate::train::{Answers, BEST, Description, Error, RunResult, Setup, answers};

/// A `config.json`, as far as it names the classes.
#[derive(Deserialize)]
struct Named {
    id2label: BTreeMap<usize, String>,
}

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
        let weights = run.best().join(hf::WEIGHTS);
        let found = match Digest::of_file(&weights) {
            Ok(digest) => digest.to_string(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::Weights { path: weights, reason: "it is missing".to_owned() });
            }
            Err(source) => return Err(Error::read(weights, source)),
        };
        if found != run.result.weights {
            let reason = format!("its BLAKE3 begins with {}, expected {}", &found[..12], run.result.weights);
            return Err(Error::Weights { path: weights, reason });
        }
        run.check_configs()?;
        Ok(run)
    }

    /// Checks that the files beside the weights are to the byte what the run wrote. Only they know the classes' names, twice each. The
    /// runs of another version may have written them otherwise.
    fn check_configs(&self) -> Result<(), Error> {
        if self.description.format != Description::FORMAT
            || self.description.decant != env!("CARGO_PKG_VERSION")
        {
            return Ok(());
        }
        let read = |name: &str| {
            let path = self.best().join(name);
            read_regular(&path, TEXT_LIMIT).map_err(|source| match source.kind() {
                ErrorKind::NotFound => Error::Weights { path, reason: "it is missing".to_owned() },
                _ => Error::read(path, source),
            })
        };
        let other = |name: &str| {
            let reason = "its bytes are not those that the run wrote".to_owned();
            Error::Weights { path: self.best().join(name), reason }
        };
        let named: Named = serde_json::from_slice(&read(hf::CONFIG)?).map_err(|_| other(hf::CONFIG))?;
        let classes: Vec<String> = named.id2label.into_values().collect();
        let student = &self.description.pipeline.student;
        let card = hf::Card {
            classes: &classes,
            image_mean: student.image_mean,
            image_std: student.image_std,
            steps: 0,
        };
        for (name, bytes) in hf::configs(&StudentShape::of(student, classes.len()), &card) {
            if read(name)? != bytes {
                return Err(other(name));
            }
        }
        Ok(())
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
