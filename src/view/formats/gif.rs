//! The first frame of a GIF, with Pillow's answers where the format leaves a choice: its canvas, its colours, and which damage is
//! refused.

use image::RgbImage;

use super::{Palette, check_size, damaged, from_samples, truncated};
use crate::view::Error;

const FORMAT: &str = "GIF";

/// The pixels of the first frame on its canvas. What lies under transparent pixels shows.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    let mut file = File { bytes, at: 6 };
    let (width, height) = (file.u16()?, file.u16()?);
    let [flags, _background, _ratio] = *file.take(3)?.as_array().expect("three bytes");
    let colours = if flags & 0x80 != 0 { colours(file.take_some(3 << ((flags & 7) + 1))) } else { None };
    let (frame, transparent) = file.first_frame(colours)?;
    let (width, height) = (width.max(frame.left + frame.width), height.max(frame.top + frame.height));
    check_size(width, height)?;
    if frame.width == 0 || frame.height == 0 {
        return Err(damaged(FORMAT, "its first frame is empty"));
    }
    let indices = file.indices(&frame)?;
    let background = transparent.unwrap_or(0);
    let mut canvas = vec![background; width as usize * height as usize];
    for (y, row) in indices.chunks_exact(frame.width as usize).enumerate() {
        let start = (frame.top as usize + y) * width as usize + frame.left as usize;
        canvas[start..start + row.len()].copy_from_slice(row);
    }
    let rows = canvas.chunks_exact(width as usize);
    Ok(from_samples(width, height, rows, |row, out| {
        super::fill(
            out,
            row.iter().map(|&index| match &frame.palette {
                Some(palette) => palette.colour(index),
                None => [index; 3],
            }),
        );
    }))
}

/// A table of colours, or none where it is but the ramp of gray levels, which Pillow takes for no table.
fn colours(table: &[u8]) -> Option<Palette> {
    let is_ramp = table
        .chunks(3)
        .enumerate()
        .all(|(index, colour)| colour.iter().all(|&level| usize::from(level) == index));
    (!is_ramp).then(|| Palette::from_rgb(table))
}

struct Frame {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    palette: Option<Palette>,
    interlaced: bool,
    /// Bits of a pixel, one less than a code's.
    bits: u8,
}

struct File<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> File<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let taken = self.take_some(length);
        if taken.len() < length { Err(truncated(FORMAT)) } else { Ok(taken) }
    }

    /// The next bytes, fewer where the file ends.
    fn take_some(&mut self, length: usize) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = &rest[..length.min(rest.len())];
        self.at += taken.len();
        taken
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u32, Error> {
        let pair = self.take(2)?;
        Ok(u16::from_le_bytes([pair[0], pair[1]]).into())
    }

    /// The next block of data; none at the end of the blocks.
    fn block(&mut self) -> Option<&'a [u8]> {
        match self.take_some(1) {
            [] | [0] => None,
            &[length, ..] => Some(self.take_some(length.into())),
        }
    }

    fn skip_blocks(&mut self) {
        while self.block().is_some_and(|block| !block.is_empty()) {}
    }

    /// The first frame's description, and its transparent index.
    fn first_frame(&mut self, global: Option<Palette>) -> Result<(Frame, Option<u8>), Error> {
        const CONTROL: u8 = 0xf9;
        const COMMENT: u8 = 0xfe;
        let mut transparent = None;
        loop {
            match self.take_some(1) {
                [] | [b';'] => return Err(damaged(FORMAT, "it holds no frame")),
                [b'!'] => {
                    let kind = self.byte()?;
                    let block = self.block();
                    if let (CONTROL, Some(block)) = (kind, block) {
                        let &[flags, _, _, index, ..] = block else {
                            return Err(damaged(FORMAT, "a frame's control block is too short"));
                        };
                        if flags & 1 != 0 {
                            transparent = Some(index);
                        }
                    }
                    if kind != COMMENT || block.is_some() {
                        self.skip_blocks();
                    }
                }
                [b','] => break,
                _ => {}
            }
        }
        let (left, top, width, height) = (self.u16()?, self.u16()?, self.u16()?, self.u16()?);
        let flags = self.byte()?;
        let palette =
            if flags & 0x80 != 0 { colours(self.take_some(3 << ((flags & 7) + 1))) } else { global };
        let bits = self.byte()?;
        let frame = Frame { left, top, width, height, palette, interlaced: flags & 0x40 != 0, bits };
        Ok((frame, transparent))
    }

    /// The palette indices of a frame, from here on, row by row.
    fn indices(&mut self, frame: &Frame) -> Result<Vec<u8>, Error> {
        let count = frame.width as usize * frame.height as usize;
        let mut codes = Codes { file: self, block: 0, bits: 0, held: 0 };
        let indices = unpack(&mut codes, frame.bits, count)?;
        if !frame.interlaced {
            return Ok(indices);
        }
        let (width, height) = (frame.width as usize, frame.height as usize);
        let order = [(0, 8), (4, 8), (2, 4), (1, 2)]
            .into_iter()
            .flat_map(|(first, step)| (first..height).step_by(step));
        let mut upright = vec![0; indices.len()];
        for (row, y) in indices.chunks_exact(width).zip(order) {
            upright[y * width..][..width].copy_from_slice(row);
        }
        Ok(upright)
    }
}

/// The stream of codes in a frame's blocks.
struct Codes<'a, 'b> {
    file: &'a mut File<'b>,
    /// Bytes left in the block.
    block: usize,
    bits: u32,
    held: u8,
}

impl Codes<'_, '_> {
    fn next(&mut self, size: u8) -> Result<u16, Error> {
        while self.held < size {
            if self.block == 0 {
                self.block = self.file.byte()?.into();
                if self.file.bytes.len() - self.file.at < self.block {
                    return Err(truncated(FORMAT));
                }
                continue;
            }
            self.bits |= u32::from(self.file.byte()?) << self.held;
            self.held += 8;
            self.block -= 1;
        }
        let code = self.bits & ((1 << size) - 1);
        self.bits >>= size;
        self.held -= size;
        Ok(code as u16)
    }
}

/// Most bits of a code.
const MOST_BITS: u8 = 12;
const TABLE: usize = 1 << MOST_BITS;

/// Undoes GIF's LZW until there are `count` bytes.
fn unpack(codes: &mut Codes, bits: u8, count: usize) -> Result<Vec<u8>, Error> {
    let broken = || damaged(FORMAT, "its data hold a code that means nothing");
    if bits >= MOST_BITS {
        return Err(broken());
    }
    let (clear, end) = (1u16 << bits, (1u16 << bits) + 1);
    // A code's last byte, and the code of what stands before it.
    let (mut last, mut before) = (vec![0u8; TABLE], vec![0u16; TABLE]);
    let (mut size, mut next, mut previous) = (bits + 1, clear + 2, None::<(u16, u8)>);
    let mut out = Vec::with_capacity(count.min(1 << 24));
    let mut string = Vec::with_capacity(TABLE);
    while out.len() < count {
        let code = codes.next(size)?;
        if code == clear {
            (size, next, previous) = (bits + 1, clear + 2, None);
            continue;
        }
        if code == end {
            return Err(truncated(FORMAT));
        }
        let Some((previous_code, previous_first)) = previous else {
            if code > clear {
                return Err(broken());
            }
            out.push(code as u8);
            previous = Some((code, code as u8));
            continue;
        };
        if code > next {
            return Err(broken());
        }
        let mut at = code;
        if code == next {
            string.push(previous_first);
            at = previous_code;
        }
        while at >= clear {
            if string.len() >= TABLE || usize::from(at) >= TABLE {
                return Err(broken());
            }
            string.push(last[usize::from(at)]);
            at = before[usize::from(at)];
        }
        let first = at as u8;
        string.push(first);
        out.extend(string.drain(..).rev());
        if usize::from(next) < TABLE {
            last[usize::from(next)] = first;
            before[usize::from(next)] = previous_code;
            if next == (1 << size) - 1 && size < MOST_BITS {
                size += 1;
            }
            next += 1;
        }
        previous = Some((code, first));
    }
    out.truncate(count);
    Ok(out)
}
