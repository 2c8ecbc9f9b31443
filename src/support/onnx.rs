//! The messages of an ONNX file (`onnx.proto`), as far as decant writes them.

use prost::Message;

/// The operator set that files are written in: every ONNX Runtime since 1.12 reads it.
pub(crate) const OPSET: i64 = 17;
/// The version of the format that belongs to it.
const IR_VERSION: i64 = 8;

/// The element type of a tensor: `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ElementType {
    Float32 = 1,
    Int64 = 7,
    Float16 = 10,
}

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSet {
    /// Written although it is empty, which means ONNX's own operators.
    #[prost(string, optional, tag = "1")]
    domain: Option<String>,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `GraphProto`: nodes in the order in which they run.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub nodes: Vec<Node>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub weights: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub inputs: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub outputs: Vec<ValueInfo>,
}

/// `NodeProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
}

/// `AttributeProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, optional, tag = "2")]
    f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    i: Option<i64>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    is: Vec<i64>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

/// `TensorProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

/// `ValueInfoProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    element: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShape>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShape {
    #[prost(message, repeated, tag = "1")]
    dims: Vec<Dim>,
}

/// One dimension of an input or output.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Dim {
    #[prost(int64, optional, tag = "1")]
    size: Option<i64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
}

impl Dim {
    pub(crate) fn fixed(size: usize) -> Self {
        Self { size: Some(size as i64), name: None }
    }

    /// Any size, which every dimension of this name has.
    pub(crate) fn named(name: &str) -> Self {
        Self { size: None, name: Some(name.to_owned()) }
    }
}

impl Attribute {
    pub(crate) fn int(name: &str, value: i64) -> Self {
        const INT: i32 = 2;
        Self { i: Some(value), ..Self::of_kind(name, INT) }
    }

    pub(crate) fn float(name: &str, value: f32) -> Self {
        const FLOAT: i32 = 1;
        Self { f: Some(value), ..Self::of_kind(name, FLOAT) }
    }

    pub(crate) fn ints(name: &str, values: impl IntoIterator<Item = usize>) -> Self {
        const INTS: i32 = 7;
        let is = values.into_iter().map(|value| value as i64).collect();
        Self { is, ..Self::of_kind(name, INTS) }
    }

    fn of_kind(name: &str, kind: i32) -> Self {
        Self { name: name.to_owned(), kind, ..Self::default() }
    }
}

impl Node {
    /// A node that is named after its output.
    pub(crate) fn new(operator: &str, inputs: &[&str], output: &str, attributes: Vec<Attribute>) -> Self {
        Self {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: operator.to_owned(),
            attribute: attributes,
        }
    }
}

impl Tensor {
    /// Of float32.
    pub(crate) fn new(name: &str, dims: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::of_bytes(name, dims, ElementType::Float32, bytes)
    }

    /// Of the little-endian bytes of its elements.
    pub(crate) fn of_bytes(name: &str, dims: &[usize], element: ElementType, bytes: Vec<u8>) -> Self {
        Self {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: element as i32,
            name: name.to_owned(),
            raw_data: bytes,
        }
    }
}

impl ValueInfo {
    pub(crate) fn new(name: &str, element: ElementType, dims: impl IntoIterator<Item = Dim>) -> Self {
        let shape = TensorShape { dims: dims.into_iter().collect() };
        let tensor = TensorType { element: element as i32, shape: Some(shape) };
        Self { name: name.to_owned(), kind: Some(Type { tensor: Some(tensor) }) }
    }
}

/// The bytes of `ModelProto` with its `metadata_props`.
pub(crate) fn model(graph: Graph, metadata: Vec<(String, String)>) -> Vec<u8> {
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: "decant".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: Some(String::new()), version: OPSET }],
        metadata_props: metadata.into_iter().map(|(key, value)| Entry { key, value }).collect(),
    };
    model.encode_to_vec()
}
