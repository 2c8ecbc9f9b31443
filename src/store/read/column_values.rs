//! A column's values in memory: a slice of the map, or what was decompressed from it.

use bytes::Bytes;
use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::store::format::encoding::Element;

/// Numbers of float16 that are converted at once.
const HALVES: usize = 256;

/// One contiguous block of plain little-endian values, `width` bytes a row, not necessarily aligned.
#[derive(Clone)]
pub(in crate::store) struct Block {
    bytes: Bytes,
    width: usize,
}

impl Block {
    /// `bytes` as rows of `width` bytes each.
    pub(in crate::store) fn new(bytes: Bytes, width: usize) -> Self {
        Self { bytes, width }
    }

    /// The bytes of one row.
    pub(in crate::store) fn row(&self, row: usize) -> &[u8] {
        &self.bytes[row * self.width..(row + 1) * self.width]
    }

    /// The bytes of one row that is as wide as an array.
    pub(in crate::store) fn array<const N: usize>(&self, row: usize) -> [u8; N] {
        self.row(row).try_into().expect("a block is cut to its column's width")
    }
}

/// The block of a column of logits or targets.
#[derive(Clone)]
pub(in crate::store) struct Values {
    block: Block,
    element: Element,
}

impl Values {
    /// The values of `block`, which are of type `element`.
    pub(in crate::store) fn new(block: Block, element: Element) -> Self {
        Self { block, element }
    }

    /// Copies the floats of one row as float32.
    pub(in crate::store) fn floats(&self, row: usize, out: &mut [f32]) {
        let bytes = self.block.row(row);
        match self.element {
            Element::Float16 => copy_halves(bytes, out),
            Element::Float32 | Element::Int32 => copy_floats(bytes, out),
        }
    }

    /// The float of a row that has one.
    pub(in crate::store) fn float(&self, row: usize) -> f32 {
        let mut value = [0.0];
        self.floats(row, &mut value);
        value[0]
    }

    /// Copies the integers of one row.
    pub(in crate::store) fn integers(&self, row: usize, out: &mut [i32]) {
        bytemuck::cast_slice_mut::<i32, u8>(out).copy_from_slice(self.block.row(row));
        if cfg!(target_endian = "big") {
            for value in out {
                *value = value.swap_bytes();
            }
        }
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
