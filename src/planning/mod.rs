//! What a pipeline will cost, and the units of work that it falls into, before any of it is done.

mod cache;
mod units;

pub use cache::{PlannedCache, PlannedShard};
pub use units::{Commands, StageOneUnit, SweepUnit, SweepUnits, Units};
