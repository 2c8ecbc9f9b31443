//! A cache's folder: its name, who may use it, and that nothing leads out of it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::store::error::{Damage, Error, Mismatch};
use crate::store::format::complete::Complete;
use crate::store::format::manifest::{MANIFEST_FILE, Manifest};
use crate::support::atomic::{self, is_temporary};
use crate::support::files;

/// The folder of `manifest`'s cache under `root`, made with its manifest if it is not there, and the manifest that
/// stands in it, which is the one to write shards with: it has the temperatures of both.
///
/// # Errors
/// [`Mismatch::Different`] when the folder holds another cache, naming the first field that differs. Name, notes, temperatures and
/// writer version may differ; so may what ran the teacher once the cache is complete. [`Mismatch::RestUnknown`] where a complete cache of
/// kept classes lacks a temperature.
pub fn create_or_open(root: &Path, manifest: &Manifest) -> Result<(PathBuf, Manifest), Error> {
    let dir = root.join(manifest.folder_name());
    let path = dir.join(MANIFEST_FILE);
    match Manifest::read(&dir) {
        Ok(found) => {
            let complete = Complete::find(&dir, &found)?;
            if let Some((field, expected, found)) = difference(manifest, &found, complete.is_some()) {
                return Err(Error::Mismatch(Mismatch::Different { path, field, expected, found }));
            }
            let held = complete.map(|complete| complete.temperatures);
            let lacks = |held: &Vec<f32>| manifest.temperatures.iter().any(|wanted| !held.contains(wanted));
            if let (Some(kept), true) = (found.encoding.kept(), held.as_ref().is_some_and(lacks)) {
                return Err(Error::Mismatch(Mismatch::RestUnknown { dir, kept, classes: found.classes() }));
            }
            let found = found.with_temperatures(&manifest.temperatures)?;
            Ok((dir, found.with_temperatures(&held.unwrap_or_default())?))
        }
        Err(Error::Mismatch(Mismatch::NoCache { .. })) => {
            atomic::write(&path, &manifest.to_bytes()).map_err(Error::io("written", &path))?;
            Ok((dir, manifest.clone()))
        }
        Err(error) => Err(error),
    }
}

/// A manifest's field: its name, and how its value reads.
type Field = (&'static str, fn(&Manifest) -> String);

/// The first field that makes `found` another cache than `expected`: its name and both values.
fn difference(
    expected: &Manifest,
    found: &Manifest,
    complete: bool,
) -> Option<(&'static str, String, String)> {
    let sizes = |manifest: &Manifest| {
        let size = |split: &crate::store::SplitSize| format!("{} {}", split.samples, split.name);
        manifest.dataset.splits.iter().map(size).collect::<Vec<_>>().join(", ")
    };
    let decides: [Field; 6] = [
        ("dataset.classes", |manifest| manifest.dataset.classes.join(", ")),
        ("dataset.fingerprint", |manifest| manifest.dataset.fingerprint.to_string()),
        ("teacher.fingerprint", |manifest| manifest.teacher.fingerprint.to_string()),
        ("view", |manifest| manifest.view.to_string()),
        ("encoding", Manifest::storage),
        ("shard_rows", |manifest| manifest.shard_rows.to_string()),
    ];
    let produces: [Field; 4] = [
        ("teacher.provider", |manifest| manifest.teacher.provider.to_string()),
        ("teacher.precision", |manifest| manifest.teacher.precision.clone()),
        ("teacher.runtime", |manifest| manifest.teacher.runtime.clone()),
        ("teacher.batch_size", |manifest| manifest.teacher.batch_size.to_string()),
    ];
    let produces = produces.into_iter().filter(|_| !complete);
    let fields = decides.into_iter().chain(produces).map(|(name, of)| (name, of(expected), of(found)));
    let mut fields = fields.chain([("dataset.splits", sizes(expected), sizes(found))]);
    fields.find(|(_, expected, found)| expected != found)
}

/// The folders under `root` that hold a cache called `name`, sorted; with no `name`, every cache.
///
/// # Errors
/// [`Error::Io`] when `root` is there and can't be listed.
pub fn find(root: &Path, name: Option<&str>) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for dir in list(root)? {
        let matches = |name: &str| is_called(&dir.file_name().unwrap_or_default().to_string_lossy(), name);
        if !is_temporary(&dir) && name.is_none_or(matches) && has_manifest(&dir) {
            found.push(dir);
        }
    }
    Ok(found)
}

/// Whether something called `manifest.json` is in `dir`, or may be: what can't be looked at is for the reader to name.
fn has_manifest(dir: &Path) -> bool {
    match fs::symlink_metadata(dir.join(MANIFEST_FILE)) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

/// Whether `folder` is a folder's name of a cache called `name`: the key follows.
pub(super) fn is_called(folder: &str, name: &str) -> bool {
    folder.rsplit_once('-').is_some_and(|(before, _)| before == name)
}

/// The entries of `folder`, sorted; nothing when it is not there.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(Error::Mismatch(Mismatch::NotAFolder { path: folder.to_path_buf() }));
        }
        Err(error) => return Err(Error::io("listed", folder)(error)),
    };
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(Error::io("listed", folder))?;
    paths.sort();
    Ok(paths)
}

/// `relative` inside `dir`, once it is a regular file that no symbolic link leads out of it; `root` is `dir` with its
/// own links resolved.
pub(super) fn inside(dir: &Path, root: &Path, relative: &Path) -> Result<PathBuf, Error> {
    let path = dir.join(relative);
    let target = match path.canonicalize() {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::Damage(Damage::Missing { path }));
        }
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(Error::Damage(Damage::Layout {
                path,
                reason: "a file stands where its folder belongs".to_owned(),
            }));
        }
        Err(error) if files::is_link_loop(&error) => {
            return Err(Error::Damage(Damage::Layout {
                path,
                reason: "it is a link that leads to itself".to_owned(),
            }));
        }
        Err(error) => return Err(Error::io("found", &path)(error)),
    };
    if !target.starts_with(root) {
        return Err(Error::Damage(Damage::Escape { path, target }));
    }
    if !target.is_file() {
        return Err(Error::Damage(Damage::Layout { path, reason: "it is not a regular file".to_owned() }));
    }
    Ok(path)
}

/// The files of the cache in `dir`: in the folder, in its split folders, and in its folders of records.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    /// `_records/train` is two folders down.
    const DEPTH: usize = 2;
    fn add(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Error> {
        for entry in list(folder)? {
            if !entry.is_dir() {
                found.push(entry);
            } else if depth > 0 {
                add(&entry, depth - 1, found)?;
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    add(dir, DEPTH, &mut found)?;
    Ok(found)
}

/// Removes the temporary files that dead processes left in `dir` and its folders; returns how many.
///
/// # Errors
/// [`Error::Io`] when a folder can't be listed or a leftover not removed.
pub(crate) fn clean_leftovers(dir: &Path) -> Result<usize, Error> {
    let mut removed = 0;
    for path in files(dir)?.into_iter().filter(|path| is_temporary(path)) {
        removed += usize::from(atomic::remove_if_abandoned(&path).map_err(Error::io("removed", &path))?);
    }
    Ok(removed)
}
