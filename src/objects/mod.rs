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
pub use absent::Bucket;
#[cfg(feature = "object-store")]
pub use bucket::Bucket;
pub use error::Error;
pub use mirror::{FillLock, Mirror};
pub use url::Url;

use crate::support::hash::Digest;

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Object {
    /// Its name below the bucket's prefix, with `/` between folders.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its entity tag, which changes with its content.
    pub tag: Option<String>,
}

/// An object that is wanted here, and what is known of it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which object.
    pub object: Object,
    /// BLAKE3 of its bytes, where it is known.
    pub blake3: Option<Digest>,
}

/// The outcome of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The object was not there, and is now.
    New,
    /// The object was there, with these bytes, and stays.
    There(Vec<u8>),
}
