//! A column's values in memory: a slice of the map, or a column that was decompressed from it.

use bytes::Bytes;

use crate::encoding::Element;

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

    /// The bytes of one row.
    pub(in crate::store) fn bytes(&self, row: usize) -> &[u8] {
        self.block.row(row)
    }

    /// Copies the floats of one row as float32.
    pub(in crate::store) fn floats(&self, row: usize, out: &mut [f32]) {
        self.element.floats(self.bytes(row), out);
    }
}
