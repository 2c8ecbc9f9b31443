//! Runs: a run's folder and its state, the keys that decide a run, configurations over seeds, their comparison and the best, and warnings.

pub mod card;
mod checks;
pub mod compare;
pub mod compression;
mod finished;
mod folder;
mod group;
mod import;
pub mod keys;
mod label;
mod list;
mod lock;
mod named;
mod recipe;
mod record;
mod resume;
mod spread;
pub mod warnings;

pub use compare::Comparison;
pub use compression::Compression;
pub use finished::FinishedRun;
pub use folder::{RunFolder, State, resume, train};
pub use group::{Configuration, Configurations, Entry, Gain, better};
pub use import::{ImportError, import};
pub use label::{LABEL_FILE, Label};
pub use list::{Listed, State as RunState, list, remove};
pub use named::{LATEST, find, folders, last_written};
pub use recipe::{Recipe, flatten, shown};
pub use record::Run;
pub use resume::Resume;
pub use spread::Spread;

#[cfg(test)]
pub(crate) use group::tests::result as example_result;
