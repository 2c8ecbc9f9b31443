//! A chain of convolutions, each followed by BatchNorm and an activation, as one operation: an inverted residual block,
//! the stem or the head.
//!
//! Only the raw convolution outputs `z` are kept from forward to backward, and each is written once and read once a
//! pass. Between two layers, norm and activation are applied where the next layer reads (see [`pointwise`] and
//! [`depthwise`]).

use rayon::prelude::*;

use super::{
    chain_spec::{ChainSpec, Extent},
    dense, depthwise,
    norm::{GradientSums, Moments, Norm, NormBackward},
    partition::{row_tasks, split},
    patches::Patches,
    pointwise::{self, Input, InputGradient},
    pool::Buffer,
    rows,
};

/// Where a layer's norm takes its statistics.
pub(super) enum Source<'a> {
    Batch,
    Running { mean: &'a [f32], variance: &'a [f32] },
}

/// A layer's parameters.
pub(super) struct Parameters<'a> {
    pub weight: &'a [f32],
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub statistics: Source<'a>,
}

/// The values that forward keeps for backward.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    z: Vec<Buffer>,
    norms: Vec<Norm>,
}

/// A chain's result.
pub(super) struct Output {
    pub shape: [usize; 4],
    pub values: Vec<f32>,
    pub moments: Vec<Moments>,
    pub saved: Saved,
}

/// The gradients of a chain's input and of each layer's weight, gamma and beta.
pub(super) struct Gradients {
    pub input: Option<Vec<f32>>,
    pub layers: Vec<[Vec<f32>; 3]>,
}

impl ChainSpec {
    /// Runs the chain on `x`. `keep` says whether a backward will follow; without one, only two raw outputs live at
    /// once.
    pub(super) fn forward(
        &self,
        shape: [usize; 4],
        x: &[f32],
        layers: &[Parameters<'_>],
        keep: bool,
    ) -> Output {
        let (extents, [batch, height, width, channels]) =
            self.extents(shape, layers.iter().map(|layer| layer.gamma.len()));
        let mut saved = Saved { z: Vec::new(), norms: Vec::new() };
        let mut moments = Vec::new();
        for ((layer, parameters), &extent) in self.layers.iter().zip(layers).zip(&extents) {
            let before = saved.z.last().zip(saved.norms.last()).map(|(z, norm)| (&**z, norm));
            let batch_moments = matches!(parameters.statistics, Source::Batch);
            let (z, measured) = extent.forward(x, before, parameters.weight, batch_moments);
            let measured = measured.unwrap_or_else(|| match parameters.statistics {
                Source::Batch => unreachable!("a layer measures its batch when asked to"),
                Source::Running { mean, variance } => {
                    Moments { mean: mean.to_vec(), variance: variance.to_vec() }
                }
            });
            saved.norms.push(Norm::new(
                &measured,
                parameters.gamma,
                parameters.beta,
                self.epsilon,
                layer.activation,
            ));
            moments.push(measured);
            if !keep && let Some(last) = saved.z.last_mut() {
                *last = z;
            } else {
                saved.z.push(z);
            }
        }
        let (z, norm) = (&saved.z[saved.z.len() - 1], &saved.norms[saved.norms.len() - 1]);
        let pixels = height * width;
        let (shape, values) = if self.pool {
            let mut values = vec![0.0; batch * channels];
            values
                .par_chunks_mut(channels)
                .zip(z.par_chunks(pixels * channels))
                .for_each(|(out, z)| rows::pool(z, norm, out));
            ([batch, 1, 1, channels], values)
        } else {
            let mut values = vec![0.0; batch * pixels * channels];
            each_task(batch * pixels, channels, &mut values, |span, out| {
                if self.residual {
                    rows::normalise_add(&z[span.clone()], norm, &x[span], out);
                } else {
                    rows::normalise(&z[span], norm, out);
                }
            });
            ([batch, height, width, channels], values)
        };
        Output { shape, values, moments, saved }
    }

    /// The gradients, from that of the output. That of the input is made only if `input_too`.
    pub(super) fn backward(
        &self,
        shape: [usize; 4],
        x: &[f32],
        weights: &[&[f32]],
        saved: Saved,
        dout: &[f32],
        input_too: bool,
    ) -> Gradients {
        let Saved { mut z, norms } = saved;
        let (extents, [batch, height, width, channels]) =
            self.extents(shape, norms.iter().map(|norm| norm.scale.len()));
        let mut gradients = Gradients { input: input_too.then(|| vec![0.0; x.len()]), layers: Vec::new() };
        let mut rows = batch * height * width;
        let last = norms.len() - 1;
        let (mut dy, mut sums) =
            self.output_backward([batch, rows / batch, channels], &z[last], &norms[last], dout);
        for i in (0..=last).rev() {
            let z_here = z.pop().expect("one raw output a layer");
            let backward = NormBackward::join(&norms[i], &sums, rows);
            let here = (&*z_here, dy.as_deref().unwrap_or(dout));
            let before = z.last().map(|z| (&**z, &norms[i - 1]));
            let mut before_dy = before.map(|(z, _)| Buffer::new(z.len()));
            let target = match (&mut before_dy, &mut gradients.input) {
                (Some(dy), _) => Some((&mut **dy, None)),
                (None, Some(dx)) => Some((&mut **dx, self.residual.then_some(dout))),
                (None, None) => None,
            };
            let (weight, before_sums) = extents[i].backward(x, before, weights[i], here, &backward, target);
            let NormBackward { gamma, beta, .. } = backward;
            gradients.layers.push([weight, gamma, beta]);
            rows = before.map_or(0, |(z, norm)| z.len() / norm.scale.len());
            (dy, sums) = (before_dy, before_sums);
        }
        gradients.layers.reverse();
        gradients
    }

    /// From the gradient of the chain's output to that of its last norm's output (`None` where they are the same), with
    /// the sums its backward needs.
    fn output_backward(
        &self,
        [batch, pixels, channels]: [usize; 3],
        z: &[f32],
        norm: &Norm,
        dout: &[f32],
    ) -> (Option<Buffer>, Vec<GradientSums>) {
        if !self.pool && norm.low.is_infinite() {
            let sums = row_tasks(batch * pixels)
                .into_par_iter()
                .map(|task| {
                    let span = task.start * channels..task.end * channels;
                    let mut sums = GradientSums::new(channels);
                    rows::add_gradient_sums(&z[span.clone()], norm, &dout[span], &mut sums);
                    sums
                })
                .collect();
            return (None, sums);
        }
        let mut dy = Buffer::new(z.len());
        let sums = dy
            .par_chunks_mut(pixels * channels)
            .zip(z.par_chunks(pixels * channels))
            .zip(dout.par_chunks(if self.pool { channels } else { pixels * channels }))
            .map(|((dy, z), dout)| {
                if self.pool {
                    rows::pool_backward(dout, dy);
                } else {
                    dy.copy_from_slice(dout);
                }
                let mut sums = GradientSums::new(channels);
                rows::activation_backward(z, norm, dy, &mut sums);
                sums
            })
            .collect();
        (Some(dy), sums)
    }
}

/// Calls `body(span of floats, out)` for each task's rows.
fn each_task(
    rows: usize,
    width: usize,
    out: &mut [f32],
    body: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
) {
    let tasks = row_tasks(rows);
    let parts = split(out, tasks.iter().map(|task| task.len() * width));
    tasks.into_par_iter().zip(parts).for_each(|(task, out)| body(task.start * width..task.end * width, out));
}

impl Extent {
    fn forward(
        self,
        x: &[f32],
        before: Option<(&[f32], &Norm)>,
        weight: &[f32],
        moments: bool,
    ) -> (Buffer, Option<Moments>) {
        match self {
            Self::Dense(extent) => {
                let w = extent.window;
                let mut z = Buffer::new(extent.batch * w.out_height * w.out_width * extent.outputs);
                let (input, norm) = before.map_or((x, None), |(z, norm)| (z, Some(norm)));
                let moments = dense::forward(extent, (input, norm), weight, &mut z, moments);
                (z, moments)
            }
            Self::Planes { rows, planes, window } => {
                let mut z = Buffer::new(rows.rows * rows.outputs);
                let patches = Patches { pixels: x, planes, window };
                let moments = pointwise::forward(rows, &Input::Patches(&patches), weight, &mut z, moments);
                (z, moments)
            }
            Self::Pointwise(extent) => {
                let mut z = Buffer::new(extent.rows * extent.outputs);
                let input = before.map_or(Input::Rows(x), |(z, norm)| Input::Normed(z, norm));
                let moments = pointwise::forward(extent, &input, weight, &mut z, moments);
                (z, moments)
            }
            Self::Depthwise(extent) => {
                let w = extent.window;
                let mut z = Buffer::new(extent.batch * w.out_height * w.out_width * extent.channels);
                let identity = Norm::identity(extent.channels);
                let input = before.unwrap_or((x, &identity));
                let moments = depthwise::forward(extent, input, weight, &mut z, moments);
                (z, moments)
            }
        }
    }

    /// `target` is where the gradient of the layer's input goes, with what is added to it at the start of the chain.
    fn backward(
        self,
        x: &[f32],
        before: Option<(&[f32], &Norm)>,
        weight: &[f32],
        here: (&[f32], &[f32]),
        norm: &NormBackward<'_>,
        target: Option<(&mut [f32], Option<&[f32]>)>,
    ) -> (Vec<f32>, Vec<GradientSums>) {
        match self {
            Self::Dense(extent) => {
                let input = before.map_or((x, None), |(z, norm)| (z, Some(norm)));
                dense::backward(extent, input, weight, here, norm, target)
            }
            Self::Planes { rows, planes, window } => {
                let patches = Patches { pixels: x, planes, window };
                let input = Input::Patches(&patches);
                let Some((dx, _)) = target else {
                    return pointwise::backward(rows, &input, weight, here, norm, InputGradient::Unused);
                };
                let mut gathered = Buffer::new(rows.rows * rows.inputs);
                let gradient = InputGradient::Chain { dx: &mut gathered, residual: None };
                let result = pointwise::backward(rows, &input, weight, here, norm, gradient);
                patches.scatter(&gathered, dx);
                result
            }
            Self::Pointwise(extent) => {
                let input = before.map_or(Input::Rows(x), |(z, norm)| Input::Normed(z, norm));
                let gradient = match (target, before) {
                    (None, _) => InputGradient::Unused,
                    (Some((dy, _)), Some((z, norm))) => InputGradient::Normed { z, norm, dy },
                    (Some((dx, residual)), None) => InputGradient::Chain { dx, residual },
                };
                pointwise::backward(extent, &input, weight, here, norm, gradient)
            }
            Self::Depthwise(extent) => {
                let identity = Norm::identity(extent.channels);
                let input = before.unwrap_or((x, &identity));
                let mut unused = None;
                let (target, residual) = match target {
                    Some((target, residual)) => (target, residual),
                    None => (&mut **unused.insert(Buffer::new(input.0.len())), None),
                };
                let result = depthwise::backward(extent, input, weight, here, norm, target);
                if let Some(residual) = residual {
                    rows::add(residual, target);
                }
                result
            }
        }
    }
}
