//! The encodings that a plan compares.

use crate::store::{Encoding, Manifest};

/// The encodings that are compared: dense ones, and the largest logits of one class in twenty.
pub(super) fn encodings(manifest: &Manifest) -> Vec<Encoding> {
    let classes = manifest.classes();
    let kept = match manifest.encoding {
        Encoding::TopK(kept) => kept,
        _ => classes.div_ceil(20).clamp(1, 50).min(classes.saturating_sub(1)) as u32,
    };
    vec![Encoding::Float32, Encoding::Float16, Encoding::TopK(kept)]
}

/// The level of zstd that sizes are given at: the pipeline's, else 3.
pub(super) fn level(manifest: &Manifest) -> u8 {
    if manifest.zstd == 0 { 3 } else { manifest.zstd }
}
