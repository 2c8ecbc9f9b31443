//! The ground floor: what every other module may use, importing nothing of ours.

pub mod atomic;
pub(crate) mod calibration;
pub mod checksummed_json;
pub(crate) mod confusion;
pub mod context;
pub mod exit;
pub(crate) mod exp;
pub(crate) mod files;
pub(crate) mod footprint;
pub mod hash;
pub(crate) mod hub;
pub(crate) mod labels;
pub(crate) mod memory;
pub(crate) mod overwrite;
pub(crate) mod priority;
pub(crate) mod progress;
pub(crate) mod protobuf;
pub(crate) mod python_json;
pub(crate) mod range;
pub mod rng;
pub(crate) mod statistics;
pub mod table;
pub(crate) mod text;
pub(crate) mod tfrecord;
pub(crate) mod threads;
pub(crate) mod user_cache;
