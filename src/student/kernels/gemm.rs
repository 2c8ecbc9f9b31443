//! Matrix products of row-major slices, on the calling thread.
//!
//! The caller cuts the work into pieces that depend only on shapes, so every sum has the same order on any number of
//! threads. Long sums are cut here too: the `gemm` crate would cut those of more than 512 terms by the size of the
//! processor's first-level cache, and so round them differently on two machines of one instruction set.

#![expect(unsafe_code, reason = "calls the gemm crate, which takes pointers")]

use gemm::{Parallelism, gemm};

/// A row-major matrix, or its transpose, as (row stride, column stride).
#[derive(Clone, Copy)]
struct Strides(usize, usize);

/// The longest sum that the `gemm` crate leaves whole on every machine.
const MAX_TERMS: usize = 512;

/// `out[m, n] (+)= left[m, k] * right[k, n]`
fn product(
    [m, n, k]: [usize; 3],
    out: &mut [f32],
    add: bool,
    (left, left_strides): (&[f32], Strides),
    (right, right_strides): (&[f32], Strides),
) {
    assert!(
        out.len() >= m * n && left.len() >= m * k && right.len() >= k * n,
        "matrix product out of bounds"
    );
    let pieces = k.div_ceil(MAX_TERMS).max(1);
    for piece in 0..pieces {
        let terms = piece * k / pieces..(piece + 1) * k / pieces;
        let left = &left[(terms.start * left_strides.1).min(left.len())..];
        let right = &right[(terms.start * right_strides.0).min(right.len())..];
        // SAFETY: the three slices hold the matrices that the strides span, checked above, and `out` is exclusive.
        unsafe {
            gemm(
                m,
                n,
                terms.len(),
                out.as_mut_ptr(),
                1,
                n as isize,
                add || piece > 0,
                left.as_ptr(),
                left_strides.1 as isize,
                left_strides.0 as isize,
                right.as_ptr(),
                right_strides.1 as isize,
                right_strides.0 as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}

/// `out[rows, outputs] (+)= x[rows, inputs] * weight[outputs, inputs]ᵀ`: a pointwise convolution.
pub(super) fn forward(
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    weight: &[f32],
    add: bool,
    out: &mut [f32],
) {
    product([rows, outputs, inputs], out, add, (x, Strides(inputs, 1)), (weight, Strides(1, inputs)));
}

/// `dx[rows, inputs] (+)= dz[rows, outputs] * weight[outputs, inputs]`: its input gradient.
pub(super) fn input_gradient(
    rows: usize,
    inputs: usize,
    outputs: usize,
    dz: &[f32],
    weight: &[f32],
    add: bool,
    dx: &mut [f32],
) {
    product([rows, inputs, outputs], dx, add, (dz, Strides(outputs, 1)), (weight, Strides(inputs, 1)));
}

/// `dw[outputs, inputs] += dz[rows, outputs]ᵀ * x[rows, inputs]`: its weight gradient.
pub(super) fn weight_gradient(
    rows: usize,
    inputs: usize,
    outputs: usize,
    dz: &[f32],
    x: &[f32],
    dw: &mut [f32],
) {
    product([outputs, inputs, rows], dw, true, (dz, Strides(1, outputs)), (x, Strides(inputs, 1)));
}
