//! Where the encoded bytes of samples are.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::Error;

/// A place that holds the encoded images of many samples, each by its index there.
pub(super) trait Source: fmt::Debug + Send + Sync {
    /// The bytes of an image.
    fn read(&self, index: usize) -> Result<Cow<'_, [u8]>, Error>;

    /// The name of an image in messages: its file's path, or its parquet file and row.
    fn name(&self, index: usize) -> String;

    /// An image's place below the dataset's source, with `/` between folders, the same on every machine.
    fn place(&self, index: usize) -> String;

    /// Deletes the cached digests, since one is wrong.
    fn forget_digests(&self);

    /// Whether the images are in memory.
    #[cfg(test)]
    fn is_kept(&self) -> bool {
        false
    }
}

/// One image of a source. It is small, and what is the same for many of them is there once.
#[derive(Clone, Debug)]
pub(super) struct Location {
    source: Arc<dyn Source>,
    index: u32,
}

impl Location {
    /// Image `index` of `source`.
    pub(crate) fn new(source: &Arc<dyn Source>, index: u32) -> Self {
        Self { source: Arc::clone(source), index }
    }

    /// See [`Source::read`].
    pub(crate) fn read(&self) -> Result<Cow<'_, [u8]>, Error> {
        self.source.read(self.index as usize)
    }

    /// See [`Source::name`].
    pub(crate) fn name(&self) -> String {
        self.source.name(self.index as usize)
    }

    /// See [`Source::place`].
    pub(crate) fn place(&self) -> String {
        self.source.place(self.index as usize)
    }

    /// See [`Source::forget_digests`].
    pub(crate) fn forget_digests(&self) {
        self.source.forget_digests();
    }

    /// See [`Source::is_kept`].
    #[cfg(test)]
    pub(crate) fn is_kept(&self) -> bool {
        self.source.is_kept()
    }
}
