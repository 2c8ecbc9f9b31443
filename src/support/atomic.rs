//! The one way that a file is written: to a temporary sibling, synced, then renamed over its name.
//!
//! No reader, and no memory map, ever sees a file that is half there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The suffix of a file that is being written; whoever finds one after a crash may delete it.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// A file that appears under its name only when [`AtomicFile::commit`] is called; dropped before, it leaves nothing.
pub struct AtomicFile {
    file: Option<File>,
    temporary: PathBuf,
    target: PathBuf,
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
        let temporary = temporary_sibling(target);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&temporary)?;
        Ok(Self { file: Some(file), temporary, target: target.to_path_buf() })
    }

    /// Where the bytes are until they are committed.
    pub fn temporary_path(&self) -> &Path {
        &self.temporary
    }

    /// Syncs the bytes and gives the file its name, atomically, replacing what had it.
    ///
    /// # Errors
    /// Whatever the file system says; the temporary file is then gone and the old file untouched.
    pub fn commit(mut self) -> io::Result<()> {
        let file = self.file.take().expect("a file is committed once");
        file.sync_all()?;
        drop(file);
        fs::rename(&self.temporary, &self.target)?;
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
        // After a successful commit the name is gone already, and the error says so.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Writes `bytes` to `target` atomically.
///
/// # Errors
/// Whatever the file system says; `target` is then what it was before.
pub fn write(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(bytes)?;
    file.commit()
}

/// `part-00000.parquet` becomes `part-00000.parquet.<process id>.tmp`, so two processes never write the same file.
fn temporary_sibling(target: &Path) -> PathBuf {
    let mut name: OsString = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}{TEMPORARY_SUFFIX}", std::process::id()));
    target.with_file_name(name)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
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
}
