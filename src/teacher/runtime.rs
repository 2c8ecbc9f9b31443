//! The ONNX Runtime library: examining a file that may be it, and loading it once.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use libloading::Library;
use ort::environment::Environment;
use ort::ep::cuda::{CUDA_DYLIBS, CUDNN_DYLIBS};

use super::Error;
pub use super::search::{Origin, Search};

/// The oldest ONNX Runtime whose functions suffice is 1.`OLDEST_MINOR`.
pub const OLDEST_MINOR: u32 = ort::MINOR_VERSION;

/// The library's name as the system's loader knows it.
pub const LIBRARY: &str = if cfg!(windows) {
    "onnxruntime.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so"
};

/// Where TensorRT's wheels keep their libraries.
const TENSORRT_FOLDERS: [&str; 2] = ["tensorrt_libs", "tensorrt_cu13_libs"];

/// TensorRT's libraries, each after what it needs.
const TENSORRT_DYLIBS: [&str; 3] = ["libnvinfer.so.10", "libnvinfer_plugin.so.10", "libnvonnxparser.so.10"];

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

/// The loaded library and its environment, of which a process has one.
pub struct Runtime {
    /// What was loaded.
    pub found: Found,
    pub(super) environment: Environment,
    /// Folders that may hold the CUDA wheels.
    packages: Vec<PathBuf>,
}

impl Runtime {
    /// Loads the CUDA, cuDNN and TensorRT wheels, so that the library's providers find them.
    pub(super) fn preload_cuda(&self) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let mut folders = Vec::new();
            for packages in &self.packages {
                let wheels = std::fs::read_dir(packages.join("nvidia")).into_iter().flatten().flatten();
                folders.extend(wheels.map(|wheel| wheel.path().join("lib")));
                folders.extend(TENSORRT_FOLDERS.map(|name| packages.join(name)));
            }
            for name in CUDA_DYLIBS.iter().chain(CUDNN_DYLIBS).chain(&TENSORRT_DYLIBS) {
                if let Some(file) = folders.iter().map(|folder| folder.join(name)).find(|file| file.exists())
                {
                    // What does not load here is named by the provider, when it is asked for.
                    let _ = ort::util::preload_dylib(file);
                }
            }
        });
    }
}

/// Finds and loads the library; later calls give the same one.
///
/// # Errors
/// As [`Search::find`] says.
pub fn load() -> Result<&'static Runtime, Error> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static LOADING: Mutex<()> = Mutex::new(());

    let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let search = Search::of_this_process();
    let found = search.find()?;
    let bad = |reason: String| Error::BadLibrary { path: found.path.clone(), reason };
    let environment = ort::init_from(&found.path)
        .map_err(|error| bad(error.to_string()))?
        .with_name("decant")
        .with_telemetry(false)
        .build()
        .map_err(|error| bad(error.to_string()))?;
    let packages = search.packages(&found.path);
    Ok(RUNTIME.get_or_init(|| Runtime { found, environment, packages }))
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
fn version(path: &Path) -> Result<String, String> {
    type Base = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: loading runs the library's initialisers; the user or `make runtime` chose it to be run.
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
