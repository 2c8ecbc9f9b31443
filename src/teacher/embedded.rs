//! The teacher that is part of this program: a small ViT for the generated leaves.
//!
//! `pipelines/teachers/leaves/README.md` says how it was trained and how to train it again.

/// The embedded teacher's name in a pipeline file.
pub(super) const NAME: &str = "embedded:leaves";

/// `model.onnx`, without external data.
pub(super) const MODEL: &[u8] = include_bytes!("../../pipelines/teachers/leaves/model.onnx");

/// `config.json`.
pub(super) const CONFIG: &str = include_str!("../../pipelines/teachers/leaves/config.json");

/// `preprocessor_config.json`.
pub(super) const PREPROCESSOR: &str =
    include_str!("../../pipelines/teachers/leaves/preprocessor_config.json");
