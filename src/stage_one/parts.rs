//! One buffer, filled by several threads at once.

#![expect(unsafe_code, reason = "lends parts of one buffer to several threads")]

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

/// A buffer that is lent out in parts; whole again once every part is dropped.
pub(super) struct LentBuffer(Arc<Vec<f32>>);

/// A part of a [`LentBuffer`] that nothing else reads or writes.
pub(super) struct BatchSlice {
    values: NonNull<f32>,
    length: usize,
    /// Keeps the buffer alive where it is.
    _owner: Arc<Vec<f32>>,
}

// SAFETY: a part is the only way to its values while it lives, as a `&mut [f32]` would be, and that can be sent.
unsafe impl Send for BatchSlice {}

/// Cuts the beginning of `buffer` into parts of these lengths.
///
/// # Panics
/// The parts are longer than the buffer.
pub(super) fn lend(
    mut buffer: Vec<f32>,
    lengths: impl Iterator<Item = usize>,
) -> (LentBuffer, Vec<BatchSlice>) {
    let mut rest = &mut buffer[..];
    let mut cut = Vec::new();
    for length in lengths {
        let (part, after) = rest.split_at_mut(length);
        cut.push((NonNull::from(&mut *part).cast::<f32>(), length));
        rest = after;
    }
    // Moving the vector leaves its values where they are.
    let owner = Arc::new(buffer);
    let parts =
        cut.into_iter().map(|(values, length)| BatchSlice { values, length, _owner: Arc::clone(&owner) });
    let parts = parts.collect();
    (LentBuffer(owner), parts)
}

impl LentBuffer {
    /// The whole buffer, or none while a part is still lent.
    pub(crate) fn whole(self) -> Option<Vec<f32>> {
        Arc::into_inner(self.0)
    }
}

impl Deref for BatchSlice {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `lend` cut these values out of the buffer for this part only, and the owner keeps the buffer alive;
        // no one has a reference into it, for `LentBuffer` gives it back only after the last part.
        unsafe { std::slice::from_raw_parts(self.values.as_ptr(), self.length) }
    }
}

impl DerefMut for BatchSlice {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and `self` is borrowed for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.values.as_ptr(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_filled_on_other_threads_make_the_whole() {
        let (lent, parts) = lend(vec![0.0; 10], [3, 0, 5].into_iter());
        std::thread::scope(|scope| {
            for (index, mut part) in parts.into_iter().enumerate() {
                scope.spawn(move || part.fill(index as f32 + 1.0));
            }
        });
        let whole = lent.whole().unwrap();
        assert_eq!(whole, [1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0, 3.0, 0.0, 0.0]);
    }

    #[test]
    fn a_buffer_with_a_part_still_lent_is_not_given_out() {
        let (lent, parts) = lend(vec![0.0; 4], [2].into_iter());
        assert!(lent.whole().is_none());
        assert_eq!(parts[0].len(), 2);
    }
}
