//! The local copies of objects: bounded in size, locked while in use, evicted by their last use.
//!
//! `<root>/<16 hexadecimal digits of the prefix's digest>/<folder>/` is one copy, `<folder>.lock` beside it is its lock: shared by the
//! processes that use the copy, exclusive to the one that evicts it. The time of the lock file is that of the last use. `origin` holds the
//! prefix's URL.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::{Error, Url};
use crate::support::atomic;
use crate::support::context::Context;
use crate::support::files::{TEXT_LIMIT, read_regular, read_text};
use crate::support::hash::Digest;
use crate::support::user_cache;

const ORIGIN_FILE: &str = "origin";
const DIR: &str = "DECANT_OBJECTS_DIR";
const MAX_BYTES: &str = "DECANT_OBJECTS_MAX_BYTES";
/// The most bytes that local copies take together, unless the environment says otherwise.
const DEFAULT_MAX_BYTES: u64 = 200_000_000_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The locks of what this process uses, held until it ends: a map of a file is not to lose it.
static HELD: Mutex<Option<HashMap<PathBuf, File>>> = Mutex::new(None);

/// The folder that holds the local copies of every store's prefixes.
#[derive(Clone, Debug)]
pub(crate) struct Mirror {
    root: PathBuf,
    most: u64,
}

/// The lock of the one process that fills a copy, held until it is dropped.
#[derive(Debug)]
pub(crate) struct FillLock {
    _lock: File,
}

impl Mirror {
    /// The mirror that the environment names: `DECANT_OBJECTS_DIR`, else `decant/objects` in the user's cache folder;
    /// `DECANT_OBJECTS_MAX_BYTES`, else 200 GB.
    ///
    /// # Errors
    /// A size that is not a number; a user without a home folder.
    pub(crate) fn from_env() -> Result<Self, Error> {
        Self::new(|name| std::env::var(name).ok())
    }

    fn new(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let user = || Some(user_cache::shared()?.join("decant/objects"));
        let root = variable(DIR).map(PathBuf::from).or_else(user).ok_or_else(|| Error::Setting {
            name: DIR,
            value: String::new(),
            expected: "a folder for local copies, since the user has no home folder",
        })?;
        let most = match variable(MAX_BYTES) {
            None => DEFAULT_MAX_BYTES,
            Some(value) => value.parse().map_err(|_| Error::Setting {
                name: MAX_BYTES,
                value,
                expected: "a number of bytes, such as 500000000000",
            })?,
        };
        Ok(Self { root, most })
    }

    /// The folder for copies of the prefix `url`, made if it is not there.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) fn folder(&self, url: &Url) -> Result<PathBuf, Error> {
        let folder = self.root.join(Digest::of(url.as_str().as_bytes()).short(16));
        let origin = folder.join(ORIGIN_FILE);
        if read_regular(&origin, TEXT_LIMIT).ok().as_deref() != Some(url.as_str().as_bytes()) {
            atomic::write(&origin, url.as_str().as_bytes()).map_err(Error::local("written", &origin))?;
        }
        Ok(folder)
    }

    /// The prefix that `mirror` mirrors, if it is such a folder.
    pub(crate) fn origin(mirror: &Path) -> Option<Url> {
        Url::parse(&read_text(&mirror.join(ORIGIN_FILE)).ok()?)
    }

    /// Makes the lock of `copy`, a folder in a mirror, so that it can be evicted once no process uses it.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) fn register(copy: &Path) -> Result<(), Error> {
        open_lock(&beside(copy, "lock")).map(drop)
    }

    /// Registers `copy` and notes that this process uses it: until the process ends, no other evicts it.
    ///
    /// # Errors
    /// Its lock can't be made or taken.
    pub(crate) fn hold(copy: &Path) -> Result<(), Error> {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.get_or_insert_default();
        if !held.contains_key(copy) {
            let path = beside(copy, "lock");
            let lock = open_lock(&path)?;
            // Waits for a process that is evicting the copy at this moment.
            match lock.lock_shared() {
                Err(error) if error.kind() != std::io::ErrorKind::Unsupported => {
                    return Err(Error::local("locked", &path)(error));
                }
                _ => {}
            }
            held.insert(copy.to_path_buf(), lock);
        }
        let _ = held[copy].set_modified(SystemTime::now());
        Ok(())
    }

    /// Takes the lock to fill `copy`, once no other process has it.
    ///
    /// # Errors
    /// [`Error::Interrupted`], or its lock can't be made.
    pub(crate) fn fill_lock(copy: &Path, context: &Context) -> Result<FillLock, Error> {
        let lock = open_lock(&beside(copy, "pulling"))?;
        while let Err(TryLockError::WouldBlock) = lock.try_lock() {
            if context.is_cancelled() {
                return Err(Error::Interrupted);
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        Ok(FillLock { _lock: lock })
    }

    /// Makes room for `needed` more bytes: evicts the copies that no process uses, the least recently used first.
    ///
    /// # Errors
    /// [`Error::Room`] when what is in use leaves less.
    pub(crate) fn make_room(&self, needed: u64) -> Result<(), Error> {
        let mut copies = self.copies()?;
        let mut held: u64 = copies.iter().map(|copy| copy.bytes).sum();
        copies.sort_by_key(|copy| copy.used);
        for copy in copies {
            if held.saturating_add(needed) <= self.most {
                return Ok(());
            }
            if copy.bytes > 0 && evict(&copy.folder)? {
                held -= copy.bytes;
            }
        }
        if held.saturating_add(needed) <= self.most {
            return Ok(());
        }
        Err(Error::Room { root: self.root.clone(), needed, most: self.most, held })
    }

    fn copies(&self) -> Result<Vec<Copy>, Error> {
        let mut copies = Vec::new();
        for mirror in entries(&self.root)? {
            for lock in entries(&mirror)? {
                let folder = lock.with_extension("");
                if lock.extension().is_none_or(|extension| extension != "lock") || !folder.is_dir() {
                    continue;
                }
                let used = fs::metadata(&lock).and_then(|metadata| metadata.modified());
                let bytes = size(&folder)?;
                copies.push(Copy { folder, used: used.unwrap_or(SystemTime::UNIX_EPOCH), bytes });
            }
        }
        Ok(copies)
    }
}

struct Copy {
    folder: PathBuf,
    used: SystemTime,
    bytes: u64,
}

/// `leaves-0123` becomes `leaves-0123.lock`. A dot in the name stays.
fn beside(copy: &Path, extension: &str) -> PathBuf {
    let mut name = copy.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(extension);
    copy.with_file_name(name)
}

fn open_lock(path: &Path) -> Result<File, Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::local("made", folder))?;
    let options = File::options().read(true).write(true).create(true).truncate(false).open(path);
    options.map_err(Error::local("opened", path))
}

/// Deletes a copy unless a process uses it; true if it did.
fn evict(copy: &Path) -> Result<bool, Error> {
    let lock = open_lock(&beside(copy, "lock"))?;
    if lock.try_lock().is_err() {
        return Ok(false);
    }
    match fs::remove_dir_all(copy) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::local("evicted", copy)(error))
        }
        _ => Ok(true),
    }
}

/// The entries of `folder`; none when it is not a folder, or gone.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect()),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(Error::local("listed", folder)(error)),
    }
}

/// Bytes of every file below `folder`; one that goes away meanwhile counts for nothing.
fn size(folder: &Path) -> Result<u64, Error> {
    let mut total = 0;
    for path in entries(folder)? {
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => total += size(&path)?,
            Ok(metadata) => total += metadata.len(),
            Err(_) => {}
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(root: &Path, most: u64) -> Mirror {
        let most = most.to_string();
        Mirror::new(|name| match name {
            DIR => Some(root.display().to_string()),
            MAX_BYTES => Some(most.clone()),
            _ => None,
        })
        .unwrap()
    }

    /// A copy of 100 bytes, last used this many hours ago.
    fn copy(mirror: &Mirror, name: &str, hours: u64) -> PathBuf {
        let folder = mirror.folder(&Url::parse("s3://bucket/caches").unwrap()).unwrap().join(name);
        fs::create_dir_all(folder.join("train")).unwrap();
        fs::write(folder.join("train/part"), [0; 100]).unwrap();
        let lock = open_lock(&beside(&folder, "lock")).unwrap();
        lock.set_modified(SystemTime::now() - Duration::from_hours(hours)).unwrap();
        folder
    }

    #[test]
    fn the_least_recently_used_copies_make_room_and_those_in_use_stay() {
        let root = tempfile::tempdir().unwrap();
        let mirror = mirror(root.path(), 350);
        let (old, older, oldest) =
            (copy(&mirror, "old", 1), copy(&mirror, "older.v2", 2), copy(&mirror, "oldest", 3));
        Mirror::hold(&oldest).unwrap();
        mirror.make_room(50).unwrap();
        assert!(old.exists() && older.exists() && oldest.exists());
        fs::remove_file(beside(&old, "lock")).unwrap();
        copy(&mirror, "old", 1);
        mirror.make_room(100).unwrap();
        assert!(old.exists() && !older.exists() && oldest.exists());
        insta::assert_snapshot!(
            mirror.make_room(300).unwrap_err().to_string().replace(&root.path().display().to_string(), "DIR"),
            @"300 B more are wanted in DIR, which may hold 350 B and has 100 B in use; raise DECANT_OBJECTS_MAX_BYTES, or let DECANT_OBJECTS_DIR name a larger disk"
        );
        assert!(!old.exists() && oldest.exists());
    }

    #[test]
    fn a_copy_has_one_filler_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let copy = copy(&mirror(root.path(), 1), "leaves", 0);
        let first = Mirror::fill_lock(&copy, &Context::silent()).unwrap();
        let waiting = std::thread::spawn({
            let copy = copy.clone();
            move || Mirror::fill_lock(&copy, &Context::silent()).map(|_| SystemTime::now()).unwrap()
        });
        std::thread::sleep(2 * BETWEEN_LOOKS);
        let released = SystemTime::now();
        drop(first);
        assert!(waiting.join().unwrap() >= released);
    }

    #[test]
    fn a_mirror_knows_where_it_came_from() {
        let root = tempfile::tempdir().unwrap();
        let url = Url::parse("gs://bucket/caches").unwrap();
        let folder = mirror(root.path(), 1).folder(&url).unwrap();
        assert_eq!(Mirror::origin(&folder), Some(url));
        assert_eq!(Mirror::origin(root.path()), None);
    }

    #[test]
    fn a_size_that_is_no_number_is_refused() {
        let set = |name: &str| (name == MAX_BYTES).then(|| "50G".to_owned()).or(Some("/x".to_owned()));
        insta::assert_snapshot!(
            Mirror::new(set).unwrap_err(),
            @"DECANT_OBJECTS_MAX_BYTES=50G: expected a number of bytes, such as 500000000000"
        );
    }
}
