//! A folder that gets its name when it is whole, and the removal of those that dead processes left.
//!
//! Its temporary name has a random part, since processes in two containers have the same id; and it is locked as long as its
//! process lives, so that a later command knows what is left over.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::store::error::{Error, Mismatch};
use crate::store::folder;
use crate::support::atomic::{self, TEMPORARY_SUFFIX, is_temporary};

/// Random characters of a temporary name.
const RANDOM: usize = 12;
/// The age of a folder that is left over, where the file system knows no locks.
const LEFTOVER_AGE: Duration = Duration::from_hours(1);

/// A folder under a temporary name; dropped before it is renamed, it leaves nothing.
pub(in crate::store) struct TemporaryFolder {
    folder: TempDir,
    /// Open and locked; where the file system opens no folders, there is none.
    lock: Option<File>,
}

impl TemporaryFolder {
    /// A new folder under `root`, which is made if it is not there.
    pub(in crate::store) fn create(root: &Path, name: &str) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(Error::io("written", root))?;
        loop {
            let (mut builder, prefix) = (tempfile::Builder::new(), format!(".{name}."));
            builder.prefix(&prefix).suffix(TEMPORARY_SUFFIX).rand_bytes(RANDOM);
            let folder = builder.tempdir_in(root).map_err(Error::io("written", root))?;
            let lock = File::open(folder.path()).ok();
            let locked =
                lock.as_ref().is_none_or(|lock| !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
            // Another process may have taken it for a leftover before it was locked.
            if locked && folder.path().is_dir() {
                allow_others(folder.path())?;
                return Ok(Self { folder, lock });
            }
        }
    }

    pub(in crate::store) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives it its name, unless that is taken.
    pub(in crate::store) fn rename(self, target: &Path) -> Result<(), Error> {
        match fs::rename(self.folder.path(), target) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory
                ) =>
            {
                return Err(Error::Mismatch(Mismatch::AlreadyThere { path: target.to_path_buf() }));
            }
            Err(error) => return Err(Error::io("renamed", self.folder.path())(error)),
        }
        // It has another name now.
        let _ = self.folder.keep();
        drop(self.lock);
        let root = target.parent().unwrap_or(Path::new("."));
        atomic::sync_folder(root).map_err(Error::io("written", root))
    }
}

/// `tempfile` makes folders for one user only; a cache is made as any other folder is.
fn allow_others(folder: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    {
        let plain = folder.join("mode");
        fs::create_dir(&plain).map_err(Error::io("written", &plain))?;
        let mode = fs::metadata(&plain).map_err(Error::io("read", &plain))?.permissions();
        fs::remove_dir(&plain).map_err(Error::io("removed", &plain))?;
        fs::set_permissions(folder, mode).map_err(Error::io("written", folder))?;
    }
    Ok(())
}

/// Removes the temporary folders that dead processes left under `root`.
pub(in crate::store) fn clean(root: &Path) -> Result<(), Error> {
    for path in folder::list(root)? {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden && is_temporary(&path) && path.is_dir() && is_left(&path) {
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("removed", &path)(error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Removes what dead processes left of earlier attempts to write `file`.
pub(in crate::store) fn clean_siblings(file: &Path) -> Result<(), Error> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { return Ok(()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let prefix = format!("{}.", name.to_string_lossy());
    for path in folder::list(folder)? {
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
        if ours && is_temporary(&path) {
            atomic::remove_if_abandoned(&path).map_err(Error::io("removed", &path))?;
        }
    }
    Ok(())
}

fn is_left(folder: &Path) -> bool {
    let Ok(open) = File::open(folder) else { return false };
    match open.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => {
            let modified = open.metadata().and_then(|metadata| metadata.modified());
            modified.is_ok_and(|modified| modified.elapsed().unwrap_or_default() > LEFTOVER_AGE)
        }
    }
}
