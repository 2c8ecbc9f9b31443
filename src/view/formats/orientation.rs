//! How an image is to be held, as `PIL.ImageOps.exif_transpose` reads it from EXIF and XMP.

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

/// The image turned upright. XMP counts where EXIF has no orientation.
pub(super) fn upright(image: RgbImage, exif: Option<&[u8]>, xmp: Option<&[u8]>) -> RgbImage {
    let number = match exif.and_then(tag_in_exif) {
        Some(Tag::Number(number)) => Some(number),
        Some(Tag::Other) => None,
        None => xmp.and_then(digit_in_xmp),
    };
    turn(image, number)
}

/// The image turned as an orientation from 1 to 8 says; any other leaves it as it is.
pub(super) fn turn(image: RgbImage, orientation: Option<u8>) -> RgbImage {
    match orientation.and_then(Orientation::from_exif) {
        None | Some(Orientation::NoTransforms) => image,
        Some(orientation) => {
            let mut image = DynamicImage::ImageRgb8(image);
            image.apply_orientation(orientation);
            image.into_rgb8()
        }
    }
}

/// The orientation tag of an EXIF block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tag {
    /// A whole number that fits a byte.
    Number(u8),
    /// A value that turns nothing, such as text, which hides XMP's all the same.
    Other,
}

/// The orientation tag of a TIFF structure, with or without the `Exif` header before it.
fn tag_in_exif(mut exif: &[u8]) -> Option<Tag> {
    for _ in 0..2 {
        exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    }
    let order = ByteOrder::of(exif)?;
    let first = order.u32(exif, 4)?;
    tag_in_directory(exif, order, first as usize)
}

/// The orientation tag of the image file directory that begins at `at`. Pillow stops at the first value that lies outside of the
/// file, and skips one that is longer than the file.
pub(super) fn tag_in_directory(file: &[u8], order: ByteOrder, at: usize) -> Option<Tag> {
    const ORIENTATION: u16 = 0x112;
    let count = order.u16(file, at)?;
    let mut total = 0u64;
    for index in 0..usize::from(count) {
        let entry = file.get(at.checked_add(2 + index * 12)?..)?.get(..12)?;
        let (tag, kind) = (order.u16(entry, 0)?, order.u16(entry, 2)?);
        let values = order.u32(entry, 4)?;
        let Some(unit) = unit_size(kind) else { continue };
        let size = u64::from(values) * unit;
        let mut data = &entry[8..];
        if size > 4 {
            total += size;
            if total > file.len() as u64 {
                continue;
            }
            let offset = order.u32(entry, 8)? as usize;
            data = file.get(offset..)?.get(..size as usize)?;
        }
        if tag == ORIENTATION && size > 0 {
            return Some(value(order, kind, data).map_or(Tag::Other, Tag::Number));
        }
    }
    None
}

/// The bytes of one value of a TIFF type.
pub(super) fn unit_size(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 => Some(8),
        _ => None,
    }
}

/// The first value as a small whole number. Bytes and text give none, because Pillow compares with numbers.
fn value(order: ByteOrder, kind: u16, data: &[u8]) -> Option<u8> {
    let real = match kind {
        3 => f64::from(order.u16(data, 0)?),
        4 | 13 => f64::from(order.u32(data, 0)?),
        5 => f64::from(order.u32(data, 0)?) / f64::from(order.u32(data, 4)?),
        6 => f64::from(data[0].cast_signed()),
        8 => f64::from(order.u16(data, 0)?.cast_signed()),
        9 => f64::from(order.u32(data, 0)?.cast_signed()),
        10 => f64::from(order.u32(data, 0)?.cast_signed()) / f64::from(order.u32(data, 4)?.cast_signed()),
        11 => f64::from(f32::from_bits(order.u32(data, 0)?)),
        12 => f64::from_bits(order.u64(data, 0)?),
        16 => order.u64(data, 0)? as f64,
        _ => return None,
    };
    (real.fract() == 0.0 && (0.0..=255.0).contains(&real)).then_some(real as u8)
}

/// The order of the bytes in a TIFF structure's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The order that a TIFF header states, in the four spellings that Pillow takes.
    pub(crate) fn of(file: &[u8]) -> Option<Self> {
        match file.get(..4)? {
            b"II*\0" | b"II\0*" => Some(Self::Little),
            b"MM\0*" | b"MM*\0" => Some(Self::Big),
            _ => None,
        }
    }

    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Self::Little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Self::Little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    pub(crate) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Self::Little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) })
    }
}

/// The matches of Pillow's `tiff:Orientation(="|>)([0-9])`.
pub(super) fn digit_in_xmp(xmp: &[u8]) -> Option<u8> {
    const KEY: &[u8] = b"tiff:Orientation";
    let values = xmp.windows(KEY.len()).enumerate().filter(|(_, window)| *window == KEY);
    values.map(|(at, _)| &xmp[at + KEY.len()..]).find_map(|rest| {
        let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
        value.first().filter(|digit| digit.is_ascii_digit()).map(|digit| digit - b'0')
    })
}
