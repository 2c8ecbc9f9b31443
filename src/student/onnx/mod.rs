//! A student as an ONNX file: batch normalisation folded into the convolutions, any batch size, one image size.
//!
//! The file states what a program needs to run it by itself: under `id2label` and the keys of a Hugging Face
//! `preprocessor_config.json`, each as JSON, among its `metadata_props`.

mod graph;

use std::path::Path;

use crate::student::{Student, hf};
use crate::support::{atomic, onnx};

pub(crate) use crate::support::onnx::OPSET;

/// The file's usual name.
pub const FILE: &str = "model.onnx";

/// The bytes of an ONNX file of `model`: input `pixel_values` `[batch, 3, size, size]` and output `logits`
/// `[batch, classes]`, named as `optimum` names them, both float32. The same student gives the same bytes.
pub(crate) fn to_bytes(model: &Student, card: &hf::Card) -> Vec<u8> {
    let metadata = hf::metadata(model.shape(), card);
    onnx::model(graph::of(model), metadata)
}

/// Writes [`to_bytes`] to `dir` as `model.onnx`, with the `config.json` and `preprocessor_config.json` that `optimum`
/// keeps beside it.
///
/// # Errors
/// A file that can't be written.
pub fn save_folder(dir: &Path, model: &Student, card: &hf::Card) -> Result<(), hf::Error> {
    let path = dir.join(FILE);
    atomic::write(&path, &to_bytes(model, card)).map_err(|source| hf::Error::Write { path, source })?;
    hf::save_configs(dir, model.shape(), card)?;
    Ok(())
}
