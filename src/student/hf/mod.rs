//! Students in the layout of Hugging Face: `model.safetensors`, `config.json` and `preprocessor_config.json` in a folder.

mod config;
mod error;
mod load;
mod open;
mod save;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use load::{Head, Loaded, load_weights, weights_digest};
pub use open::{Opened, open_folder};
pub use save::{CONFIG, Card, WEIGHTS, configs, metadata, save_configs, save_folder};

/// The buffer that PyTorch's batch normalisation has beside its statistics. At a fixed momentum nothing reads it.
const BATCH_COUNTER: &str = "num_batches_tracked";
