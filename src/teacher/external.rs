//! Which files beside an ONNX model hold its weights.
//!
//! A model past two gigabytes, or exported so, names them in its tensors. Only the few protobuf fields that lead there
//! are walked (`onnx.proto`: `ModelProto`, `GraphProto`, `NodeProto`, `AttributeProto`, `FunctionProto`, `TensorProto`).

use std::collections::BTreeSet;

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
/// The bytes are no protobuf message, or no `ModelProto`; the text says what is wrong.
pub(super) fn external_files(model: &[u8]) -> Result<BTreeSet<String>, String> {
    let mut files = BTreeSet::new();
    let mut has_graph = false;
    for field in Fields(model) {
        let (number, _) = field?;
        has_graph |= number == 7;
    }
    if !has_graph {
        return Err("it holds no ONNX graph".to_owned());
    }
    walk(model, Message::Model, 0, &mut files)?;
    Ok(files)
}

fn walk(bytes: &[u8], message: Message, depth: usize, files: &mut BTreeSet<String>) -> Result<(), String> {
    if depth > DEEPEST {
        return Err("its graphs nest too deeply".to_owned());
    }
    for field in Fields(bytes) {
        let (number, value) = field?;
        let inner = match (message, number) {
            (Message::Model, 7) | (Message::Attribute, 6 | 11) => Message::Graph,
            (Message::Model, 25) => Message::Function,
            (Message::Graph, 1) | (Message::Function, 7) => Message::Node,
            (Message::Graph, 5) | (Message::Attribute, 5 | 10) => Message::Tensor,
            (Message::Node, 5) => Message::Attribute,
            (Message::Tensor, 13) => {
                files.extend(location(value.unwrap_or_default())?);
                continue;
            }
            _ => continue,
        };
        walk(value.unwrap_or_default(), inner, depth + 1, files)?;
    }
    Ok(())
}

/// The value of a `StringStringEntryProto` whose key is `location`.
fn location(entry: &[u8]) -> Result<Option<String>, String> {
    let (mut key, mut name) = (None, None);
    for field in Fields(entry) {
        match field? {
            (1, value) => key = value,
            (2, value) => name = value,
            _ => {}
        }
    }
    Ok(name.filter(|_| key == Some(b"location")).map(|name| String::from_utf8_lossy(name).into_owned()))
}

/// The fields of a protobuf message: each one's number, and its bytes where it is length-delimited.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Option<&'a [u8]>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => self.varint().map(|_| None)?,
            1 => self.take(8).map(|_| None)?,
            2 => {
                let length = self.varint()?;
                Some(self.take(length)?)
            }
            5 => self.take(4).map(|_| None)?,
            _ => return None,
        };
        (tag >> 3 != 0).then_some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Option<&'a [u8]>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| "it is cut short or not in ONNX's format".to_owned()))
    }
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
