//! Caches that decant 0.1.0 made are rewritten without a teacher, bit by bit.

use std::fs;
use std::path::{Path, PathBuf};

use decant::store::{self, Cache, Encoding, Error, Mismatch};
use decant::support::context::Context;

use crate::store::common;

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/cache-format-1")
}

/// A copy of the golden cache `name`.
fn old(name: &str) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let mut folders = fs::read_dir(goldens()).unwrap().map(|entry| entry.unwrap().path());
    let golden = folders.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name)).unwrap();
    let dir = root.path().join(golden.file_name().unwrap());
    for (relative, bytes) in common::files(&golden) {
        let path = dir.join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    (root, dir)
}

#[test]
fn every_command_names_the_upgrade_for_an_old_cache() {
    let (_root, dir) = old("float32");
    for error in [
        Cache::open(&dir).unwrap_err(),
        store::verify(&dir).unwrap_err(),
        store::Summary::read(&dir).unwrap_err(),
        store::complete(&dir).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Mismatch(Mismatch::OldFormat { .. })), "{error}");
        assert!(error.to_string().contains("decant cache upgrade"), "{error}");
    }
}

#[test]
fn a_cache_of_0_1_0_is_upgraded_without_a_teacher() {
    for (name, encoding, zstd) in [
        ("float32", Encoding::FLOAT32, 0),
        ("float16", Encoding::FLOAT16, 0),
        ("top-k", Encoding::top_k(2), 0),
        ("zstd", Encoding::FLOAT32, 3),
    ] {
        let (root, dir) = old(name);
        let new = store::upgrade(&dir, false, &Context::silent()).unwrap();
        assert!(!dir.exists(), "{name}: the old one is gone once the new one is verified");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "{name}");
        assert!(store::verify(&new).unwrap().damage.is_empty(), "{name}");
        let cache = Cache::open(&new).unwrap();
        let manifest = cache.manifest();
        assert_eq!((manifest.encoding, manifest.zstd), (encoding, zstd));
        assert_eq!(
            (manifest.teacher.batch_size, manifest.teacher.runtime.as_str()),
            (4, "ONNX Runtime 1.31.1")
        );
        assert_eq!(manifest.view.resize.to_string(), "resized to 224 x 224 bilinear");
        let crops = manifest.view.crops.clone().unwrap();
        assert_eq!((manifest.view.views, crops.scale, crops.ratio), (2, [0.08, 1.0], [0.75, 4.0 / 3.0]));
        let rows = cache.split("train").unwrap();
        assert_eq!((rows.len(), rows.temperatures(), rows.path(0)), (12, &[1.0, 5.0][..], ""));
        assert_eq!(manifest.encoding == Encoding::FLOAT32, cache.complete().shards[0].lost.is_empty());
        let again = store::upgrade(&new, false, &Context::silent()).unwrap_err();
        assert!(matches!(again, Error::Mismatch(Mismatch::Upgraded { .. })), "{again}");
    }
}

#[test]
fn the_upgraded_logits_are_those_of_0_1_0() {
    let (root, dir) = old("float32");
    let shard = fs::read(dir.join("train/part-00000.parquet")).unwrap();
    let new = store::upgrade(&dir, true, &Context::silent()).unwrap();
    assert!(dir.exists() && fs::read_dir(root.path()).unwrap().count() == 2, "it was to be kept");
    let cache = Cache::open(&new).unwrap();
    let mut logits = vec![0.0; 3 * 8];
    cache.split("train").unwrap().gather_logits(&[0, 1, 2, 3, 4, 5, 6, 7], &mut logits).unwrap();
    let bytes: Vec<u8> = logits.iter().flat_map(|logit| logit.to_le_bytes()).collect();
    assert!(shard.windows(bytes.len()).any(|window| window == bytes), "one contiguous block of the old file");
}

#[test]
fn an_upgrade_that_was_interrupted_is_resumed_to_the_same_bytes() {
    let (_root, dir) = old("float16");
    let whole = store::upgrade(&dir, true, &Context::silent()).unwrap();
    let expected = common::files(&whole);
    for gone in ["complete.json", "train/part-00001.parquet", "_records/test/part-00000.json"] {
        fs::remove_file(whole.join(gone)).unwrap();
        fs::write(whole.join("train/part-00001.parquet.4294967295-1.tmp"), "half").unwrap();
        assert_eq!(store::upgrade(&dir, true, &Context::silent()).unwrap(), whole);
        assert_eq!(common::files(&whole), expected, "{gone}");
    }
}

#[test]
fn a_damaged_old_cache_is_not_upgraded() {
    for (file, at) in [("manifest.json", 40), ("complete.json", 40), ("train/part-00001.parquet", 100)] {
        let (_root, dir) = old("float32");
        let mut bytes = fs::read(dir.join(file)).unwrap();
        bytes[at] ^= 1;
        fs::write(dir.join(file), bytes).unwrap();
        let error = store::upgrade(&dir, false, &Context::silent()).unwrap_err();
        assert!(error.is_damage() && dir.exists(), "{file}: {error}");
    }
}
