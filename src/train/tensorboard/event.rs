//! TensorBoard's messages (`event.proto`, `summary.proto`, `tensor.proto`), as far as a run writes them.

use crate::support::protobuf::{Fields, Message, Value};

/// The first event of a file says which format it is in.
pub(super) fn version(seconds: f64) -> Message {
    Message::default().double(1, seconds).bytes(3, "brain.Event:2")
}

/// `Event` with one `Summary` at an optimiser step, `seconds` after 1970.
pub(super) fn summary(seconds: f64, step: usize, values: &[Message]) -> Message {
    let summary = Message::default().all(1, values);
    Message::default().double(1, seconds).int(2, step as u64).bytes(5, summary)
}

/// `Summary.Value` of one number.
pub(super) fn scalar(tag: &str, value: f64) -> Message {
    Message::default().bytes(1, tag).float(2, value as f32)
}

/// `Summary.Value` of a text, which TensorBoard reads as Markdown.
pub(super) fn text(tag: &str, text: &str) -> Message {
    const STRING: u64 = 7;
    let shape = Message::default().bytes(2, Message::default().int(1, 1));
    let tensor = Message::default().int(1, STRING).bytes(2, shape).bytes(8, text);
    Message::default().bytes(1, tag).bytes(8, tensor).bytes(9, Message::default().bytes(1, plugin("text")))
}

/// `SummaryMetadata.PluginData`: which part of TensorBoard shows a value.
fn plugin(name: &str) -> Message {
    Message::default().bytes(1, name)
}

/// `Summary.Value` of an RGB image, encoded as PNG, with a description below its name.
pub(super) fn image(tag: &str, description: &str, (width, height): (u32, u32), png: &[u8]) -> Message {
    const RGB: u64 = 3;
    let image =
        Message::default().int(1, u64::from(height)).int(2, u64::from(width)).int(3, RGB).bytes(4, png);
    let metadata = Message::default().bytes(1, plugin("images")).bytes(3, description);
    Message::default().bytes(1, tag).bytes(4, image).bytes(9, metadata)
}

/// The step of an event and the tag of its first value; nothing of bytes that are no event.
pub(super) fn step_and_tag(event: &[u8]) -> Option<(usize, &str)> {
    let (mut step, mut tag) = (0, "");
    for field in Fields(event) {
        match field.ok()? {
            (2, Value::Int(value)) => step = usize::try_from(value).ok()?,
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
