//! The encodings that a plan compares.

use crate::store::{Encoding, Manifest};

/// The encodings that are compared, the manifest's own with its own parameter.
pub(super) fn encodings(manifest: &Manifest) -> Vec<Encoding> {
    let own = manifest.encoding;
    let compared = Encoding::compared(manifest.classes());
    compared.map(|encoding| if encoding.name() == own.name() { own } else { encoding }).collect()
}

/// The level of zstd that sizes are given at: the pipeline's, else 3.
pub(super) fn level(manifest: &Manifest) -> u8 {
    if manifest.zstd == 0 { 3 } else { manifest.zstd }
}
