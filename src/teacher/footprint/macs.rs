//! Multiply-accumulates from the profile that ONNX Runtime writes of a call.

use serde::Deserialize;

/// One event of the profile, in Chrome's trace format; those of operators carry shapes.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    args: Args,
}

#[derive(Default, Deserialize)]
struct Args {
    #[serde(default)]
    op_name: String,
    #[serde(default)]
    input_type_shape: Vec<Typed>,
    #[serde(default)]
    output_type_shape: Vec<Typed>,
}

/// The shape of one tensor under the name of its element type.
type Typed = std::collections::BTreeMap<String, Vec<u64>>;

/// Operators with multiply-accumulates inside that their shapes don't tell.
const HIDDEN: [&str; 12] = [
    "Attention",
    "ConvTranspose",
    "DeformConv",
    "Einsum",
    "GRU",
    "GroupQueryAttention",
    "LSTM",
    "MoE",
    "MultiHeadAttention",
    "PackedAttention",
    "QAttention",
    "RNN",
];

/// The sum over the convolutions and matrix products of a call, as `fvcore` and timm count; none where an operator hides some.
///
/// # Errors
/// A profile that is not ONNX Runtime's; the text says what is wrong.
pub(super) fn count(profile: &[u8]) -> Result<Option<u64>, String> {
    let events: Vec<Event> = serde_json::from_slice(profile)
        .map_err(|error| format!("ONNX Runtime's profile can't be read: {error}"))?;
    let mut macs = 0;
    for Event { args } in &events {
        if HIDDEN.contains(&args.op_name.as_str()) {
            return Ok(None);
        }
        macs += args
            .macs()
            .ok_or_else(|| format!("ONNX Runtime's profile gives no shapes for a {}", args.op_name))?;
    }
    Ok(Some(macs))
}

impl Args {
    /// The multiply-accumulates of one operator, none where a shape is missing.
    fn macs(&self) -> Option<u64> {
        let shape = |tensors: &'_ [Typed], index: usize| tensors.get(index)?.values().next().cloned();
        let size = |shape: Vec<u64>| shape.iter().product::<u64>();
        let input = |index| shape(&self.input_type_shape, index);
        let output = || shape(&self.output_type_shape, 0);
        Some(match self.op_name.as_str() {
            // Each value of the output takes the products of one kernel: input channels of its group times its area.
            "Conv" | "FusedConv" | "ConvInteger" => size(output()?) * kernel(&input(1)?)?,
            "QLinearConv" => size(output()?) * kernel(&input(3)?)?,
            "MatMul" | "FusedMatMul" | "MatMulInteger" | "QLinearMatMul" => {
                size(output()?) * input(0)?.last()?
            }
            // A is M x K or, transposed, K x M, and the output M x N.
            "Gemm" => {
                let output = output()?;
                size(input(0)?) / (*output.first()?).max(1) * size(output)
            }
            _ => 0,
        })
    }
}

/// The size of one kernel of a convolution's weights `[outputs, inputs / groups, height, width]`.
fn kernel(weights: &[u64]) -> Option<u64> {
    weights.split_first().map(|(_, kernel)| kernel.iter().product())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(operator: &str, inputs: &str, output: &str) -> String {
        format!(
            r#"{{"cat": "Node", "name": "n", "args": {{"op_name": "{operator}", "input_type_shape": [{inputs}], "output_type_shape": [{{"float": {output}}}]}}}}"#
        )
    }

    #[test]
    fn each_operator_counts_its_products() {
        let events = [
            r#"{"cat": "Session", "name": "model_run", "args": {}}"#.to_owned(),
            event("Conv", r#"{"float": [1, 8, 4, 4]}, {"float": [16, 2, 3, 3]}"#, "[1, 16, 4, 4]"),
            event("MatMul", r#"{"float": [1, 5, 7]}, {"float": [7, 3]}"#, "[1, 5, 3]"),
            event("Gemm", r#"{"float": [2, 6]}, {"float": [6, 4]}, {"float": [4]}"#, "[2, 4]"),
            event("Relu", r#"{"float": [1, 9]}"#, "[1, 9]"),
        ];
        let profile = format!("[{}]", events.join(","));
        assert_eq!(count(profile.as_bytes()), Ok(Some(16 * 16 * 2 * 9 + 5 * 3 * 7 + 2 * 6 * 4)));
    }

    #[test]
    fn what_is_hidden_is_not_guessed() {
        let profile = format!("[{}]", event("Attention", r#"{"float": [1, 5, 7]}"#, "[1, 5, 7]"));
        assert_eq!(count(profile.as_bytes()), Ok(None));
        assert!(count(b"no profile").is_err());
        assert!(count(format!("[{}]", event("Conv", "", "[1]")).as_bytes()).is_err());
    }
}
