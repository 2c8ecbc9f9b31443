//! The compressions of TIFF's strips and tiles, undone as libtiff does it.

use flate2::{Decompress, FlushDecompress, Status};
use weezl::{BitOrder, LzwStatus};

use super::FORMAT;
use crate::view::Error;
use crate::view::formats::{damaged, truncated, unsupported};

/// A compression but JPEG, which decodes whole images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Compression {
    None,
    /// CCITT's fourth group.
    Fax4,
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
    Zstandard,
}

impl Compression {
    pub(crate) fn of(number: u64) -> Result<Self, Error> {
        Ok(match number {
            1 => Self::None,
            4 => Self::Fax4,
            5 => Self::Lzw,
            7 => Self::Jpeg,
            8 | 32946 => Self::Deflate,
            32773 => Self::PackBits,
            50000 => Self::Zstandard,
            2 | 3 => return Err(unsupported(FORMAT, "compressed by CCITT's group 3 code")),
            6 => return Err(unsupported(FORMAT, "compressed by old-style JPEG")),
            34925 => return Err(unsupported(FORMAT, "compressed by LZMA")),
            50001 => return Err(unsupported(FORMAT, "compressed by WebP")),
            other => return Err(unsupported(FORMAT, format!("of compression {other}"))),
        })
    }

    /// The `length` bytes of `rows` rows, `width` pixels each.
    pub(crate) fn undo(
        self,
        data: &[u8],
        length: usize,
        width: usize,
        rows: usize,
    ) -> Result<Vec<u8>, Error> {
        match self {
            Self::None | Self::Jpeg => {
                data.get(..length).map(<[u8]>::to_vec).ok_or_else(|| truncated(FORMAT))
            }
            Self::PackBits => pack_bits(data, length),
            Self::Lzw => lzw(data, length),
            Self::Deflate => deflate(data, length),
            Self::Zstandard => match zstd::bulk::decompress(data, length) {
                Ok(out) if out.len() == length => Ok(out),
                Ok(_) => Err(truncated(FORMAT)),
                Err(error) => Err(damaged(FORMAT, error)),
            },
            Self::Fax4 => fax(data, length, width, rows),
        }
    }
}

fn pack_bits(data: &[u8], length: usize) -> Result<Vec<u8>, Error> {
    let (mut out, mut at) = (Vec::with_capacity(length), 0);
    while out.len() < length {
        let left = length - out.len();
        match data.get(at).ok_or_else(|| truncated(FORMAT))? {
            128 => at += 1,
            &count @ 129.. => {
                let value = *data.get(at + 1).ok_or_else(|| truncated(FORMAT))?;
                out.resize(out.len() + left.min(257 - usize::from(count)), value);
                at += 2;
            }
            &count => {
                let end = at + 1 + left.min(usize::from(count) + 1);
                out.extend_from_slice(data.get(at + 1..end).ok_or_else(|| truncated(FORMAT))?);
                at += usize::from(count) + 2;
            }
        }
    }
    Ok(out)
}

fn lzw(data: &[u8], length: usize) -> Result<Vec<u8>, Error> {
    let mut out = vec![0; length];
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let (mut read, mut written) = (0, 0);
    while written < length {
        let result = decoder.decode_bytes(&data[read..], &mut out[written..]);
        read += result.consumed_in;
        written += result.consumed_out;
        match result.status {
            Ok(LzwStatus::Ok) if result.consumed_in + result.consumed_out > 0 => {}
            Ok(_) if written < length => return Err(truncated(FORMAT)),
            Ok(_) => {}
            Err(error) => return Err(damaged(FORMAT, error)),
        }
    }
    Ok(out)
}

fn deflate(data: &[u8], length: usize) -> Result<Vec<u8>, Error> {
    let mut out = vec![0; length];
    let mut state = Decompress::new(true);
    loop {
        let (read, written) = (state.total_in() as usize, state.total_out() as usize);
        if written == length {
            return Ok(out);
        }
        let status = state.decompress(&data[read..], &mut out[written..], FlushDecompress::None);
        let moved = (read, written) != (state.total_in() as usize, state.total_out() as usize);
        match status {
            Err(error) => return Err(damaged(FORMAT, error)),
            Ok(Status::StreamEnd) if (state.total_out() as usize) < length => return Err(truncated(FORMAT)),
            Ok(_) if !moved => return Err(truncated(FORMAT)),
            Ok(_) => {}
        }
    }
}

/// Undoes CCITT group 4 fax: white is 0 and black is 1.
fn fax(data: &[u8], length: usize, width: usize, rows: usize) -> Result<Vec<u8>, Error> {
    let columns = u16::try_from(width).map_err(|_| unsupported(FORMAT, "so wide in CCITT compression"))?;
    let mut out = Vec::with_capacity(length);
    let line = |transitions: &[u16]| {
        if out.len() + width.div_ceil(8) > length {
            return;
        }
        let mut byte = 0u8;
        let mut count = 0;
        for colour in fax::decoder::pels(transitions, columns) {
            byte = byte << 1 | u8::from(colour == fax::Color::Black);
            count += 1;
            if count % 8 == 0 {
                out.push(byte);
            }
        }
        if count % 8 != 0 {
            out.push(byte << (8 - count % 8));
        }
    };
    let input = data.iter().copied();
    let decoded = fax::decoder::decode_g4(input, columns, u16::try_from(rows).ok(), line);
    if out.len() < length {
        return Err(if decoded.is_some() { truncated(FORMAT) } else { damaged(FORMAT, "a line is broken") });
    }
    Ok(out)
}
