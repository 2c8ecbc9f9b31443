//! Reading protobuf without copying: [`Fields`] walks one message and understands only numbers and lengths, so that an ONNX file of
//! gigabytes is read where it is mapped.

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

/// The bytes are not a protobuf message, or not a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A varint: an integer, an enum or a `bool`.
    Int(u64),
    /// A `fixed32` or `fixed64`, a `float` or `double`: its bytes, little-endian.
    Fixed(&'a [u8]),
    /// A string, bytes or a message.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes of a length-delimited field; empty for a number.
    pub(crate) fn bytes(self) -> &'a [u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }
}

/// The fields of a message, each with its number, in the order in which they are stored.
#[derive(Debug)]
pub(crate) struct Fields<'a>(pub &'a [u8]);

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

    /// All of the bytes as varints, as a packed field of integers holds them.
    ///
    /// # Errors
    /// Bytes that end within one.
    pub(crate) fn varints(mut self) -> Result<Vec<u64>, Malformed> {
        let mut values = Vec::new();
        while !self.0.is_empty() {
            values.push(self.varint().ok_or(Malformed)?);
        }
        Ok(values)
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

    #[derive(Clone, PartialEq, prost::Message)]
    struct Written {
        #[prost(uint64, tag = "1")]
        int: u64,
        #[prost(float, tag = "2")]
        float: f32,
        #[prost(double, tag = "3")]
        double: f64,
        #[prost(string, repeated, tag = "1000")]
        strings: Vec<String>,
    }

    #[test]
    fn what_was_written_is_read_and_a_cut_is_an_error() {
        let strings = vec!["a".to_owned(), "bc".to_owned()];
        let message = Written { int: u64::MAX, float: 1.5, double: 0.1, strings };
        let message = prost::Message::encode_to_vec(&message);
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
