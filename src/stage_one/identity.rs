//! The identity of the cache of a dataset under a teacher: its manifest.

use super::{Error, Settings};
use crate::dataset::Dataset;
use crate::store::{
    self, CacheBuilder, DatasetIdentity, Manifest, ShardSpec, SplitSize, TeacherIdentity, ViewIdentity,
};
use crate::support::hash::Digest;
use crate::teacher::Description;
use crate::view::Resize;

/// The manifest of the cache of `dataset` under a teacher, whose fingerprint and resizing these are.
///
/// # Errors
/// A value that a manifest can't have.
pub fn manifest(
    dataset: &Dataset,
    teacher: &Description,
    fingerprint: Digest,
    resize: &Resize,
    settings: &Settings,
) -> Result<Manifest, Error> {
    let cache = settings.cache;
    let splits = dataset.splits.iter();
    let splits = splits
        .map(|split| SplitSize { name: split.name.as_str().to_owned(), samples: split.samples.len() as u64 })
        .collect();
    let dataset = DatasetIdentity {
        name: dataset.name.clone(),
        fingerprint: dataset.fingerprint(),
        classes: dataset.classes.clone(),
        splits,
        notes: dataset.notes.clone(),
        left_out: dataset.left_out.clone(),
    };
    let teacher = TeacherIdentity {
        name: teacher.model.clone(),
        fingerprint,
        provider: teacher.device.provider,
        precision: teacher.precision.clone(),
        runtime: teacher.runtime.clone(),
        batch_size: u32::try_from(settings.batch_size).unwrap_or(u32::MAX),
    };
    let view = ViewIdentity::of(cache, resize.clone());
    let shard_rows = u32::try_from(cache.shard_rows).unwrap_or(u32::MAX);
    let manifest =
        Manifest::new(&cache.name, dataset, teacher, view, &cache.temperatures, cache.encoding, shard_rows)?;
    let manifest = manifest.with_zstd(cache.zstd)?;
    let name = name_of_key(&manifest, settings)?;
    Ok(Manifest { name, ..manifest })
}

/// The name under which the cache of this key stands: the pipeline's own, where there is such a folder or no other. A cache is found
/// by what it is, so that a pipeline file under another name does not run the teacher again.
fn name_of_key(manifest: &Manifest, settings: &Settings) -> Result<String, Error> {
    let root = store::index(&settings.cache.dir, None, settings.context)?;
    let own = root.join(manifest.folder_name());
    let suffix = format!("-{}", manifest.key.short(12));
    let mut others = store::find(&root, None)?;
    others.retain(|folder| folder.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&suffix)));
    if others.is_empty() || others.contains(&own) {
        return Ok(manifest.name.clone());
    }
    // One that is damaged is not this pipeline's concern: its cache is made anew.
    let found = others.iter().filter_map(|folder| Some((folder, Manifest::read(folder).ok()?)));
    let found = found.filter(|(_, found)| found.key == manifest.key);
    let best = found.max_by_key(|(folder, _)| folder.join(store::COMPLETE_FILE).is_file());
    Ok(best.map_or_else(|| manifest.name.clone(), |(_, found)| found.name))
}

/// The work that is left of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Rows of the shards that are missing, as far as they belong to this part.
    pub rows: u64,
    /// The batch size whose logits the cache holds, where it was begun.
    pub batch_size: Option<usize>,
}

/// Looks at what is there of the cache that `manifest` describes, without changing anything.
///
/// # Errors
/// A cache is there and can't be read, or is damaged; a store that can't be reached.
pub fn left(manifest: &Manifest, settings: &Settings) -> Result<Left, Error> {
    let (missing, batch_size) =
        match CacheBuilder::open(&settings.cache.dir.join(manifest.folder_name()), settings.context) {
            Err(store::Error::Mismatch(store::Mismatch::NoCache { .. })) => (manifest.shards(), None),
            site => {
                let site = site?;
                (site.missing_shards()?, Some(site.manifest().teacher.batch_size as usize))
            }
        };
    let rows = of_part(manifest, missing, settings.part).iter().map(|spec| spec.rows).sum();
    Ok(Left { rows, batch_size })
}

/// Those of the `missing` shards that the part `i` of `n` is to do.
pub(super) fn of_part(
    manifest: &Manifest,
    missing: Vec<ShardSpec>,
    (part, parts): (usize, usize),
) -> Vec<ShardSpec> {
    let shards = done_or_missing(manifest, missing).enumerate();
    shards.filter(|(index, (_, done))| !done && index % parts == part).map(|(_, (spec, _))| spec).collect()
}

/// Every shard of the manifest in order, and whether it is done: not among the `missing` ones, which stand in that order too.
pub(crate) fn done_or_missing(
    manifest: &Manifest,
    missing: Vec<ShardSpec>,
) -> impl Iterator<Item = (ShardSpec, bool)> {
    let mut missing = missing.into_iter().peekable();
    manifest.shards().into_iter().map(move |spec| {
        let done = missing.next_if_eq(&spec).is_none();
        (spec, done)
    })
}
