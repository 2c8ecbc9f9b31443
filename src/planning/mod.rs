//! The cost of a pipeline, and the units of work that it falls into, before any of it is done.

mod cache;
mod cost;
mod encodings;
mod error;
mod probe;
mod units;

pub use cache::{PlannedCache, PlannedShard};
pub use cost::{Cost, Decoding, EncodingCost, Run, StageOneCost, StudentCost, SweepCost};
pub use error::Error;
pub use probe::{Encoded, Probe};
pub use units::{CacheState, Commands, StageOneUnit, SweepUnit, SweepUnits, Units};
