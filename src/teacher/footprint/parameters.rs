//! The number of parameters of an ONNX model.

use std::collections::BTreeSet;

use crate::support::protobuf::{Fields, Malformed, Value};

/// `TensorProto.DataType`: FLOAT, FLOAT16, DOUBLE, BFLOAT16.
const FLOATS: [u64; 4] = [1, 10, 11, 16];
/// UINT8 and INT8, the weights of a quantised model.
const BYTES: [u64; 2] = [2, 3];

/// The trained values among the initial values of `model`'s graph: tensors of floating-point numbers that are not scalars, and the
/// matrices and kernels of a quantised model; BatchNorm's running mean and variance are not trained.
///
/// # Errors
/// The bytes are not a protobuf message.
pub(super) fn count(model: &[u8]) -> Result<u64, String> {
    let malformed = |_: Malformed| "it is cut short or not in ONNX's format".to_owned();
    counted(model).map_err(malformed)
}

fn counted(model: &[u8]) -> Result<u64, Malformed> {
    let mut statistics = BTreeSet::new();
    let mut tensors = Vec::new();
    for field in Fields(model) {
        // ModelProto.graph
        let (7, graph) = field? else { continue };
        for field in Fields(graph.bytes()) {
            match field? {
                (1, node) => statistics.extend(running_statistics(node.bytes())?),
                (5, tensor) => tensors.push(Tensor::read(tensor.bytes())?),
                _ => {}
            }
        }
    }
    let trained = tensors.iter().filter(|tensor| tensor.is_weight() && !statistics.contains(tensor.name));
    Ok(trained.map(|tensor| tensor.dims.iter().product::<u64>()).sum())
}

/// The names of a BatchNormalization's running mean and variance.
fn running_statistics(node: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let (mut inputs, mut operator) = (Vec::new(), &[][..]);
    for field in Fields(node) {
        match field? {
            (1, input) => inputs.push(input.bytes()),
            (4, name) => operator = name.bytes(),
            _ => {}
        }
    }
    Ok(if operator == b"BatchNormalization" { inputs.split_off(inputs.len().min(3)) } else { Vec::new() })
}

/// The head of a `TensorProto`.
struct Tensor<'a> {
    name: &'a [u8],
    data_type: u64,
    dims: Vec<u64>,
}

impl<'a> Tensor<'a> {
    fn read(tensor: &'a [u8]) -> Result<Self, Malformed> {
        let mut found = Self { name: &[], data_type: 0, dims: Vec::new() };
        for field in Fields(tensor) {
            match field? {
                (1, Value::Int(size)) => found.dims.push(size),
                (1, packed) => found.dims.extend(Fields(packed.bytes()).varints()?),
                (2, Value::Int(data_type)) => found.data_type = data_type,
                (8, name) => found.name = name.bytes(),
                _ => {}
            }
        }
        Ok(found)
    }

    fn is_weight(&self) -> bool {
        let is_float = FLOATS.contains(&self.data_type) && !self.dims.is_empty();
        is_float || BYTES.contains(&self.data_type) && self.dims.len() > 1
    }
}
