//! The chunks of a PNG, with Pillow's answers: which of them must be whole, and which it looks into.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress};

use super::{FORMAT, Header};
use crate::view::Error;
use crate::view::formats::{damaged, truncated};

/// The most bytes that Pillow inflates of a text or a colour profile; a longer one makes it refuse the file.
const MAX_TEXT: usize = 1 << 20;

/// Where an orientation can stand, each in the last of its chunks.
#[derive(Default)]
pub(super) struct Metadata {
    exif: Option<Vec<u8>>,
    /// `Raw profile type exif`, as ImageMagick writes EXIF: hexadecimal digits behind three lines.
    raw_profile: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
}

impl Metadata {
    pub(crate) fn exif(&self) -> Option<Vec<u8>> {
        if self.exif.is_some() {
            return self.exif.clone();
        }
        let lines = self.raw_profile.as_ref()?.split(|&byte| byte == b'\n').skip(3);
        let digits: Vec<u8> = lines.flatten().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        digits.chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(*pair.get(1)?)?)).collect()
    }

    fn text(&mut self, key: &[u8], value: Vec<u8>) {
        match key {
            b"exif" => self.exif = Some(value),
            b"Raw profile type exif" => self.raw_profile = Some(value),
            b"XML:com.adobe.xmp" => self.xmp = Some(value),
            _ => {}
        }
    }
}

/// A PNG that is read chunk by chunk.
pub(super) struct File<'a> {
    bytes: &'a [u8],
    pub at: usize,
    pub header: Option<Header>,
    pub palette: Vec<u8>,
    pub metadata: Metadata,
}

impl<'a> File<'a> {
    /// A file behind its signature.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 8, header: None, palette: Vec::new(), metadata: Metadata::default() }
    }

    /// The name and the length of the next chunk.
    fn next(&mut self) -> Result<([u8; 4], usize), Error> {
        let Some((&length, rest)) = self.bytes.get(self.at..).and_then(<[u8]>::split_first_chunk::<4>) else {
            return Err(truncated(FORMAT));
        };
        let name = *rest.first_chunk().ok_or_else(|| truncated(FORMAT))?;
        if !name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(damaged(FORMAT, "a chunk has no name"));
        }
        self.at += 8;
        Ok((name, u32::from_be_bytes(length) as usize))
    }

    /// The next `length` bytes.
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let data = self.bytes.get(self.at..).and_then(|rest| rest.get(..length));
        self.at += length;
        data.ok_or_else(|| truncated(FORMAT))
    }

    /// Reads up to the image data, and gives the length of their first chunk.
    pub(crate) fn read_to_data(&mut self) -> Result<usize, Error> {
        loop {
            let (name, length) = self.next()?;
            match &name {
                b"IDAT" => return Ok(length),
                b"IEND" | b"fdAT" => return Err(damaged(FORMAT, "it holds no image data")),
                _ => {}
            }
            let start = self.at - 4;
            let data = self.take(length)?;
            self.chunk(name, data)?;
            let stated = self.take(4)?;
            if crc32(&self.bytes[start..start + 4 + length]).to_be_bytes() != stated {
                return Err(damaged(FORMAT, "a checksum does not match"));
            }
        }
    }

    /// The chunks of image data from the current one on, `first` bytes long: all that follow each other without another
    /// between them. Only the last can be cut off, and then gets a length that fits.
    pub(crate) fn data(&mut self, first: usize) -> Cow<'a, [u8]> {
        let start = self.at - 8;
        let mut length = first;
        loop {
            let rest = self.bytes.len() - self.at;
            if length.saturating_add(4) > rest {
                let mut chunks = self.bytes[start..].to_vec();
                let header = self.at - 8 - start;
                let length_there = rest.min(length);
                chunks.truncate(header + 8 + length_there);
                chunks[header..header + 4].copy_from_slice(&(length_there as u32).to_be_bytes());
                chunks.extend_from_slice(&[0; 4]);
                self.at = self.at.saturating_add(length);
                return chunks.into();
            }
            self.at += length;
            let after = self.at + 4;
            let Some(&[a, b, c, d, b'I', b'D', b'A', b'T']) =
                self.bytes.get(after..).and_then(|rest| rest.first_chunk::<8>())
            else {
                return self.bytes[start..after].into();
            };
            self.at = after + 8;
            length = u32::from_be_bytes([a, b, c, d]) as usize;
        }
    }

    /// Reads what follows the image data; a chunk without a name ends the file.
    pub(crate) fn read_rest(&mut self) -> Result<(), Error> {
        loop {
            self.at += 4;
            let Ok((name, length)) = self.next() else { return Ok(()) };
            if &name == b"IEND" || &name == b"fcTL" {
                return Ok(());
            }
            let data = self.take(length)?;
            self.chunk(name, data)?;
        }
    }

    fn chunk(&mut self, name: [u8; 4], data: &[u8]) -> Result<(), Error> {
        let at_least = |length: usize| {
            if data.len() < length { Err(damaged(FORMAT, "a chunk is too short")) } else { Ok(()) }
        };
        match &name {
            b"IHDR" => {
                at_least(13)?;
                let side =
                    |at: usize| u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
                if data[11] != 0 {
                    return Err(damaged(FORMAT, "its filter method is unknown"));
                }
                let known = matches!(
                    (data[8], data[9]),
                    (1 | 2 | 4 | 8 | 16, 0) | (8 | 16, 2 | 4 | 6) | (1 | 2 | 4 | 8, 3)
                );
                let (width, height) = (side(0), side(4));
                if !known || width == 0 || height == 0 {
                    return Err(damaged(FORMAT, "its header states no image"));
                }
                self.header = Some(Header {
                    width,
                    height,
                    depth: data[8],
                    colour: data[9],
                    interlaced: data[12] != 0,
                });
            }
            b"PLTE" => self.palette = data.to_vec(),
            b"tRNS" => match self.header.map(|header| header.colour) {
                Some(0) => at_least(2)?,
                Some(2) => at_least(6)?,
                _ => {}
            },
            b"gAMA" => at_least(4)?,
            b"cHRM" => at_least(32)?,
            b"sRGB" => at_least(1)?,
            b"pHYs" => at_least(9)?,
            b"acTL" => at_least(8)?,
            b"fcTL" => at_least(26)?,
            b"eXIf" => self.metadata.exif = Some(data.to_vec()),
            b"tEXt" => {
                let (key, text) = split(data).unwrap_or((data, &[]));
                self.metadata.text(key, text.to_vec());
            }
            b"zTXt" => {
                let (key, rest) = split(data).unwrap_or((data, &[]));
                if rest.first().is_some_and(|&method| method != 0) {
                    return Err(damaged(FORMAT, "a text's compression is unknown"));
                }
                let text = inflate(rest.get(1..).unwrap_or_default())?.unwrap_or_default();
                self.metadata.text(key, text);
            }
            b"iTXt" => self.international_text(data)?,
            b"iCCP" => {
                let (_, rest) = split(data).ok_or_else(|| damaged(FORMAT, "a colour profile has no name"))?;
                if rest.first() != Some(&0) {
                    return Err(damaged(FORMAT, "a colour profile's compression is unknown"));
                }
                inflate(&rest[1..])?;
            }
            _ => {}
        }
        Ok(())
    }

    fn international_text(&mut self, data: &[u8]) -> Result<(), Error> {
        let Some((key, [compressed, method, rest @ ..])) = split(data) else { return Ok(()) };
        let Some((_, text)) = split(rest).and_then(|(_, rest)| split(rest)) else { return Ok(()) };
        let text = match (compressed, method) {
            (0, _) => Some(text.to_vec()),
            (_, 0) => inflate(text)?,
            _ => None,
        };
        // As `exif` it would be text to Pillow, which it can't read.
        if let (Some(text), true) = (text, key != b"exif") {
            self.metadata.text(key, text);
        }
        Ok(())
    }
}

/// The bytes before and behind the first zero byte.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|&byte| byte == 0)?;
    Some((&data[..end], &data[end + 1..]))
}

/// A zlib stream's content as far as it goes, or none where it is damaged.
///
/// # Errors
/// More than Pillow inflates.
fn inflate(data: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut out = Vec::with_capacity((data.len() * 8).clamp(256, MAX_TEXT));
    let mut state = Decompress::new(true);
    loop {
        let start = state.total_in() as usize;
        let before = (state.total_in(), state.total_out());
        let status = state.decompress_vec(&data[start..], &mut out, FlushDecompress::None);
        match status {
            Err(_) => return Ok(None),
            Ok(flate2::Status::StreamEnd) => return Ok(Some(out)),
            Ok(_) if out.len() >= MAX_TEXT => {
                if (state.total_in() as usize) < data.len() {
                    return Err(damaged(FORMAT, "a text or a colour profile is longer than 1 MB"));
                }
                return Ok(Some(out));
            }
            Ok(_) if out.len() == out.capacity() => out.reserve_exact((MAX_TEXT - out.len()).min(out.len())),
            Ok(_) if before == (state.total_in(), state.total_out()) => return Ok(Some(out)),
            Ok(_) => {}
        }
    }
}

/// The checksum of PNG's chunks.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
