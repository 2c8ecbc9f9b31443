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

pub use architecture::{Architecture, Traits};
pub use cache::{Cache, View};
pub use control::{Control, Ramp};
pub use count::Count;
pub use dataset::{ClassFolder, Dataset, Leaves, OnBadImage};
pub use error::Error;
pub use filter::Filter;
pub use key::Role;
pub use keys::{Key, Reader, find as find_key, keys};
pub use kind::{Kind, shortest};
pub use load::{Assignment, Source, Variant, load, parse};
pub use pipeline::Pipeline;
pub use provider::Provider;
pub use recipe::{ClassRule, ClassWeights, Freeze, Optimizer, Precision};
pub use reference::reference;
pub use student::{Initializer, Student};
pub use student_device::StudentDevice;
pub use sweep::{Halving, Search, Sweep};
pub use teacher::{ClassMatching, Gpu, ImageSize, Outputs, Teacher};
pub use teacher_device::{ProviderDevice, TeacherDevice};
pub use teacher_devices::TeacherDevices;
pub use train::{RUN_NAME, Schedule, Train, is_run_name};
