//! Memory that the system refuses: a sentence and exit code 1, where Rust would abort the process.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::TryReserveError;

thread_local! {
    /// Whether this thread asks for memory that it can do without.
    static MAY_BE_REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// Room for this many bytes. Where the system has none, a caller can name what it wanted it for.
///
/// # Errors
/// A limit of the process (`ulimit -v`) or of the machine.
pub(crate) fn room(bytes: usize) -> Result<Vec<u8>, TryReserveError> {
    let mut room = Vec::new();
    MAY_BE_REFUSED.set(true);
    let reserved = room.try_reserve_exact(bytes);
    MAY_BE_REFUSED.set(false);
    reserved.map(|()| room)
}

/// The system's allocator, which ends the process with a sentence where memory is refused. Finished shards and checkpoints stay, as after
/// any kill.
pub struct Allocator;

// SAFETY: every call is passed on to the system's allocator; what it gives is given, but for a refusal that ends the process.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout, as it is.
        unsafe { or_end(System.alloc(layout), layout.size()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout, as it is.
        unsafe { or_end(System.alloc_zeroed(layout), layout.size()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's pointer and layout, as they are.
        unsafe { or_end(System.realloc(pointer, layout, size), size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's pointer and layout, as they are.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[inline]
fn or_end(memory: *mut u8, bytes: usize) -> *mut u8 {
    // A thread that is ending has no such variable any more.
    if memory.is_null() && !MAY_BE_REFUSED.try_with(Cell::get).unwrap_or(false) {
        end(bytes);
    }
    memory
}

/// Says how much was refused, without asking for memory, and ends the process.
#[cold]
fn end(bytes: usize) {
    #[cfg(unix)]
    {
        use std::io::Write;
        let mut sentence = [0; 256];
        let mut rest = &mut sentence[..];
        let _ = writeln!(
            rest,
            "decant: the system gives no more memory, {bytes} bytes were asked for; take smaller images, batches or shards, or raise the \
             limit (ulimit -v)"
        );
        let left = rest.len();
        // SAFETY: it writes from a buffer of this length; `_exit` runs nothing that could ask for memory.
        unsafe {
            libc::write(libc::STDERR_FILENO, sentence.as_ptr().cast(), sentence.len() - left);
            libc::_exit(1);
        }
    }
    #[cfg(not(unix))]
    let _ = bytes;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_no_machine_has_is_refused() {
        assert!(room(1 << 20).unwrap().capacity() >= 1 << 20);
        room(isize::MAX as usize).unwrap_err();
        assert!(!MAY_BE_REFUSED.get());
    }
}
