//! The student: a `MobileNetV2` (arXiv 1801.04381), layer for layer `transformers`' `MobileNetV2ForImageClassification`.
//!
//! [`MobileNetV2::new`] gives random weights from a seed, [`hf::load_weights`] those of a Hugging Face checkpoint, and
//! [`hf::save_folder`] writes a folder that `AutoModelForImageClassification.from_pretrained` opens, [`onnx::save_folder`] an
//! ONNX file. The fields of the
//! modules here carry the checkpoint's names, so a parameter's path in the module is its name in the file.

pub mod dropout;
pub mod hf;
mod initial;
pub mod kernels;
pub mod layer;
mod model;
pub mod onnx;
mod parameters;
mod shape;

pub use model::MobileNetV2;
pub use parameters::{parameter_count, visit_parameters};
pub use shape::StudentShape;
