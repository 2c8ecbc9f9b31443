//! The identity of a teacher, read from its files without ONNX Runtime.

use super::files::Files;
use super::{Error, class_order};
use crate::config::{self, ClassMatching};
use crate::support::hash::Digest;
use crate::view::Preprocess;

/// The facts that decide a teacher's logits.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The model: its file, `embedded:leaves` or `hub:ORG/NAME`.
    pub model: String,
    /// The names of its classes, in the order of its logits.
    pub classes: Vec<String>,
    /// How they are found among the dataset's.
    pub matching: ClassMatching,
    /// How an image becomes its input.
    pub preprocess: Preprocess,
    /// Over the model, its classes and its preprocessing.
    pub fingerprint: Digest,
}

impl Identity {
    /// That of files which were read.
    pub(super) fn of(files: &Files) -> Self {
        let Files { name, classes, matching, preprocess, fingerprint, .. } = files.clone();
        Self { model: name, classes, matching, preprocess, fingerprint }
    }

    /// For each class of the dataset, the index of the same class among the teacher's logits.
    ///
    /// # Errors
    /// Classes that are not the dataset's.
    pub fn class_order(&self, dataset: &[String]) -> Result<Vec<usize>, Error> {
        class_order(&self.classes, dataset, self.matching)
    }
}

/// Reads the files that a pipeline's `[teacher]` names; ONNX Runtime is not needed.
///
/// # Errors
/// Files that are missing or damaged.
pub fn identify(teacher: &config::Teacher) -> Result<Identity, Error> {
    Ok(Identity::of(&Files::read(teacher)?))
}
