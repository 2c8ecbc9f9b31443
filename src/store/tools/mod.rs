//! The tools of the `cache` commands, which work on a whole cache.

pub(in crate::store) mod archive;
pub(in crate::store) mod soften_cache;
pub(in crate::store) mod summary;
mod temporary_folder;
pub(in crate::store) mod upgrade;
pub(in crate::store) mod verify;
