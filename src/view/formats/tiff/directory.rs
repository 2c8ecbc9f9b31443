//! The first image file directory of a TIFF or BigTIFF.

use std::collections::HashMap;

use super::FORMAT;
use crate::view::Error;
use crate::view::formats::orientation::ByteOrder;
use crate::view::formats::{damaged, truncated};

/// The tags that matter for pixels.
pub(super) mod tag {
    pub(crate) const WIDTH: u16 = 256;
    pub(crate) const HEIGHT: u16 = 257;
    pub(crate) const BITS: u16 = 258;
    pub(crate) const COMPRESSION: u16 = 259;
    pub(crate) const PHOTOMETRIC: u16 = 262;
    pub(crate) const FILL_ORDER: u16 = 266;
    pub(crate) const STRIP_OFFSETS: u16 = 273;
    pub(crate) const ORIENTATION: u16 = 274;
    pub(crate) const SAMPLES: u16 = 277;
    pub(crate) const ROWS_PER_STRIP: u16 = 278;
    pub(crate) const STRIP_LENGTHS: u16 = 279;
    pub(crate) const PLANAR: u16 = 284;
    pub(crate) const PREDICTOR: u16 = 317;
    pub(crate) const COLOUR_MAP: u16 = 320;
    pub(crate) const TILE_WIDTH: u16 = 322;
    pub(crate) const TILE_HEIGHT: u16 = 323;
    pub(crate) const TILE_OFFSETS: u16 = 324;
    pub(crate) const TILE_LENGTHS: u16 = 325;
    pub(crate) const EXTRA_SAMPLES: u16 = 338;
    pub(crate) const SAMPLE_FORMAT: u16 = 339;
    pub(crate) const JPEG_TABLES: u16 = 347;
    pub(crate) const XMP: u16 = 700;
}

/// Tags with the bytes of their values.
pub(super) struct Directory<'a> {
    pub order: ByteOrder,
    entries: HashMap<u16, (u16, &'a [u8])>,
}

impl<'a> Directory<'a> {
    /// Reads the directory as far as it goes; a value outside of the file ends it.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let big = bytes.get(2..4).is_some_and(|magic| magic.contains(&b'+'));
        let order = if bytes.starts_with(b"II") { ByteOrder::Little } else { ByteOrder::Big };
        let number = |at: usize, wide: bool| {
            if wide { order.u64(bytes, at) } else { order.u32(bytes, at).map(u64::from) }
        };
        let offset = number(if big { 8 } else { 4 }, big).ok_or_else(|| truncated(FORMAT))?;
        if offset == 0 {
            return Err(damaged(FORMAT, "it holds no image"));
        }
        let start = usize::try_from(offset).map_err(|_| truncated(FORMAT))?;
        let mut directory = Self { order, entries: HashMap::new() };
        let count = if big { order.u64(bytes, start) } else { order.u16(bytes, start).map(u64::from) };
        let (mut at, size) = (start.saturating_add(if big { 8 } else { 2 }), if big { 20 } else { 12 });
        let mut total = 0u64;
        for _ in 0..count.unwrap_or(0) {
            let Some(entry) = bytes.get(at..).and_then(|rest| rest.get(..size)) else { break };
            at += size;
            let (Some(tag), Some(kind)) = (order.u16(entry, 0), order.u16(entry, 2)) else { break };
            let Some(unit) = unit_size(kind) else { continue };
            let values = if big { order.u64(entry, 4) } else { order.u32(entry, 4).map(u64::from) };
            let length = values.unwrap_or(0).saturating_mul(unit);
            let inside = &entry[if big { 12 } else { 8 }..];
            let data = if length <= inside.len() as u64 {
                &inside[..length as usize]
            } else {
                total = total.saturating_add(length);
                if total > bytes.len() as u64 {
                    continue;
                }
                let offset = if big { order.u64(inside, 0) } else { order.u32(inside, 0).map(u64::from) };
                let place = offset.and_then(|offset| usize::try_from(offset).ok());
                match place.and_then(|place| bytes.get(place..)?.get(..length as usize)) {
                    Some(data) => data,
                    None => break,
                }
            };
            if !data.is_empty() {
                directory.entries.entry(tag).or_insert((kind, data));
            }
        }
        Ok(directory)
    }

    /// The bytes of a tag's value.
    pub(crate) fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        self.entries.get(&tag).map(|(_, data)| *data)
    }

    /// A tag's values, whole numbers that are not negative.
    pub(crate) fn numbers(&self, tag: u16) -> Option<Vec<u64>> {
        let (kind, data) = *self.entries.get(&tag)?;
        let unit = unit_size(kind)? as usize;
        let number = |value: &[u8]| match kind {
            1 => Some(u64::from(value[0])),
            3 => self.order.u16(value, 0).map(u64::from),
            4 | 13 => self.order.u32(value, 0).map(u64::from),
            16 => self.order.u64(value, 0),
            _ => None,
        };
        data.chunks_exact(unit).map(number).collect()
    }

    /// A tag's first value.
    pub(crate) fn number(&self, tag: u16) -> Option<u64> {
        self.numbers(tag)?.first().copied()
    }
}

/// The bytes of one value of a TIFF type.
fn unit_size(kind: u16) -> Option<u64> {
    crate::view::formats::orientation::unit_size(kind)
}
