use std::fs;
use std::io::Read;
use std::path::Path;

use decant::store::{self, Error};

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
    assert!(matches!(error, Error::AlreadyThere { .. }), "{error}");
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
        assert!(matches!(error, Error::Archive { .. }) && message.contains(text), "{message}");
    };
    is_archive(repacked(|entries| entries[2].0 = "../../escape".to_owned()), "../../escape");
    is_archive(repacked(|entries| entries[2].0 = "/etc/escape".to_owned()), "/etc/escape");
    is_archive(repacked(|entries| entries[2].1 = tar::EntryType::Symlink), "belongs");
    is_archive(repacked(|entries| entries.swap(2, 4)), "belongs");
    is_archive(repacked(|entries| drop(entries.pop())), "ends before");
    is_archive(repacked(|entries| entries.push(entries[0].clone())), "goes on");
    is_archive(repacked(|entries| entries[2].2.push(0)), "bytes");
    is_archive(repacked(Vec::clear), "ends before manifest.json");
    let rename = |entries: &mut Vec<(String, tar::EntryType, Vec<u8>)>| {
        for entry in entries {
            entry.0 = format!("other/{}", entry.0.split_once('/').unwrap().1);
        }
    };
    is_archive(repacked(rename), "its folder is other");
}

#[test]
fn an_edited_shard_or_record_in_an_archive_is_refused() {
    let error = repacked(|entries| entries[2].2[60] ^= 1);
    assert!(matches!(error, Error::Content { .. }), "{error}");
    let error = repacked(|entries| entries[3].2[60] ^= 1);
    assert!(matches!(error, Error::Archive { .. }), "{error}");
}
