//! A grid becomes runs; a run that exists is not run again; a table comes out.
//!
//! [`expand`] makes [`Point`]s of a pipeline's `[sweep]`, [`Plan::new`] finds what of them is done, [`run`] trains the
//! rest, and [`Results`] writes what came out. A run of a sweep is a run of `train-student`: same key, same folder,
//! same bytes.
//!
//! Machines share a sweep by its [`Units`]: each trains some with [`train()`], and [`standing`] finds what they came to.

mod display;
mod error;
mod estimate;
mod execute;
mod grid;
mod halving;
mod lock;
mod parquet;
mod plan;
mod points;
mod results;
mod runner;
mod search;
mod summary;
mod units;
mod value;
mod verify;

pub use error::Error;
pub use estimate::{Estimator, estimate};
pub use lock::{LOCK_FILE, Lock};
pub use plan::{Plan, Planned, soften};
pub use points::{Point, Points, expand};
pub use results::{Group, Results, Row, State};
pub use runner::{Standing, run, standing};
pub use summary::Summary;
pub use units::{Selection, Trained, Unit, Units, id, train};
pub use verify::{Verified, verify};
