//! The meaning of a TIFF's samples, in the layouts that Pillow knows, and how each becomes RGB.

use super::FORMAT;
use super::directory::{Directory, tag};
use crate::view::Error;
use crate::view::formats::orientation::ByteOrder;
use crate::view::formats::{Palette, damaged, fill, from_cmyk, unpack, unsupported};

/// The meaning of a pixel's samples.
pub(super) enum Meaning {
    /// Levels of 1, 2, 4 or 8 bits.
    Gray {
        inverted: bool,
    },
    /// 12 or 16 bits, clipped at 255 as Pillow does.
    WideGray,
    Signed,
    Float,
    Palette(Box<Palette>),
    /// Three channels and some that are dropped, of 8 or 16 bits.
    Rgb {
        premultiplied: bool,
    },
    /// Ink.
    Cmyk,
    YCbCr,
}

/// How a pixel is stored.
pub(super) struct Samples {
    pub meaning: Meaning,
    /// Bits of a sample.
    pub bits: usize,
    /// Samples of a pixel.
    pub count: usize,
    pub order: ByteOrder,
    pub reversed_bits: bool,
}

impl Samples {
    /// # Errors
    /// A layout that Pillow does not know.
    pub(crate) fn of(directory: &Directory, jpeg: bool, planar: bool) -> Result<Self, Error> {
        let photometric = directory.number(tag::PHOTOMETRIC).unwrap_or(0);
        let mut bits = directory.numbers(tag::BITS).unwrap_or_else(|| vec![1]);
        let mut extra = directory.numbers(tag::EXTRA_SAMPLES).unwrap_or_default();
        let mut format = directory.numbers(tag::SAMPLE_FORMAT).unwrap_or_else(|| vec![1]);
        format.dedup();
        let in_colour = jpeg && matches!(photometric, 2 | 6);
        let mut count =
            directory.number(tag::SAMPLES).unwrap_or(if in_colour { 3 } else { 1 }).min(64) as usize;
        if planar && !extra.is_empty() && extra.iter().all(|&kind| kind == 0) {
            bits.truncate(bits.len().saturating_sub(extra.len()));
            count = count.saturating_sub(extra.len());
            extra.clear();
        }
        if count > bits.len() && bits.len() == 1 {
            bits = vec![bits[0]; count];
        }
        bits.truncate(count);
        let reversed_bits = match directory.number(tag::FILL_ORDER).unwrap_or(1) {
            1 => false,
            2 => true,
            _ => return Err(unsupported(FORMAT, "with an unknown order of bits")),
        };
        let order = directory.order;
        let known = |meaning: Meaning, bits: usize| Ok(Self { meaning, bits, count, order, reversed_bits });
        let little = order == ByteOrder::Little;
        let unknown = || {
            unsupported(
                FORMAT,
                format!(
                    "of colours {photometric} in samples of {bits:?} bits, extra {extra:?}, format {format:?}"
                ),
            )
        };
        if bits.is_empty()
            || bits.len() != count
            || format.len() != 1
            || bits.iter().any(|&one| one != bits[0])
        {
            return Err(unknown());
        }
        let (first, format) = (bits[0] as usize, format[0]);
        if reversed_bits
            && !(extra.is_empty() && (count == 1 && first <= 8 || photometric == 2 && count == 3))
        {
            return Err(unknown());
        }
        match (photometric, format, first, count, &extra[..]) {
            (0 | 1, 1, 1 | 2 | 4 | 8, 1, []) => known(Meaning::Gray { inverted: photometric == 0 }, first),
            (1, 2, 8, 1, []) | (6, 1, 8, 1, []) | (1, 1, 8, 2, [0 | 2]) => {
                known(Meaning::Gray { inverted: false }, 8)
            }
            (1, 1, 12, 1, []) | (0, 1, 16, 1, []) if little => known(Meaning::WideGray, first),
            (1, 1, 16, 1, []) => known(Meaning::WideGray, 16),
            (1, 2, 16 | 32, 1, []) => known(Meaning::Signed, first),
            (1, 1, 32, 1, []) if little => known(Meaning::Signed, 32),
            (0 | 1, 3, 32, 1, []) => known(Meaning::Float, 32),
            (2, 1, 8 | 16, 3, [])
            | (2, 1, 8, 4, [] | [0 | 2 | 999])
            | (2, 1, 8, 5, [0 | 2, 0])
            | (2, 1, 8, 6, [0 | 2, 0, 0])
            | (2, 1, 16, 4, [] | [0 | 2]) => known(Meaning::Rgb { premultiplied: false }, first),
            (2, 1, 8 | 16, 4, [1]) | (2, 1, 8, 5, [1, 0]) | (2, 1, 8, 6, [1, 0, 0]) => {
                known(Meaning::Rgb { premultiplied: true }, first)
            }
            (3, 1, 1 | 2 | 4 | 8, 1, []) | (3, 1, 8, 2, [0 | 2]) => {
                known(Meaning::Palette(Box::new(palette(directory)?)), first)
            }
            (5, 1, 8 | 16, 4, []) | (5, 1, 8, 5, [0]) | (5, 1, 8, 6, [0, 0]) => known(Meaning::Cmyk, first),
            (6, 1, 8, 3, []) => known(Meaning::YCbCr, 8),
            (8, ..) => Err(unsupported(FORMAT, "of CIE L*a*b* colours")),
            _ => Err(unknown()),
        }
    }

    /// Writes a row of samples as RGB.
    pub(crate) fn convert(&self, row: &[u8], out: &mut [u8]) {
        let size = self.count * self.bits.div_ceil(8);
        let pixels = row.chunks_exact(size);
        let high = usize::from(self.bits == 16 && self.order == ByteOrder::Little);
        let wide = self.bits / 8;
        let gray = |level: u8| [level; 3];
        match &self.meaning {
            Meaning::Gray { inverted } => {
                let flip = if *inverted { 255 } else { 0 };
                if self.bits == 8 {
                    fill(out, pixels.map(|pixel| gray(pixel[0] ^ flip)));
                } else {
                    let scale = 255 / ((1 << self.bits) - 1) as u8;
                    fill(out, unpack(row, self.bits as u8).map(|level| gray((level * scale) ^ flip)));
                }
            }
            Meaning::WideGray if self.bits == 12 => {
                let pairs = row.chunks(3).flat_map(|three| {
                    let byte = |at: usize| u16::from(three.get(at).copied().unwrap_or(0));
                    [byte(0) << 4 | byte(1) >> 4, (byte(1) & 15) << 8 | byte(2)]
                });
                fill(out, pairs.map(|level| gray(level.min(255) as u8)));
            }
            Meaning::WideGray => {
                fill(out, pixels.map(|pixel| gray(self.order.u16(pixel, 0).unwrap_or(0).min(255) as u8)));
            }
            Meaning::Signed => fill(
                out,
                pixels.map(|pixel| {
                    let level = match self.bits {
                        16 => i32::from(self.order.u16(pixel, 0).unwrap_or(0).cast_signed()),
                        _ => self.order.u32(pixel, 0).unwrap_or(0).cast_signed(),
                    };
                    gray(level.clamp(0, 255) as u8)
                }),
            ),
            Meaning::Float => fill(
                out,
                // The cast cuts towards zero and stops at both ends, as Pillow does.
                pixels.map(|pixel| gray(f32::from_bits(self.order.u32(pixel, 0).unwrap_or(0)) as u8)),
            ),
            Meaning::Palette(palette) if self.bits == 8 => {
                fill(out, pixels.map(|pixel| palette.colour(pixel[0])));
            }
            Meaning::Palette(palette) => {
                fill(out, unpack(row, self.bits as u8).map(|index| palette.colour(index)));
            }
            Meaning::Rgb { premultiplied } => fill(
                out,
                pixels.map(|pixel| {
                    let [red, green, blue] = [0, 1, 2].map(|channel| pixel[channel * wide + high]);
                    if *premultiplied {
                        let alpha = pixel[3 * wide + high];
                        [red, green, blue].map(|level| undo_alpha(level, alpha))
                    } else {
                        [red, green, blue]
                    }
                }),
            ),
            Meaning::Cmyk => {
                fill(out, pixels.map(|pixel| from_cmyk([0, 1, 2, 3].map(|ink| pixel[ink * wide + high]))));
            }
            Meaning::YCbCr => fill(out, pixels.map(|pixel| from_ycbcr([pixel[0], pixel[1], pixel[2]]))),
        }
    }
}

fn palette(directory: &Directory) -> Result<Palette, Error> {
    let levels =
        directory.numbers(tag::COLOUR_MAP).ok_or_else(|| damaged(FORMAT, "its palette is missing"))?;
    let each = levels.len() / 3;
    if each > 256 {
        return Err(damaged(FORMAT, "its palette is too long"));
    }
    let colours: Vec<u8> =
        (0..each).flat_map(|index| [0, 1, 2].map(|part| (levels[part * each + index] / 256) as u8)).collect();
    Ok(Palette::from_rgb(&colours))
}

fn undo_alpha(level: u8, alpha: u8) -> u8 {
    match alpha {
        0 => 0,
        255 => level,
        alpha => (u32::from(level) * 255 / u32::from(alpha)).min(255) as u8,
    }
}

/// Pillow's conversion, in 6-bit fixed point.
fn from_ycbcr([luma, blue, red]: [u8; 3]) -> [u8; 3] {
    // The cast cuts towards zero, as it did when Pillow's tables were made.
    let scaled = |factor: f64, level: u8| (factor * (f64::from(level) - 128.0) * 64.0 + 0.5) as i32;
    let add = |difference: i32| (i32::from(luma) + (difference >> 6)).clamp(0, 255) as u8;
    [add(scaled(1.402, red)), add(scaled(-0.34414, blue) + scaled(-0.71414, red)), add(scaled(1.772, blue))]
}
