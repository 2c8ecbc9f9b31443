//! The bucket of a binary that was built without object stores: it can't be opened.

use std::path::{Path, PathBuf};

use super::{Created, Error, Object, Url, Wanted};
use crate::support::context::Context;
use crate::support::hash::Digest;

/// A prefix of an object store, which this binary can't open.
#[derive(Clone, Debug)]
pub(crate) struct Bucket(Never);

#[derive(Clone, Debug)]
enum Never {}

impl Bucket {
    /// Refuses.
    ///
    /// # Errors
    /// [`Error::Feature`].
    pub(crate) fn open(url: &Url, _: &Context) -> Result<Self, Error> {
        Err(Error::Feature { url: url.to_string() })
    }

    /// No bucket, no context.
    pub(crate) fn context(&self) -> &Context {
        match self.0 {}
    }

    /// No bucket, no folder.
    #[must_use]
    pub(crate) fn within(&self, _: &str) -> Self {
        match self.0 {}
    }

    /// No bucket, no URL.
    pub(crate) fn url(&self, _: &str) -> Url {
        match self.0 {}
    }

    /// No bucket, nothing to list.
    ///
    /// # Errors
    /// None.
    pub(crate) fn folders(&self) -> Result<Vec<String>, Error> {
        match self.0 {}
    }

    /// No bucket, nothing to list.
    ///
    /// # Errors
    /// None.
    pub(crate) fn list(&self) -> Result<Vec<Object>, Error> {
        match self.0 {}
    }

    /// No bucket, nothing to read.
    ///
    /// # Errors
    /// None.
    pub(crate) fn read(&self, _: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.0 {}
    }

    /// No bucket, nothing to commit.
    ///
    /// # Errors
    /// None.
    pub(crate) fn create(&self, _: &str, _: &[u8]) -> Result<Created, Error> {
        match self.0 {}
    }

    /// No bucket, nothing to upload.
    ///
    /// # Errors
    /// None.
    pub(crate) fn upload(&self, _: &Path, _: &str) -> Result<(), Error> {
        match self.0 {}
    }

    /// No bucket, nothing to delete.
    ///
    /// # Errors
    /// None.
    pub(crate) fn delete(&self, _: &str) -> Result<(), Error> {
        match self.0 {}
    }

    /// No bucket, nothing to download.
    ///
    /// # Errors
    /// None.
    pub(crate) fn download<E: From<Error> + Send>(
        &self,
        _: &str,
        _: &[(Wanted, PathBuf)],
        _: &(dyn Fn(usize, Digest) -> Result<(), E> + Sync),
    ) -> Result<(), E> {
        match self.0 {}
    }
}
