//! BatchNorm over the rows of a `[rows, channels]` matrix, as per-channel coefficients.
//!
//! Training (Ioffe and Szegedy, arXiv 1502.03167), with `n` rows, `x̂ = (z - mean) / sqrt(variance + eps)`:
//!
//! ```text
//! y  = gamma * x̂ + beta
//! dz = gamma / sqrt(variance + eps) * (dy - Σdy / n - x̂ * Σ(dy * x̂) / n),  dgamma = Σ(dy * x̂),  dbeta = Σdy
//! ```

use super::activation::Activation;

/// Mean and biased variance of each channel over a batch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moments {
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

/// A BatchNorm with fixed statistics and the activation behind it: `min(max(scale * z + shift, low), high)`.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    pub mean: Vec<f32>,
    pub inverse_std: Vec<f32>,
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
    pub low: f32,
    pub high: f32,
}

impl Norm {
    pub(crate) fn new(
        moments: &Moments,
        gamma: &[f32],
        beta: &[f32],
        epsilon: f64,
        activation: Activation,
    ) -> Self {
        let inverse_std: Vec<f32> =
            moments.variance.iter().map(|&v| (1.0 / (f64::from(v) + epsilon).sqrt()) as f32).collect();
        let scale: Vec<f32> =
            gamma.iter().zip(&inverse_std).map(|(gamma, inverse)| gamma * inverse).collect();
        let shift =
            beta.iter().zip(&moments.mean).zip(&scale).map(|((b, mean), scale)| b - mean * scale).collect();
        let (low, high) = activation.range();
        Self { mean: moments.mean.clone(), inverse_std, scale, shift, low, high }
    }

    /// The norm that changes nothing, for a convolution whose input is not the raw output of another.
    pub(crate) fn identity(channels: usize) -> Self {
        Self {
            mean: vec![0.0; channels],
            inverse_std: vec![1.0; channels],
            scale: vec![1.0; channels],
            shift: vec![0.0; channels],
            low: f32::NEG_INFINITY,
            high: f32::INFINITY,
        }
    }
}

/// The sums one task collects towards a norm's backward: `Σdy` and `Σ(dy * (z - mean))`.
pub(super) struct GradientSums {
    pub sum: Vec<f32>,
    pub dot: Vec<f32>,
}

impl GradientSums {
    pub(crate) fn new(channels: usize) -> Self {
        Self { sum: vec![0.0; channels], dot: vec![0.0; channels] }
    }
}

/// A norm's backward: `dz = scale * dy + slope * (z - mean) + offset`, and the gradients of gamma and beta.
pub(super) struct NormBackward<'a> {
    pub norm: &'a Norm,
    pub slope: Vec<f32>,
    pub offset: Vec<f32>,
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
}

impl<'a> NormBackward<'a> {
    /// Joins the tasks' sums, in the order given, over `rows` rows in all.
    pub(crate) fn join(norm: &'a Norm, parts: &[GradientSums], rows: usize) -> Self {
        let channels = norm.mean.len();
        let total = |pick: fn(&GradientSums) -> &[f32], channel: usize| {
            parts.iter().map(|part| f64::from(pick(part)[channel])).sum::<f64>()
        };
        let mut backward = Self { norm, slope: vec![], offset: vec![], gamma: vec![], beta: vec![] };
        for channel in 0..channels {
            let sum = total(|part| &part.sum, channel);
            let x_hat = total(|part| &part.dot, channel) * f64::from(norm.inverse_std[channel]);
            let scale = f64::from(norm.scale[channel]) / rows as f64;
            backward.slope.push((-scale * x_hat * f64::from(norm.inverse_std[channel])) as f32);
            backward.offset.push((-scale * sum) as f32);
            backward.gamma.push(x_hat as f32);
            backward.beta.push(sum as f32);
        }
        backward
    }
}
