//! The generated leaves as a dataset: drawn once into the user's cache folder, then read as any image folder.
//!
//! The folder is `leaves-<hash>` in decant's part of the user's cache. The hash covers what was asked for and the first image as
//! this program draws it, so that another version never reads old drawings.

use super::{Error, Opened, folder, leaves};
use crate::config;
use crate::support::context::Context;
use crate::support::hash::{Digest, FieldHasher};
use crate::support::user_cache;

/// The same samples in the same order as [`leaves::write_folder`] writes.
///
/// # Errors
/// A folder that can't be written, and Ctrl-C.
pub(super) fn open(config: &config::Dataset, context: &Context) -> Result<Opened, Error> {
    let drawn = user_cache::folder().join(format!("leaves-{}", key(&config.leaves).short(16)));
    if !drawn.is_dir() {
        match leaves::write_folder(&drawn, &config.leaves, context) {
            // Another process drew the same leaves meanwhile.
            Err(_) if drawn.is_dir() => {}
            written => {
                written?;
            }
        }
    }
    folder::open("leaves".to_owned(), &drawn, config, context)
}

fn key(config: &config::Leaves) -> Digest {
    let mut hasher = FieldHasher::new("generated leaves");
    for (name, value) in [("train", config.train), ("validation", config.validation), ("test", config.test)] {
        hasher.field(name, (value as u64).to_le_bytes());
    }
    hasher.field("seed", config.seed.to_le_bytes());
    hasher.field("severity", config.severity.to_le_bytes());
    hasher.field("first image", leaves::jpeg(config.seed, 0, 0, 0, config.severity)).finish()
}
