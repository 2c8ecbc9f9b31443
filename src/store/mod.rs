//! The cache on disk: logits and soft targets in memory-mapped parquet. Nothing else knows parquet.
//!
//! `cache/README.md` specifies the format. Stage one calls [`Site::create_or_open`], asks [`Site::missing_shards`] what is to do,
//! fills a [`ShardWriter`] for each and ends with [`Site::complete`]; stage two calls [`pull`], [`Cache::open`],
//! [`Cache::check_dataset`] and [`Cache::check_content`], and gathers batches from [`Cache::split`].

mod archive;
mod cache_builder;
mod checks;
mod checksummed_json;
mod column_values;
mod columns;
mod committer;
mod complete;
mod encode;
mod encoding;
mod encoding_loss;
mod error;
mod folder;
mod gather;
mod levels;
mod manifest;
mod plan;
mod quality;
mod reader;
mod record;
mod remote;
mod resume;
mod schema;
mod shard;
mod shard_file;
mod size;
mod soften;
mod soften_cache;
mod summary;
mod verify;
mod writer;

pub use archive::{pack, unpack};
pub use cache_builder::Site;
pub use committer::Committer;
pub use complete::{COMPLETE_FILE, Complete, complete};
pub use encoding::Encoding;
pub use encoding_loss::{EncodingLoss, Lost};
pub use error::{Error, ErrorKind};
pub use folder::{clean_leftovers, create_or_open, find};
pub use manifest::{
    DatasetIdentity, FORMAT, MANIFEST_FILE, Manifest, SplitSize, TeacherIdentity, ViewIdentity,
};
pub use plan::ShardSpec;
pub use quality::{Confusion, Entropy, TeacherQuality};
pub use reader::{Cache, SplitRows};
pub use record::ShardRecord;
pub use remote::{Listed, index, left, only_local, origin, place, pull, summaries};
pub use resume::missing_shards;
pub use schema::soft_column;
pub use soften::soften;
pub use soften_cache::{Softened, add_temperatures};
pub use summary::{ColumnSummary, SplitSummary, Summary};
pub use verify::{Report, verify};
pub use writer::{Row, ShardWriter};
