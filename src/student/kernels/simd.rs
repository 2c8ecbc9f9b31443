//! Vectors of `f32` lanes over one row of channels.
//!
//! Every kernel keeps channels innermost, so a vector holds neighbouring channels of one pixel and no kernel ever
//! reduces across lanes. The instruction set (AVX-512, AVX2, SSE, NEON, scalar) is found once, at run time, by
//! `macerator`.

#![expect(unsafe_code, reason = "loads and stores vectors")]

use macerator::{Scalar, Simd, Vector, vload_unaligned, vstore_unaligned};

/// A register of neighbouring channels.
pub(super) type Lanes<S> = Vector<S, f32>;

/// The widest register any instruction set has, in `f32`.
const MAX_LANES: usize = 16;

/// A run of channels that fits one register: the last strip of a row may be narrower.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    pub at: usize,
    width: usize,
}

/// Splits `channels` into strips of one register each.
#[inline(always)]
pub(super) fn strips<S: Simd>(channels: usize) -> impl Iterator<Item = Strip> {
    let lanes = <f32 as Scalar>::lanes::<S>();
    (0..channels).step_by(lanes).map(move |at| Strip { at, width: lanes.min(channels - at) })
}

#[inline(always)]
pub(super) fn splat<S: Simd>(value: f32) -> Lanes<S> {
    value.splat::<S>()
}

impl Strip {
    /// Whether the strip fills a register.
    #[inline(always)]
    pub(crate) fn is_full<S: Simd>(self) -> bool {
        self.width == <f32 as Scalar>::lanes::<S>()
    }

    /// Loads the strip's channels of the row that starts at `row`; lanes past the row read as zero. `FULL` must be what
    /// [`is_full`](Self::is_full) says.
    ///
    /// # Safety
    /// The strip's channels must be readable there.
    #[inline(always)]
    pub(crate) unsafe fn load<S: Simd, const FULL: bool>(self, row: *const f32) -> Lanes<S> {
        // SAFETY: a full strip reads exactly its channels; no register is wider than `MAX_LANES`.
        unsafe {
            if FULL {
                return vload_unaligned(row.add(self.at));
            }
            let mut lanes = [0.0; MAX_LANES];
            lanes.as_mut_ptr().copy_from_nonoverlapping(row.add(self.at), self.width);
            vload_unaligned(lanes.as_ptr())
        }
    }

    /// Stores the strip's channels into the row that starts at `row`.
    ///
    /// # Safety
    /// The strip's channels must be writable there.
    #[inline(always)]
    pub(crate) unsafe fn store<S: Simd, const FULL: bool>(self, row: *mut f32, value: Lanes<S>) {
        // SAFETY: as in `load`.
        unsafe {
            if FULL {
                return vstore_unaligned(row.add(self.at), value);
            }
            let mut lanes = [0.0; MAX_LANES];
            vstore_unaligned(lanes.as_mut_ptr(), value);
            row.add(self.at).copy_from_nonoverlapping(lanes.as_ptr(), self.width);
        }
    }
}

/// Loads the strip's channels of the row that starts at `from[row]`; lanes past the row read as zero.
#[inline(always)]
pub(super) fn load<S: Simd>(from: &[f32], row: usize, strip: Strip) -> Lanes<S> {
    assert!(row + strip.at + strip.width <= from.len());
    // SAFETY: the strip's channels lie within `from`.
    unsafe {
        let row = from.as_ptr().add(row);
        if strip.is_full::<S>() { strip.load::<S, true>(row) } else { strip.load::<S, false>(row) }
    }
}

/// Stores the strip's channels into the row that starts at `to[row]`.
#[inline(always)]
pub(super) fn store<S: Simd>(to: &mut [f32], row: usize, strip: Strip, value: Lanes<S>) {
    assert!(row + strip.at + strip.width <= to.len());
    // SAFETY: the strip's channels lie within `to`.
    unsafe {
        let row = to.as_mut_ptr().add(row);
        if strip.is_full::<S>() {
            strip.store::<S, true>(row, value);
        } else {
            strip.store::<S, false>(row, value);
        }
    }
}
