//! The ONNX Runtime library: where it is found, and loading it once.
//!
//! Looked for in this order: the file that `ORT_DYLIB_PATH` names, the project's folder `.onnxruntime` as `make runtime`
//! leaves it (above the program, then above the working directory), and whatever the system's loader knows.

use std::env;
use std::ffi::CStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use libloading::Library;
use ort::environment::Environment;
use ort::ep::cuda::{CUDA_DYLIBS, CUDNN_DYLIBS};

use super::Error;

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

/// The variable that names a library, before every other place.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// The folder that `make runtime` installs a wheel into.
const PROJECT_FOLDER: &str = ".onnxruntime";

/// Where a wheel keeps its native libraries.
const WHEEL_FOLDER: &str = "onnxruntime/capi";

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

/// Which of the places a library came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `ORT_DYLIB_PATH` names it.
    Variable,
    /// A `.onnxruntime` folder holds it.
    Project,
    /// The system's loader finds it.
    System,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Variable => "named by ORT_DYLIB_PATH",
            Self::Project => "installed by `make runtime`",
            Self::System => "the system's",
        })
    }
}

/// The places to look at.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The value of `ORT_DYLIB_PATH`, if it is set and not empty.
    pub variable: Option<PathBuf>,
    /// Folders that may lie in a project: each of them and all above are looked at for a `.onnxruntime`.
    pub starts: Vec<PathBuf>,
    /// Whether the system's loader is asked.
    pub system: bool,
}

impl Search {
    /// The places of this process: its environment, its program's folder, its working directory, its system.
    pub fn of_this_process() -> Self {
        let variable = env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let program = env::current_exe().and_then(std::fs::canonicalize).ok();
        let program = program.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        Self { variable, starts: program.into_iter().chain(env::current_dir()).collect(), system: true }
    }

    /// The first library there. A place that holds a bad one is an error, not passed over.
    ///
    /// # Errors
    /// None is there, or the first one does not load, is no ONNX Runtime or is older than 1.[`OLDEST_MINOR`].
    pub fn find(&self) -> Result<Found, Error> {
        if let Some(path) = &self.variable {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            return found(path, Origin::Variable);
        }
        if let Some(path) = self.starts.iter().find_map(|start| in_project(start)) {
            return found(path, Origin::Project);
        }
        let system = self.system.then(|| found(PathBuf::from(LIBRARY), Origin::System));
        match system {
            // The system's loader says "no such file" for a name it does not know: that is "not found", not "bad".
            None | Some(Err(Error::BadLibrary { .. })) => Err(Error::NoLibrary { looked: self.looked() }),
            Some(result) => result,
        }
    }

    fn looked(&self) -> String {
        let starts: Vec<String> = self.starts.iter().map(|start| start.display().to_string()).collect();
        let mut looked = vec![format!("{VARIABLE} is not set")];
        if !starts.is_empty() {
            looked.push(format!("no {PROJECT_FOLDER} folder lies in or above {}", starts.join(" or ")));
        }
        if self.system {
            looked.push(format!("the system's loader knows no {LIBRARY}"));
        }
        looked.join(", ")
    }
}

/// The loaded library and its environment, of which a process has one.
pub struct Runtime {
    /// What was loaded.
    pub found: Found,
    pub(super) environment: Environment,
}

impl Runtime {
    /// Loads the CUDA, cuDNN and TensorRT wheels beside the library, so that its providers find them.
    pub(super) fn preload_cuda(&self) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let packages = self.found.path.ancestors().nth(3).unwrap_or(Path::new(""));
            let wheels = std::fs::read_dir(packages.join("nvidia")).into_iter().flatten().flatten();
            let mut folders: Vec<PathBuf> = wheels.map(|wheel| wheel.path().join("lib")).collect();
            folders.extend(TENSORRT_FOLDERS.map(|name| packages.join(name)));
            let names = CUDA_DYLIBS.iter().chain(CUDNN_DYLIBS).chain(&TENSORRT_DYLIBS);
            for name in names {
                for file in folders.iter().map(|folder| folder.join(name)).filter(|file| file.exists()) {
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
    let found = Search::of_this_process().find()?;
    let bad = |reason: String| Error::BadLibrary { path: found.path.clone(), reason };
    let environment = ort::init_from(&found.path)
        .map_err(|error| bad(error.to_string()))?
        .with_name("decant")
        .with_telemetry(false)
        .build()
        .map_err(|error| bad(error.to_string()))?;
    Ok(RUNTIME.get_or_init(|| Runtime { found, environment }))
}

/// Opens `path` and reads its version.
fn found(path: PathBuf, origin: Origin) -> Result<Found, Error> {
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

/// The library of the nearest `.onnxruntime` folder in or above `start`.
fn in_project(start: &Path) -> Option<PathBuf> {
    start.ancestors().find_map(|folder| in_wheel(&folder.join(PROJECT_FOLDER).join(WHEEL_FOLDER)))
}

/// `libonnxruntime.so.1.31.1`, `libonnxruntime.1.31.1.dylib` or `onnxruntime.dll` in a wheel's folder.
fn in_wheel(folder: &Path) -> Option<PathBuf> {
    let stem = LIBRARY.split('.').next()?;
    let extension = Path::new(LIBRARY).extension()?.to_str()?;
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let mut libraries: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.split('.').next() == Some(stem) && name.split('.').any(|part| part == extension))
        .collect();
    libraries.sort();
    libraries.pop().map(|name| folder.join(name))
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

    #[test]
    fn a_wheels_library_is_told_from_its_neighbours() {
        let folder = tempfile::tempdir().unwrap();
        let start = folder.path().join("target/debug");
        let wheel = folder.path().join(PROJECT_FOLDER).join(WHEEL_FOLDER);
        std::fs::create_dir_all(&start).unwrap();
        std::fs::create_dir_all(&wheel).unwrap();
        for name in
            ["__init__.py", "libonnxruntime_providers_shared.so", "libonnxruntime_providers_shared.dylib"]
        {
            std::fs::write(wheel.join(name), "").unwrap();
        }
        assert_eq!(in_project(&start), None);
        let library = match LIBRARY {
            "libonnxruntime.so" => "libonnxruntime.so.1.31.1",
            "libonnxruntime.dylib" => "libonnxruntime.1.31.1.dylib",
            other => other,
        };
        std::fs::write(wheel.join(library), "").unwrap();
        assert_eq!(in_project(&start), Some(wheel.join(library)));
    }
}
