//! The files of a cache: their fields, columns and names.

pub(in crate::store) mod checksummed_json;
pub(in crate::store) mod complete;
pub(in crate::store) mod encoding_loss;
pub(in crate::store) mod identity;
pub(in crate::store) mod levels;
pub(in crate::store) mod manifest;
pub(in crate::store) mod plan;
pub(in crate::store) mod quality;
pub(in crate::store) mod record;
pub(in crate::store) mod record_files;
pub(in crate::store) mod row_losses;
pub(in crate::store) mod rows;
pub(in crate::store) mod schema;
