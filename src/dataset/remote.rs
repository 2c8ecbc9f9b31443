//! A dataset in an object store: a local folder with the objects of one listing.
//!
//! The folder's name is a digest over every object's name, length and entity tag, so a store whose objects have changed is another
//! dataset here. `listing.json` beside it is written when every file is there and holds their digests; from then on a file of
//! other bytes is fetched again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::objects::{self, Bucket, Mirror, Object, Url, Wanted};
use crate::support::atomic;
use crate::support::context::Context;
use crate::support::files::{TEXT_LIMIT, read_regular};
use crate::support::hash::{Digest, FieldHasher};

const LISTING_FILE: &str = "listing.json";

/// A file of the local folder.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    object: Object,
    blake3: Option<Digest>,
}

/// The local folder that holds what is at `url` now, downloaded where it is not here.
pub(super) fn folder(url: &Url, context: &Context) -> Result<PathBuf, Error> {
    let bucket = Bucket::open(url, context)?;
    let objects = files(bucket.list()?);
    if objects.is_empty() {
        return Err(objects::Error::Gone { url: url.to_string() }.into());
    }
    let mirror = Mirror::from_env()?;
    let copy = mirror.folder(url)?.join(key(&objects).short(16));
    Mirror::hold(&copy)?;
    let _filling = Mirror::fill_lock(&copy, context)?;

    let listing = copy.join(LISTING_FILE);
    // In a folder of its own, with the name that the dataset goes by.
    let folder = copy.join(url.name());
    let entries = read(&listing, objects);
    let missing: Vec<usize> =
        (0..entries.len()).into_par_iter().filter(|&i| !is_here(&folder, &entries[i])).collect();
    if missing.is_empty() && listing.is_file() {
        return Ok(folder);
    }
    mirror.make_room(missing.iter().map(|&i| entries[i].object.bytes).sum())?;
    let wanted: Vec<(Wanted, PathBuf)> = missing
        .iter()
        .map(|&i| {
            let Entry { object, blake3 } = entries[i].clone();
            let path = folder.join(&object.name);
            (Wanted { object, blake3 }, path)
        })
        .collect();
    let digests = Mutex::new(vec![None; entries.len()]);
    bucket.download("download", &wanted, &|index, digest| {
        if let Ok(mut digests) = digests.lock() {
            digests[missing[index]] = Some(digest);
        }
        Ok::<_, objects::Error>(())
    })?;
    let digests = digests.into_inner().unwrap_or_default();
    write(&listing, &folder, entries, &digests)?;
    Ok(folder)
}

/// Without the empty objects that some tools write in place of folders.
fn files(objects: Vec<Object>) -> Vec<Object> {
    let is_folder = |object: &Object| {
        let below = format!("{}/", object.name);
        object.bytes == 0 && objects.iter().any(|other| other.name.starts_with(&below))
    };
    let folders: Vec<bool> = objects.iter().map(is_folder).collect();
    objects.into_iter().zip(folders).filter(|(_, is_folder)| !is_folder).map(|(object, _)| object).collect()
}

fn key(objects: &[Object]) -> Digest {
    let mut hasher = FieldHasher::new("decant objects");
    for Object { name, bytes, tag } in objects {
        hasher.field("name", name).field("bytes", bytes.to_le_bytes());
        hasher.field("tag", tag.as_deref().unwrap_or_default());
    }
    hasher.finish()
}

/// The objects with the digests that were noted; without any where nothing, or something else, was noted.
fn read(listing: &Path, objects: Vec<Object>) -> Vec<Entry> {
    let bytes = read_regular(listing, TEXT_LIMIT).ok();
    let noted = bytes.and_then(|bytes| serde_json::from_slice::<Vec<Entry>>(&bytes).ok());
    match noted {
        Some(noted) if noted.iter().map(|entry| &entry.object).eq(&objects) => noted,
        _ => objects.into_iter().map(|object| Entry { object, blake3: None }).collect(),
    }
}

/// Whether a file is here. Files get their names whole, so while its digest is not noted its length tells.
fn is_here(folder: &Path, entry: &Entry) -> bool {
    let path = folder.join(&entry.object.name);
    match entry.blake3 {
        Some(blake3) => Digest::of_file(&path).is_ok_and(|found| found == blake3),
        None => fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() == entry.object.bytes),
    }
}

/// Notes the digest of every file: those that came now, and of those that were here before.
fn write(listing: &Path, folder: &Path, entries: Vec<Entry>, now: &[Option<Digest>]) -> Result<(), Error> {
    let noted: Result<Vec<Entry>, Error> = entries
        .into_par_iter()
        .zip(now.par_iter())
        .map(|(Entry { object, blake3 }, now)| {
            let path = folder.join(&object.name);
            let digest = match blake3.or(*now) {
                Some(digest) => digest,
                None => Digest::of_file(&path).map_err(|source| Error::Read { path, source })?,
            };
            Ok(Entry { object, blake3: Some(digest) })
        })
        .collect();
    let bytes = serde_json::to_vec(&noted?).expect("names and numbers");
    atomic::write(listing, &bytes).map_err(objects::Error::local("written", listing))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, bytes: u64) -> Object {
        Object { name: name.to_owned(), bytes, tag: None }
    }

    #[test]
    fn an_object_that_stands_for_a_folder_is_no_file() {
        let listed = vec![object("train", 0), object("train/a.png", 3), object("trainer", 0)];
        let names: Vec<String> = files(listed).into_iter().map(|object| object.name).collect();
        assert_eq!(names, ["train/a.png", "trainer"]);
    }

    #[test]
    fn another_name_length_or_tag_is_another_listing() {
        let tagged = Object { tag: Some("x".to_owned()), ..object("a", 1) };
        let keys = [object("a", 1), object("b", 1), object("a", 2), tagged].map(|object| key(&[object]));
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn a_file_of_other_bytes_than_were_noted_is_not_here() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"abc").unwrap();
        let entry = |blake3| Entry { object: object("a", 3), blake3 };
        assert!(is_here(folder.path(), &entry(None)));
        assert!(is_here(folder.path(), &entry(Some(Digest::of(b"abc")))));
        assert!(!is_here(folder.path(), &entry(Some(Digest::of(b"abd")))));
        assert!(!is_here(folder.path(), &Entry { object: object("a", 4), blake3: None }));
    }
}
