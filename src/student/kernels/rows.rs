//! Element-wise kernels over `[rows, channels]` with one coefficient a channel.

use macerator::Simd;

use super::{
    norm::{GradientSums, Norm, NormBackward},
    simd::{Lanes, Strip, load, splat, store, strips},
};

/// Runs the body for the start of each row, where `i` says which of four accumulators to use: a single one would wait for
/// its last addition. (A macro, since a closure would not be compiled for the instruction set of its caller.)
macro_rules! for_each_row {
    ($len:expr, $channels:expr, |$i:ident, $row:ident| $body:block) => {{
        let (len, channels) = ($len, $channels);
        let mut start = 0;
        while start + 4 * channels <= len {
            for $i in 0..4 {
                let $row = start + $i * channels;
                $body
            }
            start += 4 * channels;
        }
        while start < len {
            let ($i, $row) = (0, start);
            $body
            start += channels;
        }
    }};
}

/// Adds the four accumulators to the strip's channels of `total`.
#[inline(always)]
fn accumulate<S: Simd>(total: &mut [f32], strip: Strip, [a, b, c, d]: [Lanes<S>; 4]) {
    let sum = load(total, 0, strip) + ((a + b) + (c + d));
    store(total, 0, strip, sum);
}

/// `out = act(scale * z + shift)`
#[macerator::with_simd]
pub(super) fn normalise<S: Simd>(z: &[f32], norm: &Norm, out: &mut [f32]) {
    let channels = norm.scale.len();
    let (low, high) = (splat::<S>(norm.low), splat::<S>(norm.high));
    for row in (0..z.len()).step_by(channels) {
        for strip in strips::<S>(channels) {
            let y = load::<S>(z, row, strip).fma(load(&norm.scale, 0, strip), load(&norm.shift, 0, strip));
            // This operand order lets a NaN through, as PyTorch does.
            store(out, row, strip, high.min(low.max(y)));
        }
    }
}

/// `out = scale * z + shift + residual`
#[macerator::with_simd]
pub(super) fn normalise_add<S: Simd>(z: &[f32], norm: &Norm, residual: &[f32], out: &mut [f32]) {
    let channels = norm.scale.len();
    for row in (0..z.len()).step_by(channels) {
        for strip in strips::<S>(channels) {
            let shift = load::<S>(&norm.shift, 0, strip) + load(residual, row, strip);
            store(out, row, strip, load::<S>(z, row, strip).fma(load(&norm.scale, 0, strip), shift));
        }
    }
}

/// `out += x`
#[macerator::with_simd]
pub(super) fn add<S: Simd>(x: &[f32], out: &mut [f32]) {
    for strip in strips::<S>(x.len()) {
        let sum = load::<S>(out, 0, strip) + load(x, 0, strip);
        store(out, 0, strip, sum);
    }
}

/// `sum += Σ(z - origin)`, `square += Σ(z - origin)²`
#[macerator::with_simd]
pub(super) fn add_moments<S: Simd>(z: &[f32], origin: &[f32], sum: &mut [f32], square: &mut [f32]) {
    let channels = sum.len();
    for strip in strips::<S>(channels) {
        let origin = load::<S>(origin, 0, strip);
        let mut sums = [splat::<S>(0.0); 4];
        let mut squares = [splat::<S>(0.0); 4];
        for_each_row!(z.len(), channels, |i, row| {
            let distance = load::<S>(z, row, strip) - origin;
            sums[i] += distance;
            squares[i] = distance.fma(distance, squares[i]);
        });
        accumulate(sum, strip, sums);
        accumulate(square, strip, squares);
    }
}

/// `dz = scale * dy + slope * (z - mean) + offset`
#[macerator::with_simd]
pub(super) fn norm_backward<'a, S: Simd>(
    dy: &[f32],
    z: &[f32],
    backward: &'a NormBackward<'a>,
    dz: &mut [f32],
) {
    let channels = backward.slope.len();
    for row in (0..z.len()).step_by(channels) {
        for strip in strips::<S>(channels) {
            let distance = load::<S>(z, row, strip) - load(&backward.norm.mean, 0, strip);
            let straight = load::<S>(dy, row, strip)
                .fma(load(&backward.norm.scale, 0, strip), load(&backward.offset, 0, strip));
            store(dz, row, strip, distance.fma(load(&backward.slope, 0, strip), straight));
        }
    }
}

/// From the gradient of an activation to that of its norm's output, in place, with the sums its backward needs:
/// `dy = da where low < scale * z + shift < high, else 0`; `sum += Σdy`; `dot += Σ(dy * (z - mean))`
#[macerator::with_simd]
pub(super) fn activation_backward<S: Simd>(z: &[f32], norm: &Norm, da: &mut [f32], sums: &mut GradientSums) {
    let channels = norm.scale.len();
    let (low, high, zero) = (splat::<S>(norm.low), splat::<S>(norm.high), splat::<S>(0.0));
    for strip in strips::<S>(channels) {
        let scale = load::<S>(&norm.scale, 0, strip);
        let shift = load::<S>(&norm.shift, 0, strip);
        let mean = load::<S>(&norm.mean, 0, strip);
        let mut sum = [zero; 4];
        let mut dot = [zero; 4];
        for_each_row!(z.len(), channels, |i, row| {
            let z = load::<S>(z, row, strip);
            let y = z.fma(scale, shift);
            let dy = (y.gt(low) & y.lt(high)).select(load::<S>(da, row, strip), zero);
            store(da, row, strip, dy);
            sum[i] += dy;
            dot[i] = dy.fma(z - mean, dot[i]);
        });
        accumulate(&mut sums.sum, strip, sum);
        accumulate(&mut sums.dot, strip, dot);
    }
}

/// The sums of [`activation_backward`] for a norm without activation, whose gradient stays as it is.
#[macerator::with_simd]
pub(super) fn add_gradient_sums<S: Simd>(z: &[f32], norm: &Norm, dy: &[f32], sums: &mut GradientSums) {
    let channels = norm.scale.len();
    for strip in strips::<S>(channels) {
        let mean = load::<S>(&norm.mean, 0, strip);
        let mut sum = [splat::<S>(0.0); 4];
        let mut dot = [splat::<S>(0.0); 4];
        for_each_row!(z.len(), channels, |i, row| {
            let dy = load::<S>(dy, row, strip);
            sum[i] += dy;
            dot[i] = dy.fma(load::<S>(z, row, strip) - mean, dot[i]);
        });
        accumulate(&mut sums.sum, strip, sum);
        accumulate(&mut sums.dot, strip, dot);
    }
}

/// The mean over rows of `act(scale * z + shift)`.
#[macerator::with_simd]
pub(super) fn pool<S: Simd>(z: &[f32], norm: &Norm, out: &mut [f32]) {
    let channels = norm.scale.len();
    let (low, high) = (splat::<S>(norm.low), splat::<S>(norm.high));
    let share = splat::<S>(channels as f32 / z.len() as f32);
    for strip in strips::<S>(channels) {
        let scale = load::<S>(&norm.scale, 0, strip);
        let shift = load::<S>(&norm.shift, 0, strip);
        let mut sums = [splat::<S>(0.0); 4];
        for_each_row!(z.len(), channels, |i, row| {
            sums[i] += high.min(low.max(load::<S>(z, row, strip).fma(scale, shift)));
        });
        store(out, 0, strip, ((sums[0] + sums[1]) + (sums[2] + sums[3])) * share);
    }
}

/// The gradient of each row under [`pool`]: `da = dpooled / rows`.
pub(super) fn pool_backward(dpooled: &[f32], da: &mut [f32]) {
    let share = dpooled.len() as f32 / da.len() as f32;
    for row in da.chunks_exact_mut(dpooled.len()) {
        for (da, dpooled) in row.iter_mut().zip(dpooled) {
            *da = dpooled * share;
        }
    }
}
