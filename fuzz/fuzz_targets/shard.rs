//! A shard that was edited anywhere, or is any bytes at all, with every digest forged to fit, is refused or gives numbers that are
//! numbers.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use decant::store::{Cache, Manifest};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/store/common.rs"]
#[allow(dead_code)]
mod common;

/// A cache of one shard, and that shard as it was written.
static CACHE: LazyLock<(tempfile::TempDir, PathBuf, Manifest, Vec<u8>)> = LazyLock::new(|| {
    let shape = common::Shape { splits: vec![("train", 2)], ..common::Shape::default() };
    let (root, dir, manifest) = common::cache_of(&shape);
    let shard = std::fs::read(dir.join(&manifest.shards()[0].path)).unwrap();
    (root, dir, manifest, shard)
});

fuzz_target!(|data: &[u8]| {
    let (_, dir, manifest, whole) = &*CACHE;
    let shard = if data.starts_with(b"PAR1") { data.to_vec() } else { edited(whole, data) };
    if shard.len() < 8 {
        return;
    }
    common::forge_shard(dir, manifest, 0, &shard);
    if common::read_all(dir).is_err() {
        return;
    }
    let rows = Cache::open(dir).unwrap().split("train").unwrap();
    let all: Vec<usize> = (0..rows.len()).collect();
    let mut values = vec![0.0; rows.len() * rows.classes()];
    rows.gather_logits(&all, &mut values).unwrap();
    assert!(values.iter().all(|value| value.is_finite()));
});

/// Each three bytes of `edits` are a place, little endian and counted around the end, and a byte to put there.
fn edited(whole: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut shard = whole.to_vec();
    for edit in edits.chunks_exact(3) {
        shard[usize::from(u16::from_le_bytes([edit[0], edit[1]])) % whole.len()] = edit[2];
    }
    shard
}
