//! Reading a cache from its memory maps.

pub(in crate::store) mod checks;
pub(in crate::store) mod column_values;
mod footer;
pub(in crate::store) mod gather;
mod pages;
pub(in crate::store) mod quality;
pub(in crate::store) mod reader;
pub(in crate::store) mod resume;
mod scalars;
pub(in crate::store) mod shard;
mod stamp;
pub(in crate::store) mod stored_row;
pub(in crate::store) mod stored_values;
