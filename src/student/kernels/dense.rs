//! Dense convolution of any odd kernel between two norms, as matrix products over the pixels that a window sees.
//!
//! ```text
//! forward   z = Σ_k a[y * stride + ky - top, x * stride + kx - left] W_kᵀ        a = act(norm(z_in))
//! backward  dW_k = Σ_yx dz[y, x]ᵀ a[y * stride + ky - top, x * stride + kx - left]
//!           da[y, x] = Σ_k dz[(y + top - ky) / stride, (x + left - kx) / stride] W_k     where that divides
//! ```
//!
//! The rows that a product reads are gathered for a few taps `k` at a time. Going backward, the pixels of the input are taken
//! in `stride * stride` phases: all pixels of a phase are seen by the same taps, so nothing is multiplied by zeros and no two
//! tasks write to one pixel.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    gemm,
    moment_sums::MomentSums,
    norm::{GradientSums, Moments, Norm, NormBackward},
    partition::{row_tasks, split, total},
    pool::Buffer,
    rows,
    window::Window,
};

/// Rows of one product: enough to make the packing of the weights worth it.
const CHUNK_ROWS: usize = 256;
/// Terms of one product.
const TERMS: usize = 512;
/// Floats of all tasks' weight gradients together.
const GRADIENT_FLOATS: usize = 4 * 1024 * 1024;

/// A dense layer's extent.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub batch: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub window: Window,
}

/// Which source pixel a tap sees: that of grid pixel `(i, j)` is `(i * step + dy, j * step + dx)`.
#[derive(Clone, Copy)]
struct Tap {
    /// Its place in the window, `ky * kernel + kx`.
    k: usize,
    dy: isize,
    dx: isize,
}

/// The pixels of a source as the pixels of a grid see them.
struct View<'a> {
    /// `[batch, height, width, channels]`
    source: &'a [f32],
    height: usize,
    width: usize,
    channels: usize,
    /// Height and width.
    grid: [usize; 2],
    step: usize,
}

impl View<'_> {
    /// `out[row, tap, channel]`: what the given pixels of the grid see, zero outside the source.
    fn gather(&self, taps: &[Tap], rows: Range<usize>, out: &mut [f32]) {
        let Self { source, height, width, channels, grid, step } = *self;
        for (row, out) in rows.zip(out.chunks_exact_mut(taps.len() * channels)) {
            let (image, i, j) = (row / (grid[0] * grid[1]), row / grid[1] % grid[0], row % grid[1]);
            for (tap, out) in taps.iter().zip(out.chunks_exact_mut(channels)) {
                let y = (i * step).checked_add_signed(tap.dy).filter(|&y| y < height);
                let x = (j * step).checked_add_signed(tap.dx).filter(|&x| x < width);
                match (y, x) {
                    (Some(y), Some(x)) => {
                        let pixel = (image * height + y) * width + x;
                        out.copy_from_slice(&source[pixel * channels..(pixel + 1) * channels]);
                    }
                    _ => out.fill(0.0),
                }
            }
        }
    }
}

impl Extent {
    fn taps(self) -> usize {
        self.window.kernel * self.window.kernel
    }

    fn out_rows(self) -> usize {
        self.batch * self.window.out_height * self.window.out_width
    }

    fn in_rows(self) -> usize {
        self.batch * self.window.in_height * self.window.in_width
    }

    /// The input as the output's pixels see it.
    fn input_view(self, source: &[f32]) -> View<'_> {
        let w = self.window;
        View {
            source,
            height: w.in_height,
            width: w.in_width,
            channels: self.inputs,
            grid: [w.out_height, w.out_width],
            step: w.stride,
        }
    }

    fn input_taps(self) -> Vec<Tap> {
        let w = self.window;
        (0..self.taps())
            .map(|k| {
                let (dy, dx) =
                    ((k / w.kernel) as isize - w.top as isize, (k % w.kernel) as isize - w.left as isize);
                Tap { k, dy, dx }
            })
            .collect()
    }

    /// `weight`, `[outputs, inputs, kernel, kernel]`, as `[taps, outputs, inputs]`.
    fn by_tap(self, weight: &[f32]) -> Buffer {
        let mut out = Buffer::new(weight.len());
        out.par_chunks_mut(self.outputs * self.inputs).enumerate().for_each(|(k, out)| {
            for (out, weight) in out.iter_mut().zip(weight.chunks_exact(self.taps())) {
                *out = weight[k];
            }
        });
        out
    }

    /// The activated input; None where it is the input itself.
    fn activated(self, input: &[f32], norm: Option<&Norm>) -> Option<Buffer> {
        let norm = norm?;
        let mut out = Buffer::new(input.len());
        let tasks = row_tasks(self.in_rows());
        let parts = split(&mut out, tasks.iter().map(|task| task.len() * self.inputs));
        tasks.into_par_iter().zip(parts).for_each(|(task, out)| {
            rows::normalise(&input[task.start * self.inputs..task.end * self.inputs], norm, out);
        });
        Some(out)
    }
}

/// A task's rows, a product at a time.
fn chunks(task: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = task.end;
    task.clone().step_by(CHUNK_ROWS).map(move |start| start..(start + CHUNK_ROWS).min(end))
}

/// Taps whose channels make one product.
fn groups(taps: &[Tap], channels: usize) -> std::slice::Chunks<'_, Tap> {
    taps.chunks((TERMS / channels).max(1))
}

/// `z`, and its moments where the layer's norm takes them from the batch; `input` is the raw output of the layer before where
/// there is a norm, else the chain's input.
pub(super) fn forward(
    extent: Extent,
    (input, norm): (&[f32], Option<&Norm>),
    weight: &[f32],
    z: &mut [f32],
    moments: bool,
) -> Option<Moments> {
    let Extent { inputs, outputs, .. } = extent;
    let activated = extent.activated(input, norm);
    let view = extent.input_view(activated.as_deref().unwrap_or(input));
    let taps = extent.input_taps();
    // Each output's weights of a group of taps lie together, as its rows do.
    let weights: Vec<Buffer> = groups(&taps, inputs)
        .map(|group| {
            let mut out = Buffer::new(outputs * group.len() * inputs);
            let outputs = weight.par_chunks_exact(inputs * extent.taps());
            out.par_chunks_mut(group.len() * inputs).zip(outputs).for_each(|(out, weight)| {
                for (tap, out) in group.iter().zip(out.chunks_exact_mut(inputs)) {
                    let weight = weight[tap.k..].iter().step_by(extent.taps());
                    out.iter_mut().zip(weight).for_each(|(out, weight)| *out = *weight);
                }
            });
            out
        })
        .collect();
    let tasks = row_tasks(extent.out_rows());
    let parts = split(z, tasks.iter().map(|task| task.len() * outputs));
    let sums: Vec<MomentSums> = tasks
        .into_par_iter()
        .zip(parts)
        .map(|(task, z)| {
            let mut sums = MomentSums::new(outputs);
            let mut scratch = Buffer::new(CHUNK_ROWS * TERMS.max(inputs));
            for chunk in chunks(&task) {
                let z = &mut z[(chunk.start - task.start) * outputs..(chunk.end - task.start) * outputs];
                for (number, (group, weight)) in groups(&taps, inputs).zip(&weights).enumerate() {
                    let terms = group.len() * inputs;
                    let seen = &mut scratch[..chunk.len() * terms];
                    view.gather(group, chunk.clone(), seen);
                    gemm::forward(chunk.len(), terms, outputs, seen, weight, number > 0, z);
                }
                if moments {
                    sums.add(z);
                }
            }
            sums
        })
        .collect();
    moments.then(|| MomentSums::join(&sums))
}

/// The gradient of `weight`; that of the input goes to `target`, through the norm before where there is one, else with what
/// is added to it. With the sums that the backward of the norm before needs.
pub(super) fn backward(
    extent: Extent,
    (input, norm): (&[f32], Option<&Norm>),
    weight: &[f32],
    (z, dy): (&[f32], &[f32]),
    backward: &NormBackward<'_>,
    target: Option<(&mut [f32], Option<&[f32]>)>,
) -> (Vec<f32>, Vec<GradientSums>) {
    let Extent { inputs, outputs, .. } = extent;
    let mut dz = Buffer::new(z.len());
    let tasks = row_tasks(extent.out_rows());
    let parts = split(&mut dz, tasks.iter().map(|task| task.len() * outputs));
    tasks.into_par_iter().zip(parts).for_each(|(task, dz)| {
        let span = task.start * outputs..task.end * outputs;
        rows::norm_backward(&dy[span.clone()], &z[span], backward, dz);
    });
    let activated = extent.activated(input, norm);
    let gradient = weight_gradient(extent, activated.as_deref().unwrap_or(input), &dz);
    drop(activated);
    let Some((target, residual)) = target else { return (gradient, Vec::new()) };

    input_gradient(extent, weight, &dz, target);
    let tasks = row_tasks(extent.in_rows());
    let parts = split(target, tasks.iter().map(|task| task.len() * inputs));
    let sums = tasks.into_par_iter().zip(parts).map(|(task, target)| {
        let mut sums = GradientSums::new(inputs);
        let span = task.start * inputs..task.end * inputs;
        if let Some(norm) = norm {
            rows::activation_backward(&input[span], norm, target, &mut sums);
        } else if let Some(residual) = residual {
            rows::add(&residual[span], target);
        }
        sums
    });
    (gradient, sums.collect())
}

/// `[outputs, inputs, kernel, kernel]`, from the activated input and `dz`.
fn weight_gradient(extent: Extent, activated: &[f32], dz: &[f32]) -> Vec<f32> {
    let Extent { inputs, outputs, .. } = extent;
    let view = extent.input_view(activated);
    let taps = extent.input_taps();
    // Parts of the rows, as far as their gradients do not take too much memory, times groups of taps.
    let parts = (GRADIENT_FLOATS / (outputs * inputs * taps.len())).max(2);
    let rows = row_tasks(extent.out_rows());
    let rows: Vec<Range<usize>> = rows
        .chunks(rows.len().div_ceil(parts))
        .map(|tasks| tasks[0].start..tasks[tasks.len() - 1].end)
        .collect();
    let groups: Vec<&[Tap]> = taps.chunks((TERMS / 2 / inputs).clamp(1, extent.window.kernel)).collect();
    let gradients: Vec<Vec<f32>> = groups
        .par_iter()
        .map(|group| {
            let terms = group.len() * inputs;
            let parts: Vec<Buffer> = rows
                .par_iter()
                .map(|task| {
                    let mut gradient = Buffer::zeros(outputs * terms);
                    let mut scratch = Buffer::new(CHUNK_ROWS * terms);
                    for chunk in chunks(task) {
                        let seen = &mut scratch[..chunk.len() * terms];
                        view.gather(group, chunk.clone(), seen);
                        let dz = &dz[chunk.start * outputs..chunk.end * outputs];
                        gemm::weight_gradient(chunk.len(), terms, outputs, dz, seen, &mut gradient);
                    }
                    gradient
                })
                .collect();
            total(&parts)
        })
        .collect();
    let mut weight = vec![0.0; outputs * inputs * taps.len()];
    weight.par_chunks_mut(inputs * taps.len()).enumerate().for_each(|(output, weight)| {
        for (group, gradient) in groups.iter().zip(&gradients) {
            let terms = group.len() * inputs;
            let gradient = &gradient[output * terms..(output + 1) * terms];
            for (tap, gradient) in group.iter().zip(gradient.chunks_exact(inputs)) {
                let weight = weight[tap.k..].iter_mut().step_by(taps.len());
                weight.zip(gradient).for_each(|(weight, gradient)| *weight = *gradient);
            }
        }
    });
    weight
}

/// The gradient of the activated input, `[batch, height, width, inputs]`, from `dz`.
fn input_gradient(extent: Extent, weight: &[f32], dz: &[f32], target: &mut [f32]) {
    let Extent { inputs, window: w, .. } = extent;
    let weights = extent.by_tap(weight);
    if w.stride == 1 {
        return phase(extent, [0, 0], &weights, dz, target);
    }
    let mut phases: Vec<Buffer> = Vec::new();
    for number in 0..w.stride * w.stride {
        let at = [number / w.stride, number % w.stride];
        let [height, width] = phase_grid(w, at);
        let mut out = Buffer::new(extent.batch * height * width * inputs);
        phase(extent, at, &weights, dz, &mut out);
        phases.push(out);
    }
    target.par_chunks_exact_mut(w.in_width * inputs).enumerate().for_each(|(line, out)| {
        let (image, y) = (line / w.in_height, line % w.in_height);
        for (x, out) in out.chunks_exact_mut(inputs).enumerate() {
            let at = [y % w.stride, x % w.stride];
            let [height, width] = phase_grid(w, at);
            let pixel = (image * height + y / w.stride) * width + x / w.stride;
            out.copy_from_slice(&phases[at[0] * w.stride + at[1]][pixel * inputs..(pixel + 1) * inputs]);
        }
    });
}

/// How many rows and columns of the input are `at` modulo the stride.
fn phase_grid(window: Window, at: [usize; 2]) -> [usize; 2] {
    let count = |size: usize, at: usize| size.saturating_sub(at).div_ceil(window.stride);
    [count(window.in_height, at[0]), count(window.in_width, at[1])]
}

/// The gradient of those pixels of the input that are `at` modulo the stride.
fn phase(extent: Extent, at: [usize; 2], weights: &[f32], dz: &[f32], out: &mut [f32]) {
    let Extent { batch, inputs, outputs, window: w } = extent;
    let grid = phase_grid(w, at);
    let view =
        View { source: dz, height: w.out_height, width: w.out_width, channels: outputs, grid, step: 1 };
    // The output pixel that has input pixel `at` under its tap `k` along one side, where there is one.
    let seen_by = |at: usize, before: usize, k: usize| {
        let distance = (at + before) as isize - k as isize;
        let stride = w.stride as isize;
        (distance % stride == 0).then(|| distance / stride)
    };
    let taps: Vec<Tap> = (0..extent.taps())
        .filter_map(|k| {
            let dy = seen_by(at[0], w.top, k / w.kernel)?;
            Some(Tap { k, dy, dx: seen_by(at[1], w.left, k % w.kernel)? })
        })
        .collect();
    let tasks = row_tasks(batch * grid[0] * grid[1]);
    let parts = split(out, tasks.iter().map(|task| task.len() * inputs));
    tasks.into_par_iter().zip(parts).for_each(|(task, out)| {
        if taps.is_empty() {
            return out.fill(0.0);
        }
        let mut scratch = Buffer::new(CHUNK_ROWS * outputs);
        for chunk in chunks(&task) {
            let out = &mut out[(chunk.start - task.start) * inputs..(chunk.end - task.start) * inputs];
            for (number, tap) in taps.iter().enumerate() {
                let seen = &mut scratch[..chunk.len() * outputs];
                view.gather(std::slice::from_ref(tap), chunk.clone(), seen);
                let weight = &weights[tap.k * outputs * inputs..(tap.k + 1) * outputs * inputs];
                gemm::input_gradient(chunk.len(), inputs, outputs, seen, weight, number > 0, out);
            }
        }
    });
}
