//! Noticing that a mapped file was written to.

use std::fs::Metadata;
use std::time::SystemTime;

/// The state of a file that a write into it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Stamp {
    pub(in crate::store) bytes: u64,
    modified: Option<SystemTime>,
    /// Device and inode, where the system has them.
    inode: Option<(u64, u64)>,
}

impl Stamp {
    pub(in crate::store) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = {
            use std::os::unix::fs::MetadataExt;
            Some((metadata.dev(), metadata.ino()))
        };
        #[cfg(not(unix))]
        let inode = None;
        Self { bytes: metadata.len(), modified: metadata.modified().ok(), inode }
    }
    /// Whether the same file was written to; a file that took its place is another.
    pub(in crate::store) fn is_written_since(self, before: Self) -> bool {
        self.inode == before.inode && self != before
    }
}
