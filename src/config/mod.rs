//! A pipeline file: one experiment as typed, validated values.
//!
//! Every default is named and documented in [`sections`](self); a key nobody knows is an error. Relative paths are
//! taken from the working directory.

mod check;
mod check_recipe;
mod count;
mod error;
mod load;
mod loss;
mod provider;
mod recipe;
mod sections;
mod student_device;
mod sweep;
mod teacher_device;
mod teacher_devices;

use serde::{Deserialize, Serialize};

pub use count::Count;
pub use error::Error;
pub use load::{Assignment, Source, load, parse};
pub use loss::{Control, Dist, Dkd, Loss, Ramp};
pub use provider::Provider;
pub use recipe::{ClassRule, ClassWeights, Freeze, Optimizer};
pub use sections::{
    Cache, Dataset, Encoding, Gpu, Leaves, OnBadImage, Schedule, Student, Teacher, Train, View,
};
pub use student_device::StudentDevice;
pub use sweep::{Halving, Search, Sweep};
pub use teacher_device::{ProviderDevice, TeacherDevice};
pub use teacher_devices::TeacherDevices;

/// A whole pipeline file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pipeline {
    /// The readable part of run and cache folder names: the file's name unless given.
    pub name: String,
    /// Where the images come from.
    pub dataset: Dataset,
    /// The model that is run once.
    pub teacher: Teacher,
    /// What of it is kept.
    pub cache: Cache,
    /// The model that is trained.
    pub student: Student,
    /// How it is trained.
    pub train: Train,
    /// Which runs `decant sweep` makes of it.
    #[serde(skip_serializing_if = "is_no_sweep")]
    pub sweep: Sweep,
}

/// A run says nothing of the sweep that it came from, being the same by itself.
fn is_no_sweep(sweep: &Sweep) -> bool {
    *sweep == Sweep::default()
}
