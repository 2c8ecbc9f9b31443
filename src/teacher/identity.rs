//! What a teacher is, without the runtime that would run it.

use super::Error;
use super::files::Files;
use crate::config;
use crate::support::hash::Digest;
use crate::view::Preprocess;

/// What decides a teacher's logits, as its files tell it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The model: its file, or `embedded:leaves`.
    pub model: String,
    /// The names of its classes, in the order of its logits.
    pub classes: Vec<String>,
    /// How an image becomes its input.
    pub preprocess: Preprocess,
    /// That of the teacher which these files make.
    pub fingerprint: Digest,
}

/// Reads the files that a pipeline's `[teacher]` names; ONNX Runtime is not needed.
///
/// # Errors
/// Files that are missing or damaged.
pub fn identify(teacher: &config::Teacher) -> Result<Identity, Error> {
    let Files { model, classes, preprocess, fingerprint, .. } = Files::read(&teacher.model)?;
    Ok(Identity { model: model.path().display().to_string(), classes, preprocess, fingerprint })
}
