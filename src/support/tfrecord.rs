//! TFRecord: a file of byte strings, each framed by its length and two checksums, as TensorFlow and TensorBoard read it.
//!
//! A record is its length (`uint64`), the masked CRC-32C of those eight bytes, the bytes, and theirs; all little-endian.

/// One record as it is stored.
pub fn framed(bytes: &[u8]) -> Vec<u8> {
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
pub struct Records<'a> {
    rest: &'a [u8],
    /// Where the next record begins.
    at: usize,
}

impl<'a> Records<'a> {
    /// The records of a whole file.
    pub fn new(file: &'a [u8]) -> Self {
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
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), byte by byte.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.iter().fold(!0, |crc, &byte| TABLE[((crc ^ u32::from(byte)) & 0xff) as usize] ^ (crc >> 8))
}

const fn table() -> [u32; 256] {
    /// The polynomial, its bits reversed.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_castagnolis() {
        // RFC 3720, B.4, and the check value of the catalogue of CRCs.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

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
