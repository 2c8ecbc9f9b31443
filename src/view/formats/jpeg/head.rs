//! The part of a JPEG before its first scan.

use super::FORMAT;
use super::segment::{START_OF_SCAN, segment};
use crate::view::Error;
use crate::view::formats::{damaged, truncated, unsupported};

/// The header, as Pillow reads it.
pub(super) struct Head<'a> {
    pub width: u32,
    pub height: u32,
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<&'a [u8]>,
    /// The second half of the frame's marker: 0xc2 is progressive.
    pub frame: u8,
    /// The interval of restart markers, in blocks of blocks; 0 is none.
    pub restart_interval: u16,
    /// Where the first scan's segment begins, and where its data do.
    pub scan: usize,
    pub data: usize,
    /// Where each segment begins and ends, its marker included.
    segments: Vec<(usize, usize)>,
}

impl<'a> Head<'a> {
    /// Reads the segments, passing over bytes that belong to none.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut head = Head {
            width: 0,
            height: 0,
            exif: None,
            xmp: None,
            frame: 0,
            restart_interval: 0,
            scan: 0,
            data: 0,
            segments: vec![(0, 2)],
        };
        let mut at = 2;
        loop {
            let marker = match bytes.get(at..) {
                None | Some([] | [_]) => return Err(truncated(FORMAT)),
                Some([0xff, 0, ..]) => {
                    at += 2;
                    continue;
                }
                Some([0xff, 0xff, ..] | [0..=0xfe, ..]) => {
                    at += 1;
                    continue;
                }
                Some([_, marker, ..]) => *marker,
            };
            match marker {
                // libjpeg passes over restart markers; the others that stand alone mean something to it.
                0xd0..=0xd7 => at += 2,
                0xc8 | 0xd8 | 0xd9 | 0xf0..=0xfd => {
                    head.segments.push((at, at + 2));
                    at += 2;
                }
                0x01..=0xbf => return Err(damaged(FORMAT, "a marker is unknown")),
                _ => {
                    let (data, end) = segment(bytes, at)?;
                    head.segments.push((at, end));
                    head.segment(marker, data)?;
                    if marker == START_OF_SCAN {
                        (head.scan, head.data) = (at, end);
                        break;
                    }
                    at = end;
                }
            }
        }
        if head.width == 0 || head.height == 0 {
            return Err(damaged(FORMAT, "it states no size"));
        }
        Ok(head)
    }

    fn segment(&mut self, marker: u8, data: &'a [u8]) -> Result<(), Error> {
        const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xde => {
                let &[bits, high, low, wide, narrow, layers, ..] = data else {
                    return Err(damaged(FORMAT, "its frame header is too short"));
                };
                self.frame = marker;
                self.height = u16::from_be_bytes([high, low]).into();
                self.width = u16::from_be_bytes([wide, narrow]).into();
                match (bits, layers) {
                    (8, 1 | 3 | 4) => {}
                    (8, _) => return Err(unsupported(FORMAT, format!("of {layers} channels"))),
                    _ => return Err(unsupported(FORMAT, format!("of {bits} bits"))),
                }
            }
            0xdd => {
                if let &[high, low, ..] = data {
                    self.restart_interval = u16::from_be_bytes([high, low]);
                }
            }
            0xe1 => {
                if let Some(exif) = data.strip_prefix(b"Exif\0\0") {
                    self.exif.get_or_insert_default().extend_from_slice(exif);
                } else if let Some(xmp) = data.strip_prefix(XMP) {
                    self.xmp = Some(xmp);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The file without bytes and restart markers between the segments, where there are such: libjpeg passes over them.
    pub(crate) fn without_stray_bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let length: usize = self.segments.iter().map(|(start, end)| end - start).sum();
        if length == self.data {
            return None;
        }
        let mut clean = Vec::with_capacity(bytes.len());
        for &(start, end) in &self.segments {
            clean.extend_from_slice(&bytes[start..end]);
        }
        clean.extend_from_slice(&bytes[self.data..]);
        Some(clean)
    }
}
