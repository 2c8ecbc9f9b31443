//! Where a teacher's files are: the model, and the folders that may hold its JSON files.

use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use crate::support::files::read_regular;

/// The most bytes of a model's file: a protobuf message has no more, and larger models keep their weights beside it.
pub(super) const MODEL_LIMIT: u64 = 2 << 30;

/// A model's file and the folders of the files that describe it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Location {
    pub model: PathBuf,
    /// That of the model and, where that one is called `onnx` as in exports on the hub, the one above it.
    pub folders: Vec<PathBuf>,
}

impl Location {
    /// Finds a model file, or the model of a folder.
    pub(crate) fn on_disk(path: &Path) -> Result<Self, Error> {
        let missing = |found: String| Error::NoModel { path: path.to_path_buf(), found };
        if path.is_dir() {
            return Ok(Self::of(in_folder(path)?));
        }
        match fs::metadata(path) {
            Ok(found) if found.is_file() => Ok(Self::of(path.to_path_buf())),
            Ok(_) => Err(missing("it is not a regular file".to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(missing("there is no such file or folder".to_owned()))
            }
            Err(source) => Err(Error::Read { path: path.to_path_buf(), source }),
        }
    }

    fn of(model: PathBuf) -> Self {
        let folder = model.parent().unwrap_or(Path::new("")).to_path_buf();
        let above = folder.parent().filter(|_| folder.ends_with("onnx")).map(Path::to_path_buf);
        Self { folders: std::iter::once(folder).chain(above).collect(), model }
    }

    /// The first file called `name` in its folders.
    pub(crate) fn file(&self, name: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(name)).find(|path| path.exists())
    }
}

/// `model.onnx` or `onnx/model.onnx` in a folder, or the only model that it holds.
fn in_folder(folder: &Path) -> Result<PathBuf, Error> {
    for name in ["model.onnx", "onnx/model.onnx"] {
        let path = folder.join(name);
        if path.exists() {
            return Ok(path);
        }
    }
    let entries =
        fs::read_dir(folder).map_err(|source| Error::Read { path: folder.to_path_buf(), source })?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let models: Vec<&String> = names
        .iter()
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "onnx"))
        .collect();
    if let [model] = models[..] {
        return Ok(folder.join(model));
    }
    let found = match names.len() {
        0 => "the folder is empty".to_owned(),
        1..=10 => format!("the folder holds no model.onnx, only {}", names.join(", ")),
        more => format!("the folder holds no model.onnx among its {more} entries"),
    };
    Err(Error::NoModel { path: folder.to_path_buf(), found })
}

/// The bytes of a teacher's file.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    read_regular(path, limit).map_err(|source| Error::Read { path: path.to_path_buf(), source })
}
