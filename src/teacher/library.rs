//! A file that may be the ONNX Runtime library, and what it is.

use std::ffi::CStr;
use std::fmt;
use std::path::{Path, PathBuf};

use libloading::Library;

use super::Error;
use super::library_name::OLDEST_MINOR;

/// An ONNX Runtime library that can be loaded here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file, or the name that the system's loader resolves.
    pub path: PathBuf,
    /// Why this one.
    pub origin: Origin,
    /// Its version, such as `1.31.1`.
    pub version: String,
}

/// The kind of place that a library came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `ORT_DYLIB_PATH` names it.
    Variable,
    /// The active virtual environment holds it.
    VirtualEnvironment,
    /// The active conda environment holds it.
    Conda,
    /// It is beside the program, or in the environment that the program is installed in.
    Program,
    /// A `.onnxruntime` folder holds it.
    Project,
    /// The system's loader finds it.
    System,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Variable => "named by ORT_DYLIB_PATH",
            Self::VirtualEnvironment => "in the active virtual environment, VIRTUAL_ENV",
            Self::Conda => "in the active conda environment, CONDA_PREFIX",
            Self::Program => "beside decant, or in the environment that decant is installed in",
            Self::Project => "in a .onnxruntime folder",
            Self::System => "found by the system's loader",
        })
    }
}

/// Opens `path` and reads its version.
pub(super) fn examine(path: PathBuf, origin: Origin) -> Result<Found, Error> {
    // The loader would wait for ever on a pipe; a bare name is looked up by the loader and is not a file here.
    if path.is_absolute() && !path.is_file() {
        return Err(Error::BadLibrary { path, reason: "it is not a regular file".to_owned() });
    }
    match version(&path) {
        Err(reason) => Err(Error::BadLibrary { path, reason }),
        Ok(version) if is_recent(&version) => Ok(Found { path, origin, version }),
        Ok(version) => Err(Error::OldLibrary { path, found: version }),
    }
}

fn is_recent(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (1, OLDEST_MINOR)
}

/// Asks the library at `path` for its version, or says why it can't be asked.
#[expect(unsafe_code, reason = "a C library is loaded and called")]
fn version(path: &Path) -> Result<String, String> {
    type Base = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: loading runs the library's initialisers; the user chose it to be run.
    let library = unsafe { Library::new(path) }.map_err(|error| error.to_string())?;
    // SAFETY: every ONNX Runtime exports this function with this signature, and what it points to lives as long as
    // the library, which is open until the version is copied.
    unsafe {
        let base =
            library.get::<Base>(b"OrtGetApiBase\0").map_err(|_| "it has no OrtGetApiBase".to_owned())?;
        let base = base().as_ref().ok_or("its OrtGetApiBase gives nothing")?;
        let version = (base.GetVersionString)();
        if version.is_null() {
            return Err("it has no version".to_owned());
        }
        Ok(CStr::from_ptr(version).to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, recent) in
            [("1.31.1", true), ("1.23.0", true), ("1.9.9", false), ("2.0.0", true), ("", false), ("x", false)]
        {
            assert_eq!(is_recent(version), recent, "{version}");
        }
    }
}
