//! The ground floor: what every other module may use, importing nothing of ours.

pub mod atomic;
pub mod calibration;
pub mod checksummed_json;
pub mod confusion;
pub mod context;
pub mod exit;
pub(crate) mod exp;
pub mod files;
pub mod footprint;
pub mod hash;
pub mod hub;
pub mod labels;
pub(crate) mod memory;
pub mod overwrite;
pub(crate) mod priority;
pub mod progress;
pub mod protobuf;
pub mod python_json;
pub mod range;
pub mod rng;
pub mod statistics;
pub mod table;
pub mod text;
pub mod tfrecord;
pub(crate) mod threads;
pub(crate) mod user_cache;
