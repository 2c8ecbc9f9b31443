//! The identity of a run: its key and its folder.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Error;
use crate::config::{self, Control, Pipeline, StudentDevice};
use crate::support::hash::{Digest, FieldHasher};

/// The revision of everything in this program that decides a run's bytes: kernels, losses, optimisers, initialisation, order and
/// decoding. It goes up only with a change that moves the bytes of some run, so that a new version of decant keeps the runs of the one
/// before it.
pub const REVISION: u32 = 2;

/// A digest over everything that decides the run's bytes: the revision of this program, the student, the content of its initial
/// weights, its training, the cache's content, and the kind of device.
pub(crate) fn key(
    pipeline: &Pipeline,
    init: Option<Digest>,
    cache_content: Digest,
    device: StudentDevice,
) -> Digest {
    FieldHasher::new("decant run")
        .field("revision", REVISION.to_le_bytes())
        .field("student", json(&config::Student { init: None, ..pipeline.student.clone() }))
        .field("init", init.map_or_else(Vec::new, |digest| digest.0.to_vec()))
        .field("train", json(&pipeline.train.deciding()))
        .field("cache", cache_content.0)
        .field("device", device.family())
        .finish()
}

/// The run's folder: its readable name, its control if it has one, and the first 12 digits of its key.
pub(crate) fn folder(train: &config::Train, name: &str, key: &Digest) -> PathBuf {
    let control = match train.control {
        Control::None => String::new(),
        control => format!("-{}", control.as_str()),
    };
    train.dir.join(format!("{name}{control}-{}", key.short(12)))
}

/// Refuses paths that the JSON of a run or of a sweep can't hold.
///
/// # Errors
/// [`Error::NotUnicode`] with the first of them.
pub(crate) fn check_paths<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), Error> {
    match paths.into_iter().find(|path| path.to_str().is_none()) {
        Some(path) => Err(Error::NotUnicode { path: path.to_owned() }),
        None => Ok(()),
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a configuration is plain data")
}
