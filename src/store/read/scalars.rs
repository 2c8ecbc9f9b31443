//! The columns of a shard beside logits and targets.

use bytes::Bytes;

use crate::store::format::schema::{CROP_WIDTH, IMAGE_HASH_BYTES, INPUT_HASH_BYTES};
use crate::store::read::column_values::Block;
use crate::view::operation::Operation;

/// The columns beside logits and targets.
pub(in crate::store) struct Scalars {
    pub(super) sample: Block,
    pub(super) paths: Vec<Box<str>>,
    pub(super) image_hash: Block,
    pub(super) label: Block,
    pub(super) view: Block,
    pub(super) crop: Block,
    pub(super) flip: Bytes,
    pub(super) input_hash: Block,
    /// There where views have operations.
    pub(super) operations: Option<Block>,
}

impl Scalars {
    pub(in crate::store) fn sample(&self, row: usize) -> u64 {
        u64::from_le_bytes(self.sample.array(row))
    }

    pub(in crate::store) fn path(&self, row: usize) -> &str {
        &self.paths[row]
    }

    pub(in crate::store) fn image_hash(&self, row: usize) -> [u8; IMAGE_HASH_BYTES] {
        self.image_hash.array(row)
    }

    pub(in crate::store) fn label(&self, row: usize) -> i32 {
        i32::from_le_bytes(self.label.array(row))
    }

    pub(in crate::store) fn view(&self, row: usize) -> u32 {
        u32::from_le_bytes(self.view.array(row))
    }

    pub(in crate::store) fn crop(&self, row: usize) -> [f32; CROP_WIDTH] {
        let bytes = self.crop.row(row);
        std::array::from_fn(|index| {
            f32::from_le_bytes(bytes[index * 4..][..4].try_into().expect("four bytes"))
        })
    }

    pub(in crate::store) fn flip(&self, row: usize) -> bool {
        self.flip[row / 8] >> (row % 8) & 1 == 1
    }

    /// Code and amount of each operation, and what they say; none where they say nothing.
    pub(in crate::store) fn operations(
        &self,
        row: usize,
    ) -> impl Iterator<Item = ([f32; Operation::NUMBERS], Option<Operation>)> {
        let bytes = self.operations.as_ref().map_or(&[][..], |operations| operations.row(row));
        let (operations, _) = bytes.as_chunks::<{ Operation::NUMBERS * 4 }>();
        operations.iter().map(|bytes| {
            let numbers = std::array::from_fn(|index| f32::from_le_bytes(bytes.as_chunks::<4>().0[index]));
            (numbers, Operation::from_numbers(numbers))
        })
    }

    pub(in crate::store) fn input_hash(&self, row: usize) -> [u8; INPUT_HASH_BYTES] {
        self.input_hash.array(row)
    }
}
