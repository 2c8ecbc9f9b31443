//! Protects users' files: a file that decant did not write is replaced only with `--force`.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::files;

/// Bytes at the beginning of a file that tell who wrote it.
const HEAD: u64 = 64 << 10;

/// A file that decant did not write stands where it would write one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} is there already and was not written by decant; give another name, or --force to replace it")]
pub struct Refused {
    /// The file.
    pub path: PathBuf,
}

/// Refuses to replace `path` unless it is missing, empty, or written by decant, which `is_ours` tells from its first bytes.
///
/// # Errors
/// [`Refused`] with the path. What can't be read is refused as well; a folder is left to the write that fails on it.
pub(crate) fn check_file(path: &Path, is_ours: impl Fn(&[u8]) -> bool) -> Result<(), Refused> {
    if path.symlink_metadata().is_err() || path.is_dir() {
        return Ok(());
    }
    let head = |file: File| {
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head).map(|_| head)
    };
    match files::open_regular(path).and_then(head) {
        Ok(head) if head.is_empty() || is_ours(&head) => Ok(()),
        _ => Err(Refused { path: path.to_owned() }),
    }
}

/// Refuses to write into a folder that holds something, unless decant wrote it, which its file `marked` tells by its first bytes.
///
/// # Errors
/// [`Refused`] with the folder.
pub(crate) fn check_folder(
    folder: &Path,
    marked: &str,
    is_ours: impl Fn(&[u8]) -> bool,
) -> Result<(), Refused> {
    let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    let mark = folder.join(marked);
    if is_empty || mark.is_file() && check_file(&mark, is_ours).is_ok() {
        return Ok(());
    }
    Err(Refused { path: folder.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decant_wrote_is_replaced_and_what_it_did_not_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let is_ours = |head: &[u8]| head.starts_with(b"decant");
        let path = folder.path().join("a");
        assert_eq!(check_file(&path, is_ours), Ok(()));
        for (content, expected) in [("", true), ("decant wrote it", true), ("mine", false)] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(check_file(&path, is_ours).is_ok(), expected, "{content}");
        }
        let check = || check_folder(folder.path(), "b", is_ours);
        assert_eq!(check(), Err(Refused { path: folder.path().to_owned() }));
        std::fs::write(folder.path().join("b"), "decant").unwrap();
        assert_eq!(check(), Ok(()));
        let new = folder.path().join("new");
        assert_eq!(check_folder(&new, "b", is_ours), Ok(()));
        std::fs::create_dir(&new).unwrap();
        assert_eq!(check_folder(&new, "b", is_ours), Ok(()));
    }
}
