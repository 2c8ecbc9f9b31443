//! The generated leaves as a dataset: drawn once into the user's cache folder, then read as any image folder.
//!
//! The folder is `leaves-<hash>` in decant's part of the user's cache. The hash covers what was asked for and the first image as
//! this program draws it, so that another version never reads old drawings.

use super::{Error, Opened, folder, leaves};
use crate::config;
use crate::support::context::Context;
use crate::support::hash::{Digest, FieldHasher};
use crate::support::machine;
use crate::support::user_cache;

/// The same samples in the same order as [`leaves::write_folder`] writes.
///
/// # Errors
/// A folder that can't be written, and Ctrl-C.
pub(super) fn open(config: &config::Dataset, context: &Context) -> Result<Opened, Error> {
    let drawn = folder_of(&config.leaves);
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
    let sizes = [
        ("train", config.train),
        ("validation", config.validation),
        ("test", config.test),
        ("unlabelled", config.unlabelled),
    ];
    for (name, value) in sizes {
        hasher.field(name, (value as u64).to_le_bytes());
    }
    hasher.field("seed", config.seed.to_le_bytes());
    hasher.field("severity", config.severity.to_le_bytes());
    hasher.field("first image", leaves::jpeg(config.seed, 0, 0, 0, config.severity)).finish()
}

/// Seconds that drawing the leaves of `config` will take here, measured on one; nothing where they are drawn already.
pub(crate) fn drawing_seconds(config: &config::Dataset) -> Option<f64> {
    let leaves = &config.leaves;
    // The folder is named after the first leaf, which is drawn for it.
    let clock = std::time::Instant::now();
    if folder_of(leaves).is_dir() {
        return None;
    }
    let images = leaves.train + leaves.validation + leaves.test + leaves.unlabelled;
    Some(clock.elapsed().as_secs_f64() * images as f64 / machine::cores() as f64)
}

/// The folder of these leaves.
fn folder_of(leaves: &config::Leaves) -> std::path::PathBuf {
    user_cache::folder().join(format!("leaves-{}", key(leaves).short(16)))
}
