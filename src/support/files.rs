//! Reading whole files that others placed: only regular ones, and only up to a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::allocator;

/// The most bytes that a JSON or TOML file may have.
pub(crate) const TEXT_LIMIT: u64 = 256 << 20;
/// The most bytes that one image file may have.
pub(crate) const IMAGE_LIMIT: u64 = 512 << 20;

/// Opens a regular file. A pipe, a device or a folder is refused at once, and never waited for.
///
/// # Errors
/// Those of the system; [`io::ErrorKind::InvalidInput`] for what is not a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}

/// Whether something is at `path`. What can't be looked at, for want of a permission, counts as there: reading it says why.
pub(crate) fn may_be_there(path: &Path) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    let absent = [NotFound, NotADirectory, InvalidFilename, InvalidInput];
    std::fs::metadata(path).map_or_else(|error| !absent.contains(&error.kind()), |_| true)
}

/// Whether an error is that of links which lead to each other.
pub(crate) fn is_link_loop(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        error.raw_os_error() == Some(libc::ELOOP)
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}

/// The bytes of a regular file that has at most `limit` of them.
///
/// # Errors
/// As [`open_regular`]; [`io::ErrorKind::FileTooLarge`] for a longer file, [`io::ErrorKind::OutOfMemory`] where there is no memory for it.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let length = file.metadata()?.len();
    let too_large = |found: u64| {
        let sentence = format!("it has {found} bytes, more than the {limit} that are read");
        io::Error::new(io::ErrorKind::FileTooLarge, sentence)
    };
    if length > limit {
        return Err(too_large(length));
    }
    let mut bytes = allocator::room(usize::try_from(length).unwrap_or(usize::MAX)).map_err(|_| {
        let sentence = format!("the system gives no memory for its {length} bytes");
        io::Error::new(io::ErrorKind::OutOfMemory, sentence)
    })?;
    // The file may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// The text of a regular file that has at most [`TEXT_LIMIT`] bytes.
///
/// # Errors
/// As [`read_regular`]; [`io::ErrorKind::InvalidData`] for what is not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_regular(path, TEXT_LIMIT)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_files_are_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_regular(&path, 5).unwrap(), b"12345");
        assert_eq!(read_regular(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_text(&path).unwrap(), "12345");
    }

    #[cfg(unix)]
    #[test]
    fn pipes_devices_and_folders_are_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
            assert_eq!(
                read_regular(path, 1 << 20).unwrap_err().kind(),
                io::ErrorKind::InvalidInput,
                "{path:?}"
            );
        }
    }
}
