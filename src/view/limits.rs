//! The largest images that are read.

/// The longest side that is read, in pixels.
pub(crate) const MAX_SIDE: u32 = 16_384;
/// The most pixels that are read.
pub(crate) const MAX_PIXELS: u64 = 200_000_000;
