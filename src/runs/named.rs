//! Runs by the names that people give: a path, a folder's name, a run's own name, a prefix of either, or `latest`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::label::Label;
use crate::support::files::may_be_there;
use crate::train::{Error, METRICS_FILE, RESULT_FILE, RUN_FILE};

/// The word for the newest run.
pub(crate) const LATEST: &str = "latest";
/// Names that a message suggests at most.
const SUGGESTED: usize = 3;

/// The folder of the run that was named: the path itself, the folder of that name under `runs_dir`, the run that `runs tag` or
/// `--name` gave that name, the only run whose folder, name or key begins so, or for `latest` the newest run. A folder of that name
/// beside the runs' folder that holds no run, such as the images, hides none of them.
///
/// # Errors
/// [`Error::NoSuchRun`] with the runs whose names are nearest; [`Error::SeveralRuns`] where more than one fits; a folder that can't
/// be read.
pub(crate) fn find(named: &Path, runs_dir: &Path) -> Result<PathBuf, Error> {
    if let Some(found) = path(named, runs_dir)? {
        return readable(found);
    }
    let below = runs_dir.join(named);
    if may_be_there(&below) {
        return readable(below);
    }
    let parent = named.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut runs = folders(parent.unwrap_or(runs_dir))?;
    let wanted = name(named);
    if wanted == LATEST
        && let Some(newest) = newest(&runs)
    {
        return Ok(newest);
    }
    let called = with_names(&runs);
    let by_name = called_so(&called, &wanted);
    let by_prefix = || -> Vec<PathBuf> {
        let begins = |(run, own): &&(PathBuf, Option<String>)| {
            let folder = name(run);
            let key = folder.rsplit_once('-').map_or("", |(_, key)| key);
            folder.starts_with(&wanted)
                || key.starts_with(&wanted)
                || own.as_ref().is_some_and(|own| own.starts_with(&wanted))
        };
        called.iter().filter(begins).map(|(run, _)| run.clone()).collect()
    };
    let fitting = if by_name.is_empty() && !wanted.is_empty() { by_prefix() } else { by_name };
    match fitting.as_slice() {
        [run] => return Ok(run.clone()),
        // Its error says what it is not.
        [] if named.exists() => return Ok(named.to_owned()),
        [] => {}
        _ => return Err(Error::SeveralRuns { path: named.to_owned(), runs: shown(&fitting) }),
    }
    if runs.is_empty() {
        runs = folders(runs_dir)?;
    }
    let distance = |path: &PathBuf| {
        let own = Label::read(path).ok().and_then(|label| label.name);
        let of = |name: &str| strsim::damerau_levenshtein(&wanted, name);
        own.map_or(usize::MAX, |own| of(&own)).min(of(&name(path)))
    };
    runs.sort_by_cached_key(|path| (distance(path), path.clone()));
    runs.truncate(SUGGESTED);
    Err(Error::NoSuchRun { path: named.to_owned(), nearest: shown(&runs) })
}

/// What a path means that is there, if not a run's name: a run, a folder of runs, or whatever has a separator, such as `./photos`.
fn path(named: &Path, runs_dir: &Path) -> Result<Option<PathBuf>, Error> {
    let is_run = may_be_there(&named.join(RUN_FILE));
    let is_name = named.as_os_str() == named.file_name().unwrap_or_default();
    if !may_be_there(named) || (is_name && !is_run && folders(named)?.is_empty()) {
        return Ok(None);
    }
    let mut runs = Vec::new();
    if is_name && is_run {
        runs = called_so(&with_names(&folders(runs_dir)?), &name(named));
        let below = runs_dir.join(named);
        if below.join(RUN_FILE).is_file() && !runs.contains(&below) {
            runs.push(below);
        }
    }
    // The runs' folder may be the one that the path is in.
    runs.retain(|run| run.canonicalize().ok() != named.canonicalize().ok());
    if runs.is_empty() {
        return Ok(Some(named.to_owned()));
    }
    runs.insert(0, Path::new(".").join(named));
    Err(Error::SeveralRuns { path: named.to_owned(), runs: shown(&runs) })
}

/// Runs, each with the name that was given to it.
fn with_names(runs: &[PathBuf]) -> Vec<(PathBuf, Option<String>)> {
    runs.iter().map(|run| (run.clone(), Label::read(run).ok().and_then(|label| label.name))).collect()
}

/// Runs for people: the folder, and the name that was given to it.
fn shown(runs: &[PathBuf]) -> Vec<String> {
    let shown = |(run, own): (PathBuf, Option<String>)| match own {
        Some(own) => format!("{} ({own})", run.display()),
        None => run.display().to_string(),
    };
    with_names(runs).into_iter().map(shown).collect()
}

/// The runs that were given this name.
fn called_so(runs: &[(PathBuf, Option<String>)], wanted: &str) -> Vec<PathBuf> {
    let called = runs.iter().filter(|(_, own)| own.as_deref() == Some(wanted));
    called.map(|(run, _)| run.clone()).collect()
}

/// The folder, if its files can be looked at.
fn readable(folder: PathBuf) -> Result<PathBuf, Error> {
    match fs::metadata(folder.join(RUN_FILE)) {
        Err(source) if may_be_there(&folder.join(RUN_FILE)) => Err(Error::file("read", folder)(source)),
        _ => Ok(folder),
    }
}

/// The folders of runs in a folder, by name; none where it is missing.
///
/// # Errors
/// A folder that can't be listed.
pub(crate) fn folders(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()),
        Err(source) if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(source) => return Err(Error::file("read", folder)(source)),
    };
    let mut runs: Vec<PathBuf> = entries.filter(|path| may_be_there(&path.join(RUN_FILE))).collect();
    runs.sort();
    Ok(runs)
}

/// When the run in `folder` last wrote a result, an epoch, or what it is.
pub(crate) fn last_written(folder: &Path) -> Option<SystemTime> {
    let written = |name: &str| fs::metadata(folder.join(name)).and_then(|file| file.modified()).ok();
    [RUN_FILE, METRICS_FILE, RESULT_FILE].into_iter().filter_map(written).max()
}

/// The run that was finished last; where none is finished, the one that was worked on last.
fn newest(runs: &[PathBuf]) -> Option<PathBuf> {
    let order = |run: &&PathBuf| (run.join(RESULT_FILE).is_file(), last_written(run));
    runs.iter().max_by_key(order).cloned()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(names: &[(&str, Option<&str>)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (folder, own) in names {
            let run = dir.path().join(folder);
            fs::create_dir(&run).unwrap();
            fs::write(run.join(RUN_FILE), "{}").unwrap();
            if let Some(own) = own {
                Label { name: Some((*own).to_owned()), tags: Vec::new() }.write(&run).unwrap();
            }
        }
        dir
    }

    fn found(dir: &Path, named: &str) -> Result<String, String> {
        find(Path::new(named), dir)
            .map(|path| name(&path))
            .map_err(|error| error.to_string().replace(&dir.display().to_string(), "DIR"))
    }

    #[test]
    fn a_run_is_found_by_its_folder_its_name_a_prefix_of_either_or_its_key() {
        let dir =
            runs(&[("my-0123abcd", Some("wide")), ("my-0456abcd", Some("narrow")), ("other-9999", None)]);
        for (named, run) in [
            ("my-0123abcd", "my-0123abcd"),
            ("my-01", "my-0123abcd"),
            ("wide", "my-0123abcd"),
            ("nar", "my-0456abcd"),
            ("oth", "other-9999"),
            ("045", "my-0456abcd"),
        ] {
            assert_eq!(found(dir.path(), named).as_deref(), Ok(run), "{named}");
        }
        assert_eq!(
            found(Path::new("."), &dir.path().join("my-04").display().to_string()).as_deref(),
            Ok("my-0456abcd")
        );
    }

    #[test]
    fn a_name_that_fits_several_runs_or_none_lists_runs() {
        let dir = runs(&[("my-0123", Some("wide")), ("my-0456", Some("wide"))]);
        insta::assert_snapshot!(found(dir.path(), "my").unwrap_err(), @"my is the name or the beginning of the name of 2 runs: DIR/my-0123 (wide), DIR/my-0456 (wide); name one of them");
        assert!(found(dir.path(), "wide").unwrap_err().contains("of 2 runs"));
        insta::assert_snapshot!(found(dir.path(), "wdie").unwrap_err(), @"there is no run wdie; did you mean DIR/my-0123 (wide), DIR/my-0456 (wide)?");
    }

    #[test]
    fn a_path_with_a_separator_is_a_path() {
        let dir = runs(&[("my-0123", Some("src")), ("my-0456", None)]);
        // The tests' working directory is the package's, which has a folder of this name.
        assert_eq!(found(dir.path(), "src").as_deref(), Ok("my-0123"));
        assert_eq!(find(Path::new("./src"), dir.path()).ok(), Some(PathBuf::from("./src")));
        // One that no run is called is left to its reader to refuse.
        assert_eq!(found(dir.path(), "tests").as_deref(), Ok("tests"));
    }

    #[test]
    fn latest_is_the_run_that_was_finished_last() {
        let dir = runs(&[("a", None), ("b", None), ("c", None)]);
        let at = |run: &str, file: &str, seconds: u64| {
            let path = dir.path().join(run).join(file);
            fs::write(&path, "{}").unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        };
        for (run, seconds) in [("a", 100), ("b", 300), ("c", 200)] {
            at(run, RUN_FILE, seconds);
        }
        assert_eq!(found(dir.path(), LATEST).as_deref(), Ok("b"));
        at("a", RESULT_FILE, 150);
        assert_eq!(found(dir.path(), LATEST).as_deref(), Ok("a"));
        let empty = tempfile::tempdir().unwrap();
        assert!(found(empty.path(), LATEST).is_err());
    }
}
