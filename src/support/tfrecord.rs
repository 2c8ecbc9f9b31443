//! TFRecord: a file of byte strings, each framed by its length and two checksums, as TensorFlow and TensorBoard read it.
//!
//! A record is its length (`uint64`), the masked CRC-32C of those eight bytes, the bytes, and theirs; all little-endian.

/// One record as it is stored.
pub(crate) fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(bytes.len() + OVERHEAD);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend_from_slice(bytes);
    record.extend(masked_crc(bytes).to_le_bytes());
    record
}

/// Bytes of a record beside its content.
const OVERHEAD: usize = 16;

/// The records at the beginning of a file, up to one that is cut short or damaged.
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    /// Where the next record begins.
    at: usize,
}

impl<'a> Records<'a> {
    /// The records of a whole file.
    pub(crate) fn new(file: &'a [u8]) -> Self {
        Self { rest: file, at: 0 }
    }
}

impl<'a> Iterator for Records<'a> {
    /// A record's content, and where the record after it begins.
    type Item = (&'a [u8], usize);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.rest.split_first_chunk::<8>()?;
        let (length_crc, rest) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*length_crc) != masked_crc(length) {
            return None;
        }
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (content, rest) = rest.split_at_checked(length)?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*crc) != masked_crc(content) {
            return None;
        }
        self.rest = rest;
        self.at += length + OVERHEAD;
        Some((content, self.at))
    }
}

/// A CRC that is stored beside what it was made from is rotated and shifted first, so that it can be made of itself.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_bytes_that_tensorboard_writes() {
        // What RecordWriter of tensorboard 2.21 makes of b"leaf".
        let expected = *b"\x04\0\0\0\0\0\0\0\x42\x45\x52\x04leaf\xa3\xcb\x5b\x50";
        assert_eq!(framed(b"leaf"), expected);
    }

    #[test]
    fn records_are_read_up_to_the_first_that_is_not_whole() {
        let file = [framed(b"one"), framed(b""), framed(b"three")].concat();
        let found: Vec<_> = Records::new(&file).collect();
        assert_eq!(found, [(&b"one"[..], 19), (&b""[..], 35), (&b"three"[..], 56)]);
        for length in 35..file.len() {
            assert_eq!(Records::new(&file[..length]).count(), 2);
        }
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(Records::new(&damaged).count() < 3);
        }
    }
}
