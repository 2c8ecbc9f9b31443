//! Slices as one reader.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// Slices that are read one after another, so that the data need not be copied.
pub(super) struct Slices<'a> {
    slices: [&'a [u8]; 3],
    /// The slice that is read, and how much of it has been.
    at: (usize, usize),
}

impl<'a> Slices<'a> {
    pub(crate) fn new(slices: [&'a [u8]; 3]) -> Self {
        Self { slices, at: (0, 0) }
    }
}

impl Read for Slices<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(out)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Slices<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at.0 < 2 && self.at.1 == self.slices[self.at.0].len() {
            self.at = (self.at.0 + 1, 0);
        }
        Ok(&self.slices[self.at.0][self.at.1..])
    }

    fn consume(&mut self, length: usize) {
        self.at.1 += length;
    }
}

impl Seek for Slices<'_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
