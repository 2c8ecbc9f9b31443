//! Buffers that live from one step to the next.
//!
//! A training step at 224 px asks for hundreds of megabytes of activations and gives them back a moment later. Fresh
//! pages from the operating system cost a fault each, so buffers return to a list instead and the next step finds
//! them there. Buffers of many sizes never fit each other exactly: up to half as much again as was in use at once is kept.

#![expect(unsafe_code, reason = "hands out aligned memory as floats")]

use std::{
    ops::{Deref, DerefMut},
    sync::Mutex,
};

/// One cache line; a buffer of lines starts on a line, so that a full-width vector load touches one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A float buffer whose memory goes back to the pool when it is dropped.
pub(super) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

struct Pool {
    idle: Vec<Vec<Line>>,
    idle_lines: usize,
    used_lines: usize,
    peak_lines: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { idle: Vec::new(), idle_lines: 0, used_lines: 0, peak_lines: 0 });

impl Pool {
    /// The smallest idle buffer that holds `lines` without wasting more than half of itself.
    fn take(&mut self, lines: usize) -> Option<Vec<Line>> {
        let fits = |buffer: &Vec<Line>| buffer.len() >= lines && buffer.len() <= lines.saturating_mul(2);
        let best =
            (0..self.idle.len()).filter(|&i| fits(&self.idle[i])).min_by_key(|&i| self.idle[i].len())?;
        let buffer = self.idle.swap_remove(best);
        self.idle_lines -= buffer.len();
        Some(buffer)
    }

    fn give(&mut self, buffer: Vec<Line>) {
        self.used_lines -= buffer.len();
        self.idle_lines += buffer.len();
        self.idle.push(buffer);
        while self.idle_lines + self.used_lines > self.peak_lines + self.peak_lines / 2 {
            // The buffers that no step has asked for lately are the ones at the front.
            self.idle_lines -= self.idle.remove(0).len();
        }
    }
}

impl Buffer {
    /// A buffer of `len` floats with unspecified (but initialised) contents.
    pub(crate) fn new(len: usize) -> Self {
        let wanted = len.div_ceil(16);
        let mut pool = POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = pool.take(wanted);
        pool.used_lines += found.as_ref().map_or(wanted, Vec::len);
        pool.peak_lines = pool.peak_lines.max(pool.used_lines);
        drop(pool);
        Self { lines: found.unwrap_or_else(|| vec![Line([0.0; 16]); wanted]), len }
    }

    /// A buffer of `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let mut buffer = Self::new(len);
        buffer.fill(0.0);
        buffer
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner).give(lines);
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: lines are initialised floats without padding, and hold at least `len` of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({})", self.len)
    }
}
