//! JSON files that carry the digest of their own bytes, so that no edit and no flipped bit goes unseen.
//!
//! A sealed file is a pretty-printed JSON object whose last field is `"checksum"`: BLAKE3 of every byte before the
//! comma that precedes it.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;
use crate::support::atomic;
use crate::support::hash::Digest;

const BEFORE: &str = ",\n  \"checksum\": \"";
const AFTER: &str = "\"\n}\n";
const HEX_DIGITS: usize = 64;
/// The end of the pretty-printed object that the checksum takes the place of.
const END: &str = "\n}";

/// The bytes of `value` as a sealed file.
pub(super) fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    let mut text =
        serde_json::to_string_pretty(value).expect("our own types have string keys and finite numbers");
    debug_assert!(text.ends_with(END));
    text.truncate(text.len() - END.len());
    let digest = Digest::of(text.as_bytes());
    format!("{text}{BEFORE}{digest}{AFTER}").into_bytes()
}

/// Writes `value` to `path`, atomically.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    atomic::write(path, &to_bytes(value)).map_err(Error::io("written", path))
}

/// Reads a sealed file; one that is not there is `None`.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fs::read(path) {
        Ok(bytes) => parse(path, &bytes).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// Reads a sealed file's bytes; `path` is for messages.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    let content = unseal(path, bytes)?;
    let mut json = content.to_vec();
    json.extend_from_slice(END.as_bytes());
    serde_json::from_slice(&json)
        .map_err(|error| Error::Malformed { path: path.to_path_buf(), reason: error.to_string() })
}

/// The bytes that the checksum covers, once they match it.
pub(super) fn unseal<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
    let malformed =
        || Error::Malformed { path: path.to_path_buf(), reason: "it does not end in a checksum".to_owned() };
    let body = bytes.strip_suffix(AFTER.as_bytes()).ok_or_else(malformed)?;
    let (body, expected) =
        body.split_at_checked(body.len().wrapping_sub(HEX_DIGITS)).ok_or_else(malformed)?;
    let content = body.strip_suffix(BEFORE.as_bytes()).ok_or_else(malformed)?;
    let found = Digest::of(content);
    if found.to_string().as_bytes() != expected {
        let expected = String::from_utf8_lossy(expected).into_owned();
        return Err(Error::Checksum { path: path.to_path_buf(), expected, found });
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Vec<u8> {
        to_bytes(&serde_json::json!({ "name": "leaves", "rows": 7 }))
    }

    #[test]
    fn a_sealed_file_is_json_that_reads_back() {
        let value: serde_json::Value = serde_json::from_slice(&sealed()).unwrap();
        assert_eq!(value["name"], "leaves");
        let value: serde_json::Value = parse(Path::new("x.json"), &sealed()).unwrap();
        assert_eq!(value, serde_json::json!({ "name": "leaves", "rows": 7 }));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = sealed();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let found = parse::<serde_json::Value>(Path::new("x.json"), &damaged);
            assert!(found.is_err_and(|error| error.is_damage()), "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_is_found() {
        let bytes = sealed();
        for length in 0..bytes.len() {
            assert!(parse::<serde_json::Value>(Path::new("x.json"), &bytes[..length]).is_err(), "{length}");
        }
    }
}
