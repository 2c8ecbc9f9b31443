//! Reading a cache from its memory maps.

pub(in crate::store) mod checks;
pub(in crate::store) mod column_values;
pub(in crate::store) mod gather;
pub(in crate::store) mod quality;
pub(in crate::store) mod reader;
pub(in crate::store) mod resume;
pub(in crate::store) mod shard;
