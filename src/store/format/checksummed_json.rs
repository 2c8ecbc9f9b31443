//! The cache's sealed JSON files; see [`checksummed_json`].

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::error::{Damage, Error};
use crate::support::atomic;
use crate::support::checksummed_json;
use crate::support::files;

pub(in crate::store) use crate::support::checksummed_json::{LIMIT, to_bytes};

/// Writes `value` to `path`, atomically.
pub(in crate::store) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    atomic::write(path, &to_bytes(value)).map_err(Error::io("written", path))
}

/// Reads a sealed file; one that is not there is `None`.
pub(in crate::store) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match read_bytes(path)? {
        Some(bytes) => parse(path, &bytes).map(Some),
        None => Ok(None),
    }
}

/// The bytes of a file of the cache; one that is not there is `None`. What is not a regular file, or longer than [`LIMIT`], is
/// damage; what the system does not allow to read is not.
pub(in crate::store) fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let error = match files::read_regular(path, LIMIT) {
        Ok(bytes) => return Ok(Some(bytes)),
        Err(error) => error,
    };
    let reason = match error.kind() {
        ErrorKind::NotFound if fs::symlink_metadata(path).is_err() => return Ok(None),
        ErrorKind::NotFound => "it is a link to a file that is not there".to_owned(),
        ErrorKind::NotADirectory => "a file stands where its folder belongs".to_owned(),
        ErrorKind::InvalidInput | ErrorKind::FileTooLarge => error.to_string(),
        _ if files::is_link_loop(&error) => "it is a link that leads to itself".to_owned(),
        _ => return Err(Error::io("read", path)(error)),
    };
    Err(Error::Damage(Damage::Malformed { path: path.to_path_buf(), reason }))
}

/// Reads a sealed file's bytes; `path` is for messages.
pub(in crate::store) fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    checksummed_json::parse(bytes).map_err(|damage| damaged(path, damage))
}

/// The bytes that the checksum covers, once they match it.
pub(in crate::store) fn unseal<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
    checksummed_json::unseal(bytes).map_err(|damage| damaged(path, damage))
}

fn damaged(path: &Path, damage: checksummed_json::Damage) -> Error {
    let path = path.to_path_buf();
    match damage {
        checksummed_json::Damage::Checksum { expected, found } => {
            Error::Damage(Damage::Checksum { path, expected, found })
        }
        damage => Error::Damage(Damage::Malformed { path, reason: damage.to_string() }),
    }
}
