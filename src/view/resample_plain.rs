//! The vertical pass of resizing without instructions of one processor.

use super::filter::{PRECISION_BITS, Weights};

/// Half a level, in the integers that weights are.
pub(super) const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// A sum of weighted levels as a level.
pub(super) fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Sums that the compiler keeps in registers.
const LANES: usize = 32;

#[expect(
    clippy::inline_always,
    reason = "what the compiler makes of it depends on the caller's target features"
)]
#[inline(always)]
pub(super) fn vertical_plain(
    pixels: &[u8],
    stride: usize,
    weights: &Weights,
    first_row: usize,
    out: &mut [u8],
) {
    for (out, (first, weights)) in out.chunks_exact_mut(stride).zip(weights.iter()) {
        let rows = &pixels[(first - first_row) * stride..];
        let mut at = 0;
        for block in out.chunks_mut(LANES) {
            let mut sums = [HALF; LANES];
            for (row, &weight) in rows.chunks_exact(stride).zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(&row[at..at + block.len()]) {
                    *sum = sum.wrapping_add(i32::from(value).wrapping_mul(weight));
                }
            }
            for (level, &sum) in block.iter_mut().zip(&sums) {
                *level = clip(sum);
            }
            at += LANES;
        }
    }
}
