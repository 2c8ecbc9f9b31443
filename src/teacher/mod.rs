//! Teachers: image classifiers behind one trait, a batch of pixels in and logits out.
//!
//! [`OnnxTeacher`] runs an ONNX file in ONNX Runtime. Nothing outside this module knows `ort`, and
//! nothing here opens the ONNX Runtime library before [`OnnxModel::open`], [`runtime::load`] or [`doctor::examine`] is called: a program
//! that only trains students never holds it.

mod described;
pub mod doctor;
mod embedded;
mod error;
mod external;
mod files;
mod footprint;
mod host_tensors;
mod hub;
mod identity;
mod io_binding;
mod labels;
mod library;
mod library_name;
mod location;
mod logits;
mod model;
mod onnx;
mod provider;
pub mod runtime;
mod search;
mod session;
mod signature;
mod tuning;

use crate::config::{ClassMatching, ProviderDevice};
use crate::support::hash::Digest;
use crate::view::Preprocess;

pub use error::Error;
pub(crate) use footprint::footprint;
pub(crate) use identity::Identity;
pub use identity::identify;
pub(crate) use labels::class_order;
pub use model::OnnxModel;
pub use onnx::OnnxTeacher;
pub use tuning::Tuning;

/// A classifier that gives logits for preprocessed images.
pub trait Teacher: Send {
    /// The names of its classes, in the order of its logits.
    fn classes(&self) -> &[String];

    /// For each class of the dataset, the index of the same class among its logits.
    ///
    /// # Errors
    /// Classes that are not the dataset's.
    fn class_order(&self, dataset: &[String]) -> Result<Vec<usize>, Error> {
        class_order(self.classes(), dataset, ClassMatching::Name)
    }

    /// How an image becomes its input.
    fn preprocess(&self) -> &Preprocess;

    /// The identity that decides its logits: the model's bytes, its classes and its preprocessing.
    fn fingerprint(&self) -> Digest;

    /// The name of the model and where it runs, for manifests and for people.
    fn describe(&self) -> Description;

    /// The logits `[batch, classes]` of `pixels` `[batch, 3, height, width]`, normalised, row by row.
    ///
    /// # Errors
    /// The model fails, or gives something else than finite logits of that shape.
    fn logits(&mut self, pixels: &[f32], batch: usize) -> Result<Vec<f32>, Error>;

    /// As [`Teacher::logits`], in place of what `logits` holds, whose memory is used again.
    ///
    /// # Errors
    /// As [`Teacher::logits`]; `logits` is then to be thrown away.
    fn logits_into(&mut self, pixels: &[f32], batch: usize, logits: &mut Vec<f32>) -> Result<(), Error> {
        *logits = self.logits(pixels, batch)?;
        Ok(())
    }
}

/// The name of a teacher and where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The model: its file, `embedded:leaves` or `hub:ORG/NAME`.
    pub model: String,
    /// Where it runs. Only the provider is part of what a cache is, not which or how many devices fill it.
    pub device: ProviderDevice,
    /// The element type of its input: `fp32` or `fp16`.
    pub precision: String,
    /// The library that runs it, with its version: `ONNX Runtime 1.31.1`.
    pub runtime: String,
    /// Remarks for a reader: which provider `auto` passed over, and why.
    pub notes: Vec<String>,
}
