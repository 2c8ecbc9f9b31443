//! What can stop stage one.

use std::path::PathBuf;

use crate::support::exit::{ExitKind, Kind};
use crate::support::hash::Digest;
use crate::{dataset, store, teacher, view};

/// Each names the file or image, what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The teacher can't be had, does not fit the dataset, or fails.
    #[error(transparent)]
    Teacher(#[from] teacher::Error),
    /// An image can't be read, or has changed.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// The cache can't be written, or is another one.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An image can't be decoded.
    #[error("{name} {source}; or go on without it by dataset.on-bad-image = \"skip\"")]
    Image {
        /// The file, or the parquet file and row.
        name: String,
        /// What is wrong with it.
        source: view::Error,
    },
    /// A cache is compared with a teacher that did not make it.
    #[error(
        "{} was made by the teacher {}, the pipeline's is {}; give the pipeline file that the cache was made from",
        .cache.display(),
        .expected.short(12),
        .found.short(12)
    )]
    OtherTeacher {
        /// The cache's folder.
        cache: PathBuf,
        /// The fingerprint in its manifest.
        expected: Digest,
        /// The fingerprint of the teacher here.
        found: Digest,
    },
    /// A cache that keeps the largest logits alone can't be compared with all of them.
    #[error("{} keeps only the largest logits, so the teacher can't be compared with it; recompute takes float32 and float16", .cache.display())]
    NotAllLogits {
        /// The cache's folder.
        cache: PathBuf,
    },
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Dataset(error) => error.kind(),
            _ => Kind::Usage,
        }
    }
}
