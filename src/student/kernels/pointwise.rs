//! Pointwise (1 x 1) convolution between two norms: a matrix product over pixels, `[rows, inputs] x [inputs, outputs]`.
//!
//! The input is the raw output `z` of the layer before, and its norm and activation are applied to one cache-sized
//! chunk of rows at a time, just before the product; the statistics of the result are taken while the chunk is still
//! in cache. The activated tensor never exists in memory, and in training neither does its gradient:
//!
//! ```text
//! forward   a = act(norm(z_in))       z = a Wᵀ                moments += z
//! backward  dz = norm'(dy, z)         dW += dzᵀ a             dy_in = act'(dz W)        sums += dy_in
//! ```

use rayon::prelude::*;

use super::{
    gemm,
    moment_sums::MomentSums,
    norm::{GradientSums, Moments, Norm, NormBackward},
    partition::{row_chunks, row_tasks, split, total},
    patches::Patches,
    pool::Buffer,
    rows,
};

/// The input of the product.
pub(super) enum Input<'a> {
    /// Rows as they are.
    Rows(&'a [f32]),
    /// The raw output of the layer before, and the norm that stands between.
    Normed(&'a [f32], &'a Norm),
    /// The neighbourhoods of an image.
    Patches(&'a Patches<'a>),
}

/// A pointwise layer's extent.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub rows: usize,
    pub inputs: usize,
    pub outputs: usize,
}

impl Extent {
    fn chunk_floats(self) -> usize {
        self.inputs + self.outputs
    }
}

impl Input<'_> {
    /// The given rows, activated; `scratch` holds them where they have to be made.
    fn rows<'b>(&'b self, rows: std::ops::Range<usize>, width: usize, scratch: &'b mut [f32]) -> &'b [f32] {
        let span = rows.start * width..rows.end * width;
        let scratch = &mut scratch[..span.len()];
        match self {
            Self::Rows(x) => return &x[span],
            Self::Normed(z, norm) => rows::normalise(&z[span], norm, scratch),
            Self::Patches(patches) => patches.gather(rows, scratch),
        }
        scratch
    }
}

/// `z = act(norm(input)) * weightᵀ`, and the moments of `z` where the layer's norm takes them from the batch.
pub(super) fn forward(
    extent: Extent,
    input: &Input<'_>,
    weight: &[f32],
    z: &mut [f32],
    moments: bool,
) -> Option<Moments> {
    let Extent { rows, inputs, outputs } = extent;
    let tasks = row_tasks(rows);
    let parts = split(z, tasks.iter().map(|task| task.len() * outputs));
    let sums: Vec<MomentSums> = tasks
        .into_par_iter()
        .zip(parts)
        .map(|(task, z)| {
            let mut sums = MomentSums::new(outputs);
            let mut scratch = Buffer::new(512 * inputs);
            for chunk in row_chunks(task.clone(), extent.chunk_floats()) {
                let z = &mut z[(chunk.start - task.start) * outputs..(chunk.end - task.start) * outputs];
                let a = input.rows(chunk.clone(), inputs, &mut scratch);
                gemm::forward(chunk.len(), inputs, outputs, a, weight, false, z);
                if moments {
                    sums.add(z);
                }
            }
            sums
        })
        .collect();
    moments.then(|| MomentSums::join(&sums))
}

/// The destination of the gradient of a layer's input.
pub(super) enum InputGradient<'a> {
    /// It is not needed.
    Unused,
    /// It goes through the norm before.
    Normed { z: &'a [f32], norm: &'a Norm, dy: &'a mut [f32] },
    /// It is the chain's own, to which the residual connection's gradient is added.
    Chain { dx: &'a mut [f32], residual: Option<&'a [f32]> },
}

/// The gradients of `weight` and of the input, from that of the norm's output `dy`; with the sums that the backward of
/// the norm before needs.
pub(super) fn backward(
    extent: Extent,
    input: &Input<'_>,
    weight: &[f32],
    (z, dy): (&[f32], &[f32]),
    norm: &NormBackward<'_>,
    gradient: InputGradient<'_>,
) -> (Vec<f32>, Vec<GradientSums>) {
    let Extent { rows, inputs, outputs } = extent;
    let tasks = row_tasks(rows);
    let lengths = || tasks.iter().map(|task| task.len() * inputs);
    let none = || tasks.iter().map(|_| None).collect::<Vec<_>>();
    let (targets, before, residual) = match gradient {
        InputGradient::Unused => (none(), None, None),
        InputGradient::Normed { z, norm, dy } => {
            (split(dy, lengths()).into_iter().map(Some).collect(), Some((z, norm)), None)
        }
        InputGradient::Chain { dx, residual } => {
            (split(dx, lengths()).into_iter().map(Some).collect(), None, residual)
        }
    };
    let (weights, sums): (Vec<Buffer>, Vec<GradientSums>) = tasks
        .par_iter()
        .zip(targets)
        .map(|(task, mut target)| {
            let mut dw = Buffer::zeros(outputs * inputs);
            let mut sums = GradientSums::new(inputs);
            let mut activated = Buffer::new(512 * inputs);
            let mut dz = Buffer::new(512 * outputs);
            for chunk in row_chunks(task.clone(), 2 * extent.chunk_floats()) {
                let out = chunk.start * outputs..chunk.end * outputs;
                let dz = &mut dz[..out.len()];
                rows::norm_backward(&dy[out.clone()], &z[out], norm, dz);
                let a = input.rows(chunk.clone(), inputs, &mut activated);
                gemm::weight_gradient(chunk.len(), inputs, outputs, dz, a, &mut dw);
                let Some(target) = &mut target else { continue };
                let target =
                    &mut target[(chunk.start - task.start) * inputs..(chunk.end - task.start) * inputs];
                gemm::input_gradient(chunk.len(), inputs, outputs, dz, weight, false, target);
                let span = chunk.start * inputs..chunk.end * inputs;
                if let Some((z, norm)) = before {
                    rows::activation_backward(&z[span], norm, target, &mut sums);
                } else if let Some(residual) = residual {
                    rows::add(&residual[span], target);
                }
            }
            (dw, sums)
        })
        .unzip();
    (total(&weights), sums)
}
