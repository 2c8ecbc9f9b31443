//! The cost of a pipeline, and the units of work that it falls into, before any of it is done.

mod cache;
mod cost;
mod encodings;
mod error;
mod probe;
mod units;

pub(crate) use cache::{PlannedCache, PlannedShard};
pub(crate) use cost::{Cost, Decoding, EncodingCost, Run, SweepCost};
pub(crate) use error::Error;
pub(crate) use probe::Probe;
pub(crate) use units::{Commands, Units};
