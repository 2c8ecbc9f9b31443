//! Encoded bytes become RGB pixels, as Hugging Face `datasets` and Pillow's `.convert("RGB")` make them.
//!
//! - **Orientation.** `datasets` (checked in 5.2) calls `ImageOps.exif_transpose`, so its pipeline sees upright pixels, and so
//!   does this one, wherever the orientation stands.
//! - **Alpha** is dropped, never blended: what lies under transparent pixels shows, palettes included.
//! - **16 bits.** Colour keeps its high byte. Gray is clipped at 255, so nearly all of it is white: that is what Pillow does
//!   with its mode `I;16`, and a teacher that was trained through Pillow saw it.
//! - **CMYK and YCCK** JPEG are read as Adobe writes them, inverted, and converted without a colour profile.
//! - **JPEG** pixels are libjpeg-turbo's, with its defaults (accurate integer DCT, smooth upsampling), as Pillow's are.
//! - **Animations** give their first frame.
//!
//! A file is taken for what its content says, whatever its name is. `docs/design/pixels.md` lists what differs from Pillow.

mod bmp;
mod gif;
mod jpeg;
mod orientation;
mod png;
mod tiff;
mod unknown;
mod webp;

use std::fmt;

use image::RgbImage;

use super::Error;
use super::limits::{MAX_PIXELS, MAX_SIDE};
use crate::support::allocator;

/// Bytes of a pixel that a decoder holds: its samples, and their red, green and blue.
const PIXEL_BYTES: usize = 6;
/// An image of fewer bytes is decoded without asking first whether there is room for it.
const SMALL_BYTES: usize = 64 << 20;

/// The pixels of a JPEG, PNG, WebP, GIF, BMP or TIFF file, upright, without alpha; an animation gives its first frame.
///
/// # Errors
/// Another format, absurd dimensions or more than there is memory for (before anything is allocated for them), damage and truncation. Messages do not
/// name the image; see [`Error`].
pub fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => jpeg::decode(bytes),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => png::decode(bytes),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp::decode(bytes),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => gif::decode(bytes),
        [b'B', b'M', ..] => bmp::decode(bytes),
        [b'I', b'I', b'*' | b'+', 0, ..]
        | [b'I', b'I', 0, b'*', ..]
        | [b'M', b'M', 0, b'*' | b'+', ..]
        | [b'M', b'M', b'*', 0, ..] => tiff::decode(bytes),
        _ => Err(Error::Format { found: unknown::describe(bytes) }),
    }
}

fn check_size(width: u32, height: u32) -> Result<(), Error> {
    if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Error::TooLarge { width, height });
    }
    let bytes = PIXEL_BYTES * width as usize * height as usize;
    if bytes < SMALL_BYTES {
        return Ok(());
    }
    let no_memory = |_| Error::NoMemory { width, height, megabytes: bytes >> 20 };
    allocator::room(bytes).map(drop).map_err(no_memory)
}

fn damaged(format: &'static str, reason: impl fmt::Display) -> Error {
    Error::Damaged { format, reason: reason.to_string() }
}

fn truncated(format: &'static str) -> Error {
    Error::Truncated { format }
}

fn unsupported(format: &'static str, what: impl fmt::Display) -> Error {
    Error::Unsupported { format, what: what.to_string() }
}

/// A table of 256 colours. As in Pillow, an index that a file's palette does not reach is black.
struct Palette([[u8; 3]; 256]);

impl Palette {
    /// From red, green and blue in turn.
    fn from_rgb(colours: &[u8]) -> Self {
        let mut palette = Self([[0; 3]; 256]);
        for (entry, &colour) in palette.0.iter_mut().zip(colours.as_chunks::<3>().0) {
            *entry = colour;
        }
        palette
    }

    fn colour(&self, index: u8) -> [u8; 3] {
        self.0[usize::from(index)]
    }
}

/// An image whose rows `convert` writes from rows of samples; rows that are missing stay black.
fn from_samples<'a>(
    width: u32,
    height: u32,
    rows: impl Iterator<Item = &'a [u8]>,
    convert: impl Fn(&[u8], &mut [u8]),
) -> RgbImage {
    let mut image = RgbImage::new(width, height);
    for (out, row) in image.chunks_exact_mut(width as usize * 3).zip(rows) {
        convert(row, out);
    }
    image
}

/// Writes pixels one after another.
fn fill(out: &mut [u8], pixels: impl Iterator<Item = [u8; 3]>) {
    for (out, pixel) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        *out = pixel;
    }
}

/// Samples of 1, 2 or 4 bits, the highest first.
fn unpack(row: &[u8], depth: u8) -> impl Iterator<Item = u8> + '_ {
    let each = 8 / depth;
    let mask = ((1u16 << depth) - 1) as u8;
    row.iter().flat_map(move |&byte| (0..each).map(move |index| byte >> (8 - depth * (index + 1)) & mask))
}

/// Red, green and blue of ink, where 255 is full: Pillow's `cmyk2rgb`, whose division by 255 rounds.
fn from_cmyk([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    let white = 255 - black;
    [cyan, magenta, yellow].map(|ink| {
        let product = u32::from(ink) * u32::from(white) + 128;
        white - (((product >> 8) + product) >> 8) as u8
    })
}
