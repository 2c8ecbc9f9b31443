//! Writing a cache, shard by shard.

pub(in crate::store) mod close;
pub(in crate::store) mod columns;
pub(in crate::store) mod committer;
pub(in crate::store) mod encode;
pub(in crate::store) mod row;
pub(in crate::store) mod shard_file;
pub(in crate::store) mod size;
pub(in crate::store) mod writer;
