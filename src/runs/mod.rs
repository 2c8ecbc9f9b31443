//! Runs beside each other: what is in a finished run's folder, which keys decide a recipe, and what seeds and recipes differ by.

pub mod card;
pub mod compare;
mod finished;
pub mod recipe;
pub mod warnings;

pub use finished::FinishedRun;
