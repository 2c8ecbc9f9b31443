//! The ONNX Runtime library, loaded once.

use std::path::PathBuf;
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::ep::cuda::{CUDA_DYLIBS, CUDNN_DYLIBS};
use ort::logging::LogLevel;

use super::Error;
pub(crate) use super::library::Found;
pub use super::library::Origin;
pub use super::search::Search;

/// Where TensorRT's wheels keep their libraries.
const TENSORRT_FOLDERS: [&str; 2] = ["tensorrt_libs", "tensorrt_cu13_libs"];

/// TensorRT's libraries, each after what it needs.
const TENSORRT_DYLIBS: [&str; 3] = ["libnvinfer.so.10", "libnvinfer_plugin.so.10", "libnvonnxparser.so.10"];

/// The loaded library and its environment; a process has one.
pub struct Runtime {
    /// The library that was loaded.
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
    // What fails is returned, and said once.
    environment.set_log_level(LogLevel::Fatal);
    let packages = search.packages(&found.path);
    Ok(RUNTIME.get_or_init(|| Runtime { found, environment, packages }))
}
