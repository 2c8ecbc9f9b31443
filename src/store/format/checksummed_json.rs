//! The cache's sealed JSON files; see [`checksummed_json`].

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::error::Error;
use crate::support::atomic;
use crate::support::checksummed_json::{self, Damage};

pub(in crate::store) use crate::support::checksummed_json::to_bytes;

/// Writes `value` to `path`, atomically.
pub(in crate::store) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    atomic::write(path, &to_bytes(value)).map_err(Error::io("written", path))
}

/// Reads a sealed file; one that is not there is `None`.
pub(in crate::store) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fs::read(path) {
        Ok(bytes) => parse(path, &bytes).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// Reads a sealed file's bytes; `path` is for messages.
pub(in crate::store) fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    checksummed_json::parse(bytes).map_err(|damage| damaged(path, damage))
}

/// The bytes that the checksum covers, once they match it.
pub(in crate::store) fn unseal<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
    checksummed_json::unseal(bytes).map_err(|damage| damaged(path, damage))
}

fn damaged(path: &Path, damage: Damage) -> Error {
    let path = path.to_path_buf();
    match damage {
        Damage::Checksum { expected, found } => Error::Checksum { path, expected, found },
        damage => Error::Malformed { path, reason: damage.to_string() },
    }
}
