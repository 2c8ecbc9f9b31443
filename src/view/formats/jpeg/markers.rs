//! The markers behind a JPEG's header: what libjpeg refuses there, the decoder would pass over.

use memchr::memchr;

use super::FORMAT;
use super::head::Head;
use super::segment::{START_OF_SCAN, segment};
use crate::view::Error;
use crate::view::formats::{damaged, truncated};

const END_OF_IMAGE: u8 = 0xd9;

/// Follows the markers from the first scan to the end of the image.
///
/// # Errors
/// No end marker, for which libjpeg would wait, so that Pillow refuses the file; markers that libjpeg refuses; and restart markers
/// out of turn, where libjpeg guesses.
pub(super) fn check(head: &Head, bytes: &[u8]) -> Result<(), Error> {
    check_scan(head.frame, segment(bytes, head.scan)?.0)?;
    let (mut at, mut restarts, mut interval) = (head.data, 0, head.restart_interval);
    // Behind a segment that is not a scan, markers are looked for and nothing is decoded.
    let mut in_scan = true;
    loop {
        at += memchr(0xff, bytes.get(at..).unwrap_or_default()).ok_or_else(|| truncated(FORMAT))?;
        let marker = *bytes.get(at + 1).ok_or_else(|| truncated(FORMAT))?;
        match marker {
            0 => at += 2,
            0xff => at += 1,
            0xd0..=0xd7 => {
                if in_scan && interval > 0 {
                    // One behind the last block does no harm.
                    if marker & 7 != restarts && bytes.get(at + 2..at + 4) != Some(&[0xff, END_OF_IMAGE]) {
                        return Err(damaged(FORMAT, "a restart marker is missing or out of turn"));
                    }
                    restarts = (restarts + 1) % 8;
                }
                at += 2;
            }
            END_OF_IMAGE => return Ok(()),
            0x01 => {
                in_scan = false;
                at += 2;
            }
            0x02..=0xbf | 0xc0..=0xc3 | 0xc5..=0xcb | 0xcd..=0xcf | 0xd8 | 0xde | 0xdf | 0xf0..=0xfd => {
                return Err(damaged(FORMAT, "a marker stands where none of its kind can"));
            }
            _ => {
                let (data, end) = segment(bytes, at)?;
                in_scan = marker == START_OF_SCAN;
                if in_scan {
                    check_scan(head.frame, data)?;
                    restarts = 0;
                } else if let (0xdd, &[high, low, ..]) = (marker, data) {
                    interval = u16::from_be_bytes([high, low]);
                }
                at = end;
            }
        }
    }
}

/// Checks what a scan of a progressive image says it adds.
fn check_scan(frame: u8, data: &[u8]) -> Result<(), Error> {
    const PROGRESSIVE: [u8; 2] = [0xc2, 0xca];
    let parts = usize::from(*data.first().unwrap_or(&0));
    let Some(&[first, last, bits]) = data.get(1 + parts * 2..) else {
        return Err(damaged(FORMAT, "a scan's header has a wrong length"));
    };
    let (before, now) = (bits >> 4, bits & 15);
    let band = if first == 0 { last == 0 } else { first <= last && last < 64 && parts == 1 };
    let sound = band && (before == 0 || now + 1 == before) && now <= 13;
    if PROGRESSIVE.contains(&frame) && !sound {
        return Err(damaged(FORMAT, "a scan adds nothing that a progressive image can have"));
    }
    Ok(())
}
