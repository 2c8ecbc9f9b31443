//! PNG as Pillow reads it: the checksums before the image data count, those of the data don't, and what follows them is
//! read for its metadata.
//!
//! The container is read here. The data then go to the crate `png` as the only chunk of a clean file, without palette, so
//! that it inflates and unfilters and nothing else.

mod file;
mod slices;

use image::RgbImage;

use super::orientation::upright;
use super::{Palette, check_size, damaged, fill, from_samples, truncated, unpack};
use crate::view::Error;
use file::File;
use slices::Slices;

const FORMAT: &str = "PNG";
/// Working memory of the decoder beside the rows.
const DECODER_BYTES: usize = 64 << 20;

/// The pixels of a PNG, upright, without alpha; of an animation, its first frame.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    let mut file = File::new(bytes);
    let data = file.read_to_data()?;
    let header = file.header.ok_or_else(|| damaged(FORMAT, "it has no header"))?;
    check_size(header.width, header.height)?;
    let data = file.data(data);
    let is_cut = file.at >= bytes.len();
    let samples = header.samples(&data).map_err(|error| if is_cut { truncated(FORMAT) } else { error })?;
    let pixels = header.pixels(samples, &file.palette);
    file.read_rest()?;
    let exif = file.metadata.exif();
    Ok(upright(pixels, exif.as_deref(), file.metadata.xmp.as_deref()))
}

const END: &[u8] = b"\0\0\0\0IEND\0\0\0\0";

/// The header chunk.
#[derive(Clone, Copy)]
struct Header {
    width: u32,
    height: u32,
    depth: u8,
    colour: u8,
    interlaced: bool,
}

impl Header {
    /// Bits of one pixel.
    fn bits(self) -> usize {
        let channels = match self.colour {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        };
        channels * usize::from(self.depth)
    }

    /// Inflates and unfilters the image data: rows of packed samples.
    fn samples(self, data: &[u8]) -> Result<Vec<u8>, Error> {
        let stride = (self.width as usize * self.bits()).div_ceil(8);
        let mut options = png::DecodeOptions::default();
        options.set_ignore_crc(true);
        options.set_ignore_adler32(false);
        let start = self.clean_start();
        let mut decoder = png::Decoder::new_with_options(Slices::new([&start, data, END]), options);
        decoder.set_limits(png::Limits { bytes: stride.saturating_mul(4) + DECODER_BYTES });
        decoder.set_transformations(png::Transformations::IDENTITY);
        let reason = |error: png::DecodingError| match error {
            png::DecodingError::IoError(_) => truncated(FORMAT),
            other => damaged(FORMAT, other),
        };
        let mut reader = decoder.read_info().map_err(reason)?;
        let mut samples = vec![0; stride * self.height as usize];
        if self.interlaced {
            while let Some(row) = reader.next_interlaced_row().map_err(reason)? {
                let png::InterlaceInfo::Adam7(info) = row.interlace() else {
                    return Err(damaged(FORMAT, "its rows are not interlaced"));
                };
                png::expand_interlaced_row(&mut samples, stride, row.data(), info, self.bits() as u8);
            }
        } else {
            for row in samples.chunks_exact_mut(stride) {
                reader.read_row(row).map_err(reason)?;
            }
        }
        Ok(samples)
    }

    /// The beginning of a file of this header, palette indices as gray levels.
    fn clean_start(self) -> Vec<u8> {
        let colour = if self.colour == 3 { 0 } else { self.colour };
        let mut start = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        start.extend_from_slice(&self.width.to_be_bytes());
        start.extend_from_slice(&self.height.to_be_bytes());
        start.extend_from_slice(&[self.depth, colour, 0, 0, u8::from(self.interlaced), 0, 0, 0, 0]);
        start
    }

    /// Samples as RGB. Of 16 bits the high byte counts, but in gray, which Pillow clips at 255.
    fn pixels(self, samples: Vec<u8>, palette: &[u8]) -> RgbImage {
        if (self.colour, self.depth) == (2, 8) {
            return RgbImage::from_raw(self.width, self.height, samples).expect("rows of this size");
        }
        let stride = (self.width as usize * self.bits()).div_ceil(8);
        let rows = samples.chunks_exact(stride);
        let palette = Palette::from_rgb(palette);
        let high = |pair: &[u8]| pair[0];
        from_samples(self.width, self.height, rows, |row, out| match (self.colour, self.depth) {
            (0 | 3, depth @ 1..8) => {
                let scale = if self.colour == 3 { 1 } else { 255 / ((1 << depth) - 1) };
                let levels = unpack(row, depth).map(|level| level * scale);
                fill(
                    out,
                    levels.map(|level| if self.colour == 3 { palette.colour(level) } else { [level; 3] }),
                );
            }
            (0, 8) => fill(out, row.iter().map(|&level| [level; 3])),
            (0, _) => {
                let clip = |pair: &[u8]| if pair[0] > 0 { 255 } else { pair[1] };
                fill(out, row.chunks_exact(2).map(|pair| [clip(pair); 3]));
            }
            (3, _) => fill(out, row.iter().map(|&index| palette.colour(index))),
            (2, _) => fill(out, row.chunks_exact(6).map(|p| [p[0], p[2], p[4]])),
            (4, 8) => fill(out, row.chunks_exact(2).map(|pair| [pair[0]; 3])),
            (4, _) => fill(out, row.chunks_exact(4).map(|pair| [high(pair); 3])),
            (_, 8) => fill(out, row.chunks_exact(4).map(|p| [p[0], p[1], p[2]])),
            (..) => fill(out, row.chunks_exact(8).map(|p| [p[0], p[2], p[4]])),
        })
    }
}
