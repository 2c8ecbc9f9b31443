//! JPEG by libjpeg-turbo's arithmetic, so that the pixels are those that Pillow gives, to the last bit.

use std::io::Cursor;

use image::RgbImage;
use image::codecs::jpeg::JpegDecoder;
use libjpeg_turbo_rs::{DecodeLimits, Decoder, FrameHeader, JpegError, PixelFormat};

use super::decode::{check_size, read, to_rgb, upright};
use super::{Error, MAX_PIXELS, MAX_SIDE};

/// More scans than any encoder writes, and few enough that a file of nothing but scans is soon refused.
const MAX_SCANS: usize = 500;

/// The pixels of a JPEG file, upright.
///
/// # Errors
/// A file that is cut off, one whose header states an absurd size (before anything is allocated for it), and damage that the
/// decoder notices, where Pillow would go on with a guess.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    if ends_early(bytes) {
        return Err(Error::Truncated { format: "JPEG" });
    }
    let limits = DecodeLimits {
        max_width: MAX_SIDE as usize,
        max_height: MAX_SIDE as usize,
        max_pixels: MAX_PIXELS,
        max_scans: MAX_SCANS,
        max_memory: None,
    };
    let mut decoder = Decoder::new_with_limits(bytes, limits).map_err(damaged)?;
    let frame = decoder.header();
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    check_size(width, height)?;
    if !is_usual(frame) {
        return read("JPEG", JpegDecoder::new(Cursor::new(bytes)), to_rgb);
    }
    let format = match frame.components.len() {
        1 => PixelFormat::Grayscale,
        4 => PixelFormat::Cmyk,
        _ => PixelFormat::Rgb,
    };
    decoder.set_output_format(format);
    let image = decoder.decode_image().map_err(damaged)?;
    let pixels = match format {
        PixelFormat::Grayscale => image.data.iter().flat_map(|&level| [level; 3]).collect(),
        PixelFormat::Cmyk => image.data.as_chunks().0.iter().copied().flat_map(from_inverted_cmyk).collect(),
        _ => image.data,
    };
    let pixels = RgbImage::from_raw(width, height, pixels).ok_or_else(|| Error::Damaged {
        format: "JPEG",
        reason: "it gave fewer pixels than it states".to_owned(),
    })?;
    let exif = image.exif_data.unwrap_or_default();
    Ok(upright(pixels, &exif, &image.xmp_data.unwrap_or_default()))
}

/// Whether the frame is of the layouts that cameras and encoders write. Others are left to the decoder of `image`, whose pixels may
/// differ from Pillow's by a few levels: some of them, which only damage makes, end libjpeg-turbo-rs 0.9.0 in a panic.
fn is_usual(frame: &FrameHeader) -> bool {
    let sampling = frame.components.iter().map(|part| (part.horizontal_sampling, part.vertical_sampling));
    let sampling: Vec<(u8, u8)> = sampling.collect();
    let is_luma = |luma: (u8, u8)| matches!(luma, (1 | 2, 1 | 2));
    let layout = match sampling[..] {
        [(1, 1)] => true,
        [luma, (1, 1), (1, 1)] => is_luma(luma),
        [luma, (1, 1), (1, 1), black] => is_luma(luma) && black == luma,
        _ => false,
    };
    layout && frame.precision == 8 && !frame.is_lossless && frame.width > 0 && frame.height > 0
}

fn damaged(error: JpegError) -> Error {
    Error::Damaged { format: "JPEG", reason: error.to_string() }
}

/// Red, green and blue of ink as Adobe stores it, where 255 is none: Pillow's `cmyk2rgb`, whose division by 255 rounds.
fn from_inverted_cmyk([cyan, magenta, yellow, white]: [u8; 4]) -> [u8; 3] {
    [cyan, magenta, yellow].map(|inverted| {
        let product = u32::from(255 - inverted) * u32::from(white) + 128;
        white - (((product >> 8) + product) >> 8) as u8
    })
}

/// Whether no end-of-image marker follows the first scan. The decoder would fill what is missing with gray; Pillow, and so
/// this, refuses it.
fn ends_early(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    let mut at = 2;
    while let Some(&[0xff, marker]) = bytes.get(at..at + 2) {
        match marker {
            0xff => at += 1,
            START_OF_SCAN => return !bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]),
            0x01 | 0xd0..=0xd8 => at += 2,
            _ => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return true,
            },
        }
    }
    // No scan at all: cut off in a segment, or damaged, which the decoder tells apart.
    at >= bytes.len()
}
