//! What can be wrong with a pipeline file.

use crate::support::exit::{ExitKind, Kind};
use std::path::PathBuf;

/// Each names the place, the offending text and what would do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or can't be read.
    #[error(
        "can't read the pipeline file {path}: {source}; give one with --pipeline, or one that comes with decant, such as leaves.toml"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is no TOML, or a value has the wrong type.
    #[error("{place}: {message}")]
    Syntax {
        /// File and line, or the `--set` option.
        place: String,
        /// What the parser expected and found.
        message: String,
    },
    /// A key that no section has.
    #[error("{place}: unknown key {key:?}; {hint}")]
    UnknownKey {
        /// File and line, or the `--set` option.
        place: String,
        /// The offending key.
        key: String,
        /// The nearest valid key, or all of them.
        hint: String,
    },
    /// Mixup or `CutMix`, which the cache can't serve.
    #[error(
        "{place}: {key} is refused, since the teacher's cached targets are of whole images and it never saw the mixed ones; cache.views gives crops and flips that it did see"
    )]
    Mixed {
        /// File and line, or the `--set` option.
        place: String,
        /// The key.
        key: String,
    },
    /// A name that is none of those a key takes.
    #[error("{place}: unknown name {name:?}; {hint}")]
    UnknownName {
        /// File and line, or the `--set` option.
        place: String,
        /// The offending name.
        name: String,
        /// The nearest valid name, or all of them.
        hint: String,
    },
    /// A value that is out of its range.
    #[error("{place}: {key} = {value} is out of range, it must be {rule}")]
    OutOfRange {
        /// File and line, or the `--set` option.
        place: String,
        /// The dotted key.
        key: &'static str,
        /// The offending value.
        value: String,
        /// The values that would do.
        rule: String,
    },
    /// A `--set` that is not `key=value`.
    #[error("--set {text}: expected KEY=VALUE, such as --set train.lr=3e-4")]
    Set {
        /// What was given.
        text: String,
    },
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}
