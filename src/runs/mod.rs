//! Runs: a run's folder and its state, the keys that decide a run, configurations over seeds, their comparison and the best, and warnings.

pub(crate) mod card;
mod checks;
pub(crate) mod compare;
pub(crate) mod compression;
mod finished;
mod folder;
mod group;
mod import;
pub(crate) mod keys;
mod label;
mod list;
mod lock;
mod named;
mod recipe;
mod record;
mod resume;
mod spread;
pub(crate) mod standings;
pub(crate) mod warnings;

pub(crate) use compare::Comparison;
pub(crate) use compression::Compression;
pub use finished::FinishedRun;
pub(crate) use folder::resume;
pub use folder::train;
pub(crate) use group::{Configuration, Configurations, Entry, Gain};
pub(crate) use import::import;
pub(crate) use label::Label;
pub(crate) use list::{Listed, State as RunState, list, remove};
pub(crate) use named::{find, folders};
pub(crate) use recipe::{Recipe, shown};
pub use record::Run;
pub(crate) use resume::Resume;
pub(crate) use spread::Spread;

#[cfg(test)]
pub(crate) use group::tests::result as example_result;
#[cfg(test)]
pub(crate) use recipe::flatten;
