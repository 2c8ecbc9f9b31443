//! An ONNX model without being run: the files beside it that hold its weights, its metadata, its shapes.
//!
//! A model past two gigabytes, or exported so, names them in its tensors. Only the few protobuf fields that lead there
//! are walked (`onnx.proto`: `ModelProto`, `GraphProto`, `NodeProto`, `AttributeProto`, `FunctionProto`, `TensorProto`).

use std::collections::{BTreeMap, BTreeSet};

use crate::support::protobuf::{Fields, Malformed, Value};

/// The messages on the way from a model to a tensor's file name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Function,
    Tensor,
}

/// Graphs nest in attributes; no real model goes this deep, a hostile one could.
const DEEPEST: usize = 64;

/// The file names that the tensors of `model` refer to, relative to its folder, sorted.
///
/// # Errors
/// The bytes are not a protobuf message, or not a `ModelProto`; the text says what is wrong.
pub(super) fn external_files(model: &[u8]) -> Result<BTreeSet<String>, String> {
    let mut files = BTreeSet::new();
    let mut has_graph = false;
    for field in Fields(model) {
        let (number, _) = field.map_err(malformed)?;
        has_graph |= number == 7;
    }
    if !has_graph {
        return Err("it holds no ONNX graph".to_owned());
    }
    walk(model, Message::Model, 0, &mut files)?;
    Ok(files)
}

/// The `metadata_props` of `model`, key by key.
///
/// # Errors
/// The bytes are not a protobuf message.
pub(super) fn metadata(model: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for field in Fields(model) {
        if let (14, Value::Bytes(bytes)) = field.map_err(malformed)? {
            let (key, value) = entry(bytes)?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.insert(text(key), text(value));
        }
    }
    Ok(found)
}

/// The fixed sizes of a model's image input and of its logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shapes {
    /// Height and width of the only input of four dimensions.
    height: Option<u32>,
    width: Option<u32>,
    /// Columns of the only output of two dimensions.
    pub classes: Option<u32>,
}

impl Shapes {
    /// Height and width, where the model fixes both.
    pub(crate) fn image_size(&self) -> Option<(u32, u32)> {
        self.height.zip(self.width)
    }
}

/// The shapes that `model` states for its input and output.
///
/// # Errors
/// The bytes are not a protobuf message.
pub(super) fn shapes(model: &[u8]) -> Result<Shapes, String> {
    let (mut images, mut logits) = (Vec::new(), Vec::new());
    for field in Fields(model) {
        let (7, graph) = field.map_err(malformed)? else { continue };
        for field in Fields(graph.bytes()) {
            match field.map_err(malformed)? {
                (11, input) => images.push(dimensions(input.bytes())?),
                (12, output) => logits.push(dimensions(output.bytes())?),
                _ => {}
            }
        }
    }
    images.retain(|shape| shape.len() == 4);
    logits.retain(|shape| shape.len() == 2);
    let (height, width) = if let [shape] = &images[..] { (shape[2], shape[3]) } else { (None, None) };
    let classes = if let [shape] = &logits[..] { shape[1] } else { None };
    Ok(Shapes { height, width, classes })
}

/// The dimensions of a `ValueInfoProto`, none for each that is not fixed.
fn dimensions(value_info: &[u8]) -> Result<Vec<Option<u32>>, String> {
    // ValueInfoProto.type, TypeProto.tensor_type, Tensor.shape
    let mut bytes = value_info;
    for number in [2, 1, 2] {
        match last(bytes, number)? {
            Some(inner) => bytes = inner,
            None => return Ok(Vec::new()),
        }
    }
    let mut shape = Vec::new();
    for field in Fields(bytes) {
        let (1, dimension) = field.map_err(malformed)? else { continue };
        let mut size = None;
        for field in Fields(dimension.bytes()) {
            if let (1, Value::Int(value)) = field.map_err(malformed)? {
                size = u32::try_from(value).ok();
            }
        }
        shape.push(size);
    }
    Ok(shape)
}

/// The bytes of the last field `number` of a message.
fn last(message: &[u8], number: u64) -> Result<Option<&[u8]>, String> {
    let mut found = None;
    for field in Fields(message) {
        let (field, value) = field.map_err(malformed)?;
        if field == number {
            found = Some(value.bytes());
        }
    }
    Ok(found)
}

fn malformed(_: Malformed) -> String {
    "it is cut short or not in ONNX's format".to_owned()
}

fn walk(bytes: &[u8], message: Message, depth: usize, files: &mut BTreeSet<String>) -> Result<(), String> {
    if depth > DEEPEST {
        return Err("its graphs nest too deeply".to_owned());
    }
    for field in Fields(bytes) {
        let (number, value) = field.map_err(malformed)?;
        let inner = match (message, number) {
            (Message::Model, 7) | (Message::Attribute, 6 | 11) => Message::Graph,
            (Message::Model, 25) => Message::Function,
            (Message::Graph, 1) | (Message::Function, 7) => Message::Node,
            (Message::Graph, 5) | (Message::Attribute, 5 | 10) => Message::Tensor,
            (Message::Node, 5) => Message::Attribute,
            (Message::Tensor, 13) => {
                files.extend(location(value.bytes())?);
                continue;
            }
            _ => continue,
        };
        walk(value.bytes(), inner, depth + 1, files)?;
    }
    Ok(())
}

/// The value of a `StringStringEntryProto` whose key is `location`.
fn location(bytes: &[u8]) -> Result<Option<String>, String> {
    let (key, value) = entry(bytes)?;
    Ok((key == b"location").then(|| String::from_utf8_lossy(value).into_owned()))
}

/// Key and value of a `StringStringEntryProto`.
fn entry(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (mut key, mut value) = (&[][..], &[][..]);
    for field in Fields(bytes) {
        match field.map_err(malformed)? {
            (1, field) => key = field.bytes(),
            (2, field) => value = field.bytes(),
            _ => {}
        }
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = include_bytes!("../../tests/goldens/teacher/fp32/model.onnx");
    const EXTERNAL: &[u8] = include_bytes!("../../tests/goldens/teacher/external-data/model.onnx");

    #[test]
    fn a_model_with_its_weights_inside_needs_no_file() {
        assert_eq!(external_files(PLAIN).unwrap(), BTreeSet::new());
    }

    #[test]
    fn shapes_are_read_without_running_the_model() {
        let shapes = shapes(PLAIN).unwrap();
        assert_eq!((shapes.image_size(), shapes.classes), (Some((32, 32)), Some(3)));
    }

    #[test]
    fn external_weights_are_named() {
        assert_eq!(external_files(EXTERNAL).unwrap(), BTreeSet::from(["model.onnx_data".to_owned()]));
    }

    #[test]
    fn a_model_cut_short_anywhere_is_an_error_and_no_panic() {
        for length in 0..EXTERNAL.len() {
            // A cut between two top-level fields leaves a valid message, which then ends before the graph or after it.
            if let Ok(files) = external_files(&EXTERNAL[..length]) {
                assert_eq!(files.len(), 1);
            }
        }
        assert!(external_files(b"").is_err());
        assert!(external_files(b"not a model at all").is_err());
        assert!(external_files(&[0xff; 64]).is_err());
    }
}
