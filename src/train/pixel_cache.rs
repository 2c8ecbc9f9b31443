//! Resized pixels that are kept: decoded by the first run that needs them, and there for every run after it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use image::RgbImage;

use crate::dataset::SplitName;

/// Pixels of one split, in bytes at most; those of a larger one are decoded again and again.
const SPLIT_BYTES: usize = 1 << 30;
/// Pixels of all splits and sizes, in bytes at most.
const TOTAL_BYTES: usize = 2 << 30;

/// The 8-bit pixels of one split at one size, one image a cache row, each filled when it is first asked for.
pub(super) type Pixels = Vec<OnceLock<RgbImage>>;

/// The settings that resized pixels depend on. Mean and standard deviation come later, when a batch is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PixelKey {
    /// The cache's folder, whose rows have the crops, flips and operations.
    pub cache: PathBuf,
    /// The split.
    pub split: SplitName,
    /// Height and width.
    pub size: (u32, u32),
}

/// Whether the pixels of a split of `images` cached rows are kept once they are decoded, at this height and width.
pub(crate) fn keeps(images: usize, size: (u32, u32)) -> bool {
    bytes(images, size) <= SPLIT_BYTES
}

/// Room for the pixels of `images` images of this height and width; none for a split that is too large to keep.
pub(super) fn room(images: usize, size: (u32, u32)) -> Option<Arc<Pixels>> {
    keeps(images, size).then(|| Arc::new((0..images).map(|_| OnceLock::new()).collect()))
}

fn bytes(images: usize, (height, width): (u32, u32)) -> usize {
    images.saturating_mul(3 * height as usize * width as usize)
}

/// The pixels of several splits and sizes, shared by runs.
#[derive(Default)]
pub(super) struct PixelCache(Mutex<HashMap<PixelKey, Arc<Pixels>>>);

impl PixelCache {
    /// The pixels of `key`, a split of `images` images. Where all would be too many, those that no run uses any more
    /// go first, and with too many in use there are none.
    pub(crate) fn get(&self, key: PixelKey, images: usize) -> Option<Arc<Pixels>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pixels) = kept.get(&key) {
            return Some(Arc::clone(pixels));
        }
        let pixels = room(images, key.size)?;
        let total = |kept: &HashMap<PixelKey, Arc<Pixels>>| -> usize {
            kept.iter().map(|(key, pixels)| bytes(pixels.len(), key.size)).sum()
        };
        if total(&kept) + bytes(images, key.size) > TOTAL_BYTES {
            kept.retain(|_, pixels| Arc::strong_count(pixels) > 1);
        }
        if total(&kept) + bytes(images, key.size) > TOTAL_BYTES {
            return None;
        }
        kept.insert(key, Arc::clone(&pixels));
        Some(pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(split: SplitName, side: u32) -> PixelKey {
        PixelKey { cache: PathBuf::from("cache"), split, size: (side, side) }
    }

    #[test]
    fn the_same_split_at_the_same_size_is_kept_once() {
        let kept = PixelCache::default();
        let first = kept.get(key(SplitName::Train, 64), 10).unwrap();
        assert!(Arc::ptr_eq(&first, &kept.get(key(SplitName::Train, 64), 10).unwrap()));
        assert!(!Arc::ptr_eq(&first, &kept.get(key(SplitName::Train, 32), 10).unwrap()));
        assert!(!Arc::ptr_eq(&first, &kept.get(key(SplitName::Test, 64), 10).unwrap()));
    }

    #[test]
    fn what_no_run_uses_makes_room_and_what_one_uses_stays() {
        let kept = PixelCache::default();
        // 900 MB each.
        let first = kept.get(key(SplitName::Train, 1000), 300).unwrap();
        drop(kept.get(key(SplitName::Train, 999), 300).unwrap());
        let third = kept.get(key(SplitName::Train, 998), 300).unwrap();
        assert!(Arc::ptr_eq(&first, &kept.get(key(SplitName::Train, 1000), 300).unwrap()));
        assert!(kept.get(key(SplitName::Train, 997), 300).is_none());
        drop((first, third));
        assert!(kept.get(key(SplitName::Train, 997), 300).is_some());
        assert!(kept.get(key(SplitName::Train, 1000), 400).is_none());
    }
}
