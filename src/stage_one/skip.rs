//! Images on which the teacher fails, such as those whose logits are not finite, left out of a cache.

use rayon::prelude::*;

use super::prepare::{Prepare, Recipe};
use super::{Error, Settings, Summary, identity, run_all};
use crate::dataset::{Dataset, SplitName};
use crate::store::{self, COMPLETE_FILE, Manifest};
use crate::support::hash::Digest;
use crate::teacher::Teacher;

/// [`run_all`], which leaves out the images that the teacher fails on: they are found, the cache is begun again without them, and its
/// manifest lists them. Gives the dataset that the cache is of as well.
///
/// # Errors
/// As [`run_all`]; a split that would be left without a sample.
pub fn run_all_skipping(
    mut dataset: Dataset,
    teachers: &mut [&mut dyn Teacher],
    call_size: usize,
    settings: &Settings,
) -> Result<(Dataset, Summary), Error> {
    loop {
        let error = match run_all(&dataset, teachers, call_size, settings) {
            Ok(summary) => return Ok((dataset, summary)),
            Err(error) => error,
        };
        let Error::OnImage { .. } = &error else { return Err(error) };
        let failing = failing(&dataset, &mut *teachers[0], call_size, settings)?;
        if failing.is_empty() {
            return Err(error);
        }
        remove_begun(&dataset, &*teachers[0], settings)?;
        dataset = dataset.leaving_out(&failing)?;
    }
}

/// The dataset without the images that a cache of this teacher lists as left out, where there is such a cache.
///
/// # Errors
/// A folder of caches that can't be read.
pub fn without_left_out(
    dataset: &Dataset,
    fingerprint: Digest,
    settings: &Settings,
) -> Result<Option<Dataset>, Error> {
    let root = store::index(&settings.cache.dir, None, settings.context)?;
    for folder in store::find(&root, None)? {
        let Ok(Manifest { dataset: found, teacher, .. }) = Manifest::read(&folder) else { continue };
        if teacher.fingerprint == fingerprint
            && let Some(kept) = dataset.as_cached(&found.left_out, found.fingerprint)
        {
            return Ok(Some(kept));
        }
    }
    Ok(None)
}

/// The contents of all images on which the teacher fails, in any of their views.
fn failing(
    dataset: &Dataset,
    teacher: &mut dyn Teacher,
    call_size: usize,
    settings: &Settings,
) -> Result<Vec<Digest>, Error> {
    let recipe = Recipe::new(dataset, teacher.preprocess(), settings);
    let mut views: Vec<(SplitName, usize, u16)> = Vec::new();
    for split in &dataset.splits {
        let of_split = if split.name == SplitName::Train { settings.cache.views } else { 1 };
        let samples = 0..split.samples.len();
        views.extend(samples.flat_map(|index| (0..of_split).map(move |view| (split.name, index, view))));
    }
    let mut progress =
        settings.context.progress("images that the teacher fails on", views.len() as u64, "images");
    let mut failing = Vec::new();
    for batch in views.chunks(call_size) {
        if settings.context.is_cancelled() {
            return Ok(Vec::new());
        }
        let images: Vec<Vec<f32>> = batch
            .par_iter()
            .map(|&(split, index, view)| {
                let image = recipe.decode(split, index as u64)?;
                let mut pixels = vec![0.0; recipe.values()];
                recipe.view(split, (index as u64, view), &image, &mut pixels)?;
                Ok(pixels)
            })
            .collect::<Result<_, Error>>()?;
        let mut pixels = images.concat();
        pixels.extend(std::iter::repeat_n(&images[0], call_size - batch.len()).flatten());
        if teacher.logits(&pixels, call_size).is_err() {
            for (&(split, index, _), image) in batch.iter().zip(&images) {
                if teacher.logits(&image.repeat(call_size), call_size).is_err() {
                    let samples = &dataset.split(split).expect("it is a split of the dataset").samples;
                    failing.push(samples[index].content);
                }
            }
        }
        progress.advance(batch.len() as u64);
    }
    failing.sort_unstable();
    failing.dedup();
    Ok(failing)
}

/// Removes what was begun of a cache that will never be complete. Other processes may be at work on one that is made in parts.
fn remove_begun(dataset: &Dataset, teacher: &dyn Teacher, settings: &Settings) -> Result<(), Error> {
    if settings.part != (0, 1) {
        return Ok(());
    }
    let resize = teacher.preprocess().resize();
    let manifest =
        identity::manifest(dataset, &teacher.describe(), teacher.fingerprint(), &resize, settings)?;
    let folder = settings.cache.dir.join(manifest.folder_name());
    if !folder.join(COMPLETE_FILE).exists() {
        // One that stays is of no harm: it is found by its key only.
        let _ = std::fs::remove_dir_all(folder);
    }
    Ok(())
}
