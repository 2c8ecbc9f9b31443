//! The size and the speed of a classifier in ONNX, as `teacher::footprint` measures them.

use serde::{Deserialize, Serialize};

/// The batch sizes at which the speed is measured.
pub(crate) const BATCHES: [usize; 2] = [1, 32];

/// The size and the speed of one classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Footprint {
    /// Trained values: its floating-point tensors but for scalars and BatchNorm's running statistics.
    pub parameters: u64,
    /// Multiply-accumulates for one image in convolutions and matrix products; none where an operator hides some.
    pub macs: Option<u64>,
    /// Bytes of the ONNX file, with its external data.
    pub bytes: u64,
    /// Height and width of its input, in pixels.
    pub image_size: (u32, u32),
    /// Milliseconds an image on the CPU, for each of [`BATCHES`]: the median of calls.
    pub milliseconds: [f64; 2],
}
