//! What cargo-fuzz checks (`make fuzz`), on a bounded number of mutations of its corpus: nothing that others wrote makes anything panic,
//! leads out of its folder, or is used when it is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use decant::support::rng;
use image::{ExtendedColorType, ImageEncoder};
use rand::Rng;

use crate::safety::gallery::{PIPELINE, image};

#[expect(unreachable_pub, reason = "the fuzz targets use them from another crate")]
#[path = "../../../fuzz/src/checks.rs"]
mod checks;

/// Pieces that a mutation puts in: what the formats' grammars turn on.
const PIECES: [&[u8]; 18] = [
    b"-1",
    b"0",
    b"1e999",
    b"18446744073709551616",
    b"nan",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"=",
    b"\n",
    b"../..",
    b"/etc/passwd",
    b"null",
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
];

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// The corpus of a target, by name.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One to four edits: a flipped bit, another byte, a piece in place of some bytes, bytes that are gone or come twice, a cut end.
fn mutated(seed: &[u8], rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..=bytes.len());
        let end = (at + rng.random_range(0..9)).min(bytes.len());
        match rng.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = rng.random(),
            2 => drop(bytes.splice(at..end, PIECES[rng.random_range(0..PIECES.len())].iter().copied())),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let twice = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, twice));
            }
            _ if rng.random_ratio(1, 8) => bytes.truncate(at),
            _ => {}
        }
    }
    bytes
}

/// Runs `check` on the corpus and on `each` mutations of each of its files; `DECANT_FUZZ` asks for as many times more, and others.
fn run(target: &str, each: u32, check: impl Fn(&[u8])) {
    let times =
        std::env::var("DECANT_FUZZ").map_or(1, |times| times.parse().expect("DECANT_FUZZ is a number"));
    let each = each * times;
    let mut rng = rng::keyed("test fuzz", &[u64::from(each)]);
    for seed in seeds(target) {
        check(&seed);
        for _ in 0..each {
            check(&mutated(&seed, &mut rng));
        }
    }
}

#[test]
fn any_manifest_is_refused_or_stays_in_its_folder() {
    run("manifest", 700, checks::manifest);
}

#[test]
fn any_shard_is_refused_or_read_to_its_last_value() {
    run("shard", 250, checks::shard);
}

#[test]
fn any_pipeline_file_is_refused_by_name_or_is_a_pipeline() {
    run("pipeline", 1500, checks::pipeline);
}

#[test]
fn any_image_is_refused_or_decoded() {
    run("image", 700, checks::image);
}

#[test]
fn any_part_of_an_image_is_resized_within_its_levels() {
    run("resize", 2000, checks::resize);
}

#[test]
fn the_corpus_is_what_the_format_says_today() {
    assert_eq!(seeds("shard").len(), checks::example_shards().len());
    for kind in checks::example_shards() {
        checks::check_sound_shard(&kind);
    }
    for seed in seeds("shard") {
        checks::check_sound_shard(&seed);
    }
    for seed in seeds("manifest") {
        checks::check_sound_manifest(&seed);
    }
}

/// `cargo test --test command make_the_corpus -- --ignored`, after the format has changed.
#[test]
#[ignore = "writes the corpus anew"]
fn make_the_corpus() {
    let write = |target: &str, name: String, bytes: Vec<u8>| {
        fs::create_dir_all(corpus(target)).unwrap();
        fs::write(corpus(target).join(name), bytes).unwrap();
    };
    for (index, bytes) in checks::example_shards().into_iter().enumerate() {
        write("shard", format!("kind-{index}"), bytes);
    }
    for (index, bytes) in checks::example_manifests().into_iter().enumerate() {
        write("manifest", format!("kind-{index}"), bytes);
    }
    write("pipeline", "small.toml".to_owned(), PIPELINE.as_bytes().to_vec());
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    for name in ["leaves.toml", "beans.toml"] {
        write("pipeline", name.to_owned(), fs::read(pipelines.join(name)).unwrap());
    }
    // The other images are files of tests/interop/pixels.py.
    let pixels = image::imageops::thumbnail(&image(1, 3), 12, 10);
    let mut png = Vec::new();
    let (width, height) = pixels.dimensions();
    image::codecs::png::PngEncoder::new(&mut png)
        .write_image(&pixels, width, height, ExtendedColorType::Rgb8)
        .unwrap();
    write("image", "small.png".to_owned(), png);
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 80).encode_image(&pixels).unwrap();
    write("image", "small.jpg".to_owned(), jpeg);
    let mut webp = Vec::new();
    image::codecs::webp::WebPEncoder::new_lossless(&mut webp)
        .encode(&pixels, width, height, ExtendedColorType::Rgb8)
        .unwrap();
    write("image", "small.webp".to_owned(), webp);
    for filter in 0..6 {
        let numbers = [filter, 39, 20, 15, 47, 10, 3, 200, 255];
        write("resize", format!("filter-{filter}"), [&numbers, &pixels.as_raw()[..120]].concat());
    }
}
