//! The first image of a TIFF, in the layouts and with the answers of Pillow and libtiff.

mod compression;
mod directory;
mod samples;

use image::RgbImage;

use super::orientation::{ByteOrder, Tag, digit_in_xmp, tag_in_directory, turn};
use super::{check_size, damaged, from_samples, jpeg, truncated, unsupported};
use crate::view::Error;
use compression::Compression;
use directory::{Directory, tag};
use samples::{Meaning, Samples};

const FORMAT: &str = "TIFF";

/// The pixels of the first image, upright, without alpha.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    let directory = Directory::read(bytes)?;
    let side = |number: u16| {
        let side = directory.number(number).ok_or_else(|| damaged(FORMAT, "it states no size"))?;
        Ok::<u32, Error>(u32::try_from(side).unwrap_or(u32::MAX))
    };
    let (width, height) = (side(tag::WIDTH)?, side(tag::HEIGHT)?);
    check_size(width, height)?;
    if width == 0 || height == 0 {
        return Err(damaged(FORMAT, "it states no size"));
    }
    let compression = Compression::of(directory.number(tag::COMPRESSION).unwrap_or(1))?;
    let planar = directory.number(tag::PLANAR) == Some(2);
    let samples = Samples::of(&directory, compression == Compression::Jpeg, planar)?;
    let grid = Grid::of(&directory, width as usize, height as usize)?;
    let file = File { bytes, directory, compression, samples, grid, planar };
    let image = if file.compression == Compression::Jpeg { file.jpeg()? } else { file.image()? };
    Ok(turn(image, file.orientation()))
}

/// The longest side of a tile.
const LARGEST_TILE: usize = 1 << 15;

/// The strips or tiles that an image is cut into.
struct Grid {
    width: usize,
    height: usize,
    part_width: usize,
    part_height: usize,
    tiled: bool,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

impl Grid {
    fn of(directory: &Directory, width: usize, height: usize) -> Result<Self, Error> {
        let numbers = |tag: u16| directory.numbers(tag).unwrap_or_default();
        let size = |tag: u16| directory.number(tag).map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        let grid = if let Some(offsets) = directory.numbers(tag::STRIP_OFFSETS) {
            let rows = size(tag::ROWS_PER_STRIP).unwrap_or(height).min(height);
            let lengths = numbers(tag::STRIP_LENGTHS);
            Self { width, height, part_width: width, part_height: rows, tiled: false, offsets, lengths }
        } else {
            let offsets = numbers(tag::TILE_OFFSETS);
            let (Some(part_width), Some(part_height)) = (size(tag::TILE_WIDTH), size(tag::TILE_HEIGHT))
            else {
                return Err(damaged(FORMAT, "it does not say where its pixels are"));
            };
            let lengths = numbers(tag::TILE_LENGTHS);
            Self { width, height, part_width, part_height, tiled: true, offsets, lengths }
        };
        if grid.part_width == 0 || grid.part_height == 0 {
            return Err(damaged(FORMAT, "its strips or tiles are empty"));
        }
        if grid.tiled && grid.part_width.max(grid.part_height) > LARGEST_TILE {
            return Err(unsupported(FORMAT, "with so large tiles"));
        }
        Ok(grid)
    }

    fn across(&self) -> usize {
        self.width.div_ceil(self.part_width)
    }

    fn parts(&self) -> usize {
        self.across() * self.height.div_ceil(self.part_height)
    }

    /// Where a part begins, and how many of its columns and rows lie in the image.
    fn place(&self, part: usize) -> (usize, usize, usize, usize) {
        let (x, y) = (part % self.across() * self.part_width, part / self.across() * self.part_height);
        (x, y, self.part_width.min(self.width - x), self.part_height.min(self.height - y))
    }

    /// The rows that a part's data hold: all of a tile, and those that are there of a strip.
    fn rows(&self, part: usize) -> usize {
        if self.tiled { self.part_height } else { self.place(part).3 }
    }
}

struct File<'a> {
    bytes: &'a [u8],
    directory: Directory<'a>,
    compression: Compression,
    samples: Samples,
    grid: Grid,
    planar: bool,
}

impl File<'_> {
    /// The compressed data of one strip or tile.
    fn part(&self, index: usize) -> Result<std::borrow::Cow<'_, [u8]>, Error> {
        let offset = self.grid.offsets.get(index).ok_or_else(|| truncated(FORMAT))?;
        let rest = usize::try_from(*offset).ok().and_then(|offset| self.bytes.get(offset..));
        let rest = rest.ok_or_else(|| truncated(FORMAT))?;
        let data = if self.compression == Compression::None {
            rest
        } else {
            let length = self.grid.lengths.get(index).ok_or_else(|| truncated(FORMAT))?;
            let length = usize::try_from(*length).map_err(|_| truncated(FORMAT))?;
            rest.get(..length).ok_or_else(|| truncated(FORMAT))?
        };
        Ok(if self.samples.reversed_bits {
            let needed = if self.compression == Compression::None {
                let row = (self.grid.part_width * self.samples.bits * self.samples.count).div_ceil(8);
                data.len().min(row.saturating_mul(self.grid.part_height))
            } else {
                data.len()
            };
            data[..needed].iter().map(|byte| byte.reverse_bits()).collect::<Vec<u8>>().into()
        } else {
            data.into()
        })
    }

    fn image(&self) -> Result<RgbImage, Error> {
        if matches!(self.samples.meaning, Meaning::YCbCr) && self.compression != Compression::None {
            return Err(unsupported(FORMAT, "of YCbCr colours with compression"));
        }
        let grid = &self.grid;
        let stride = (grid.width * self.samples.bits * self.samples.count).div_ceil(8);
        let mut samples = vec![0; stride * grid.height];
        let planes = if self.planar && self.samples.count > 1 { self.samples.count } else { 1 };
        // Of others, Pillow refuses some and mixes up the rest.
        let has_alpha = self.directory.number(tag::EXTRA_SAMPLES) == Some(2);
        let known = match (&self.samples.meaning, self.samples.count) {
            (Meaning::Rgb { premultiplied: false }, 3) | (Meaning::Cmyk, 4) => true,
            (Meaning::Rgb { premultiplied: false }, 4) => has_alpha,
            _ => false,
        } && (self.compression != Compression::None || self.samples.bits == 8);
        if planes > 1 && !known {
            return Err(unsupported(FORMAT, "whose channels lie apart"));
        }
        // Where one part is the whole image, Pillow takes the last one that is listed.
        let whole = planes == 1
            && grid.parts() == 1
            && self.compression == Compression::None
            && !grid.offsets.is_empty();
        for plane in 0..planes {
            for part in 0..grid.parts() {
                let index = if whole && grid.part_width == grid.width && grid.part_height == grid.height {
                    grid.offsets.len() - 1
                } else {
                    plane * grid.parts() + part
                };
                self.read_part(index, part, plane, planes, &mut samples, stride)?;
            }
        }
        let rows = samples.chunks_exact(stride);
        Ok(from_samples(grid.width as u32, grid.height as u32, rows, |row, out| {
            self.samples.convert(row, out);
        }))
    }

    /// Decompresses one part into the image's samples.
    fn read_part(
        &self,
        index: usize,
        part: usize,
        plane: usize,
        planes: usize,
        samples: &mut [u8],
        stride: usize,
    ) -> Result<(), Error> {
        let (x, y, columns, rows) = self.grid.place(part);
        let bits = self.samples.bits * self.samples.count / planes;
        let width = self.grid.part_width;
        let row_bytes = (width * bits).div_ceil(8);
        let data = self.part(index)?;
        let held = if self.compression == Compression::None { rows } else { self.grid.rows(part) };
        // Of a tile's last row the file may hold only what is needed.
        let mut length = row_bytes * held;
        if self.compression == Compression::None {
            length = row_bytes * (held - 1) + (columns * bits).div_ceil(8);
        }
        let mut data = self.compression.undo(&data, length, width, held)?;
        self.undo_predictor(&mut data, row_bytes, planes)?;
        let used = (columns * bits).div_ceil(8);
        if planes == 1 {
            for (row, source) in data.chunks(row_bytes).take(rows).enumerate() {
                let start = (y + row) * stride + x * bits / 8;
                samples[start..start + used].copy_from_slice(&source[..used]);
            }
            return Ok(());
        }
        let size = self.samples.bits / 8;
        let pixel = size * planes;
        for (row, source) in data.chunks(row_bytes).take(rows).enumerate() {
            let start = (y + row) * stride + x * pixel + plane * size;
            for (column, sample) in source.chunks_exact(size).take(columns).enumerate() {
                samples[start + column * pixel..][..size].copy_from_slice(sample);
            }
        }
        Ok(())
    }

    /// Undoes differences from pixel to pixel.
    fn undo_predictor(&self, data: &mut [u8], row_bytes: usize, planes: usize) -> Result<(), Error> {
        let differs =
            matches!(self.compression, Compression::Lzw | Compression::Deflate | Compression::Zstandard);
        match (self.directory.number(tag::PREDICTOR).unwrap_or(1), differs) {
            (1, _) | (_, false) => return Ok(()),
            (2, _) => {}
            _ => return Err(unsupported(FORMAT, "with a predictor for fractions")),
        }
        let (size, step) = (self.samples.bits / 8, self.samples.count / planes * (self.samples.bits / 8));
        for row in data.chunks_mut(row_bytes) {
            for at in (step..row.len()).step_by(size.max(1)) {
                match self.samples.bits {
                    8 => row[at] = row[at].wrapping_add(row[at - step]),
                    16 => {
                        let value = |at: usize| self.samples.order.u16(row, at).unwrap_or(0);
                        let sum = value(at).wrapping_add(value(at - step));
                        let sum = if self.samples.order == ByteOrder::Little {
                            sum.to_le_bytes()
                        } else {
                            sum.to_be_bytes()
                        };
                        row[at..at + 2].copy_from_slice(&sum);
                    }
                    32 => {
                        let value = |at: usize| self.samples.order.u32(row, at).unwrap_or(0);
                        let sum = value(at).wrapping_add(value(at - step));
                        let sum = if self.samples.order == ByteOrder::Little {
                            sum.to_le_bytes()
                        } else {
                            sum.to_be_bytes()
                        };
                        row[at..at + 4].copy_from_slice(&sum);
                    }
                    _ => return Err(damaged(FORMAT, "its predictor does not fit its samples")),
                }
            }
        }
        Ok(())
    }

    /// The image whose strips or tiles are JPEG files, their tables perhaps in a file of their own.
    fn jpeg(&self) -> Result<RgbImage, Error> {
        if self.planar && self.samples.count > 1 {
            return Err(unsupported(FORMAT, "compressed by JPEG with its channels apart"));
        }
        let transform = match (&self.samples.meaning, self.samples.count) {
            (Meaning::YCbCr, 3) => Some(1),
            (Meaning::Rgb { .. }, 3) | (Meaning::Cmyk, 4) => Some(0),
            (Meaning::Gray { inverted: false }, 1) => None,
            _ => return Err(unsupported(FORMAT, "compressed by JPEG in an unusual colour space")),
        };
        let tables = self.directory.bytes(tag::JPEG_TABLES);
        let mut image = vec![0; self.grid.width * self.grid.height * 3];
        for index in 0..self.grid.parts() {
            let (x, y, columns, rows) = self.grid.place(index);
            let file = jpeg::from_tiff(tables, &self.part(index)?, transform)?;
            let part = jpeg::decode_part(&file, transform == Some(0) && self.samples.count == 4)?;
            if (part.width() as usize) < columns || (part.height() as usize) < rows {
                return Err(damaged(FORMAT, "a strip or tile is smaller than it should be"));
            }
            for row in 0..rows {
                let source = &part.as_raw()[row * part.width() as usize * 3..][..columns * 3];
                let start = ((y + row) * self.grid.width + x) * 3;
                image[start..start + columns * 3].copy_from_slice(source);
            }
        }
        Ok(RgbImage::from_raw(self.grid.width as u32, self.grid.height as u32, image)
            .expect("three bytes a pixel"))
    }

    fn orientation(&self) -> Option<u8> {
        // A TIFF of 32 bits is an EXIF block itself; Pillow reads both in the same way.
        let is_big = self.bytes.get(2..4).is_some_and(|magic| magic.contains(&b'+'));
        let found = if is_big {
            self.directory.number(tag::ORIENTATION).map(|value| Tag::Number(value.min(255) as u8))
        } else {
            let first = self.samples.order.u32(self.bytes, 4).unwrap_or(0) as usize;
            tag_in_directory(self.bytes, self.samples.order, first)
        };
        match found {
            Some(Tag::Number(number)) => Some(number),
            Some(Tag::Other) => None,
            None => self.directory.bytes(tag::XMP).and_then(digit_in_xmp),
        }
    }
}
