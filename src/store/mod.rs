//! The cache on disk: logits and soft targets in memory-mapped parquet. Nothing else knows the cache's parquet.
//!
//! `cache/README.md` specifies the format. Stage one calls [`CacheBuilder::create_or_open`], asks [`CacheBuilder::missing_shards`] what is
//! left, fills a [`ShardWriter`] for each and ends with [`CacheBuilder::complete`]; stage two calls [`pull`], [`Cache::open`],
//! [`Cache::check_dataset`] and [`Cache::check_content`], and gathers batches from [`Cache::split`].
//!
//! The submodules, each of which imports only from those before it: `format` (what the files say), `read`, `write`, `tools`, `remote`.

mod cache_builder;
mod error;
mod folder;
mod format;
mod read;
mod remote;
mod tools;
mod write;

pub use crate::encoding::{Encoding, soften};
pub(crate) use cache_builder::CacheBuilder;
pub use error::{Damage, Error, Mismatch};
pub use folder::{create_or_open, find};
pub use format::complete::{COMPLETE_FILE, Complete};
pub(crate) use format::encoding_loss::{EncodingLoss, Lost};
pub use format::identity::{DatasetIdentity, RandomCrops, SplitSize, TeacherIdentity, ViewIdentity};
pub use format::manifest::{MANIFEST_FILE, Manifest};
pub use format::plan::ShardSpec;
pub(crate) use format::quality::TeacherQuality;
pub use format::record::ShardRecord;
pub(crate) use format::record_files::{about_shard, records_folder};
pub(crate) use read::quality::{Confusion, Entropy};
pub use read::reader::{Cache, SplitRows};
pub use read::resume::missing_shards;
pub(crate) use read::resume::temperatures;
pub(crate) use read::stored_values::StoredValues;
pub(crate) use remote::{Listed, index, left, only_local, place, pull, summaries};
pub use tools::archive::{pack, unpack};
pub use tools::soften_cache::add_temperatures;
pub use tools::summary::Summary;
pub use tools::upgrade::upgrade;
pub use tools::verify::verify;
pub use write::close::complete;
pub use write::committer::Committer;
pub use write::row::Row;
pub use write::writer::ShardWriter;
