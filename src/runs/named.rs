//! Runs by the names that people give.

use std::fs;
use std::path::{Path, PathBuf};

use crate::train::{Error, RUN_FILE};

/// Names that a message suggests at most.
const SUGGESTED: usize = 3;

/// The folder of the run that was named: the path itself, or the folder of that name under `runs_dir`.
///
/// # Errors
/// [`Error::NoSuchRun`] with the runs whose names are nearest.
pub fn find(named: &Path, runs_dir: &Path) -> Result<PathBuf, Error> {
    if named.exists() {
        return Ok(named.to_owned());
    }
    let below = runs_dir.join(named);
    if below.exists() {
        return Ok(below);
    }
    let parent = named.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut runs = runs_in(parent.unwrap_or(runs_dir));
    if runs.is_empty() {
        runs = runs_in(runs_dir);
    }
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let wanted = name(named);
    let distance = |path: &PathBuf| strsim::damerau_levenshtein(&wanted, &name(path));
    runs.sort_by_cached_key(|path| (distance(path), path.clone()));
    runs.truncate(SUGGESTED);
    Err(Error::NoSuchRun { path: named.to_owned(), nearest: runs })
}

/// The folders of runs in a folder.
fn runs_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.join(RUN_FILE).is_file()).collect()
}
