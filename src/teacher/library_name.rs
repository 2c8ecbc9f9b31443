//! The name of the ONNX Runtime library, and the oldest version that will do.

/// The oldest ONNX Runtime whose functions suffice is 1.`OLDEST_MINOR`.
pub(crate) const OLDEST_MINOR: u32 = ort::MINOR_VERSION;

/// The library's name as the system's loader knows it.
pub(crate) const LIBRARY: &str = if cfg!(windows) {
    "onnxruntime.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so"
};
