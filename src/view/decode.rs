//! Encoded bytes become RGB pixels, as Hugging Face `datasets` and Pillow's `.convert("RGB")` make them.
//!
//! - **Orientation.** `datasets` (checked in 5.2) calls `ImageOps.exif_transpose` on every image with an EXIF orientation,
//!   so its pipeline sees upright pixels, and so does this one. Where EXIF has none, XMP's `tiff:Orientation` counts, as in Pillow.
//! - **Alpha** is dropped, never blended: what lies under transparent pixels shows, palettes included.
//! - **16 bits.** Colour keeps its high byte. Grayscale PNG is clipped at 255, so nearly all of it is white: that is what
//!   Pillow does with its mode `I;16`, and a teacher that was trained through Pillow saw it.
//! - **CMYK and YCCK** JPEG are read as Adobe writes them, inverted, and converted without a colour profile.
//! - **JPEG** pixels are libjpeg-turbo's, with its defaults (accurate integer DCT, smooth upsampling), as Pillow's are; PNG and lossless
//!   WebP are exact too. Lossy WebP differs from libwebp's by rounding.

use std::io::Cursor;

use image::codecs::{png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, Limits, RgbImage};

use super::{Error, jpeg};

/// The longest side that is read, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// The most pixels that are read.
pub const MAX_PIXELS: u64 = 200_000_000;
/// Four channels of 16 bits each.
const MAX_BYTES_PER_PIXEL: u64 = 8;
/// What a PNG may need beside its pixels. A colour profile of half a megabyte can inflate to half a gigabyte; beyond this it is
/// read as if it had none, which changes no pixel.
const PNG_EXTRA_BYTES: u64 = 16 << 20;

/// The pixels of a JPEG, PNG or WebP file, upright, without alpha; an animation gives its first frame.
///
/// # Errors
/// Another format, absurd dimensions (before anything is allocated for them), damage and truncation. Messages do not
/// name the image; see [`Error`].
pub fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    let cursor = Cursor::new(bytes);
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => jpeg::decode(bytes),
        Ok(ImageFormat::Png) => {
            let [width, height] = png_size(bytes);
            check_size(width, height)?;
            let mut limits = Limits::no_limits();
            let pixels = u64::from(width) * u64::from(height);
            limits.max_alloc = Some(pixels * MAX_BYTES_PER_PIXEL + PNG_EXTRA_BYTES);
            let colour = bytes.get(PNG_COLOUR_TYPE).copied();
            let convert = if colour == Some(0) { gray_to_rgb } else { to_rgb };
            read("PNG", PngDecoder::with_limits(cursor, limits), convert)
        }
        Ok(ImageFormat::WebP) => read("WebP", WebPDecoder::new(cursor), to_rgb),
        Ok(other) => Err(Error::Format { found: format!("it looks like {other:?}") }),
        Err(_) if bytes.is_empty() => Err(Error::Format { found: "it is empty".to_owned() }),
        Err(_) => {
            Err(Error::Format { found: format!("it begins with {:02x?}", &bytes[..bytes.len().min(8)]) })
        }
    }
}

pub(super) fn read<D: ImageDecoder>(
    format: &'static str,
    decoder: Result<D, ImageError>,
    convert: fn(DynamicImage) -> RgbImage,
) -> Result<RgbImage, Error> {
    let damaged = |error: ImageError| Error::Damaged { format, reason: reason(&error) };
    let mut decoder = decoder.map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    // Unreadable metadata is no metadata, as in Pillow.
    let exif = decoder.exif_metadata().ok().flatten().unwrap_or_default();
    let xmp = decoder.xmp_metadata().ok().flatten().unwrap_or_default();
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    Ok(upright(convert(image), &exif, &xmp))
}

/// The image as its metadata say it is to be held.
pub(super) fn upright(image: RgbImage, exif: &[u8], xmp: &[u8]) -> RgbImage {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let orientation = Orientation::from_exif_chunk(exif).or_else(|| xmp_orientation(xmp));
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    image.into_rgb8()
}

pub(super) fn check_size(width: u32, height: u32) -> Result<(), Error> {
    if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Error::TooLarge { width, height });
    }
    Ok(())
}

/// Width and height of a PNG's header; zeros where it is cut off, which the decoder finds.
fn png_size(bytes: &[u8]) -> [u32; 2] {
    [16, 20].map(|at| match bytes.get(at..at + 4) {
        Some(side) => u32::from_be_bytes(side.try_into().expect("four bytes")),
        None => 0,
    })
}

/// The innermost cause: the outer layers only repeat the format's name.
fn reason(error: &ImageError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

pub(super) fn to_rgb(image: DynamicImage) -> RgbImage {
    match image {
        DynamicImage::ImageRgb8(image) => image,
        DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgba16(_) | DynamicImage::ImageLumaA16(_) => {
            narrow(&image, |value| (value >> 8) as u8)
        }
        other => other.into_rgb8(),
    }
}

/// For PNG's grayscale without alpha, whose 16-bit form Pillow clips.
fn gray_to_rgb(image: DynamicImage) -> RgbImage {
    match image {
        DynamicImage::ImageLuma16(_) | DynamicImage::ImageLumaA16(_) => {
            narrow(&image, |value| value.min(255) as u8)
        }
        other => other.into_rgb8(),
    }
}

fn narrow(image: &DynamicImage, byte: fn(u16) -> u8) -> RgbImage {
    let wide = image.to_rgb16();
    let pixels = wide.as_raw().iter().map(|&value| byte(value)).collect();
    RgbImage::from_raw(wide.width(), wide.height(), pixels).expect("as many values as before")
}

/// Where a PNG's header states its colour type.
const PNG_COLOUR_TYPE: usize = 25;

/// What Pillow's `tiff:Orientation(="|>)([0-9])` finds.
fn xmp_orientation(xmp: &[u8]) -> Option<Orientation> {
    const KEY: &[u8] = b"tiff:Orientation";
    let values = xmp.windows(KEY.len()).enumerate().filter(|(_, window)| *window == KEY);
    let digit = values.map(|(at, _)| &xmp[at + KEY.len()..]).find_map(|rest| {
        let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
        value.first().copied().filter(u8::is_ascii_digit)
    })?;
    Orientation::from_exif(digit - b'0')
}
