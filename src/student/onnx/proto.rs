//! The messages of an ONNX file (`onnx.proto`), as far as a student needs them.

use super::{IR_VERSION, OPSET};
use crate::support::protobuf::Message;

/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// One dimension of an input or output.
#[derive(Clone, Copy)]
pub(super) enum Dim {
    Fixed(usize),
    /// Any size, which every dimension of this name has.
    Named(&'static str),
}

/// An attribute's value.
pub(super) enum Attribute {
    Int(usize),
    Ints(Vec<usize>),
}

/// `AttributeProto`.
pub(super) fn attribute(name: &str, value: Attribute) -> Message {
    const INT: u64 = 2;
    const INTS: u64 = 7;
    let message = Message::default().bytes(1, name);
    match value {
        Attribute::Int(value) => message.int(3, value as u64).int(20, INT),
        Attribute::Ints(values) => {
            values.into_iter().fold(message, |message, value| message.int(8, value as u64)).int(20, INTS)
        }
    }
}

/// `NodeProto`, named after its output.
pub(super) fn node(operator: &str, inputs: &[&str], output: &str, attributes: Vec<Message>) -> Message {
    Message::default().all(1, inputs).bytes(2, output).bytes(3, output).bytes(4, operator).all(5, attributes)
}

/// `TensorProto` of float32.
pub(super) fn tensor(name: &str, dims: &[usize], values: &[f32]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let dims = dims.iter().fold(Message::default(), |message, &dim| message.int(1, dim as u64));
    dims.int(2, FLOAT).bytes(8, name).bytes(9, raw)
}

/// `ValueInfoProto` of a float32 tensor.
pub(super) fn value(name: &str, dims: &[Dim]) -> Message {
    let dims = dims.iter().map(|dim| match dim {
        Dim::Fixed(size) => Message::default().int(1, *size as u64),
        Dim::Named(name) => Message::default().bytes(2, name),
    });
    let tensor = Message::default().int(1, FLOAT).bytes(2, Message::default().all(1, dims));
    Message::default().bytes(1, name).bytes(2, Message::default().bytes(1, tensor))
}

/// `GraphProto`: nodes in the order in which they run.
#[derive(Default)]
pub(super) struct Graph {
    pub name: &'static str,
    pub nodes: Vec<Message>,
    pub weights: Vec<Message>,
    pub inputs: Vec<Message>,
    pub outputs: Vec<Message>,
}

/// `ModelProto` with its `metadata_props`.
pub(super) fn model(graph: &Graph, metadata: &[(String, String)]) -> Message {
    let body = Message::default()
        .all(1, &graph.nodes)
        .bytes(2, graph.name)
        .all(5, &graph.weights)
        .all(11, &graph.inputs)
        .all(12, &graph.outputs);
    let entry = |(key, value): &(String, String)| Message::default().bytes(1, key).bytes(2, value);
    Message::default()
        .int(1, IR_VERSION)
        .bytes(2, env!("CARGO_PKG_NAME"))
        .bytes(3, env!("CARGO_PKG_VERSION"))
        .bytes(7, body)
        .bytes(8, Message::default().bytes(1, "").int(2, OPSET))
        .all(14, metadata.iter().map(entry))
}
