//! Which image is not the one that the teacher saw.

use std::path::Path;

use crate::dataset::{Dataset, Split};
use crate::store::Cache;

/// The first difference of `dataset` from the complete cache in `folder`: the first split of another length, image or label
/// that differs. `None` when nothing does, or when the cache can't be read.
pub(super) fn first(dataset: &Dataset, folder: &Path) -> Option<String> {
    let cache = Cache::open(folder).ok()?;
    dataset.splits.iter().find_map(|split| first_in(dataset, split, &cache))
}

fn first_in(dataset: &Dataset, split: &Split, cache: &Cache) -> Option<String> {
    let rows = cache.split(split.name.as_str()).ok()?;
    let (here, there) = (split.samples.len(), rows.samples());
    if here as u64 != there {
        return Some(format!("the {} split has {here} images, the teacher saw {there}", split.name));
    }
    split.samples.iter().enumerate().find_map(|(index, sample)| {
        let row = rows.row(index as u64, 0)?;
        let name = || dataset.sample_name(split.name, index);
        let (image, label) = (rows.image_hash(row), rows.label(row));
        if sample.content.0[..image.len()] != image {
            return Some(format!("{} is not the image that the teacher saw", name()));
        }
        (sample.label != label)
            .then(|| format!("{} has label {}, the cache has {label}", name(), sample.label))
    })
}
