//! `config.json` and `preprocessor_config.json`.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Error;
use crate::student::{StudentShape, layer};
use crate::support::labels::class_names;

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
    pub id2label: BTreeMap<usize, &'a str>,
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

/// A `config.json` of a student, as far as it says which one.
#[derive(Deserialize)]
pub(super) struct Described {
    depth_multiplier: Option<f64>,
    image_size: Option<usize>,
    id2label: Option<BTreeMap<String, String>>,
    label2id: Option<BTreeMap<String, usize>>,
}

impl Described {
    /// Reads `path`, whose network must be one that students have.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
        let damaged =
            |error: serde_json::Error| Error::Config { path: path.to_owned(), reason: error.to_string() };
        let config: Value = serde_json::from_slice(&bytes).map_err(damaged)?;
        check(path, &config)?;
        serde_json::from_value(config).map_err(damaged)
    }

    /// The shape and the class names; what the file leaves out is as `MobileNetV2Config` has it.
    pub fn student(self, path: &Path) -> Result<(StudentShape, Vec<String>), Error> {
        let bad = |reason: String| Error::Config { path: path.to_owned(), reason };
        let classes = class_names(self.id2label, self.label2id).map_err(bad)?;
        let width = self.depth_multiplier.unwrap_or(1.0);
        let size = self.image_size.unwrap_or(224);
        if !(0.1..=4.0).contains(&width) || !(32..=1024).contains(&size) {
            let reason = format!(
                "depth_multiplier is {width} and image_size {size}, expected 0.1 to 4 and 32 to 1024"
            );
            return Err(bad(reason));
        }
        Ok((StudentShape::new(width, classes.len(), size), classes))
    }
}

/// Refuses a `config.json`, where there is one beside `weights`, whose network has the same tensors but computes
/// something else from them.
pub(super) fn check_beside(weights: &Path) -> Result<(), Error> {
    let path = weights.with_file_name("config.json");
    let found = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    found.map_or(Ok(()), |found| check(&path, &found))
}

fn check(path: &Path, found: &Value) -> Result<(), Error> {
    let expected = [
        ("model_type", json!("mobilenet_v2")),
        ("hidden_act", json!("relu6")),
        ("tf_padding", json!(true)),
        ("output_stride", json!(32)),
        ("layer_norm_eps", json!(layer::EPSILON)),
        ("num_channels", json!(3)),
        ("depth_divisible_by", json!(8)),
        ("min_depth", json!(8)),
        ("expand_ratio", json!(6.0)),
        ("first_layer_is_expansion", json!(true)),
        ("finegrained_output", json!(true)),
    ];
    let same = |found: &Value, expected: &Value| {
        found == expected || found.as_f64().is_some_and(|number| Some(number) == expected.as_f64())
    };
    for (key, expected) in expected {
        if let Some(found) = found.get(key).filter(|found| !same(found, &expected)) {
            let (expected, found) = (expected.to_string(), found.to_string());
            return Err(Error::OtherNetwork { path: path.to_owned(), key, expected, found });
        }
    }
    Ok(())
}
