//! The errors of a pipeline file.

use std::path::PathBuf;

use super::keys::Key;
use crate::support::exit::{ExitKind, Kind};

/// An error of a pipeline file: the place (file and line, or the option), the offending text and what to write.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or can't be read.
    #[error("can't read the pipeline file {}: {source}; give one with --pipeline, or one that comes with decant, such as leaves.toml", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        r#source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{place}: not valid TOML: {message}")]
    Syntax {
        /// File and line.
        place: String,
        /// The parser's message.
        message: String,
    },
    /// A key that no section has.
    #[error("{place}: unknown key `{key}`{section}; {hint}")]
    UnknownKey {
        /// File and line, or the option.
        place: String,
        /// As it was written.
        key: String,
        /// Such as ` in [train]`; empty outside of all sections.
        section: String,
        /// The nearest valid key, or all of them.
        hint: String,
    },
    /// Mixup or `CutMix`, which the cache can't serve.
    #[error(
        "{place}: `{key}` is not supported: the cached targets are of whole images, and the teacher never saw mixed ones; cache.views gives crops and flips that it did see, and [cache.view] colour jitter and RandAugment"
    )]
    Mixed {
        /// File and line, or the option.
        place: String,
        /// The key.
        key: String,
    },
    /// A name that is none of those a key takes.
    #[error("{place}: unknown value {found} of `{key}`; {hint}")]
    UnknownName {
        /// File and line, or the option.
        place: String,
        /// The dotted key.
        key: &'static str,
        /// As it was written.
        found: String,
        /// The nearest valid name, or all of them.
        hint: String,
    },
    /// A value of another type, out of its range, or against another value.
    #[error("{place}: `{key}` must be {expected}; found {found}")]
    Value {
        /// File and line, or the option.
        place: String,
        /// The dotted key.
        key: String,
        /// Type and range.
        expected: String,
        /// As it was written.
        found: String,
    },
    /// A value that a type of its own refuses.
    #[error("{place}: {message}")]
    Refused {
        /// File and line, or the option.
        place: String,
        /// The fault.
        message: String,
    },
    /// A key that this pipeline would not read.
    #[error("{place}: `{key}` would do nothing: it is read only {reader}{hint}")]
    Unread {
        /// File and line, or the option.
        place: String,
        /// The dotted key.
        key: &'static str,
        /// The condition under which it is read.
        reader: &'static str,
        /// Which key may have been meant, after a semicolon; or nothing.
        hint: String,
    },
    /// A key that is written twice, in two forms.
    #[error("{place}: `{key}` is set twice")]
    Twice {
        /// File and line.
        place: String,
        /// The dotted key.
        key: String,
    },
    /// A `--set` that is not `key=value`.
    #[error("--set {text}: expected KEY=VALUE, such as --set train.lr=3e-4")]
    Set {
        /// The given text.
        text: String,
    },
}

impl Error {
    /// [`Error::Unread`] of a key that `reader` would read.
    pub(crate) fn unread(key: &Key, reader: &'static str, place: String) -> Self {
        let hint = if key.hint.is_empty() { String::new() } else { format!("; {}", key.hint) };
        Self::Unread { place, key: key.name, reader, hint }
    }
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}
