//! `config.json` and `preprocessor_config.json`.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Serialize;
use serde_json::{Value, json};

use super::Error;
use crate::student::{StudentShape, layer};

/// `MobileNetV2Config`.
#[derive(Serialize)]
pub(super) struct ModelConfig<'a> {
    architectures: [&'static str; 1],
    model_type: &'static str,
    num_channels: usize,
    image_size: usize,
    depth_multiplier: f64,
    depth_divisible_by: usize,
    min_depth: usize,
    expand_ratio: f64,
    output_stride: usize,
    first_layer_is_expansion: bool,
    finegrained_output: bool,
    hidden_act: &'static str,
    tf_padding: bool,
    classifier_dropout_prob: f64,
    initializer_range: f64,
    layer_norm_eps: f64,
    problem_type: &'static str,
    id2label: BTreeMap<usize, &'a str>,
    label2id: BTreeMap<&'a str, usize>,
}

impl<'a> ModelConfig<'a> {
    pub fn new(shape: &StudentShape, classes: &'a [String]) -> Self {
        Self {
            architectures: ["MobileNetV2ForImageClassification"],
            model_type: "mobilenet_v2",
            num_channels: 3,
            image_size: shape.image_size,
            depth_multiplier: shape.width,
            depth_divisible_by: 8,
            min_depth: 8,
            expand_ratio: 6.0,
            output_stride: 32,
            first_layer_is_expansion: true,
            finegrained_output: true,
            hidden_act: "relu6",
            tf_padding: true,
            classifier_dropout_prob: shape.dropout,
            initializer_range: 0.02,
            layer_norm_eps: layer::EPSILON,
            problem_type: "single_label_classification",
            id2label: classes.iter().map(String::as_str).enumerate().collect(),
            label2id: classes.iter().map(String::as_str).zip(0..).collect(),
        }
    }
}

/// A `ViTImageProcessor` that resizes to a square and neither crops nor pads: what students are trained on.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the file's format has them")]
pub(super) struct PreprocessorConfig {
    image_processor_type: &'static str,
    do_convert_rgb: bool,
    do_resize: bool,
    size: Size,
    /// Pillow's number for bilinear.
    resample: u8,
    do_rescale: bool,
    rescale_factor: f64,
    do_normalize: bool,
    image_mean: [f32; 3],
    image_std: [f32; 3],
}

#[derive(Serialize)]
struct Size {
    height: usize,
    width: usize,
}

impl PreprocessorConfig {
    pub fn new(side: usize, image_mean: [f32; 3], image_std: [f32; 3]) -> Self {
        Self {
            image_processor_type: "ViTImageProcessor",
            do_convert_rgb: true,
            do_resize: true,
            size: Size { height: side, width: side },
            resample: 2,
            do_rescale: true,
            rescale_factor: 1.0 / 255.0,
            do_normalize: true,
            image_mean,
            image_std,
        }
    }
}

/// Refuses a `config.json`, where there is one beside `weights`, whose network has the same tensors but computes
/// something else from them.
pub(super) fn check_beside(weights: &Path) -> Result<(), Error> {
    let path = weights.with_file_name("config.json");
    let Some(found) = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
    else {
        return Ok(());
    };
    let expected = [
        ("model_type", json!("mobilenet_v2")),
        ("hidden_act", json!("relu6")),
        ("tf_padding", json!(true)),
        ("output_stride", json!(32)),
        ("layer_norm_eps", json!(layer::EPSILON)),
    ];
    for (key, expected) in expected {
        if let Some(found) = found.get(key).filter(|found| **found != expected) {
            let (expected, found) = (expected.to_string(), found.to_string());
            return Err(Error::OtherNetwork { path, key, expected, found });
        }
    }
    Ok(())
}
