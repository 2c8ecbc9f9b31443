//! Depthwise 3 x 3 convolution between two norms.
//!
//! ```text
//! forward   z[y, x] = Σ_k w[k] * a[y * stride + ky - top, x * stride + kx - left],  a = act(norm(z_in))
//! backward  da[y, x] = Σ_k w[k] * dz[(y + top - ky) / stride, (x + left - kx) / stride]      where that divides
//!           dw[k]    = Σ_yx a[y, x] * dz[(y + top - ky) / stride, (x + left - kx) / stride]
//! ```
//!
//! Both run over bands of image rows. The rows that a 3 x 3 window spans are made once (activated going forward, `dz`
//! going backward), with zeros around them, and kept in cache for the three rows that look at them.

use rayon::prelude::*;

use super::{
    depthwise_rows::{Tap, backward_row, forward_row},
    moment_sums::MomentSums,
    norm::{GradientSums, Moments, Norm, NormBackward},
    partition::{Band, bands, split, total},
    pool::Buffer,
    rows,
    window::Window,
};

/// A depthwise layer's extent.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub batch: usize,
    pub channels: usize,
    pub window: Window,
}

/// Zeros on both sides of a row of gradients: a tap reaches at most two pixels past either end.
const MARGIN: usize = 2;

/// The last three image rows made, each with zeros on both sides.
struct RowCache {
    slots: [Buffer; 3],
    held: [Option<usize>; 3],
    outside: Buffer,
    start: usize,
    len: usize,
}

impl RowCache {
    /// Rows of `len` floats that start at `start` within `total`.
    fn new(start: usize, len: usize, total: usize) -> Self {
        let empty = || Buffer::zeros(total);
        Self { slots: [empty(), empty(), empty()], held: [None; 3], outside: empty(), start, len }
    }

    /// Makes row `y` unless it is there; `None` is a row outside the image.
    fn prepare(&mut self, y: Option<usize>, make: impl FnOnce(usize, &mut [f32])) {
        let Some(y) = y else { return };
        if self.held[y % 3] != Some(y) {
            make(y, &mut self.slots[y % 3][self.start..][..self.len]);
            self.held[y % 3] = Some(y);
        }
    }

    fn row(&self, y: Option<usize>) -> &[f32] {
        y.map_or(&self.outside, |y| &self.slots[y % 3])
    }
}

impl Extent {
    fn in_line(&self) -> usize {
        self.window.in_width * self.channels
    }

    fn out_line(&self) -> usize {
        self.window.out_width * self.channels
    }

    /// `weight`, `[channels, 1, 3, 3]`, as `[9, channels]`.
    fn by_tap(&self, weight: &[f32]) -> Vec<f32> {
        (0..9).flat_map(|k| (0..self.channels).map(move |c| weight[c * 9 + k])).collect()
    }
}

/// `z`, and its moments where the layer's norm takes them from the batch; `input` is the raw output of the layer
/// before.
pub(super) fn forward(
    extent: Extent,
    (input, norm): (&[f32], &Norm),
    weight: &[f32],
    z: &mut [f32],
    moments: bool,
) -> Option<Moments> {
    let Extent { batch, channels, window } = extent;
    let (in_line, out_line) = (extent.in_line(), extent.out_line());
    let weight = extent.by_tap(weight);
    let tasks = bands(batch, window.out_height);
    let parts = split(z, tasks.iter().map(|band| band.rows.len() * out_line));
    let padded = (window.left + window.in_width).max((window.out_width - 1) * window.stride + 3) * channels;
    let sums: Vec<MomentSums> = tasks
        .into_par_iter()
        .zip(parts)
        .map(|(Band { image, rows }, z)| {
            let image = &input[image * window.in_height * in_line..][..window.in_height * in_line];
            let mut cache = RowCache::new(window.left * channels, in_line, padded);
            let mut sums = MomentSums::new(channels);
            for (y, z) in rows.zip(z.chunks_exact_mut(out_line)) {
                let sources = [0, 1, 2].map(|ky| window.in_row(y, ky));
                for source in sources {
                    cache.prepare(source, |y, out| {
                        rows::normalise(&image[y * in_line..][..in_line], norm, out);
                    });
                }
                forward_row(sources.map(|source| cache.row(source)), &weight, window.stride, channels, z);
                if moments {
                    sums.add(z);
                }
            }
            sums
        })
        .collect();
    moments.then(|| MomentSums::join(&sums))
}

/// The gradient of `weight`; that of the output `dy_in` of the norm before goes to `target`, with the sums that its
/// backward needs.
pub(super) fn backward(
    extent: Extent,
    (input, norm): (&[f32], &Norm),
    weight: &[f32],
    (z, dy): (&[f32], &[f32]),
    backward: &NormBackward<'_>,
    target: &mut [f32],
) -> (Vec<f32>, Vec<GradientSums>) {
    let Extent { batch, channels, window } = extent;
    let (in_line, out_line) = (extent.in_line(), extent.out_line());
    let weight = extent.by_tap(weight);
    let tasks = bands(batch, window.in_height);
    let parts = split(target, tasks.iter().map(|band| band.rows.len() * in_line));
    let padded = (window.out_width.max(window.in_width.div_ceil(window.stride)) + 2 * MARGIN) * channels;
    let (gradients, sums): (Vec<Buffer>, Vec<GradientSums>) = tasks
        .into_par_iter()
        .zip(parts)
        .map(|(Band { image, rows }, target)| {
            let source = &input[image * window.in_height * in_line..][..window.in_height * in_line];
            let out = image * window.out_height * out_line;
            let mut cache = RowCache::new(MARGIN * channels, out_line, padded);
            let mut dw = Buffer::zeros(9 * channels);
            let mut sums = GradientSums::new(channels);
            for (y, target) in rows.zip(target.chunks_exact_mut(in_line)) {
                let taps = window.taps_of_row(y);
                for (_, row) in &taps {
                    cache.prepare(*row, |y, dz| {
                        let span = out + y * out_line..out + (y + 1) * out_line;
                        rows::norm_backward(&dy[span.clone()], &z[span], backward, dz);
                    });
                }
                let source = &source[y * in_line..][..in_line];
                for first in 0..window.stride.min(window.in_width) {
                    let taps: Vec<Tap<'_>> = taps
                        .iter()
                        .flat_map(|&(ky, row)| {
                            let row = cache.row(row);
                            window.taps_of_column(first).map(move |(kx, x)| Tap {
                                k: ky * 3 + kx,
                                dz: &row[(x + MARGIN as isize) as usize * channels..],
                            })
                        })
                        .collect();
                    let step = (first, window.stride);
                    backward_row(&taps, &weight, (source, norm), step, target, &mut dw, &mut sums);
                }
            }
            (dw, sums)
        })
        .unzip();
    let by_tap = total(&gradients);
    ((0..channels * 9).map(|i| by_tap[i % 9 * channels + i / 9]).collect(), sums)
}
