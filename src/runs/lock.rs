//! The lock that lets one process at a time train a run.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::train::Error;

/// The right to write into a run's folder, until it is dropped or its process ends, however it ends.
#[derive(Debug)]
pub(crate) struct RunLock {
    /// The folder itself is locked, so that no file for it is left behind.
    _folder: Option<File>,
}

impl RunLock {
    /// Takes the lock of a run's folder. Where the system does not open or lock folders (Windows, some network file systems),
    /// nothing is locked.
    ///
    /// # Errors
    /// Another process has it.
    pub(crate) fn take(run: &Path) -> Result<Self, Error> {
        let Ok(folder) = File::open(run) else { return Ok(Self { _folder: None }) };
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => Err(Error::Busy { run: run.to_owned() }),
            Err(TryLockError::Error(_)) => Ok(Self { _folder: None }),
            Ok(()) => Ok(Self { _folder: Some(folder) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_run_has_one_trainer_at_a_time() {
        let run = tempfile::tempdir().unwrap();
        let lock = RunLock::take(run.path()).unwrap();
        let said = RunLock::take(run.path()).unwrap_err().to_string();
        assert!(said.contains("is being trained by another process"), "{said}");
        drop(lock);
        RunLock::take(run.path()).unwrap();
        assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), 0);
    }
}
