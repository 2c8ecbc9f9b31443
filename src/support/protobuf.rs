//! The little of protobuf's wire format that ONNX files and TensorBoard's events are made of.
//!
//! Writing: a [`Message`] is built field by field, in the order in which the fields are added. Reading: [`Fields`] walks
//! one message, of which it understands numbers and lengths alone.

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    /// Adds an `int64`, `int32`, enum or `bool` of 0 or more.
    #[must_use]
    pub fn int(mut self, field: u64, value: u64) -> Self {
        self.tag(field, VARINT);
        self.varint(value);
        self
    }

    /// Adds a `float`.
    #[must_use]
    pub fn float(mut self, field: u64, value: f32) -> Self {
        self.tag(field, FIXED32);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds a `double`.
    #[must_use]
    pub fn double(mut self, field: u64, value: f64) -> Self {
        self.tag(field, FIXED64);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds a `string`, `bytes` or another message.
    #[must_use]
    pub fn bytes(mut self, field: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.tag(field, DELIMITED);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// Adds one value after the other to a repeated field of strings, bytes or messages.
    #[must_use]
    pub fn all<T: AsRef<[u8]>>(self, field: u64, values: impl IntoIterator<Item = T>) -> Self {
        values.into_iter().fold(self, |message, value| message.bytes(field, value))
    }

    /// The message as it is stored.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn tag(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The bytes are no protobuf message, or not a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A varint: an integer, an enum or a `bool`.
    Int(u64),
    /// A `fixed32` or `fixed64`, a `float` or `double`: its bytes, little-endian.
    Fixed(&'a [u8]),
    /// A string, bytes or a message.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// What is length-delimited; nothing of a number.
    pub fn bytes(self) -> &'a [u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }
}

/// The fields of a message, each with its number, in the order in which they are stored.
#[derive(Debug)]
pub struct Fields<'a>(pub &'a [u8]);

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

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            VARINT => Value::Int(self.varint()?),
            FIXED64 => Value::Fixed(self.take(8)?),
            DELIMITED => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            FIXED32 => Value::Fixed(self.take(4)?),
            _ => return None,
        };
        (tag >> 3 != 0).then_some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Malformed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_specifications_examples() {
        // developers.google.com/protocol-buffers/docs/encoding: Test1 { a = 150 }, Test2 { b = "testing" }, Test3 { c = Test1 }.
        let test1 = Message::default().int(1, 150);
        assert_eq!(test1.as_ref(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().bytes(2, "testing").into_bytes(), b"\x12\x07testing");
        assert_eq!(Message::default().bytes(3, test1).into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
    }

    #[test]
    fn what_was_written_is_read_and_a_cut_is_an_error() {
        let message = Message::default()
            .int(1, u64::MAX)
            .float(2, 1.5)
            .double(3, 0.1)
            .all(1000, ["a", "bc"])
            .into_bytes();
        let fields: Vec<_> = Fields(&message).map(Result::unwrap).collect();
        let numbers: Vec<u64> = fields.iter().map(|field| field.0).collect();
        assert_eq!(numbers, [1, 2, 3, 1000, 1000]);
        assert_eq!(fields[0].1, Value::Int(u64::MAX));
        assert_eq!(fields[1].1, Value::Fixed(&1.5f32.to_le_bytes()));
        assert_eq!(fields[2].1, Value::Fixed(&0.1f64.to_le_bytes()));
        assert_eq!([fields[3].1.bytes(), fields[4].1.bytes()], [&b"a"[..], b"bc"]);
        assert_eq!(Fields(&message[..message.len() - 1]).last(), Some(Err(Malformed)));
    }
}
