//! Errors between a store and its local copy.

use std::io;
use std::path::{Path, PathBuf};

use crate::support::exit::{ExitKind, Kind};
use crate::support::hash::Digest;
use crate::support::text::bytes;

/// An error of an object store: the object or file, what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A URL, in a binary without the feature.
    #[error(
        "{url} is in an object store, which this binary was built without; build it with --features object-store, or give a local folder"
    )]
    Feature {
        /// The given text.
        url: String,
    },
    /// A URL that names no prefix, or credentials and endpoints that can't be used.
    #[error("{url} can't be used as an object store: {reason}")]
    Url {
        /// The given text.
        url: String,
        /// The fault.
        reason: String,
    },
    /// The store refused, or could not be reached, after every retry.
    #[error("{url} could not be {action}: {reason}")]
    Store {
        /// The object or prefix.
        url: String,
        /// The action that was tried, as a participle.
        action: &'static str,
        /// The message of the store or the network.
        reason: String,
    },
    /// An object that is not there.
    #[error("there is no {url}")]
    Gone {
        /// The object.
        url: String,
    },
    /// An object, or the body of an answer, of another length than is on record.
    #[error("{url} has {found} bytes, expected {expected}: it was overwritten, or cut off on its way; {remedy}", remedy = REMEDY)]
    Length {
        /// The object.
        url: String,
        /// The length in the record or the listing.
        expected: u64,
        /// The length that came.
        found: u64,
    },
    /// An object of other bytes than are on record.
    #[error("{url} has BLAKE3 {found}, its record says {expected}: it was overwritten or damaged; {remedy}", remedy = REMEDY)]
    Digest {
        /// The object.
        url: String,
        /// The digest in the record.
        expected: Digest,
        /// The digest that came, each time that it was read.
        found: Digest,
    },
    /// An object that was overwritten while it was being read.
    #[error(
        "{url} was overwritten while it was being read; run the same command again once nothing writes there"
    )]
    Changed {
        /// The object.
        url: String,
    },
    /// A name that would lead out of the local copy.
    #[error("{url} has a name that can't be a file's here ({name:?}); rename the object")]
    Name {
        /// The prefix.
        url: String,
        /// The offending name below it.
        name: String,
    },
    /// The local copy can't be written or read.
    #[error("{} could not be {action} ({source})", path.display())]
    Local {
        /// The action that was tried, as a participle.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        r#source: io::Error,
    },
    /// More is wanted than the local space may hold.
    #[error(
        "{} more are wanted in {}, which may hold {} and has {} in use; raise DECANT_OBJECTS_MAX_BYTES, or let DECANT_OBJECTS_DIR name a larger disk",
        bytes(*needed), root.display(), bytes(*most), bytes(*held)
    )]
    Room {
        /// The local space.
        root: PathBuf,
        /// Bytes that are wanted.
        needed: u64,
        /// Bytes that it may hold.
        most: u64,
        /// Bytes that can't be evicted.
        held: u64,
    },
    /// A variable of the environment that makes no sense.
    #[error("{name}={value}: expected {expected}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// The values that fit.
        expected: &'static str,
    },
    /// The user asked to stop.
    #[error("interrupted; the files that are here stay, the same command goes on from there")]
    Interrupted,
}

const REMEDY: &str = "restore the object, or delete the cache and make it again";

impl Error {
    /// Whether stored data is damaged.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Length { .. } | Self::Digest { .. })
    }

    /// Whether what was asked for does not fit, as opposed to what failed.
    pub(crate) fn is_usage(&self) -> bool {
        use Error::{Feature, Gone, Name, Room, Setting, Url};
        matches!(self, Feature { .. } | Url { .. } | Gone { .. } | Name { .. } | Room { .. } | Setting { .. })
    }

    /// Whether the user asked to stop.
    pub(crate) fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// An error of the local copy at `path`, for `map_err`.
    pub(crate) fn local(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Local { action, path, source }
    }
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            _ if self.is_interrupted() => Kind::Interrupted,
            _ if self.is_damage() => Kind::Damaged,
            _ if self.is_usage() => Kind::Usage,
            _ => Kind::Failed,
        }
    }
}
