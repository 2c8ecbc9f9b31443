//! Whether the logits of an image depend on that image only, and are logits, before a teacher is run for hours.

use super::Error;
use super::trial::{PROBES, noise};
use crate::config::Provider;
use crate::teacher::Teacher;

/// What rounding may make of the largest logit on the CPU, where calls of one size run the same kernels.
const ON_CPU: f32 = 64.0 * f32::EPSILON;
/// What it may make elsewhere, where matrix products are cut by position and may be rounded to fewer bits.
const ELSEWHERE: f32 = 1e-2;
/// How far a row of probabilities may be from a sum of 1.
const SUM: f32 = 1e-3;

/// Gives the teacher one image on its own, its batch filled up with copies, and among different others in several positions.
///
/// # Errors
/// [`Error::RowsDiffer`], [`Error::Probabilities`]. What the teacher itself fails with is left to the real images.
pub(super) fn check(teacher: &mut dyn Teacher, batch_size: usize) -> Result<(), Error> {
    let images = noise(teacher);
    let image = images.len() / PROBES;
    let at = |index: usize| &images[index % PROBES * image..][..image];
    let probe = PROBES / 2;
    let mut batches = vec![vec![probe; batch_size]];
    for position in [0, batch_size / 2, batch_size - 1] {
        let others = (0..batch_size).map(|index| probe + 1 + index % (PROBES - 1));
        let mut batch: Vec<usize> = others.collect();
        batch[position] = probe;
        batches.push(batch);
    }
    let classes = teacher.classes().len();
    let mut rows: Vec<(bool, Vec<f32>)> = Vec::new();
    for batch in &batches {
        let pixels: Vec<f32> = batch.iter().flat_map(|&index| at(index)).copied().collect();
        let Ok(logits) = teacher.logits(&pixels, batch_size) else { return Ok(()) };
        let of_batch = batch.iter().zip(logits.chunks_exact(classes));
        rows.extend(of_batch.map(|(&index, row)| (index == probe, row.to_vec())));
    }
    let model = || teacher.describe().model;
    if rows.iter().all(|(_, row)| are_probabilities(row)) {
        return Err(Error::Probabilities { model: model() });
    }
    let expected = &rows[0].1;
    let of_probe =
        rows.iter().filter(|(is_probe, _)| *is_probe).flat_map(|(_, row)| row.iter().zip(expected));
    let difference = of_probe.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let largest = rows.iter().flat_map(|(_, row)| row).map(|logit| logit.abs()).fold(0.0, f32::max);
    let description = teacher.describe();
    let exact = description.device.provider == Provider::Cpu && description.precision == "fp32";
    let allowed = largest * if exact { ON_CPU } else { ELSEWHERE };
    if difference > allowed {
        return Err(Error::RowsDiffer { model: model(), difference, largest });
    }
    Ok(())
}

fn are_probabilities(row: &[f32]) -> bool {
    row.iter().all(|value| (0.0..=1.0 + SUM).contains(value)) && (row.iter().sum::<f32>() - 1.0).abs() < SUM
}
