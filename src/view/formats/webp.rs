//! WebP through the crate `image`, with the orientation that libwebp hands to Pillow.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder, ImageError, RgbImage};

use super::orientation::upright;
use super::{check_size, damaged};
use crate::view::Error;

const FORMAT: &str = "WebP";
/// The flags of the extended header for chunks that are there.
const HAS_EXIF: u8 = 0x08;
const HAS_XMP: u8 = 0x04;

/// The pixels of a WebP file, upright, without alpha; of an animation, its first frame.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    let damaged = |error: ImageError| damaged(FORMAT, reason(&error));
    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    Ok(upright(image.into_rgb8(), chunk(bytes, *b"EXIF", HAS_EXIF), chunk(bytes, *b"XMP ", HAS_XMP)))
}

/// The first chunk of that name, if the extended header says that there is one.
fn chunk(bytes: &[u8], name: [u8; 4], flag: u8) -> Option<&[u8]> {
    if bytes.get(12..16)? != b"VP8X" || bytes.get(20)? & flag == 0 {
        return None;
    }
    let mut at = 12;
    loop {
        let length = u32::from_le_bytes(*bytes.get(at + 4..)?.first_chunk()?) as usize;
        let data = bytes.get(at + 8..)?.get(..length)?;
        if bytes.get(at..at + 4)? == name {
            return Some(data);
        }
        at += 8 + length + length % 2;
    }
}

/// The innermost cause: the outer layers only repeat the format's name.
fn reason(error: &ImageError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
