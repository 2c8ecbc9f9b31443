//! A temporary folder that is gone when it is dropped.

use std::fs;
use std::path::{Path, PathBuf};

use super::Error;

pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A folder of this process only, in the system's folder for temporary files.
    pub fn new() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("decant-plan-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(|source| Error::Scratch { path: path.clone(), source })?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
