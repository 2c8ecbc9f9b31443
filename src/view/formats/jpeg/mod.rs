//! JPEG by libjpeg-turbo's arithmetic, so that the pixels are those that Pillow gives, to the last bit.
//!
//! The decoder is a port of libjpeg-turbo. What it is lenient or silent about is checked here first: the header as Pillow's
//! plugin reads it ([`head`]), and the markers behind it as libjpeg does ([`markers`]).

mod head;
mod markers;
mod segment;

use std::panic;

use image::RgbImage;
use libjpeg_turbo_rs::{DecodeLimits, DecodeWarning, Decoder, FrameHeader, Image, JpegError, PixelFormat};

use super::orientation::upright;
use super::{check_size, damaged, from_cmyk, unsupported};
use crate::view::Error;
use crate::view::limits::{MAX_PIXELS, MAX_SIDE};
use head::Head;

const FORMAT: &str = "JPEG";
/// More scans than any encoder writes, and few enough that a file of nothing but scans is soon refused.
const MAX_SCANS: usize = 500;

/// The pixels of a JPEG file, upright.
///
/// # Errors
/// A file that is cut off, one whose header states an absurd size (before anything is allocated for it), and damage to the
/// compressed data, where Pillow would go on with a guess. Data that stop before an end marker are filled with gray, as
/// libjpeg does it.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    let head = Head::read(bytes)?;
    check_size(head.width, head.height)?;
    markers::check(&head, bytes)?;
    let clean = head.without_stray_bytes(bytes);
    let bytes = clean.as_deref().unwrap_or(bytes);
    let decoder = new_decoder(bytes)?;
    let image = match Layout::of(decoder.header())? {
        Layout::Usual => decode_image(decoder, bytes)?,
        Layout::Single => {
            let bytes = single(bytes);
            decode_image(new_decoder(&bytes)?, &bytes)?
        }
        // Layouts that only damage makes have ended libjpeg-turbo-rs 0.9.0 in a panic.
        Layout::Rare => panic::catch_unwind(|| decode_image(new_decoder(bytes)?, bytes))
            .map_err(|_| damaged(FORMAT, "the decoder could not follow its layout"))??,
    };
    Ok(upright(rgb(image, head.width, head.height)?, head.exif.as_deref(), head.xmp))
}

/// How often the channels of a frame are sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    /// The kinds that cameras and encoders write.
    Usual,
    /// One channel with factors, which mean nothing then.
    Single,
    /// Sampled as seldom as 4:1:1, or in another way that libjpeg knows.
    Rare,
}

/// libjpeg's limit of blocks that are coded together.
const MOST_BLOCKS: u32 = 10;

impl Layout {
    /// # Errors
    /// A layout that libjpeg refuses, and one whose pixels would not be libjpeg's.
    fn of(frame: &FrameHeader) -> Result<Self, Error> {
        if frame.precision != 8 || frame.is_lossless {
            return Err(unsupported(FORMAT, "without loss"));
        }
        let sampling = frame.components.iter().map(|part| (part.horizontal_sampling, part.vertical_sampling));
        let sampling: Vec<(u8, u8)> = sampling.collect();
        let is_luma = |luma: (u8, u8)| matches!(luma, (1 | 2, 1 | 2));
        match sampling[..] {
            [(1, 1)] => return Ok(Self::Usual),
            [_] => return Ok(Self::Single),
            [luma, (1, 1), (1, 1)] if is_luma(luma) => return Ok(Self::Usual),
            [luma, (1, 1), (1, 1), black] if is_luma(luma) && black == luma => return Ok(Self::Usual),
            _ => {}
        }
        let divides = |part: u8, luma: u8| (1..=luma).contains(&part) && luma.is_multiple_of(part);
        let blocks: u32 = sampling.iter().map(|&(across, down)| u32::from(across) * u32::from(down)).sum();
        match sampling[..] {
            [luma, ..]
                if luma.0 <= 4
                    && luma.1 <= 4
                    && blocks <= MOST_BLOCKS
                    && sampling.len() == 3
                    && sampling.iter().all(|part| divides(part.0, luma.0) && divides(part.1, luma.1)) =>
            {
                Ok(Self::Rare)
            }
            _ => Err(unsupported(FORMAT, format!("whose channels are sampled {sampling:?} times"))),
        }
    }
}

fn new_decoder(bytes: &[u8]) -> Result<Decoder<'_>, Error> {
    let limits = DecodeLimits {
        max_width: MAX_SIDE as usize,
        max_height: MAX_SIDE as usize,
        max_pixels: MAX_PIXELS,
        max_scans: MAX_SCANS,
        max_memory: None,
    };
    let mut decoder = Decoder::new_with_limits(bytes, limits).map_err(refused)?;
    let format = match decoder.header().components.len() {
        1 => PixelFormat::Grayscale,
        4 => PixelFormat::Cmyk,
        _ => PixelFormat::Rgb,
    };
    decoder.set_output_format(format);
    decoder.set_block_smoothing(true);
    Ok(decoder)
}

fn decode_image(decoder: Decoder, bytes: &[u8]) -> Result<Image, Error> {
    match decoder.decode_image() {
        Ok(image) => Ok(image),
        Err(_) => lenient(bytes),
    }
}

/// Decodes a file whose data end before its end marker, gray where they are missing. Damage of another kind is refused.
fn lenient(bytes: &[u8]) -> Result<Image, Error> {
    let mut decoder = new_decoder(bytes)?;
    decoder.set_lenient(true);
    let image = decoder.decode_image().map_err(refused)?;
    let harmless = |warning: &&DecodeWarning| {
        matches!(warning, DecodeWarning::ExtraneousData { .. } | DecodeWarning::TruncatedData { .. })
    };
    match image.warnings.iter().find(|warning| !harmless(warning)) {
        Some(warning) => Err(damaged(FORMAT, warning)),
        None => Ok(image),
    }
}

/// The file with a frame header that states the sampling factor 1 for its only channel.
fn single(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        match marker {
            0xff => at += 1,
            0xc0..=0xc3 | 0xc9..=0xcb => {
                if let Some(factors) = bytes.get_mut(at + 11) {
                    *factors = 0x11;
                }
                return bytes;
            }
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    bytes
}

fn rgb(image: Image, width: u32, height: u32) -> Result<RgbImage, Error> {
    let pixels = match image.pixel_format {
        PixelFormat::Grayscale => image.data.iter().flat_map(|&level| [level; 3]).collect(),
        PixelFormat::Cmyk => {
            let inverted = image.data.as_chunks().0.iter();
            inverted.flat_map(|ink: &[u8; 4]| from_cmyk(ink.map(|level| 255 - level))).collect()
        }
        _ => image.data,
    };
    RgbImage::from_raw(width, height, pixels)
        .ok_or_else(|| damaged(FORMAT, "it gave fewer pixels than it states"))
}

fn refused(error: JpegError) -> Error {
    damaged(FORMAT, error)
}

/// A JPEG file of a TIFF's strip or tile: with the tables that stand elsewhere, and with Adobe's marker, which says how the
/// colours are coded.
pub(super) fn from_tiff(tables: Option<&[u8]>, part: &[u8], transform: Option<u8>) -> Result<Vec<u8>, Error> {
    const START: [u8; 2] = [0xff, 0xd8];
    let part = part.strip_prefix(&START).ok_or_else(|| damaged("TIFF", "a strip or tile is not JPEG"))?;
    let mut file = START.to_vec();
    if let Some(transform) = transform {
        file.extend_from_slice(b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0");
        file.push(transform);
    }
    if let Some(tables) = tables {
        let tables = tables.strip_prefix(&START).unwrap_or(tables);
        file.extend_from_slice(tables.strip_suffix(&[0xff, 0xd9]).unwrap_or(tables));
    }
    file.extend_from_slice(part);
    Ok(file)
}

/// The pixels of such a file; `plain` is for ink that is not inverted.
pub(super) fn decode_part(bytes: &[u8], plain: bool) -> Result<RgbImage, Error> {
    let head = Head::read(bytes)?;
    check_size(head.width, head.height)?;
    markers::check(&head, bytes)?;
    let decoder = new_decoder(bytes)?;
    Layout::of(decoder.header())?;
    let mut image = decode_image(decoder, bytes)?;
    if plain {
        image.data.iter_mut().for_each(|level| *level = 255 - *level);
    }
    rgb(image, head.width, head.height)
}
