//! The ResNet-18 of `transformers`: the configuration of `microsoft/resnet-18`.

use serde_json::{Value, json};

use super::{CHANNELS, DEPTH};
use crate::student::{StudentShape, initial::Initial, network::Format};

/// PyTorch's own epsilon of batch normalisation.
pub(super) const EPSILON: f64 = 1e-5;

pub(super) const FORMAT: Format = Format {
    model_type: "resnet",
    class: "ResNetForImageClassification",
    dropout: 0.0,
    batch_norm_momentum: 0.1,
    initial,
    width: None,
    config,
    fixed,
};

/// Convolutions start Kaiming-normal for ReLU by their outputs, the classifier as PyTorch's `Linear`.
fn initial(name: &str, dims: &[usize]) -> Initial {
    match name {
        "classifier.1.weight" | "classifier.1.bias" => Initial::Uniform(1.0 / (CHANNELS[3] as f64).sqrt()),
        _ if name.ends_with("convolution.weight") => {
            Initial::Normal((2.0 / (dims[0] * dims[2] * dims[3]) as f64).sqrt())
        }
        _ if name.ends_with("normalization.weight") || name.ends_with("running_var") => {
            Initial::Constant(1.0)
        }
        _ => Initial::Constant(0.0),
    }
}

fn config(shape: &StudentShape) -> Vec<(&'static str, Value)> {
    // `transformers` has no use for the size, an export to ONNX does.
    fixed().into_iter().chain([("image_size", json!(shape.image_size))]).collect()
}

fn fixed() -> Vec<(&'static str, Value)> {
    vec![
        ("num_channels", json!(3)),
        ("embedding_size", json!(CHANNELS[0])),
        ("hidden_sizes", json!(CHANNELS)),
        ("depths", json!(CHANNELS.map(|_| DEPTH))),
        ("layer_type", json!("basic")),
        ("hidden_act", json!("relu")),
        ("downsample_in_first_stage", json!(false)),
    ]
}
