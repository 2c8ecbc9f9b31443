//! The plan of a sweep: each run with its key and folder, and whether it is done.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::Value;

use super::points::{Point, Points, label};
use super::rungs;
use super::value::{EPOCHS, short};
use super::{Error, Results, Row, State};
use crate::config::{Halving, Pipeline};
use crate::runs::Run;
use crate::store::Cache;
use crate::support::hash::{Digest, FieldHasher};
use crate::train::{RESULT_FILE, RunResult, Seal, Session, Setup, read_json, write_json};

/// One run of a sweep.
pub(crate) struct Planned {
    /// The run, ready to be trained.
    pub setup: Setup,
    /// The value of each of [`Plan::axes`]; `None` where the run does not depend on it.
    pub values: Vec<Option<Value>>,
    /// The rung of successive halving, from 0; 0 without.
    pub rung: usize,
    /// Which of the sweep's points it is.
    pub point: usize,
}

impl Planned {
    /// The run's result, once it is done.
    ///
    /// # Errors
    /// A result that can't be read.
    pub(crate) fn result(&self) -> Result<Option<RunResult>, Error> {
        let folder = &self.setup.folder;
        if std::fs::symlink_metadata(folder.join(RESULT_FILE)).is_err() {
            return Ok(None);
        }
        let run = Run::read(folder)?;
        // Another run's folder is not this run's result.
        Ok(run.result.filter(|_| run.description.key == self.setup.key))
    }

    /// The run as a row of results, with the error that it failed with just now, else with the one in its folder.
    ///
    /// # Errors
    /// A result that can't be read.
    pub(crate) fn row(&self, error: Option<String>) -> Result<Row, Error> {
        let state = match (self.result()?, error) {
            (Some(result), _) => State::Done(Box::new(result)),
            (None, Some(error)) => State::Failed(error),
            // A note that can't be read is as good as none: the run is tried again.
            (None, None) => match read_json::<Failed>(&self.setup.folder, FAILED_FILE, Seal::Optional) {
                Ok(Some(Failed { error })) => State::Failed(error),
                _ => State::Missing,
            },
        };
        Ok(Row::new(&self.setup, self.rung, &self.values, state))
    }

    /// Leaves the error in the run's folder, for a process that collects the sweep elsewhere. One that can't be written is ignored: the
    /// run then counts as not tried.
    pub(super) fn note_failure(&self, error: &str) {
        let _ = write_json(&self.setup.folder, FAILED_FILE, &Failed { error: error.to_owned() });
    }

    /// Takes the note of an earlier failure away.
    pub(super) fn forget_failure(&self) {
        let _ = std::fs::remove_file(self.setup.folder.join(FAILED_FILE));
    }
}

/// Where a run's folder keeps the error that it failed with, until it is done.
const FAILED_FILE: &str = "failed.json";

/// The content of that file.
#[derive(Serialize, Deserialize)]
struct Failed {
    error: String,
}

/// The runs of a sweep, whose cache is there.
pub(crate) struct Plan {
    /// The keys in which the runs differ, the seed last.
    pub axes: Vec<String>,
    /// Every run at its full length.
    pub runs: Vec<Planned>,
    /// How many epochs the runs of each rung have; one entry, 0, where nothing is halved.
    pub rungs: Vec<usize>,
    /// How successive halving goes, if it does.
    pub halving: Option<Halving>,
    /// The work that the runs share.
    pub shared: Arc<Session>,
    /// The cache of the pipeline itself, which has every run's dataset and teacher.
    pub own: Arc<Cache>,
    cache: Option<PathBuf>,
    file: PathBuf,
}

impl Plan {
    /// Finds the cache and the folder of every point. `cache` names the cache's folder, where it is not searched for;
    /// `file` is the pipeline file, for messages.
    ///
    /// # Errors
    /// No cache, or a device that is not available; rungs that don't fit the epochs.
    pub(crate) fn new(
        points: &Points,
        base: &Pipeline,
        shared: Arc<Session>,
        cache: Option<&Path>,
        file: &Path,
    ) -> Result<Self, Error> {
        let halving = base.sweep.halving.clone();
        let rungs = match &halving {
            Some(halving) => rungs::rungs(halving, points, file)?,
            None => vec![0],
        };
        let own = shared.setup(base.clone(), cache, file)?.cache;
        let rung = rungs.len() - 1;
        let run = |(point, Point { pipeline, values }): (usize, &Point)| {
            let setup = shared.setup(pipeline.clone(), cache, file)?;
            Ok(Planned { setup, values: values.clone(), rung, point })
        };
        let runs = points.points.iter().enumerate().map(run).collect::<Result<_, Error>>()?;
        let (cache, file) = (cache.map(Path::to_owned), file.to_owned());
        Ok(Self { axes: points.axes.clone(), runs, rungs, halving, shared, own, cache, file })
    }

    /// The runs of a rung, of these configurations' full runs.
    ///
    /// # Errors
    /// The errors of [`Session::setup`].
    pub(crate) fn rung(&self, rung: usize, full: &[usize]) -> Result<Vec<Planned>, Error> {
        let shorter = |&index: &usize| {
            let run = &self.runs[index];
            let mut pipeline = run.setup.pipeline.clone();
            if self.halving.is_some() {
                pipeline.train.epochs = self.rungs[rung];
            }
            let setup = self.setup(pipeline)?;
            Ok(Planned { setup, values: run.values.clone(), rung, point: run.point })
        };
        full.iter().map(shorter).collect()
    }

    /// A run of `pipeline` on the plan's cache.
    pub(super) fn setup(&self, pipeline: Pipeline) -> Result<Setup, Error> {
        Ok(self.shared.setup(pipeline, self.cache.as_deref(), &self.file)?)
    }

    /// The name of a run in lines.
    pub(crate) fn label(&self, run: &Planned) -> String {
        let label = label(&self.axes, &run.values);
        match self.halving {
            Some(_) => format!("{label} {}={}", short(EPOCHS), run.setup.pipeline.train.epochs),
            None => label,
        }
    }

    /// Over every run's key and how they are halved: what these results are results of.
    pub(crate) fn key(&self) -> Digest {
        let mut hasher = FieldHasher::new("decant sweep");
        for run in &self.runs {
            hasher.field("run", run.setup.key.0);
        }
        if let Some(Halving { from, factor }) = &self.halving {
            hasher.field("halving", format!("{from} {factor}"));
        }
        hasher.finish()
    }

    /// `<dir>/<name>-<first 12 digits of the key>`.
    pub(crate) fn folder(&self, base: &Pipeline) -> PathBuf {
        base.sweep.dir.join(format!("{}-{}", name(base), self.key().short(12)))
    }

    /// Reads every byte of the caches, before any run does.
    ///
    /// # Errors
    /// The first damage.
    pub(crate) fn check_content(&self) -> Result<(), Error> {
        Ok(self.runs.iter().try_for_each(|run| run.setup.check_content())?)
    }

    /// Results of `rows`.
    pub(crate) fn results(&self, base: &Pipeline, rows: Vec<Row>) -> Results {
        Results { name: name(base).to_owned(), axes: self.axes.clone(), rungs: self.rungs.len(), rows }
    }
}

/// The readable name of a pipeline's sweep.
pub(crate) fn name(base: &Pipeline) -> &str {
    if base.sweep.name.is_empty() { &base.name } else { &base.sweep.name }
}
