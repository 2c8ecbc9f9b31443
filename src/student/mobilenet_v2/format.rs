//! The MobileNetV2 of `transformers`.

use serde_json::{Value, json};

use crate::student::{StudentShape, initial::Initial, network::Format};

/// `layer_norm_eps` of `MobileNetV2Config`, which is the epsilon of its batch normalisation.
pub(super) const EPSILON: f64 = 1e-3;

/// `initializer_range` of `MobileNetV2Config`.
const STANDARD_DEVIATION: f64 = 0.02;

pub(super) const FORMAT: Format = Format {
    model_type: "mobilenet_v2",
    class: "MobileNetV2ForImageClassification",
    dropout: 0.8,
    // TensorFlow's 0.997 read as PyTorch's momentum, which means the opposite: the running statistics are nearly those of
    // the last training batch only.
    batch_norm_momentum: 0.997,
    initial,
    width: Some(("depth_multiplier", 1.0)),
    config,
    fixed,
};

fn initial(name: &str, _: &[usize]) -> Initial {
    match name {
        "classifier.weight" => Initial::Normal(STANDARD_DEVIATION),
        _ if name.ends_with("convolution.weight") => Initial::Normal(STANDARD_DEVIATION),
        _ if name.ends_with("normalization.weight") || name.ends_with("running_var") => {
            Initial::Constant(1.0)
        }
        _ => Initial::Constant(0.0),
    }
}

fn config(shape: &StudentShape) -> Vec<(&'static str, Value)> {
    vec![
        ("num_channels", json!(3)),
        ("image_size", json!(shape.image_size)),
        ("depth_multiplier", json!(shape.width)),
        ("depth_divisible_by", json!(8)),
        ("min_depth", json!(8)),
        ("expand_ratio", json!(6.0)),
        ("output_stride", json!(32)),
        ("first_layer_is_expansion", json!(true)),
        ("finegrained_output", json!(true)),
        ("hidden_act", json!("relu6")),
        ("tf_padding", json!(true)),
        ("classifier_dropout_prob", json!(shape.dropout)),
        ("initializer_range", json!(STANDARD_DEVIATION)),
        ("layer_norm_eps", json!(EPSILON)),
    ]
}

fn fixed() -> Vec<(&'static str, Value)> {
    vec![
        ("hidden_act", json!("relu6")),
        ("tf_padding", json!(true)),
        ("output_stride", json!(32)),
        ("layer_norm_eps", json!(EPSILON)),
        ("num_channels", json!(3)),
        ("depth_divisible_by", json!(8)),
        ("min_depth", json!(8)),
        ("expand_ratio", json!(6.0)),
        ("first_layer_is_expansion", json!(true)),
        ("finegrained_output", json!(true)),
    ]
}
