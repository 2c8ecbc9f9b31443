//! A pipeline file: one experiment as typed, validated values.
//!
//! A section is a file: its struct, its defaults and its ranges. An unknown key is an error. Relative paths are taken from the
//! working directory.

mod architecture;
mod axes;
mod cache;
mod check;
mod control;
mod count;
mod dataset;
mod defaults;
mod error;
mod filter;
mod key;
mod keys;
mod kind;
mod load;
mod pipeline;
mod provider;
mod recipe;
mod reference;
mod rule;
mod shipped;
mod student;
mod student_device;
mod sweep;
mod teacher;
mod teacher_device;
mod teacher_devices;
mod teacher_keys;
#[cfg(test)]
mod tests;
mod train;
mod train_keys;
mod values;

pub use architecture::Architecture;
pub use cache::{Cache, View};
pub(crate) use cache::{MAX_MAGNITUDE, MAX_OPERATIONS};
pub use control::Control;
pub(crate) use control::Ramp;
pub use count::Count;
pub use dataset::{ClassFolder, Dataset, Leaves, OnBadImage};
pub(crate) use error::Error;
pub use filter::Filter;
pub(crate) use key::Role;
pub(crate) use keys::{find as find_key, keys};
pub(crate) use kind::shortest;
pub use load::parse;
pub(crate) use load::{Assignment, Source, Variant, load};
pub use pipeline::Pipeline;
pub use provider::Provider;
pub(crate) use recipe::{ClassRule, ClassWeights, Freeze};
pub use recipe::{Optimizer, Precision};
pub use reference::reference;
pub use student::{Initializer, Student};
pub use student_device::StudentDevice;
pub(crate) use sweep::{Halving, Search, Sweep};
pub use teacher::{ClassMatching, ImageSize, Teacher};
pub(crate) use teacher::{Gpu, Outputs};
pub use teacher_device::{ProviderDevice, TeacherDevice};
pub(crate) use teacher_devices::TeacherDevices;
pub(crate) use train::{RUN_NAME, is_run_name};
pub use train::{Schedule, Train};
