//! Small files that would be huge in memory are refused before the memory is taken.

use std::fs;
use std::io::Write;

use decant::view::decode;

use crate::safety::gallery::workshop;

/// What a refusal may cost, in kB: nothing like the pixels that the headers promise.
const ALLOWED_KILOBYTES: u64 = 96 * 1024;

/// A PNG chunk with its CRC.
fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&name[..], data].concat();
    let mut crc = !0u32;
    for &byte in &body {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    [&(data.len() as u32).to_be_bytes()[..], &body, &(!crc).to_be_bytes()].concat()
}

/// A PNG of RGB pixels with `extra` chunks and image data that ends at once.
fn png(width: u32, height: u32, extra: &[u8]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let data = deflated(1024);
    [
        b"\x89PNG\r\n\x1a\n",
        &chunk(*b"IHDR", &header)[..],
        extra,
        &chunk(*b"IDAT", &data),
        &chunk(*b"IEND", &[]),
    ]
    .concat()
}

/// `kilobytes` kB of zeros as a zlib stream, some thousandth of that long.
fn deflated(kilobytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..kilobytes {
        encoder.write_all(&[0; 1024]).unwrap();
    }
    encoder.finish().unwrap()
}

/// A baseline JPEG of one component whose scan ends at once.
fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let frame =
        [&[0xff, 0xc0, 0, 11, 8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[1, 1, 0x11, 0]].concat();
    [&[0xff, 0xd8][..], &frame, &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0xff, 0xd9]].concat()
}

/// A WebP file of one chunk.
fn webp(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [b"WEBP", &name[..], &(data.len() as u32).to_le_bytes(), data].concat();
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// A lossless WebP, whose sides have 14 bits.
fn lossless_webp(width: u32, height: u32) -> Vec<u8> {
    let bits = (width - 1) | (height - 1) << 14;
    webp(*b"VP8L", &[&[0x2f][..], &bits.to_le_bytes(), &[0; 16]].concat())
}

/// An extended WebP, whose canvas has sides of 24 bits.
fn extended_webp(width: u32, height: u32) -> Vec<u8> {
    let side = |length: u32| (length - 1).to_le_bytes()[..3].to_vec();
    webp(*b"VP8X", &[&[0; 4][..], &side(width), &side(height), &[0; 16]].concat())
}

/// A lossy WebP, whose sides have 14 bits.
fn lossy_webp(width: u16, height: u16) -> Vec<u8> {
    let frame =
        [&[0x10, 0, 0, 0x9d, 0x01, 0x2a][..], &width.to_le_bytes(), &height.to_le_bytes(), &[0; 16]].concat();
    webp(*b"VP8 ", &frame)
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let profile = [b"icc\0\0", &deflated(512 * 1024)[..]].concat();
    let text = [b"XML:com.adobe.xmp\0\x01\0\0\0", &deflated(512 * 1024)[..]].concat();
    vec![
        ("wide.png", png(1 << 30, 1, &[])),
        ("square.png", png(16_000, 16_000, &[])),
        ("profile.png", png(16_000, 16_000, &chunk(*b"iCCP", &profile))),
        ("small-profile.png", png(64, 64, &chunk(*b"iCCP", &profile))),
        ("small-text.png", png(64, 64, &chunk(*b"iTXt", &text))),
        ("square.jpg", jpeg(65_535, 65_535)),
        ("tall.jpg", jpeg(1, 65_535)),
        ("lossless.webp", lossless_webp(16_384, 16_384)),
        ("extended.webp", extended_webp(1 << 24, 100)),
        ("extended-square.webp", extended_webp(16_384, 16_384)),
        ("lossy.webp", lossy_webp(16_383, 16_383)),
    ]
}

/// The most memory that this process ever held, in kB.
fn peak_kilobytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn decompression_bombs_are_refused_without_their_memory() {
    let bombs = bombs();
    let before = peak_kilobytes();
    for (name, bytes) in &bombs {
        let result = decode(bytes);
        // A profile or text is not pixels: such a file may be read without them.
        if !name.starts_with("small-") {
            assert!(result.is_err(), "{name} was decoded");
        }
        if let (Some(before), Some(now)) = (before, peak_kilobytes()) {
            let taken = now - before;
            assert!(taken < ALLOWED_KILOBYTES, "{name}, {} bytes, took {taken} kB", bytes.len());
        }
    }
}

#[test]
fn a_decompression_bomb_among_the_images_is_named() {
    let workshop = workshop();
    let bomb = workshop.path().join("images/train/healthy/0.png");
    fs::write(bomb, png(100_000, 100_000, &[])).unwrap();
    let (code, said) = workshop.refused(&["teacher-cache", "-p", "small.toml"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("healthy/0.png") && said.contains("100000"), "{said}");
}
