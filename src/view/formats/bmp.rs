//! BMP as Pillow's plugin reads it.

use image::RgbImage;

use super::{Palette, check_size, damaged, fill, from_samples, truncated, unpack, unsupported};
use crate::view::Error;

const FORMAT: &str = "BMP";
/// The file's header, before the image's.
const FILE_HEADER: usize = 14;

/// The pixels of a BMP, without alpha.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    let mut header = Header::read(bytes)?;
    check_size(header.width, header.height)?;
    if header.width == 0 || header.height == 0 {
        return Err(damaged(FORMAT, "it states no size"));
    }
    let samples = header.samples(bytes)?;
    let start = if header.data == 0 { header.end } else { header.data };
    let data = bytes.get(start..).unwrap_or_default();
    let (width, height) = (header.width as usize, header.height as usize);
    let (rows, unpacked);
    match header.compression {
        RLE8 | RLE4 => {
            let indices = run_lengths(data, start, header.compression == RLE4, width, width * height);
            if indices.len() < width * height {
                return Err(truncated(FORMAT));
            }
            if matches!(samples, Samples::Bits) {
                return Err(unsupported(FORMAT, "of two levels with run lengths"));
            }
            unpacked = indices;
            rows = Rows { data: &unpacked, stride: width, used: width };
            return Ok(header.image(&rows, &samples.of_bytes()));
        }
        _ => {
            let stride = (width * usize::from(header.bits)).div_ceil(32) * 4;
            let used = (width * samples.bits()).div_ceil(8);
            if used > stride {
                return Err(unsupported(FORMAT, "with gray levels of fewer than 8 bits"));
            }
            if data.len() < stride * (height - 1) + used {
                return Err(truncated(FORMAT));
            }
            rows = Rows { data, stride, used };
        }
    }
    Ok(header.image(&rows, &samples))
}

const RAW: u32 = 0;
const RLE8: u32 = 1;
const RLE4: u32 = 2;
const BIT_FIELDS: u32 = 3;

struct Rows<'a> {
    data: &'a [u8],
    /// From the beginning of a row to that of the next.
    stride: usize,
    used: usize,
}

/// The meaning of a row's bytes.
enum Samples {
    /// Black and white.
    Bits,
    Gray,
    /// Bits of an index.
    Indices(u8, Box<Palette>),
    /// Bits of green; red and blue have five.
    Words(u8),
    /// Bytes of a pixel, and where red, green and blue stand in them.
    Bytes(usize, [usize; 3]),
}

impl Samples {
    fn bits(&self) -> usize {
        match *self {
            Self::Bits => 1,
            Self::Gray => 8,
            Self::Indices(bits, _) => bits.into(),
            Self::Words(_) => 16,
            Self::Bytes(size, _) => size * 8,
        }
    }

    /// The same once each index has a byte.
    fn of_bytes(self) -> Self {
        match self {
            Self::Indices(_, palette) => Self::Indices(8, palette),
            other => other,
        }
    }

    fn convert(&self, row: &[u8], out: &mut [u8]) {
        match self {
            Self::Bits => fill(out, unpack(row, 1).map(|bit| [bit * 255; 3])),
            Self::Gray => fill(out, row.iter().map(|&level| [level; 3])),
            Self::Indices(8, palette) => fill(out, row.iter().map(|&index| palette.colour(index))),
            Self::Indices(bits, palette) => fill(out, unpack(row, *bits).map(|index| palette.colour(index))),
            Self::Words(green) => {
                let part = |word: u16, shift: u8, bits: u8| {
                    let most = (1u32 << bits) - 1;
                    (((u32::from(word) >> shift) & most) * 255 / most) as u8
                };
                fill(
                    out,
                    row.as_chunks::<2>().0.iter().map(|&pair| {
                        let word = u16::from_le_bytes(pair);
                        [part(word, 5 + green, 5), part(word, 5, *green), part(word, 0, 5)]
                    }),
                );
            }
            &Self::Bytes(size, [red, green, blue]) => {
                fill(out, row.chunks_exact(size).map(|pixel| [pixel[red], pixel[green], pixel[blue]]));
            }
        }
    }
}

struct Header {
    width: u32,
    height: u32,
    /// Whether the first row is the upper one.
    down: bool,
    bits: u16,
    compression: u32,
    colours: u32,
    /// Bytes of a colour in the palette.
    colour_size: usize,
    masks: [u32; 4],
    /// Where the pixels begin; 0 is right behind the palette.
    data: usize,
    /// Where what has been read ends.
    end: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let word = |at: usize| {
            let word = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or_else(|| truncated(FORMAT))?;
            Ok::<u32, Error>(u32::from_le_bytes(*word))
        };
        let half = |at: usize| Ok::<u32, Error>(word(at)? & 0xffff);
        let data = word(10)? as usize;
        let size = word(FILE_HEADER)? as usize;
        let end = FILE_HEADER.saturating_add(size);
        if bytes.len() < end {
            return Err(truncated(FORMAT));
        }
        let mut header = match size {
            12 => Self {
                width: half(18)?,
                height: half(20)?,
                down: false,
                bits: half(24)? as u16,
                compression: RAW,
                colours: 0,
                colour_size: 3,
                masks: [0; 4],
                data,
                end,
            },
            40 | 52 | 56 | 64 | 108 | 124 => {
                let down = bytes[25] == 0xff;
                let height = word(22)?;
                Self {
                    width: word(18)?,
                    height: if down { height.wrapping_neg() } else { height },
                    down,
                    bits: half(28)? as u16,
                    compression: word(30)?,
                    colours: word(46)?,
                    colour_size: 4,
                    masks: [0; 4],
                    data,
                    end,
                }
            }
            _ => return Err(unsupported(FORMAT, format!("with a header of {size} bytes"))),
        };
        if header.compression == BIT_FIELDS {
            let count = if size >= 56 { 4 } else { 3 };
            for (index, mask) in header.masks.iter_mut().take(count).enumerate() {
                *mask = word(FILE_HEADER + 40 + index * 4)?;
            }
            if size == 40 {
                header.end += 12;
            }
        }
        if header.colours == 0 {
            header.colours = 1u32.checked_shl(header.bits.into()).unwrap_or(0);
        }
        if header.data == FILE_HEADER + size && header.bits <= 8 {
            header.data = header.data.saturating_add(header.colour_size * header.colours as usize);
        }
        Ok(header)
    }

    /// The kind of the pixels; reads the palette.
    fn samples(&mut self, bytes: &[u8]) -> Result<Samples, Error> {
        let fields = match (self.bits, self.compression) {
            (1 | 4 | 8 | 16 | 24 | 32, RAW | RLE8 | RLE4) => None,
            (16 | 24 | 32, BIT_FIELDS) => Some(self.fields()?),
            (1 | 4 | 8, BIT_FIELDS) => return Err(unsupported(FORMAT, "with bit fields and a palette")),
            (1 | 4 | 8 | 16 | 24 | 32, other) => {
                return Err(unsupported(FORMAT, format!("of compression {other}")));
            }
            (bits, _) => return Err(unsupported(FORMAT, format!("of {bits} bits"))),
        };
        Ok(match (fields, self.bits) {
            (Some(samples), _) => samples,
            (None, 16) => Samples::Words(5),
            (None, 24) => Samples::Bytes(3, [2, 1, 0]),
            (None, 32) => Samples::Bytes(4, [2, 1, 0]),
            (None, bits) => self.palette(bytes, bits as u8)?,
        })
    }

    fn fields(&self) -> Result<Samples, Error> {
        let [red, green, blue, alpha] = self.masks;
        let of_bytes = |pixel| Ok(Samples::Bytes(4, pixel));
        match (self.bits, [red, green, blue], alpha) {
            (16, [0xf800, 0x7e0, 0x1f], _) => Ok(Samples::Words(6)),
            (16, [0x7c00, 0x3e0, 0x1f], _) => Ok(Samples::Words(5)),
            (24, [0xff_0000, 0xff00, 0xff], _) => Ok(Samples::Bytes(3, [2, 1, 0])),
            (32, [0xff_0000, 0xff00, 0xff], 0 | 0xff00_0000) | (32, [0, 0, 0], 0) => of_bytes([2, 1, 0]),
            (32, [0xff00_0000, 0xff_0000, 0xff00], 0 | 0xff) => of_bytes([3, 2, 1]),
            (32, [0xff00_0000, 0xff00, 0xff], 0 | 0xff_0000) => of_bytes([3, 1, 0]),
            (32, [0xff, 0xff00, 0xff_0000], 0xff00_0000) => of_bytes([0, 1, 2]),
            _ => Err(unsupported(FORMAT, format!("with the bit fields {:x?}", self.masks))),
        }
    }

    /// The palette, which Pillow takes for gray levels where each index has its own level.
    fn palette(&mut self, bytes: &[u8], bits: u8) -> Result<Samples, Error> {
        let (size, count) = (self.colour_size, self.colours as usize);
        if !(1..=65536).contains(&count) {
            return Err(unsupported(FORMAT, format!("with a palette of {count} colours")));
        }
        let rest = bytes.get(self.end..).unwrap_or_default();
        let table = &rest[..rest.len().min(size * count)];
        self.end += table.len();
        let level = |index: usize| if count == 2 { index * 255 } else { index & 255 } as u8;
        let is_gray =
            (0..count).all(|index| table.get(index * size..index * size + 3) == Some(&[level(index); 3]));
        if is_gray {
            return Ok(if count <= 2 { Samples::Bits } else { Samples::Gray });
        }
        if table.len() / size > 256 {
            return Err(unsupported(FORMAT, format!("with a palette of {count} colours")));
        }
        let colours: Vec<u8> =
            table.chunks_exact(size).flat_map(|colour| [colour[2], colour[1], colour[0]]).collect();
        Ok(Samples::Indices(bits, Box::new(Palette::from_rgb(&colours))))
    }

    fn image(&self, rows: &Rows, samples: &Samples) -> RgbImage {
        let height = self.height as usize;
        let row = |y: usize| &rows.data[y * rows.stride..][..rows.used];
        let ordered = (0..height).map(|y| row(if self.down { y } else { height - 1 - y }));
        from_samples(self.width, self.height, ordered, |row, out| samples.convert(row, out))
    }
}

/// Undoes run lengths: one byte for each index, until there are `most`. `start` is the data's place in the file, where words
/// are counted from.
fn run_lengths(data: &[u8], start: usize, nibbles: bool, width: usize, most: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut at, mut x) = (0, 0);
    while out.len() < most {
        let Some(&[count, value]) = data.get(at..).and_then(<[u8]>::first_chunk) else { break };
        at += 2;
        let pair = if nibbles { [value >> 4, value & 15] } else { [value; 2] };
        match (count, value) {
            (1.., _) => {
                let count = usize::from(count).min(width.saturating_sub(x));
                out.extend((0..count).map(|index| pair[index % 2]));
                x += count;
            }
            (0, 0) => {
                out.resize(out.len().next_multiple_of(width), 0);
                x = 0;
            }
            (0, 1) => break,
            (0, 2) => {
                let Some(&[right, up]) = data.get(at..).and_then(<[u8]>::first_chunk) else { break };
                at += 2;
                let skipped = usize::from(right) + usize::from(up) * width;
                out.resize(out.len() + skipped.min(most - out.len()), 0);
                x = out.len() % width;
            }
            (0, _) => {
                let count = usize::from(value).min(most - out.len());
                let length = if nibbles { count.div_ceil(2) } else { count };
                let rest = data.get(at..).unwrap_or_default();
                let read = &rest[..length.min(rest.len())];
                if nibbles {
                    let indices = read.iter().flat_map(|&byte| [byte >> 4, byte & 15]);
                    out.extend(indices.take(count));
                } else {
                    out.extend_from_slice(read);
                }
                if read.len() < length || out.len() == most {
                    break;
                }
                at += length;
                x += usize::from(value);
                at += (start + at) % 2;
            }
        }
    }
    out
}
