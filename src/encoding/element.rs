//! Numbers in the columns of logits and targets.

use bytemuck::NoUninit;
use half::f16;
use half::slice::HalfFloatSliceExt;

/// Numbers of float16 that are converted at once.
const HALVES: usize = 256;

/// A number in a column of logits or targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Float32,
    Float16,
    Int32,
}

impl Element {
    /// Bytes of one.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Float32 | Self::Int32 => 4,
            Self::Float16 => 2,
        }
    }

    /// Copies little-endian floats as float32.
    pub(crate) fn floats(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::Float16 => copy_halves(bytes, out),
            Self::Float32 | Self::Int32 => copy_floats(bytes, out),
        }
    }

    /// The float as it is once it is stored.
    pub(crate) fn round(self, value: f32) -> f32 {
        if self == Self::Float16 { f16::from_f32(value).to_f32() } else { value }
    }
}

/// A column of logits or targets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValueColumn {
    pub name: String,
    pub element: Element,
    /// Numbers in a row's list; `None` for a single number outside of a list.
    pub list: Option<usize>,
}

impl ValueColumn {
    /// Numbers in a row.
    pub(crate) fn width(&self) -> usize {
        self.list.unwrap_or(1)
    }
}

/// Copies little-endian float32 from the map, where they need not be aligned.
fn copy_floats(bytes: &[u8], out: &mut [f32]) {
    bytemuck::cast_slice_mut::<f32, u8>(out).copy_from_slice(bytes);
    if cfg!(target_endian = "big") {
        for value in out {
            *value = f32::from_bits(value.to_bits().swap_bytes());
        }
    }
}

/// Widens little-endian float16, exactly, by way of an aligned buffer.
fn copy_halves(bytes: &[u8], out: &mut [f32]) {
    let mut aligned = [f16::ZERO; HALVES];
    for (bytes, out) in bytes.chunks(HALVES * 2).zip(out.chunks_mut(HALVES)) {
        let aligned = &mut aligned[..out.len()];
        for (half, bytes) in aligned.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *half = f16::from_le_bytes(*bytes);
        }
        aligned.convert_to_f32_slice(out);
    }
}

/// Copies numbers to a page, little-endian, where they need not be aligned.
pub(super) fn put<T: NoUninit>(numbers: &[T], out: &mut [u8]) {
    out.copy_from_slice(bytemuck::cast_slice(numbers));
    if cfg!(target_endian = "big") {
        out.chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
    }
}
