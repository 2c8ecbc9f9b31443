//! One row, as it is handed over.

use crate::store::format::schema::{CROP_WIDTH, IMAGE_HASH_BYTES, INPUT_HASH_BYTES};
use crate::view::operation::Operation;

/// One view of one sample, as stage one hands it over; the soft targets are derived from `logits`.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Index in its split.
    pub sample: u64,
    /// The file's path below the source, or the parquet file and row.
    pub path: &'a str,
    /// First 128 bits of BLAKE3 of the encoded image.
    pub image_hash: [u8; IMAGE_HASH_BYTES],
    /// Class index, -1 when unlabelled.
    pub label: i32,
    /// 0 is the plain evaluation view.
    pub view: u16,
    /// Left, top, width, height in the source's pixels.
    pub crop: [f32; CROP_WIDTH],
    /// Mirrored.
    pub flip: bool,
    /// What was done to the pixels, in this order; as many as the manifest says, or fewer.
    pub operations: &'a [Operation],
    /// Hash of the 8-bit pixels that the teacher was given.
    pub input_hash: [u8; INPUT_HASH_BYTES],
    /// The teacher's raw output, `[classes]`.
    pub logits: &'a [f32],
}
