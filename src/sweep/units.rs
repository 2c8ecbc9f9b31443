//! Runs as units of work that machines share.
//!
//! A run's key is over the cache's content, which is not known before stage one is done. So a unit has an id of its own,
//! over the run's settings only, and a place among the others: both are known from the pipeline file.

use std::path::Path;

use toml::Value;

use super::execute::{RunOutcome, execute};
use super::plan::{Plan, Planned};
use super::points::{Points, label};
use super::runner::{self, SweepProgress};
use super::{Error, State, rungs};
use crate::config::Pipeline;
use crate::support::context::Context;
use crate::support::hash::FieldHasher;

/// Digits of an id.
const ID_DIGITS: usize = 12;

/// The id of the run of `pipeline`: the same for the same `[student]` and `[train]`, whatever the cache and the device.
pub(crate) fn id(pipeline: &Pipeline) -> String {
    let student = serde_json::to_vec(&pipeline.student).expect("plain data");
    let train = serde_json::to_vec(&pipeline.train.deciding()).expect("plain data");
    let mut hasher = FieldHasher::new("decant sweep unit");
    hasher.field("student", student).field("train", train).finish().short(ID_DIGITS)
}

/// Which runs of a sweep are to be trained here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The one with this id.
    Run(String),
    /// Part I of N, from 0: of the runs those with `index % N == I`.
    Part(usize, usize),
}

/// One run, as something that a scheduler hands out.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// [`id`] of its pipeline.
    pub id: String,
    /// Its place in the order of the grid, rung after rung.
    pub index: usize,
    /// Rung of successive halving, from 0; 0 without.
    pub rung: usize,
    /// The run to train.
    pub pipeline: Pipeline,
    /// How far it is.
    pub state: State,
    values: Vec<Option<Value>>,
}

/// The runs of a sweep that are known so far.
#[derive(Clone, Debug)]
pub(crate) struct Units {
    /// In their order.
    pub units: Vec<Unit>,
    /// Rungs of successive halving whose runs are not known yet, since the runs before them are not done.
    pub rungs_left: usize,
}

impl Units {
    /// The units while there is no cache: nothing is done, and of a halved sweep the first rung is known.
    ///
    /// # Errors
    /// Rungs that don't fit the epochs.
    pub(crate) fn before_cache(points: &Points, base: &Pipeline, file: &Path) -> Result<Self, Error> {
        let rungs = base.sweep.halving.as_ref();
        let rungs = rungs.map(|halving| rungs::rungs(halving, points, file)).transpose()?;
        let units = points.points.iter().enumerate().map(|(index, point)| {
            let mut pipeline = point.pipeline.clone();
            if let Some(rungs) = &rungs {
                pipeline.train.epochs = rungs[0];
            }
            let (id, values) = (id(&pipeline), point.values.clone());
            Unit { id, index, rung: 0, pipeline, state: State::Missing, values }
        });
        Ok(Self { units: units.collect(), rungs_left: rungs.map_or(0, |rungs| rungs.len() - 1) })
    }

    /// The units once the cache is there, as far as they are known.
    ///
    /// # Errors
    /// A result that can't be read.
    pub(crate) fn known(plan: &Plan, base: &Pipeline) -> Result<Self, Error> {
        let SweepProgress { runs, results, rungs_left, .. } = runner::standing(plan, base)?;
        let units = runs.into_iter().zip(results.rows).enumerate().map(|(index, (run, row))| {
            let (pipeline, values, rung) = (run.setup.pipeline, run.values, run.rung);
            Unit { id: id(&pipeline), index, rung, pipeline, state: row.state, values }
        });
        Ok(Self { units: units.collect(), rungs_left })
    }

    /// Refuses a sweep that is not done; what has failed is done, as in a sweep of one process.
    ///
    /// # Errors
    /// [`Error::NotDone`] names the runs that were neither done nor tried; `axes` are the points'.
    pub(crate) fn check_done(&self, axes: &[String]) -> Result<(), Error> {
        let missing: Vec<String> = self
            .units
            .iter()
            .filter(|unit| unit.state == State::Missing)
            .map(|unit| format!("{} ({})", unit.id, label(axes, &unit.values)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::not_done(&missing, self.units.len(), self.rungs_left))
    }

    /// The units of a selection.
    ///
    /// # Errors
    /// [`Error::NoUnit`] for an id that no known run has.
    pub(crate) fn select(&self, selection: &Selection, file: &Path) -> Result<Vec<&Unit>, Error> {
        match selection {
            Selection::Part(part, parts) => {
                Ok(self.units.iter().filter(|unit| unit.index % parts == *part).collect())
            }
            Selection::Run(id) => match self.units.iter().find(|unit| unit.id == *id) {
                Some(unit) => Ok(vec![unit]),
                None => Err(Error::NoUnit {
                    id: id.clone(),
                    place: file.display().to_string(),
                    units: self.units.len(),
                }),
            },
        }
    }
}

/// A unit that was trained here, or found trained.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Trained {
    /// The unit's id.
    pub id: String,
    /// Its folder's name under the folder of runs.
    pub run: String,
    /// The error that it failed with.
    pub error: Option<String>,
}

/// Trains these units, `jobs` in parallel. One that fails is recorded in its folder, and the others are
/// trained; one that another process trains is waited for.
///
/// # Errors
/// [`Error::Interrupted`]; a cache that is gone.
pub(crate) fn train(
    plan: &Plan,
    units: &[&Unit],
    jobs: usize,
    context: &Context,
) -> Result<Vec<Trained>, Error> {
    let runs: Vec<Planned> = units.iter().map(|unit| plan.planned(unit)).collect::<Result<_, _>>()?;
    let names: Vec<String> = runs.iter().map(|run| plan.label(run)).collect();
    let open: Vec<&Planned> = runs.iter().collect();
    let outcomes = execute(&open, &names, jobs, context);
    let trained = units.iter().zip(&runs).zip(outcomes).map(|((unit, run), outcome)| {
        let error = match outcome {
            RunOutcome::Failed(error) => Some(error),
            RunOutcome::Done => None,
            RunOutcome::Interrupted | RunOutcome::Held => return Err(Error::Interrupted),
        };
        let folder = run.setup.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Trained { id: unit.id.clone(), run: folder, error })
    });
    trained.collect()
}

impl Plan {
    /// The run of a unit.
    fn planned(&self, unit: &Unit) -> Result<Planned, Error> {
        let setup = self.setup(unit.pipeline.clone())?;
        Ok(Planned { setup, values: unit.values.clone(), rung: unit.rung, point: unit.index })
    }
}
