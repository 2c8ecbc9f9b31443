//! Samples, and what a source gives of them.

use super::SplitName;
use super::source::Location;
use crate::support::hash::Digest;

/// One image and its label. A million of them take 64 MB, and the paths of their files.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The class's index in [`Dataset::classes`](super::Dataset::classes), -1 when unlabelled.
    pub label: i32,
    /// BLAKE3 of the encoded image.
    pub content: Digest,
    pub(super) location: Location,
}

/// The samples of one split.
#[derive(Clone, Debug)]
pub struct Split {
    /// Which split it is.
    pub name: SplitName,
    /// In the order that the cache numbers them.
    pub samples: Vec<Sample>,
}

impl Split {
    /// How many of its samples have a label.
    pub fn labelled(&self) -> usize {
        self.samples.iter().filter(|sample| sample.label >= 0).count()
    }
}

/// A source that was read: its classes, its splits, and images without labels that are in none of these.
pub(super) struct Opened {
    pub name: String,
    pub classes: Vec<String>,
    pub splits: Vec<Split>,
    pub unlabelled: Vec<Sample>,
    /// The decisions on the way, a sentence each.
    pub notes: Vec<String>,
}
