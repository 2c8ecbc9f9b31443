//! More temperatures for a cache that is there, from its logits, without a teacher.

use std::path::{Path, PathBuf};

use crate::store::error::Error;
use crate::store::folder;
use crate::store::format::encoding::Encoding;
use crate::store::read::reader::Cache;
use crate::store::read::resume;
use crate::store::write::close;
use crate::store::write::writer::ShardWriter;
use crate::support::context::Context;

/// How [`add_temperatures`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Softened {
    /// The folder of the cache that has the temperatures.
    pub dir: PathBuf,
    /// Whether it is complete; a rerun goes on with one that is not.
    pub complete: bool,
}

/// Makes the cache that the one in `dir` would be had it been asked for `temperatures` too, beside it, byte for byte:
/// other temperatures make another key, and so another folder. The cache in `dir` stays as it is. Only what float16 loses
/// at a new temperature stays unmeasured, for the teacher's own logits are not stored.
///
/// A request to stop is heard between shards.
///
/// # Errors
/// A temperature that is none or that the cache has; [`Error::RestUnknown`] for a cache of kept classes; whatever is
/// damaged or can't be written.
pub fn add_temperatures(dir: &Path, temperatures: &[f32], context: &Context) -> Result<Softened, Error> {
    let dir = dir.canonicalize().map_err(Error::io("found", dir))?;
    let cache = Cache::open(&dir)?;
    if let Encoding::TopK(kept) = cache.manifest().encoding {
        return Err(Error::RestUnknown { dir, kept, classes: cache.manifest().classes() });
    }
    let manifest = cache.manifest().clone().with_temperatures(temperatures)?;
    cache.check_content()?;
    let root = dir.parent().unwrap_or(&dir);
    let (target, manifest) = folder::create_or_open(root, &manifest)?;
    let missing = resume::missing_shards(&target, &manifest)?;
    let mut progress = context.progress("soften", missing.iter().map(|spec| spec.rows).sum(), "rows");
    for spec in missing {
        if context.is_cancelled() {
            return Ok(Softened { dir: target, complete: false });
        }
        let rows = cache.split(&spec.split)?;
        let mut records = cache.complete().shards.iter();
        let record = records.find(|record| (&record.split, record.index) == (&spec.split, spec.index));
        let lost = record.map(|record| record.lost.clone()).unwrap_or_default();
        let mut writer = ShardWriter::create(&target, &manifest, &spec).with_lost(lost);
        writer.push_from(&rows)?;
        writer.commit()?;
        progress.advance(spec.rows);
    }
    close::complete(&target)?;
    Ok(Softened { dir: target, complete: true })
}
