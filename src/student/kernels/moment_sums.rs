//! Mean and variance of a batch, collected task by task.

use super::{norm::Moments, rows};

/// The sums one task collects towards [`Moments`](super::norm::Moments): of `z - origin` and of its square, where the origin is the first
/// row seen, so that a mean far from zero costs no precision.
pub(super) struct MomentSums {
    origin: Vec<f32>,
    sum: Vec<f32>,
    square: Vec<f32>,
    rows: usize,
}

impl MomentSums {
    pub(crate) fn new(channels: usize) -> Self {
        Self { origin: Vec::new(), sum: vec![0.0; channels], square: vec![0.0; channels], rows: 0 }
    }

    /// Adds the rows of `z`, `[rows, channels]`.
    pub(crate) fn add(&mut self, z: &[f32]) {
        let channels = self.sum.len();
        if self.origin.is_empty() {
            self.origin = z[..channels].to_vec();
        }
        self.rows += z.len() / channels;
        rows::add_moments(z, &self.origin, &mut self.sum, &mut self.square);
    }

    /// Joins the tasks' sums, in the order given (Chan, Golub and `LeVeque`'s update).
    pub(crate) fn join(parts: &[Self]) -> Moments {
        let channels = parts[0].sum.len();
        let mut moments =
            Moments { mean: Vec::with_capacity(channels), variance: Vec::with_capacity(channels) };
        for channel in 0..channels {
            let (mut count, mut mean, mut square) = (0.0f64, 0.0f64, 0.0f64);
            for part in parts {
                let rows = part.rows as f64;
                let offset = f64::from(part.sum[channel]) / rows;
                let distance = f64::from(part.origin[channel]) + offset - mean;
                let total = count + rows;
                square += f64::from(part.square[channel]) - rows * offset * offset
                    + distance * distance * count * rows / total;
                mean += distance * rows / total;
                count = total;
            }
            moments.mean.push(mean as f32);
            moments.variance.push((square / count).max(0.0) as f32);
        }
        moments
    }
}
