//! JSON files that carry the digest of their own bytes, so that every edit and every flipped bit is found.
//!
//! A sealed file is a pretty-printed JSON object whose last field is `"checksum"`: BLAKE3 of every byte before the
//! comma that precedes it. A sealed line is the same on one line, for files of one object a line.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::hash::Digest;

/// The largest sealed file that is read, in bytes.
pub(crate) const LIMIT: u64 = 256 << 20;

const HEX_DIGITS: usize = 64;

/// How an object ends before it is sealed, what comes before the digest, and what after it.
struct Layout {
    end: &'static str,
    before: &'static str,
    after: &'static str,
}

const FILE: Layout = Layout { end: "\n}", before: ",\n  \"checksum\": \"", after: "\"\n}\n" };
const LINE: Layout = Layout { end: "}", before: ",\"checksum\":\"", after: "\"}" };

/// Why sealed bytes are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// There is no checksum at their end.
    Unsealed,
    /// The checksum is that of other bytes.
    Checksum {
        /// The checksum in the file, as text.
        expected: String,
        /// The checksum of its bytes.
        found: Digest,
    },
    /// The checksum fits, and the content is not of the expected type.
    Malformed(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsealed => formatter.write_str("it does not end in a checksum"),
            Self::Checksum { expected, found } => {
                let expected: String = expected.chars().take(12).collect();
                write!(formatter, "its checksum is {expected}, and its bytes give {}", found.short(12))
            }
            Self::Malformed(reason) => formatter.write_str(reason),
        }
    }
}

/// The bytes of `value`, an object with at least one field, as a sealed file.
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    let text =
        serde_json::to_string_pretty(value).expect("our own types have string keys and finite numbers");
    seal(text, &FILE)
}

/// `value` as a sealed line, without the line break.
pub fn to_line<T: Serialize>(value: &T) -> Vec<u8> {
    let text = serde_json::to_string(value).expect("our own types have string keys and finite numbers");
    seal(text, &LINE)
}

/// Reads the bytes of a sealed file.
///
/// # Errors
/// No checksum, another one, or content of another type.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damage> {
    value(unseal(bytes)?, &FILE)
}

/// Reads a sealed line.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_line<T: DeserializeOwned>(line: &[u8]) -> Result<T, Damage> {
    value(open(line, &LINE)?, &LINE)
}

/// The bytes of a sealed file that the checksum covers, once they match it.
///
/// # Errors
/// No checksum, or another one.
pub(crate) fn unseal(bytes: &[u8]) -> Result<&[u8], Damage> {
    open(bytes, &FILE)
}

fn seal(mut text: String, layout: &Layout) -> Vec<u8> {
    debug_assert!(text.ends_with(layout.end), "only objects are sealed");
    text.truncate(text.len() - layout.end.len());
    let digest = Digest::of(text.as_bytes());
    format!("{text}{}{digest}{}", layout.before, layout.after).into_bytes()
}

fn value<T: DeserializeOwned>(content: &[u8], layout: &Layout) -> Result<T, Damage> {
    let json = [content, layout.end.as_bytes()].concat();
    serde_json::from_slice(&json).map_err(|error| Damage::Malformed(error.to_string()))
}

fn open<'a>(bytes: &'a [u8], layout: &Layout) -> Result<&'a [u8], Damage> {
    let body = bytes.strip_suffix(layout.after.as_bytes()).ok_or(Damage::Unsealed)?;
    let at = body.len().checked_sub(HEX_DIGITS).ok_or(Damage::Unsealed)?;
    let (body, expected) = body.split_at(at);
    let content = body.strip_suffix(layout.before.as_bytes()).ok_or(Damage::Unsealed)?;
    let found = Digest::of(content);
    if found.to_string().as_bytes() != expected {
        return Err(Damage::Checksum { expected: String::from_utf8_lossy(expected).into_owned(), found });
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> serde_json::Value {
        serde_json::json!({ "name": "leaves", "rows": 7 })
    }

    #[test]
    fn a_sealed_file_and_a_sealed_line_are_json_that_reads_back() {
        for sealed in [to_bytes(&example()), to_line(&example())] {
            let value: serde_json::Value = serde_json::from_slice(&sealed).unwrap();
            assert_eq!((&value["name"], value["checksum"].as_str().unwrap().len()), (&"leaves".into(), 64));
        }
        assert_eq!(parse(&to_bytes(&example())), Ok(example()));
        assert_eq!(parse_line(&to_line(&example())), Ok(example()));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let flips = |bytes: Vec<u8>| {
            (0..bytes.len() * 8).map(move |bit| {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                damaged
            })
        };
        assert!(flips(to_bytes(&example())).all(|bytes| parse::<serde_json::Value>(&bytes).is_err()));
        assert!(flips(to_line(&example())).all(|bytes| parse_line::<serde_json::Value>(&bytes).is_err()));
    }

    #[test]
    fn every_truncation_is_found() {
        let bytes = to_bytes(&example());
        assert!((0..bytes.len()).all(|length| parse::<serde_json::Value>(&bytes[..length]).is_err()));
    }
}
