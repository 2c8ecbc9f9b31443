//! One segment of a JPEG.

use super::FORMAT;
use crate::view::Error;
use crate::view::formats::{damaged, truncated};

/// The second half of the marker before a scan.
pub(super) const START_OF_SCAN: u8 = 0xda;

/// The data of the segment whose marker stands at `at`, and where it ends.
pub(super) fn segment(bytes: &[u8], at: usize) -> Result<(&[u8], usize), Error> {
    let length = bytes.get(at + 2..at + 4).ok_or_else(|| truncated(FORMAT))?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length < 2 {
        return Err(damaged(FORMAT, "a segment has no length"));
    }
    let end = at + 2 + length;
    Ok((bytes.get(at + 4..end).ok_or_else(|| truncated(FORMAT))?, end))
}
