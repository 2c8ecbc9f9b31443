//! Stage two: a student trained from a cache. The teacher is neither opened nor needed.

pub mod card;
mod changed;
mod checkpoint;
pub mod clip;
pub mod compare;
mod device;
pub mod doubts;
pub mod ema;
mod error;
mod evaluate;
mod finished;
pub mod images;
pub mod loader;
mod log;
pub mod loss;
pub mod metrics;
pub mod optimizer;
pub mod order;
mod pixels;
pub mod recipe;
mod run;
pub mod schedule;
mod setup;
mod shared;
pub mod step;
pub mod targets;
mod tensorboard;

pub use device::{Chosen, choose as choose_device, cuda_devices};
pub use error::Error;
pub use evaluate::{evaluate, measure};
pub use finished::FinishedRun;
pub use log::{EpochRecord, RunResult, Timing, read_json};
pub use run::{BEST, Event, Outcome, train};
pub use setup::{Description, Setup};
pub use shared::Shared;
