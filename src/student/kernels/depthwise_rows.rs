//! The inner loops of the depthwise convolution: one row of pixels, channels in registers.

#![expect(unsafe_code, reason = "walks rows with pointers, bounds checked before")]

use std::array::from_fn;

use macerator::Simd;

use super::{
    norm::{GradientSums, Norm},
    simd::{Lanes, Strip, load, splat, store, strips},
};

/// One row of `out`, `[width, channels]`, from the three padded image rows that it looks at.
#[macerator::with_simd]
pub(super) fn forward_row<S: Simd>(
    rows: [&[f32]; 3],
    weight: &[f32],
    stride: usize,
    channels: usize,
    out: &mut [f32],
) {
    let reach = (out.len() / channels - 1) * stride + 3;
    assert!(rows.iter().all(|row| row.len() >= reach * channels));
    for strip in strips::<S>(channels) {
        let mut weights = [splat::<S>(0.0); 9];
        for (k, tap) in weights.iter_mut().enumerate() {
            *tap = load(weight, k * channels, strip);
        }
        // SAFETY: the rows hold every pixel that `out` looks at, checked above.
        unsafe {
            if strip.is_full::<S>() {
                forward_strip::<S, true>(strip, rows, &weights, stride, channels, out);
            } else {
                forward_strip::<S, false>(strip, rows, &weights, stride, channels, out);
            }
        }
    }
}

/// # Safety
/// Each of `rows` must hold `(width - 1) * stride + 3` pixels.
#[inline(always)]
unsafe fn forward_strip<S: Simd, const FULL: bool>(
    strip: Strip,
    rows: [&[f32]; 3],
    weight: &[Lanes<S>; 9],
    stride: usize,
    channels: usize,
    out: &mut [f32],
) {
    for (x, out) in out.chunks_exact_mut(channels).enumerate() {
        // SAFETY: pixel `x * stride + 2` lies within the rows, as the caller promises.
        unsafe {
            let mut sums = [splat::<S>(0.0); 3];
            for ky in 0..3 {
                let pixel = rows[ky].as_ptr().add(x * stride * channels);
                for kx in 0..3 {
                    let a = strip.load::<S, FULL>(pixel.add(kx * channels));
                    sums[ky] = a.fma(weight[ky * 3 + kx], sums[ky]);
                }
            }
            strip.store::<S, FULL>(out.as_mut_ptr(), (sums[0] + sums[1]) + sums[2]);
        }
    }
}

/// One tap of the window: which weight, and the gradients it multiplies from the row's first pixel on.
#[derive(Clone, Copy)]
pub(super) struct Tap<'a> {
    pub k: usize,
    pub dz: &'a [f32],
}

/// Every `step.1`-th pixel, from `step.0` on, of one image row: the gradient of the norm's output goes to `target`; the
/// weights' and the norm's sums are added to.
pub(super) fn backward_row(
    taps: &[Tap<'_>],
    weight: &[f32],
    source: (&[f32], &Norm),
    step: (usize, usize),
    target: &mut [f32],
    dw: &mut [f32],
    sums: &mut GradientSums,
) {
    // A window of 3 and a stride of 1 has nine taps over each pixel; a stride of 2 has 4, 2 or 1.
    match *taps {
        [a] => backward_taps([a], weight, source, step, target, dw, sums),
        [a, b] => backward_taps([a, b], weight, source, step, target, dw, sums),
        [a, b, c, d] => backward_taps([a, b, c, d], weight, source, step, target, dw, sums),
        _ => {
            let taps: [Tap<'_>; 9] = from_fn(|i| taps[i]);
            backward_taps(taps, weight, source, step, target, dw, sums);
        }
    }
}

#[macerator::with_simd]
fn backward_taps<'a, S: Simd, const T: usize>(
    taps: [Tap<'a>; T],
    weight: &[f32],
    source: (&'a [f32], &'a Norm),
    step: (usize, usize),
    target: &mut [f32],
    dw: &mut [f32],
    sums: &mut GradientSums,
) {
    let channels = source.1.scale.len();
    let pixels = (target.len() / channels - step.0).div_ceil(step.1);
    assert!(source.0.len() == target.len() && taps.iter().all(|tap| tap.dz.len() >= pixels * channels));
    for strip in strips::<S>(channels) {
        // SAFETY: the taps hold a gradient for every pixel, checked above.
        unsafe {
            if strip.is_full::<S>() {
                backward_strip::<S, T, true>(strip, &taps, weight, source, step, target, dw, sums);
            } else {
                backward_strip::<S, T, false>(strip, &taps, weight, source, step, target, dw, sums);
            }
        }
    }
}

/// # Safety
/// Each tap must hold a gradient for every pixel of the step; `source` must be as long as `target`.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "one strip of `backward_taps`, which names them")]
unsafe fn backward_strip<S: Simd, const T: usize, const FULL: bool>(
    strip: Strip,
    taps: &[Tap<'_>; T],
    weight: &[f32],
    (source, norm): (&[f32], &Norm),
    (first, step): (usize, usize),
    target: &mut [f32],
    dw: &mut [f32],
    sums: &mut GradientSums,
) {
    let channels = norm.scale.len();
    let scale = load::<S>(&norm.scale, 0, strip);
    let shift = load::<S>(&norm.shift, 0, strip);
    let mean = load::<S>(&norm.mean, 0, strip);
    let (low, high, zero) = (splat::<S>(norm.low), splat::<S>(norm.high), splat::<S>(0.0));
    let mut weights = [zero; T];
    let mut gradients = [zero; T];
    for t in 0..T {
        weights[t] = load(weight, taps[t].k * channels, strip);
        gradients[t] = load(dw, taps[t].k * channels, strip);
    }
    let mut sum = load(&sums.sum, 0, strip);
    let mut dot = load(&sums.dot, 0, strip);
    for (i, pixel) in (first * channels..target.len()).step_by(step * channels).enumerate() {
        // SAFETY: `pixel` starts a pixel of both `source` and `target`; the taps hold pixel `i`, as the caller promises.
        unsafe {
            let z = strip.load::<S, FULL>(source.as_ptr().add(pixel));
            let y = z.fma(scale, shift);
            let a = high.min(low.max(y));
            let mut da = [zero; 3];
            for t in 0..T {
                let dz = strip.load::<S, FULL>(taps[t].dz.as_ptr().add(i * channels));
                da[t % 3] = dz.fma(weights[t], da[t % 3]);
                gradients[t] = a.fma(dz, gradients[t]);
            }
            let dy = (y.gt(low) & y.lt(high)).select((da[0] + da[1]) + da[2], zero);
            strip.store::<S, FULL>(target.as_mut_ptr().add(pixel), dy);
            sum += dy;
            dot = dy.fma(z - mean, dot);
        }
    }
    for t in 0..T {
        store(dw, taps[t].k * channels, strip, gradients[t]);
    }
    store(&mut sums.sum, 0, strip, sum);
    store(&mut sums.dot, 0, strip, dot);
}
