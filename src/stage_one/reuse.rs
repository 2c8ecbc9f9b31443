//! A complete cache, for which the teacher need not be opened.

use super::identity::manifest;
use super::{Error, Settings, State, Summary};
use crate::config::ProviderDevice;
use crate::dataset::Dataset;
use crate::store::{self, CacheBuilder};
use crate::teacher::{Description, Identity};

/// The cache of `dataset` under a teacher that is known by its files, if it is complete, with the temperatures that it lacked: nothing is
/// left to ask the teacher for, and ONNX Runtime is not needed.
///
/// # Errors
/// Classes that are not the dataset's; a cache that is damaged; a store that can't be reached.
pub(crate) fn reuse(
    dataset: &Dataset,
    teacher: &Identity,
    settings: &Settings,
) -> Result<Option<Summary>, Error> {
    let order = teacher.class_order(&dataset.classes)?;
    // The provider and runtime are not part of the key.
    let nothing = Description {
        model: teacher.model.clone(),
        device: ProviderDevice::CPU,
        precision: String::new(),
        runtime: String::new(),
        notes: Vec::new(),
    };
    let resize = teacher.preprocess.resize();
    let mut wanted = manifest(dataset, &nothing, teacher.fingerprint, &resize, settings)?;
    let folder = settings.cache.dir.join(wanted.folder_name());
    let found = match CacheBuilder::open(&folder, settings.context) {
        Err(store::Error::Mismatch(store::Mismatch::NoCache { .. })) => return Ok(None),
        found => found?,
    };
    if !found.missing_shards()?.is_empty() {
        return Ok(None);
    }
    wanted.teacher = found.manifest().teacher.clone();
    let site = CacheBuilder::create_or_open(&settings.cache.dir, &wanted, settings.context)?;
    let complete = site.complete()?;
    let by = &wanted.teacher;
    let description = Description {
        device: ProviderDevice { provider: by.provider, index: 0 },
        precision: by.precision.clone(),
        runtime: by.runtime.clone(),
        ..nothing
    };
    let shards = site.manifest().shards().len();
    let mut summary = Summary {
        dir: site.dir().to_path_buf(),
        state: State::Complete(complete),
        teacher: description,
        shards,
        shards_done_before: shards,
        shards_done_now: 0,
        images: 0,
        reused: 0,
        seconds: 0.0,
        images_per_second: 0.0,
        notes: Vec::new(),
        warnings: Vec::new(),
    };
    summary.judge(dataset, &teacher.classes, &order);
    Ok(Some(summary))
}
