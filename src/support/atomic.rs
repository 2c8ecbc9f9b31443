//! The one way that a file is written: to a temporary sibling, synced, then renamed over its name.
//!
//! No reader, and no memory map, ever sees a file that is half there.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

/// The suffix of a file that is being written; one that is left after a crash may be deleted.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Where a file system knows no locks, a temporary file that is older than this is taken as abandoned.
const LEFTOVER_AGE: Duration = Duration::from_hours(1);

/// A file that appears under its name only when [`AtomicFile::commit`] is called; dropped before, it leaves nothing.
pub struct AtomicFile {
    file: Option<File>,
    temporary: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl AtomicFile {
    /// Opens a temporary sibling of `target`, whose folder is created if it is missing.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn create(target: &Path) -> io::Result<Self> {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        // No other file has the same name, short of a process that died with the same id and number.
        for attempt in 0.. {
            let temporary = temporary_sibling(target, attempt);
            let file =
                File::options().read(true).write(true).create(true).truncate(false).open(&temporary)?;
            if is_locked(&file) || !is_at(&file, &temporary) {
                continue;
            }
            file.set_len(0)?;
            let (file, target) = (Some(file), target.to_path_buf());
            return Ok(Self { file, temporary, target, committed: false });
        }
        unreachable!("some name is free")
    }

    /// Where the bytes are until they are committed.
    pub fn temporary_path(&self) -> &Path {
        &self.temporary
    }

    /// Another handle on the same file, to sync what is there while more is being written.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.as_ref().expect("open until committed").try_clone()
    }

    /// Syncs the bytes and gives the file its name, atomically, replacing what had it.
    ///
    /// # Errors
    /// Whatever the file system says; the temporary file is then gone and the old file untouched.
    pub fn commit(mut self) -> io::Result<()> {
        // Open, and so locked, until it has its name.
        let file = self.file.take().expect("a file is committed once");
        file.sync_all()?;
        fs::rename(&self.temporary, &self.target)?;
        self.committed = true;
        sync_folder(self.target.parent().unwrap_or(Path::new(".")))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().expect("open until committed").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().expect("open until committed").flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes `bytes` to `target` atomically.
///
/// # Errors
/// Whatever the file system says; `target` is then what it was before.
pub(crate) fn write(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(bytes)?;
    file.commit()
}

/// `part-00000.parquet` becomes `part-00000.parquet.<process id>-<number>.tmp`, and `....<process id>-<number>-1.tmp` where
/// that is taken.
///
/// Another process has the same id on another machine that shares the folder, or in another container, and not every
/// file system has locks that tell them apart: the number, drawn once a process, does.
fn temporary_sibling(target: &Path, attempt: u32) -> PathBuf {
    static NUMBER: LazyLock<u32> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()) as u32);
    let mut name: OsString = target.file_name().unwrap_or_default().to_owned();
    let attempt = if attempt == 0 { String::new() } else { format!("-{attempt}") };
    name.push(format!(".{}-{}{attempt}{TEMPORARY_SUFFIX}", std::process::id(), *NUMBER));
    target.with_file_name(name)
}

/// Locks `file` for as long as it is open; true when another process, or another part of this one, has it locked.
fn is_locked(file: &File) -> bool {
    // Where the file system knows no locks, process ids must do.
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Whether `path` still leads to the open `file`, which another process may have removed before it was locked.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let inode = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
        matches!((file.metadata(), fs::metadata(path)), (Ok(open), Ok(there)) if inode(&open) == inode(&there))
    }
    #[cfg(not(unix))]
    {
        file.metadata().is_ok() && path.exists()
    }
}

/// Whether a file name is that of a file that is being written, or was when its process died.
pub(crate) fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(TEMPORARY_SUFFIX))
}

/// Removes `path` if it is a temporary file that its process left when it died; says whether it did.
///
/// A file that is being written is locked, on any machine and in any container; the system drops the lock of a process
/// that dies.
///
/// # Errors
/// Whatever the file system says; a file that another process removed first is not an error.
pub(crate) fn remove_if_abandoned(path: &Path) -> io::Result<bool> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let process = name.strip_suffix(TEMPORARY_SUFFIX).and_then(|rest| rest.rsplit('.').next());
    let ours = |process: &str| process.split('-').all(|part| part.parse::<u32>().is_ok());
    if !process.is_some_and(ours) || !path.is_file() {
        return Ok(false);
    }
    let file = match File::options().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let abandoned = match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => {
            let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
            age > LEFTOVER_AGE
        }
    };
    if !abandoned {
        return Ok(false);
    }
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes renames in `folder` last through a power cut.
///
/// # Errors
/// Whatever the file system says.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match File::open(folder) {
        Ok(handle) => handle.sync_all(),
        // Windows and some network file systems do not open folders; the rename itself stands.
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_file_leaves_the_old_content_and_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a/b.txt");
        write(&target, b"old").unwrap();
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new, half wri").unwrap();
        drop(file);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_committed_file_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b.txt");
        write(&target, b"old").unwrap();
        write(&target, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_being_written_is_not_abandoned_and_a_dead_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b.txt");
        let mut file = AtomicFile::create(&target).unwrap();
        assert!(!remove_if_abandoned(file.temporary_path()).unwrap());
        // As by another thread.
        let other = AtomicFile::create(&target).unwrap();
        assert_ne!(file.temporary_path(), other.temporary_path());
        drop(other);
        file.write_all(b"whole").unwrap();
        file.commit().unwrap();

        let dead = folder.path().join("b.txt.4294967295.tmp");
        fs::write(&dead, b"half").unwrap();
        assert!(remove_if_abandoned(&dead).unwrap());
        let foreign = folder.path().join("notes.tmp");
        fs::write(&foreign, b"mine").unwrap();
        assert!(!remove_if_abandoned(&foreign).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_a_dead_process_of_the_same_id_left_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b.txt");
        fs::write(temporary_sibling(&target, 0), b"half of something longer").unwrap();
        write(&target, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
