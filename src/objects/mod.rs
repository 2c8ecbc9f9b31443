//! Object stores: prefixes at `s3://`, `gs://`, `az://` and `file://`, and the local folders that mirror them.
//!
//! A [`Bucket`] lists, reads, uploads and commits objects below a [`Url`]; the [`Mirror`] holds their local copies, locked while
//! they are in use and evicted when room is needed. Other modules know what a prefix holds: `store` mirrors caches,
//! `dataset` mirrors images.
//!
//! Without the cargo feature `object-store` there is no [`Bucket`], and [`Bucket::open`] says so.

#[cfg(not(feature = "object-store"))]
mod absent;
#[cfg(feature = "object-store")]
mod bucket;
#[cfg(feature = "object-store")]
mod connect;
#[cfg(feature = "object-store")]
mod download;
mod error;
mod mirror;
mod url;

#[cfg(not(feature = "object-store"))]
pub(crate) use absent::Bucket;
#[cfg(feature = "object-store")]
pub(crate) use bucket::Bucket;
pub(crate) use error::Error;
pub(crate) use mirror::Mirror;
pub(crate) use url::Url;

use crate::support::hash::Digest;

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Object {
    /// Its name below the bucket's prefix, with `/` between folders.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its entity tag, which changes with its content.
    pub tag: Option<String>,
}

/// An object that is wanted here, and what is known of it.
#[cfg_attr(
    not(feature = "object-store"),
    allow(dead_code, reason = "only a binary with object stores reads it")
)]
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Which object.
    pub object: Object,
    /// BLAKE3 of its bytes, where it is known.
    pub blake3: Option<Digest>,
}

/// The outcome of a conditional write.
#[cfg_attr(
    not(feature = "object-store"),
    allow(dead_code, reason = "only a binary with object stores makes it")
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// The object was not there, and is now.
    New,
    /// The object was there, with these bytes, and stays.
    There(Vec<u8>),
}
