//! What a teacher is, without the runtime that would run it.

use super::files::Files;
use super::{Error, class_order};
use crate::config::{self, ClassMatching};
use crate::support::hash::Digest;
use crate::view::Preprocess;

/// What decides a teacher's logits, as its files tell it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The model: its file, or `embedded:leaves`.
    pub model: String,
    /// The names of its classes, in the order of its logits.
    pub classes: Vec<String>,
    /// How they are found among the dataset's.
    pub matching: ClassMatching,
    /// How an image becomes its input.
    pub preprocess: Preprocess,
    /// That of the teacher which these files make.
    pub fingerprint: Digest,
}

impl Identity {
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
    let Files { model, classes, matching, preprocess, fingerprint, .. } = Files::read(teacher)?;
    Ok(Identity { model: model.path().display().to_string(), classes, matching, preprocess, fingerprint })
}
