//! How work is cut: into pieces that depend only on shapes, never on the number of threads, joined in order. The
//! results are therefore the same bits on any machine with the same instruction set, however many cores it has.

use std::ops::Range;

use rayon::prelude::*;

/// No piece of rows is worth a task of its own below this.
const MIN_ROWS: usize = 96;
/// More tasks would only cost memory: each holds its own weight gradient.
const MAX_TASKS: usize = 16;
/// Floats of one chunk's matrices that should lie in a core's second-level cache together.
const CHUNK_FLOATS: usize = 96 * 1024;

/// The rows of a `[rows, channels]` matrix, cut into tasks.
pub(super) fn row_tasks(rows: usize) -> Vec<Range<usize>> {
    let tasks = (rows / MIN_ROWS).clamp(1, MAX_TASKS);
    (0..tasks).map(|i| i * rows / tasks..(i + 1) * rows / tasks).collect()
}

/// The rows that go through a task's cache together, `floats` a row.
pub(super) fn row_chunks(task: Range<usize>, floats: usize) -> impl Iterator<Item = Range<usize>> {
    let step = (CHUNK_FLOATS / floats).next_multiple_of(8).clamp(64, 512);
    task.clone().step_by(step).map(move |start| start..(start + step).min(task.end))
}

/// A band of one image's rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Band {
    pub image: usize,
    pub rows: Range<usize>,
}

/// Every image's `height` rows, cut so that small batches keep several cores busy too.
pub(super) fn bands(batch: usize, height: usize) -> Vec<Band> {
    let cuts = MAX_TASKS.div_ceil(batch).min(height.div_ceil(8));
    (0..batch)
        .flat_map(|image| {
            (0..cuts).map(move |i| Band { image, rows: i * height / cuts..(i + 1) * height / cuts })
        })
        .collect()
}

/// Cuts `data` into consecutive parts of the given lengths.
pub(super) fn split(mut data: &mut [f32], lengths: impl Iterator<Item = usize>) -> Vec<&mut [f32]> {
    lengths
        .map(|length| {
            let (part, rest) = std::mem::take(&mut data).split_at_mut(length);
            data = rest;
            part
        })
        .collect()
}

/// Adds the tasks' partial sums, in order.
pub(super) fn total<P: std::ops::Deref<Target = [f32]> + Sync>(parts: &[P]) -> Vec<f32> {
    let mut total = parts[0].to_vec();
    total.par_chunks_mut(8192).enumerate().for_each(|(i, total)| {
        for part in &parts[1..] {
            super::rows::add(&part[i * 8192..][..total.len()], total);
        }
    });
    total
}
