//! Whether the logits of an image depend on that image only, and are logits, before a teacher is run for hours.

use super::prepare::{Prepare, Recipe};
use super::trial::{PROBES, noise};
use super::{Error, Settings};
use crate::config::Provider;
use crate::dataset::Dataset;
use crate::teacher::{Description, Teacher};

/// The share of the largest logit that rounding may change on the CPU, where calls of one size run the same kernels.
const ON_CPU: f32 = 64.0 * f32::EPSILON;
/// The same elsewhere, where matrix products are cut by position and may be rounded to fewer bits.
const ELSEWHERE: f32 = 1e-2;
/// How far a row of probabilities may be from a sum of 1.
const SUM: f32 = 1e-3;

/// Gives the teacher one image on its own, its batch filled up with copies, and among different others in several positions: first
/// images of noise, then images of the dataset, since a teacher may be steady on the one kind only. Gives a warning about outputs that
/// are hardly logits.
///
/// # Errors
/// [`Error::RowsDiffer`], [`Error::Probabilities`]. What the teacher itself fails with is left to the run, and so is an image that can't be
/// decoded.
pub(super) fn check(
    teacher: &mut dyn Teacher,
    batch_size: usize,
    dataset: &Dataset,
    settings: &Settings,
) -> Result<Option<String>, Error> {
    let made = noise(teacher);
    let made: Vec<&[f32]> = made.chunks_exact(made.len() / PROBES).collect();
    check_images(teacher, &made, PROBES / 2, batch_size)?;
    let recipe = Recipe::new(dataset, teacher.preprocess(), settings);
    let real = real_images(dataset, &recipe, batch_size.clamp(2, PROBES));
    let real: Vec<&[f32]> = real.iter().map(Vec::as_slice).collect();
    if real.is_empty() || !check_images(teacher, &real, 0, batch_size)? {
        return Ok(None);
    }
    let model = teacher.describe().model;
    Ok(Some(format!(
        "the teacher {model} gives values from 0 to 1 only, as a Sigmoid does, expected logits: targets softened from them are nearly the \
         same for all classes; export it without the Sigmoid at its end"
    )))
}

/// The plain view of the first image and of others from the whole of the first split, as the teacher takes them.
fn real_images(dataset: &Dataset, recipe: &Recipe, count: usize) -> Vec<Vec<f32>> {
    let Some(split) = dataset.splits.iter().find(|split| !split.samples.is_empty()) else {
        return Vec::new();
    };
    let images = split.samples.len();
    let prepared = |sample: usize| {
        let image = recipe.decode(split.name, sample as u64)?;
        let mut pixels = vec![0.0; recipe.values()];
        recipe.view(split.name, (sample as u64, 0), &image, &mut pixels)?;
        Ok::<_, Error>(pixels)
    };
    (0..count.min(images)).filter_map(|index| prepared(index * images / count.min(images)).ok()).collect()
}

/// Whether every value that the teacher gives for these images is from 0 to 1.
fn check_images(
    teacher: &mut dyn Teacher,
    images: &[&[f32]],
    probe: usize,
    batch_size: usize,
) -> Result<bool, Error> {
    let mut batches = vec![vec![probe; batch_size]];
    for position in [0, batch_size / 2, batch_size - 1] {
        // A single image has no others; it is asked for again.
        let others = (0..batch_size).map(|index| probe + 1 + index % (images.len() - 1).max(1));
        let mut batch: Vec<usize> = others.map(|index| index % images.len()).collect();
        batch[position] = probe;
        batches.push(batch);
    }
    let classes = teacher.classes().len();
    let mut rows: Vec<(bool, Vec<f32>)> = Vec::new();
    for batch in &batches {
        let pixels: Vec<f32> = batch.iter().flat_map(|&index| images[index]).copied().collect();
        let Ok(logits) = teacher.logits(&pixels, batch_size) else { return Ok(false) };
        let of_batch = batch.iter().zip(logits.chunks_exact(classes));
        rows.extend(of_batch.map(|(&index, row)| (index == probe, row.to_vec())));
    }
    let description = teacher.describe();
    if rows.iter().all(|(_, row)| are_probabilities(row)) {
        return Err(Error::Probabilities { model: description.model });
    }
    let expected = &rows[0].1;
    let of_probe =
        rows.iter().filter(|(is_probe, _)| *is_probe).flat_map(|(_, row)| row.iter().zip(expected));
    let difference = of_probe.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let largest = rows.iter().flat_map(|(_, row)| row).map(|logit| logit.abs()).fold(0.0, f32::max);
    let exact = description.device.provider == Provider::Cpu && description.precision == "fp32";
    let allowed = largest * if exact { ON_CPU } else { ELSEWHERE };
    if difference > allowed {
        let Description { model, device, precision, .. } = description;
        let device = format!("{device} in {precision}");
        return Err(Error::RowsDiffer { model, difference, largest, allowed, device });
    }
    Ok(rows.iter().flat_map(|(_, row)| row).all(|value| (0.0..=1.0).contains(value)))
}

fn are_probabilities(row: &[f32]) -> bool {
    row.iter().all(|value| (0.0..=1.0 + SUM).contains(value)) && (row.iter().sum::<f32>() - 1.0).abs() < SUM
}
