//! Closing a cache: `complete.json`.

use std::path::Path;
use std::sync::Arc;

use crate::store::error::{Error, Mismatch};
use crate::store::folder;
use crate::store::format::checksummed_json;
use crate::store::format::complete::{COMPLETE_FILE, Complete, content_hash, manifest_digest};
use crate::store::format::manifest::Manifest;
use crate::store::format::record::ShardRecord;
use crate::store::read::reader::{self, SplitRows};
use crate::store::read::resume;
use crate::store::write::writer::ShardWriter;
use crate::support::context::Context;

/// Writes `complete.json` once every shard is there, with the temperatures that the shards have, and removes what dead processes left.
///
/// # Errors
/// As `close`.
pub fn complete(dir: &Path) -> Result<Complete, Error> {
    let manifest = Manifest::read(dir)?;
    let temperatures = resume::temperatures(dir, &manifest)?;
    close(dir, &manifest.with_temperatures(&temperatures)?, &Context::silent())
}

/// Writes `complete.json` once every shard is there, and removes what dead processes left. Shards that lack a temperature of `manifest`
/// get it from their logits.
///
/// Reads every byte of every shard first, so that a shard that was damaged since it was written is found here. When
/// `complete.json` is there already and says the same, nothing is done.
///
/// # Errors
/// [`Mismatch::NotComplete`] while shards are missing; [`Error::Stopped`]; whatever is damaged.
pub(in crate::store) fn close(dir: &Path, manifest: &Manifest, context: &Context) -> Result<Complete, Error> {
    let manifest = Arc::new(manifest.clone());
    let specs = manifest.shards();
    let mut records = Vec::with_capacity(specs.len());
    for spec in &specs {
        records.extend(resume::finished(dir, &manifest, spec)?);
    }
    if records.len() < specs.len() {
        return Err(Error::Mismatch(Mismatch::NotComplete {
            dir: dir.to_path_buf(),
            done: records.len(),
            shards: specs.len(),
        }));
    }
    soften_shards(dir, &manifest, &mut records, context)?;
    // One that is there but damaged, or about shards that were made again, is written anew from the records.
    if let Ok(Some(existing)) = Complete::find(dir, &manifest)
        && existing.shards == records
    {
        folder::clean_leftovers(dir)?;
        return Ok(existing);
    }
    let mut teacher_quality = Vec::new();
    for rows in reader::open_splits(dir, &manifest, &records)? {
        rows.check_content()?;
        teacher_quality.push(rows.teacher_quality()?);
    }
    let complete = Complete {
        key: manifest.key,
        manifest_blake3: manifest_digest(dir)?,
        content: content_hash(manifest.key, &records),
        temperatures: manifest.temperatures.clone(),
        teacher_quality,
        shards: records,
    };
    checksummed_json::write(&dir.join(COMPLETE_FILE), &complete)?;
    folder::clean_leftovers(dir)?;
    Ok(complete)
}

/// Gives every shard the soft targets at the temperatures of `manifest`, from its logits. A shard gets its new name whole, so that
/// processes that have mapped the old file keep it. What float16 loses at a new temperature stays unmeasured: the teacher's own logits are not
/// stored.
fn soften_shards(
    dir: &Path,
    manifest: &Arc<Manifest>,
    records: &mut [ShardRecord],
    context: &Context,
) -> Result<(), Error> {
    let specs = manifest.shards();
    let lack = |record: &ShardRecord| !manifest.has_temperatures(&record.temperatures);
    let missing: Vec<usize> = (0..specs.len()).filter(|&index| lack(&records[index])).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if let Some(kept) = manifest.encoding.kept() {
        return Err(Error::Mismatch(Mismatch::RestUnknown {
            dir: dir.to_path_buf(),
            kept,
            classes: manifest.classes(),
        }));
    }
    let splits = reader::open_splits(dir, manifest, records)?;
    splits.iter().try_for_each(SplitRows::check_content)?;
    let rows = missing.iter().map(|&index| specs[index].rows).sum();
    let mut progress = context.progress("soften", rows, "rows");
    for index in missing {
        if context.is_cancelled() {
            return Err(Error::Stopped { dir: dir.to_path_buf() });
        }
        let spec = &specs[index];
        let rows = splits.iter().find(|rows| rows.name() == spec.split).expect("the manifest has the split");
        let mut writer = ShardWriter::create(dir, manifest, spec).with_lost(records[index].lost.clone());
        writer.push_from(rows)?;
        records[index] = writer.replace()?;
        progress.advance(spec.rows);
    }
    Ok(())
}
