//! Images as `predict` takes them: each gives the answer that its upright pixels give, whatever holds them.

use std::fs;
use std::io::Cursor;

use image::{ImageFormat, RgbImage};
use serde_json::Value;

use crate::common::Workshop;
use crate::safety::gallery::{teacher_of_files, workshop};

/// A JPEG of 48 x 40 pixels that is not the same upside down or on its side.
fn jpeg() -> Vec<u8> {
    let pixels = RgbImage::from_fn(48, 40, |x, y| {
        image::Rgb([(x * 5) as u8, (y * 6) as u8, if y < 9 { 250 } else { 20 }])
    });
    let mut bytes = Vec::new();
    pixels.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Jpeg).unwrap();
    bytes
}

/// The JPEG with an EXIF orientation as a value of a TIFF type: 3 is SHORT, 4 is LONG.
fn oriented(jpeg: &[u8], kind: u8, orientation: u8) -> Vec<u8> {
    let tiff = [
        b'I',
        b'I',
        b'*',
        0,
        8,
        0,
        0,
        0,
        1,
        0,
        0x12,
        1,
        kind,
        0,
        1,
        0,
        0,
        0,
        orientation,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    let data = [&b"Exif\0\0"[..], &tiff].concat();
    [&jpeg[..2], &[0xff, 0xe1, 0, data.len() as u8 + 2], &data, &jpeg[2..]].concat()
}

/// The probability of each class for each image, in their order.
fn predictions(workshop: &Workshop, names: &[&str]) -> Vec<Vec<f64>> {
    let said = workshop.done(&[&["predict", "--model", "teacher", "--json"], names].concat());
    let probabilities = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let mut classes = line["predictions"].as_array().unwrap().clone();
        classes.sort_by_key(|one| one["index"].as_u64());
        classes.iter().map(|one| one["probability"].as_f64().unwrap()).collect()
    };
    said.lines().map(probabilities).collect()
}

/// Equal but for rounding, which may depend on the place in a batch.
fn equal(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
}

#[test]
fn an_orientation_counts_whatever_its_number_type() {
    let workshop = workshop();
    teacher_of_files(&workshop);
    let plain = jpeg();
    for (name, bytes) in [
        ("plain.jpg", plain.clone()),
        ("short.jpg", oriented(&plain, 3, 6)),
        ("long.jpg", oriented(&plain, 4, 6)),
        ("invalid.jpg", oriented(&plain, 3, 9)),
    ] {
        fs::write(workshop.path().join(name), bytes).unwrap();
    }
    let said = predictions(&workshop, &["plain.jpg", "short.jpg", "long.jpg", "invalid.jpg"]);
    assert!(!equal(&said[0], &said[1]), "{said:?}");
    assert!(equal(&said[1], &said[2]) && equal(&said[0], &said[3]), "{said:?}");
}

#[test]
fn a_jpeg_with_stray_bytes_gives_the_answer_of_the_clean_one() {
    let workshop = workshop();
    teacher_of_files(&workshop);
    let plain = jpeg();
    let behind = 4 + usize::from(u16::from_be_bytes([plain[4], plain[5]]));
    let with = |at: usize, stray: &[u8]| [&plain[..at], stray, &plain[at..]].concat();
    for (name, bytes) in [
        ("plain.jpg", plain.clone()),
        ("escaped.jpg", with(behind, &[0xff, 0])),
        ("two.jpg", with(behind, &[0, 0])),
        ("behind.jpg", with(plain.len() - 2, &[0x12, 0x34, 0x56])),
        ("cut.jpg", plain[..plain.len() / 2].to_vec()),
    ] {
        fs::write(workshop.path().join(name), bytes).unwrap();
    }
    let said = predictions(&workshop, &["plain.jpg", "escaped.jpg", "two.jpg", "behind.jpg"]);
    assert!(said.iter().all(|one| equal(one, &said[0])), "{said:?}");
    let output = workshop.run(&["predict", "--model", "teacher", "cut.jpg"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cut.jpg is a JPEG image that ends early"), "{said}");
}

#[cfg(unix)]
#[test]
fn what_is_not_a_file_is_refused_at_once() {
    let workshop = workshop();
    teacher_of_files(&workshop);
    let pipe = workshop.path().join("pipe.jpg");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let output = workshop.run(&["predict", "--model", "teacher", "pipe.jpg", "/dev/zero"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    for part in ["pipe.jpg can't be read", "/dev/zero can't be read", "not a regular file"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
