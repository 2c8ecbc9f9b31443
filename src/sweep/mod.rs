//! A sweep: a grid of runs and a table of their results. A run that exists is not trained again.
//!
//! [`expand`] makes [`Point`]s of a pipeline's `[sweep]`, [`Plan::new`] finds which of them are done, [`run`] trains the
//! rest, and [`Results`] writes the results. A run of a sweep is a run of `train-student`: same key, same folder,
//! same bytes.
//!
//! Machines share a sweep by its [`Units`]: each trains some with [`train()`], and [`standing`] collects their results.

mod axes;
mod combinations;
mod display;
mod error;
mod estimate;
mod execute;
mod grid;
mod lock;
mod parquet;
mod plan;
mod points;
mod results;
mod rungs;
mod runner;
mod search;
mod summary;
mod tables;
mod units;
mod value;
mod verify;

pub(crate) use error::Error;
pub(crate) use estimate::{Estimator, estimate};
pub(crate) use lock::{LOCK_FILE, Lock};
pub(crate) use plan::{Plan, Planned, name};
pub(crate) use points::{Point, Points, expand};
pub(crate) use results::{Results, Row, State};
pub(crate) use runner::{SweepProgress, run, standing};
pub(crate) use summary::Summary;
pub(crate) use units::{Selection, Trained, Unit, Units, train};
pub(crate) use verify::{Verified, verify};
