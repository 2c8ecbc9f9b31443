//! TensorBoard's messages (`event.proto`, `summary.proto`, `tensor.proto`), as far as a run writes them.

use std::collections::BTreeMap;

use prost::Message;
use serde_json::Value as Json;

use crate::support::protobuf::{Fields, Value as Field};

/// The tags by which the HParams plugin finds the start and the end of a run.
const START_TAG: &str = "_hparams_/session_start_info";
pub(super) const END_TAG: &str = "_hparams_/session_end_info";

/// `Event`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds after 1970.
    #[prost(double, optional, tag = "1")]
    wall_time: Option<f64>,
    #[prost(int64, optional, tag = "2")]
    step: Option<i64>,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

/// `Summary.Value`.
#[expect(clippy::struct_field_names, reason = "the names of TensorBoard's summary.proto")]
#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "4")]
    image: Option<Image>,
    #[prost(message, optional, tag = "8")]
    tensor: Option<Tensor>,
    #[prost(message, optional, tag = "9")]
    metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

/// `TensorProto`.
#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    strings: Vec<Vec<u8>>,
}

/// `TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "2")]
    dims: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
struct Dim {
    #[prost(int64, tag = "1")]
    size: i64,
}

/// `SummaryMetadata`: which part of TensorBoard shows a value.
#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(message, optional, tag = "1")]
    plugin: Option<Plugin>,
    #[prost(string, optional, tag = "3")]
    description: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Plugin {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    content: Vec<u8>,
}

/// `HParamsPluginData` of the HParams plugin: the hyper-parameters of a run, or its end. The plugin makes its table of all runs from
/// these; a description of the experiment beside them would fix the columns to those of one run.
#[derive(Clone, PartialEq, Message)]
struct HParams {
    #[prost(message, optional, tag = "3")]
    start: Option<SessionStart>,
    #[prost(message, optional, tag = "4")]
    end: Option<SessionEnd>,
}

/// `SessionStartInfo`.
#[derive(Clone, PartialEq, Message)]
struct SessionStart {
    #[prost(btree_map = "string, message", tag = "1")]
    hparams: BTreeMap<String, HParam>,
}

/// `SessionEndInfo`.
#[derive(Clone, PartialEq, Message)]
struct SessionEnd {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `google.protobuf.Value`; exactly one field is set.
#[derive(Clone, PartialEq, Message)]
struct HParam {
    #[prost(double, optional, tag = "2")]
    number: Option<f64>,
    #[prost(string, optional, tag = "3")]
    text: Option<String>,
    #[prost(bool, optional, tag = "4")]
    flag: Option<bool>,
}

impl HParam {
    /// Lists and objects as their JSON text, which the plugin shows as it is.
    fn of(value: &Json) -> Option<Self> {
        match value {
            Json::Null => None,
            Json::Bool(flag) => Some(Self { flag: Some(*flag), ..Self::default() }),
            Json::Number(number) => Some(Self { number: number.as_f64(), ..Self::default() }),
            Json::String(text) => Some(Self { text: Some(text.clone()), ..Self::default() }),
            other => Some(Self { text: Some(other.to_string()), ..Self::default() }),
        }
    }
}

impl Event {
    /// The first event of a file, which says the file's format.
    pub(crate) fn version(seconds: f64) -> Self {
        Self { wall_time: Some(seconds), file_version: Some("brain.Event:2".to_owned()), ..Self::default() }
    }

    /// Values at an optimiser step, `seconds` after 1970.
    pub(crate) fn summary(seconds: f64, step: usize, values: Vec<Value>) -> Self {
        let (step, summary) = (Some(step as i64), Some(Summary { values }));
        Self { wall_time: Some(seconds), step, summary, file_version: None }
    }
}

impl Value {
    /// A number.
    pub(crate) fn scalar(tag: &str, value: f64) -> Self {
        Self { tag: tag.to_owned(), simple_value: Some(value as f32), ..Self::default() }
    }

    /// A text, which TensorBoard reads as Markdown.
    pub(crate) fn text(tag: &str, text: &str) -> Self {
        const STRING: i32 = 7;
        let tensor = Tensor {
            dtype: STRING,
            shape: Some(Shape { dims: vec![Dim { size: 1 }] }),
            strings: vec![text.as_bytes().to_vec()],
        };
        let metadata = Metadata { plugin: Some(Plugin::new("text")), description: None };
        Self { tag: tag.to_owned(), tensor: Some(tensor), metadata: Some(metadata), ..Self::default() }
    }

    /// The hyper-parameters of a run, by key, for the HParams plugin.
    pub(crate) fn hyper_parameters(values: &BTreeMap<String, Json>) -> Self {
        let hparams = values.iter().filter_map(|(key, value)| Some((key.clone(), HParam::of(value)?)));
        let start = Some(SessionStart { hparams: hparams.collect() });
        Self::hparams(START_TAG, &HParams { start, end: None })
    }

    /// The successful end of a run, for the HParams plugin.
    pub(crate) fn end_of_run() -> Self {
        const SUCCESS: i32 = 1;
        Self::hparams(END_TAG, &HParams { start: None, end: Some(SessionEnd { status: SUCCESS }) })
    }

    fn hparams(tag: &str, data: &HParams) -> Self {
        const FLOAT: i32 = 1;
        // The plugin reads the metadata only; the tensor is there because every summary has a value.
        let shape = Some(Shape { dims: vec![Dim { size: 0 }] });
        let tensor = Some(Tensor { dtype: FLOAT, shape, strings: Vec::new() });
        let plugin = Some(Plugin { name: "hparams".to_owned(), content: data.encode_to_vec() });
        let metadata = Some(Metadata { plugin, description: None });
        Self { tag: tag.to_owned(), tensor, metadata, ..Self::default() }
    }

    /// An RGB image, encoded as PNG, with a description below its name.
    pub(crate) fn image(tag: &str, description: &str, (width, height): (u32, u32), png: Vec<u8>) -> Self {
        const RGB: i32 = 3;
        let image = Image { height: height as i32, width: width as i32, colorspace: RGB, encoded: png };
        let description = Some(description.to_owned());
        let metadata = Metadata { plugin: Some(Plugin::new("images")), description };
        Self { tag: tag.to_owned(), image: Some(image), metadata: Some(metadata), ..Self::default() }
    }
}

impl Plugin {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), content: Vec::new() }
    }
}

/// The step of an event and the tag of its first value; None of bytes that are not an event.
pub(super) fn step_and_tag(event: &[u8]) -> Option<(usize, &str)> {
    let (mut step, mut tag) = (0, "");
    for field in Fields(event) {
        match field.ok()? {
            (2, Field::Int(value)) => step = usize::try_from(value).ok()?,
            (5, summary) => {
                if let (1, value) = Fields(summary.bytes()).next()?.ok()? {
                    let (1, first) = Fields(value.bytes()).next()?.ok()? else { return None };
                    tag = std::str::from_utf8(first.bytes()).ok()?;
                }
            }
            _ => {}
        }
    }
    Some((step, tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_that_0_1_0_wrote() {
        let hex = |event: Event| {
            event.encode_to_vec().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
        };
        let time = "09000000000000f03f";
        assert_eq!(hex(Event::version(1.0)), format!("{time}1a0d627261696e2e4576656e743a32"));
        // Zeros are written.
        let scalar = Event::summary(1.0, 0, vec![Value::scalar("a", 0.0)]);
        assert_eq!(hex(scalar), format!("{time}10002a0a0a080a01611500000000"));
        let text = Event::summary(1.0, 0, vec![Value::text("a", "b")]);
        let rest = "10002a1c0a1a0a0161420b08071204120208014201624a080a060a0474657874";
        assert_eq!(hex(text), format!("{time}{rest}"));
        let image = Event::summary(1.0, 300, vec![Value::image("a", "d", (2, 1), b"p".to_vec())]);
        let rest = "10ac022a1f0a1d0a016122090801100218032201704a0d0a080a06696d616765731a0164";
        assert_eq!(hex(image), format!("{time}{rest}"));
    }
}
