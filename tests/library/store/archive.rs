use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use decant::store::{self, Damage, Error, Mismatch};

use crate::store::common::{self, cache};

#[test]
fn a_packed_cache_unpacks_to_the_same_bytes() {
    let (root, dir, _) = cache();
    let (first, second) = (root.path().join("a.tar.zst"), root.path().join("b.tar.zst"));
    store::pack(&dir, &first).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let unpacked = store::unpack(&first, elsewhere.path()).unwrap();
    assert_eq!(unpacked.file_name(), dir.file_name());
    assert_eq!(common::files(&unpacked), common::files(&dir));
    store::pack(&unpacked, &second).unwrap();
    assert_eq!(fs::read(first).unwrap(), fs::read(second).unwrap());
}

#[test]
fn a_cache_that_is_there_already_is_left_alone() {
    let (root, dir, _) = cache();
    let archive = root.path().join("a.tar.zst");
    store::pack(&dir, &archive).unwrap();
    let error = store::unpack(&archive, root.path()).unwrap_err();
    assert!(matches!(error, Error::Mismatch(Mismatch::AlreadyThere { .. })), "{error}");
    common::read_all(&dir).unwrap();
}

#[test]
fn a_damaged_cache_is_not_packed() {
    let (root, dir, manifest) = cache();
    let path = dir.join(&manifest.shards()[0].path);
    let mut bytes = fs::read(&path).unwrap();
    bytes[80] ^= 4;
    fs::write(&path, bytes).unwrap();
    let archive = root.path().join("a.tar.zst");
    assert!(store::pack(&dir, &archive).unwrap_err().is_damage());
    assert!(!archive.exists());
}

/// Unpacks into an empty folder, which must stay empty.
fn refused(archive: &Path) -> Error {
    let root = tempfile::tempdir().unwrap();
    let error = store::unpack(archive, root.path()).unwrap_err();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "{error}");
    error
}

#[test]
fn a_damaged_archive_leaves_nothing_behind() {
    let (root, dir, _) = cache();
    let archive = root.path().join("a.tar.zst");
    store::pack(&dir, &archive).unwrap();
    let whole = fs::read(&archive).unwrap();
    for byte in (0..whole.len() - 8).step_by(whole.len() / 60) {
        let mut damaged = whole.clone();
        damaged[byte] ^= 0x10;
        fs::write(&archive, damaged).unwrap();
        refused(&archive);
        fs::write(&archive, &whole[..byte]).unwrap();
        refused(&archive);
    }
}

/// An archive of the cache with its entries edited: (path, type, content).
fn repacked(edit: impl FnOnce(&mut Vec<(String, tar::EntryType, Vec<u8>)>)) -> Error {
    let (root, dir, _) = cache();
    let archive = root.path().join("a.tar.zst");
    store::pack(&dir, &archive).unwrap();
    let mut entries = Vec::new();
    let tar = zstd::decode_all(&fs::read(&archive).unwrap()[..]).unwrap();
    for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        entries.push((
            entry.path().unwrap().to_str().unwrap().to_owned(),
            entry.header().entry_type(),
            content,
        ));
    }
    edit(&mut entries);
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        // Written past the crate's own checks, which would refuse to leave the folder.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, &content[..]).unwrap();
    }
    fs::write(&archive, zstd::encode_all(&builder.into_inner().unwrap()[..], 1).unwrap()).unwrap();
    refused(&archive)
}

#[test]
fn an_archive_of_anything_else_is_refused() {
    let is_archive = |error: Error, text: &str| {
        let message = error.to_string();
        assert!(
            matches!(error, Error::Mismatch(Mismatch::Archive { .. })) && message.contains(text),
            "{message}"
        );
    };
    is_archive(repacked(Vec::clear), "ends before manifest.json");
    is_archive(repacked(|entries| entries[0].0 = "notes/README.md".to_owned()), "belongs");
    let is_damaged = |error: Error, text: &str| {
        let message = error.to_string();
        assert!(
            matches!(error, Error::Damage(Damage::ArchiveDamaged { .. })) && message.contains(text),
            "{message}"
        );
    };
    is_damaged(repacked(|entries| entries[2].0 = "../../escape".to_owned()), "../../escape");
    is_damaged(repacked(|entries| entries[2].0 = "/etc/escape".to_owned()), "/etc/escape");
    is_damaged(repacked(|entries| entries[2].1 = tar::EntryType::Symlink), "belongs");
    is_damaged(repacked(|entries| entries.swap(2, 4)), "belongs");
    is_damaged(repacked(|entries| drop(entries.pop())), "ends before");
    is_damaged(repacked(|entries| entries.push(entries[0].clone())), "more entries");
    is_damaged(repacked(|entries| entries[2].2.push(0)), "bytes");
    let rename = |entries: &mut Vec<(String, tar::EntryType, Vec<u8>)>| {
        for entry in entries {
            entry.0 = format!("other/{}", entry.0.split_once('/').unwrap().1);
        }
    };
    is_damaged(repacked(rename), "its folder is other");
}

#[test]
fn an_edited_shard_or_record_in_an_archive_is_refused() {
    let error = repacked(|entries| entries[2].2[60] ^= 1);
    assert!(matches!(error, Error::Damage(Damage::Content { .. })), "{error}");
    let error = repacked(|entries| entries[3].2[60] ^= 1);
    assert!(matches!(error, Error::Damage(Damage::ArchiveDamaged { .. })), "{error}");
}

#[test]
fn a_record_that_is_damaged_or_gone_is_packed_as_complete_json_has_it() {
    let (root, dir, manifest) = cache();
    let whole = common::files(&dir);
    let record = dir.join(manifest.shards()[1].record_path());
    let mut bytes = fs::read(&record).unwrap();
    bytes[60] ^= 1;
    fs::write(&record, bytes).unwrap();
    fs::remove_file(dir.join(manifest.shards()[0].record_path())).unwrap();
    let archive = root.path().join("a.tar.zst");
    store::pack(&dir, &archive).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let unpacked = store::unpack(&archive, elsewhere.path()).unwrap();
    assert_eq!(common::files(&unpacked), whole);
}

#[test]
fn bytes_after_the_cache_are_noticed() {
    let (root, dir, _) = cache();
    let archive = root.path().join("a.tar.zst");
    store::pack(&dir, &archive).unwrap();
    let whole = fs::read(&archive).unwrap();
    for more in [&b"garbage"[..], &whole, &zstd::encode_all(&[1; 600][..], 1).unwrap()] {
        fs::write(&archive, [&whole, more].concat()).unwrap();
        let error = refused(&archive);
        assert!(matches!(error, Error::Damage(Damage::ArchiveDamaged { .. })), "{error}");
    }
    // A second tar in the same stream.
    let tar = zstd::decode_all(&whole[..]).unwrap();
    fs::write(&archive, zstd::encode_all(&[&tar[..], &tar].concat()[..], 1).unwrap()).unwrap();
    let error = refused(&archive);
    assert!(matches!(error, Error::Damage(Damage::ArchiveDamaged { .. })), "{error}");
}

#[test]
fn a_file_name_of_gigabytes_is_refused_before_it_is_read() {
    let root = tempfile::tempdir().unwrap();
    let archive = root.path().join("bomb.tar.zst");
    for kind in [tar::EntryType::GNULongName, tar::EntryType::XHeader, tar::EntryType::GNULongLink] {
        let mut encoder = zstd::stream::write::Encoder::new(fs::File::create(&archive).unwrap(), 1).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(3 << 30);
        header.set_cksum();
        encoder.write_all(header.as_bytes()).unwrap();
        // Far less than the header says: a reader that believed it would ask for more before it looked.
        for _ in 0..64 {
            encoder.write_all(&vec![0; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap();
        let error = refused(&archive);
        assert!(matches!(error, Error::Mismatch(Mismatch::Archive { .. })), "{error}");
    }
}

#[test]
fn a_cache_with_a_long_name_survives_packing() {
    let root = tempfile::tempdir().unwrap();
    let mut shape = common::Shape::default().manifest();
    shape.name = "n".repeat(100);
    let (dir, manifest) = store::create_or_open(root.path(), &shape).unwrap();
    for spec in manifest.shards() {
        common::write_shard(&dir, &manifest, &spec);
    }
    store::complete(&dir).unwrap();
    let archive = root.path().join("a.tar.zst");
    store::pack(&dir, &archive).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(common::files(&store::unpack(&archive, elsewhere.path()).unwrap()), common::files(&dir));
}

#[test]
fn what_a_killed_unpack_or_pack_left_is_removed_by_the_next() {
    let (root, dir, _) = cache();
    let archive = root.path().join("a.tar.zst");
    let half = root.path().join("a.tar.zst.4294967295-1.tmp");
    fs::write(&half, "half").unwrap();
    store::pack(&dir, &archive).unwrap();
    assert!(!half.exists());

    let elsewhere = tempfile::tempdir().unwrap();
    let name = dir.file_name().unwrap().to_str().unwrap();
    let left = elsewhere.path().join(format!(".{name}.1.tmp"));
    fs::create_dir_all(left.join("train")).unwrap();
    fs::write(left.join("manifest.json"), "{}").unwrap();
    let alive = elsewhere.path().join(format!(".{name}.2.tmp"));
    fs::create_dir(&alive).unwrap();
    let lock = fs::File::open(&alive).unwrap();
    lock.try_lock().unwrap();
    let mine = elsewhere.path().join("mine.tmp");
    fs::create_dir(&mine).unwrap();
    store::unpack(&archive, elsewhere.path()).unwrap();
    assert!(!left.exists() && alive.exists() && mine.exists());
}

#[test]
fn two_unpacks_at_once_give_one_cache() {
    let (root, dir, _) = cache();
    let archive = root.path().join("a.tar.zst");
    store::pack(&dir, &archive).unwrap();
    for _ in 0..10 {
        let elsewhere = tempfile::tempdir().unwrap();
        let results: Vec<_> = std::thread::scope(|scope| {
            let unpack = || store::unpack(&archive, elsewhere.path());
            let threads: Vec<_> = (0..2).map(|_| scope.spawn(unpack)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(results.iter().any(Result::is_ok), "{results:?}");
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            assert!(matches!(error, Error::Mismatch(Mismatch::AlreadyThere { .. })), "{error}");
        }
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    }
}
