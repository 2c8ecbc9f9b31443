//! Stage two: a student trained from a cache. The teacher is neither opened nor needed.

mod border;
pub(crate) mod checkpoint;
pub mod class_weights;
pub mod clip;
mod dataset_diff;
mod device;
pub mod ema;
mod error;
mod evaluate;
mod identity;
pub mod images;
mod layout;
pub mod libdevice;
pub mod loader;
pub mod loss;
pub mod metrics;
mod open_cache;
pub mod optimizer;
pub mod order;
mod pixel_cache;
pub mod pixels;
pub mod plan;
mod read;
mod record;
mod run;
pub mod schedule;
mod session;
mod setup;
mod statistics;
pub mod step;
pub mod targets;
mod tensorboard;
mod throughput;

pub use device::{DeviceHealth, TrainDevice, choose as choose_device, examine as examine_devices};
pub use error::Error;
pub use evaluate::{Answers, answers, evaluate, measure};
pub use identity::{REVISION, check_paths};
pub use layout::{BEST, METRICS_FILE, RESULT_FILE, RUN_FILE, TIMING_FILE};
pub use pixel_cache::keeps as keeps_pixels;
pub use read::reads;
pub use record::{
    EpochRecord, RunResult, Seal, Timing, read_epochs, read_json, read_sealed, write_epochs, write_json,
};
pub use run::{Event, Outcome, clear, run};
pub use session::Session;
pub use setup::{Description, Imported, Setup};
pub use throughput::{Pace, losses, pace, step_seconds};
