//! What the cache of a dataset under a teacher is: its manifest.

use super::{Error, Settings};
use crate::config;
use crate::dataset::Dataset;
use crate::store::{DatasetIdentity, Encoding, Manifest, SplitSize, TeacherIdentity, ViewIdentity};
use crate::support::hash::Digest;
use crate::teacher::Description;
use crate::view::Policy;

/// The manifest of the cache of `dataset` under a teacher, whose fingerprint and resizing these are.
///
/// # Errors
/// A value that a manifest can't have.
pub fn manifest(
    dataset: &Dataset,
    teacher: &Description,
    fingerprint: Digest,
    resizing: &str,
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
    };
    let teacher = TeacherIdentity {
        name: teacher.model.clone(),
        fingerprint,
        provider: teacher.provider_kind().to_owned(),
        precision: teacher.precision.clone(),
        // Another batch size may round the last bit of a logit otherwise, so a resumed run must have the same.
        runtime: format!("{}, batches of {}", teacher.runtime, settings.batch_size),
    };
    let view = ViewIdentity { policy: policy(cache, resizing), views: cache.views, seed: cache.seed };
    let shard_rows = u32::try_from(cache.shard_rows).unwrap_or(u32::MAX);
    let encoding = Encoding::of(cache);
    let manifest =
        Manifest::new(&cache.name, dataset, teacher, view, &cache.temperatures, encoding, shard_rows)?;
    Ok(manifest.with_zstd(cache.zstd)?)
}

/// How views are drawn and resized, in words that change with anything that changes a pixel that the teacher sees.
/// Stage two compares their beginning with its pipeline file, and their end with its own resizing, to know whether it sees
/// the very same pixels.
fn policy(cache: &config::Cache, resizing: &str) -> String {
    format!("{}, {resizing}", Policy::from(&cache.view).describe(cache.views))
}
