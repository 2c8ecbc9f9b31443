use std::fs;

use decant::store::{self, COMPLETE_FILE, Cache, Damage, Error, Mismatch, Summary};
use decant::support::atomic::AtomicFile;

use crate::store::common::{self, Shape, cache};

#[test]
fn an_unfinished_cache_says_how_far_it_is() {
    let root = tempfile::tempdir().unwrap();
    let (dir, manifest) = store::create_or_open(root.path(), &Shape::default().manifest()).unwrap();
    let specs = manifest.shards();
    assert_eq!(store::missing_shards(&dir, &manifest).unwrap(), specs);
    common::write_shard(&dir, &manifest, &specs[1]);
    let mut rest = specs.clone();
    rest.remove(1);
    assert_eq!(store::missing_shards(&dir, &manifest).unwrap(), rest);
    for error in [Cache::open(&dir).unwrap_err(), store::complete(&dir).unwrap_err()] {
        assert!(
            matches!(error, Error::Mismatch(Mismatch::NotComplete { done: 1, shards: 5, .. })),
            "{error}"
        );
    }
    let summary = Summary::read(&dir).unwrap();
    assert_eq!((summary.shards_done, summary.shards, summary.complete), (1, 5, false));
}

#[test]
fn a_shard_that_was_deleted_is_made_again_to_the_same_bytes() {
    let (_root, dir, manifest) = cache();
    let before = common::files(&dir);
    let spec = &manifest.shards()[2];
    fs::remove_file(dir.join(&spec.path)).unwrap();
    assert_eq!(store::missing_shards(&dir, &manifest).unwrap(), std::slice::from_ref(spec));
    common::write_shard(&dir, &manifest, spec);
    assert_eq!(common::files(&dir), before);
    common::read_all(&dir).unwrap();
}

#[test]
fn a_shard_without_its_record_or_of_another_length_is_to_do() {
    let (_root, dir, manifest) = cache();
    let specs = manifest.shards();
    fs::remove_file(dir.join(specs[0].record_path())).unwrap();
    fs::write(dir.join(&specs[1].path), b"short").unwrap();
    fs::write(dir.join(specs[2].record_path()), b"{}").unwrap();
    fs::copy(dir.join(specs[4].record_path()), dir.join(specs[3].record_path())).unwrap();
    assert_eq!(store::missing_shards(&dir, &manifest).unwrap(), specs[..4]);
}

#[test]
fn completing_twice_changes_nothing() {
    let (_root, dir, _) = cache();
    let before = common::files(&dir);
    let first = store::complete(&dir).unwrap();
    assert_eq!(store::complete(&dir).unwrap(), first);
    assert_eq!(common::files(&dir), before);
}

#[test]
fn a_damaged_complete_file_is_made_again_from_the_records() {
    let (_root, dir, _) = cache();
    let before = common::files(&dir);
    fs::write(dir.join(COMPLETE_FILE), b"{}").unwrap();
    assert!(Cache::open(&dir).unwrap_err().is_damage());
    store::complete(&dir).unwrap();
    assert_eq!(common::files(&dir), before);
}

#[test]
fn a_shard_that_was_damaged_since_it_was_written_is_not_completed() {
    let (_root, dir, manifest) = cache();
    fs::remove_file(dir.join(COMPLETE_FILE)).unwrap();
    let path = dir.join(&manifest.shards()[0].path);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = store::complete(&dir).unwrap_err();
    assert!(matches!(error, Error::Damage(Damage::Content { part: "content", .. })), "{error}");
    assert!(!dir.join(COMPLETE_FILE).exists());
}

#[test]
fn what_dead_processes_left_is_removed_and_what_a_live_one_writes_is_not() {
    let (_root, dir, _) = cache();
    // Process ids end well below this one.
    let dead = dir.join("train/part-00000.parquet.4294967295.tmp");
    let written = AtomicFile::create(&dir.join("train/part-00000.parquet")).unwrap();
    let alive = written.temporary_path().to_path_buf();
    let foreign = dir.join("notes.tmp");
    for path in [&dead, &foreign] {
        fs::write(path, b"half").unwrap();
    }
    store::complete(&dir).unwrap();
    assert_eq!((dead.exists(), alive.exists(), foreign.exists()), (false, true, true));
    drop(written);
    common::read_all(&dir).unwrap();
    assert!(store::verify(&dir).unwrap().damage.is_empty());
}

#[test]
fn a_summary_tells_what_a_cache_is() {
    let (_root, dir, manifest) = cache();
    let summary = Summary::read(&dir).unwrap();
    let bytes: u64 =
        manifest.shards().iter().map(|spec| fs::metadata(dir.join(&spec.path)).unwrap().len()).sum();
    assert_eq!((summary.bytes, summary.complete, summary.shards_done), (bytes, true, 5));
    assert_eq!(summary.splits.iter().map(|split| split.rows).collect::<Vec<_>>(), [10, 2, 3]);
    assert_eq!((summary.provider.as_str(), summary.teacher_quality.len()), ("cpu float32", 3));
    assert_eq!(summary.content, Some(Cache::open(&dir).unwrap().complete().content));
}
