//! Students in the layout of Hugging Face: `model.safetensors`, `config.json` and `preprocessor_config.json` in a folder.

mod config;
mod error;
mod load;
mod open;
mod save;
#[cfg(test)]
mod tests;

pub(crate) use error::Error;
pub use load::load_weights;
pub(crate) use load::{Head, Loaded, weights_digest};
pub(crate) use open::Opened;
pub use open::open_folder;
pub use save::{Card, WEIGHTS, save_folder};
pub(crate) use save::{metadata, save_configs};

/// The buffer that PyTorch's batch normalisation has beside its statistics. At a fixed momentum nothing reads it.
const BATCH_COUNTER: &str = "num_batches_tracked";
