//! Execution providers: what can run a model here, and what is missing where it can't.

use std::fmt;
use std::path::PathBuf;

use ort::ep::{self, ExecutionProviderDispatch};

use super::runtime::Runtime;

/// How a GPU's provider runs a model.
#[derive(Clone, Debug, Default)]
#[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "the CPU has no options"))]
pub(super) struct Options {
    /// Whether float32 products may be rounded to TensorFloat-32.
    pub tf32: bool,
    /// Whether calls are recorded as a CUDA graph.
    pub graph: bool,
    /// Whether TensorRT may compute in float16.
    pub tensorrt_fp16: bool,
    /// Where TensorRT keeps its engines, if it is to.
    pub engines: Option<PathBuf>,
}

/// An execution provider of ONNX Runtime, with the index of its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    Cpu,
    Cuda(usize),
    TensorRt(usize),
}

impl fmt::Display for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(index) => write!(formatter, "cuda:{index}"),
            Self::TensorRt(index) => write!(formatter, "tensorrt:{index}"),
        }
    }
}

impl Provider {
    /// Which device of its kind.
    pub fn index(self) -> usize {
        match self {
            Self::Cpu => 0,
            Self::Cuda(index) | Self::TensorRt(index) => index,
        }
    }

    /// What lets ONNX Runtime use it, each failing loudly; empty for the CPU, which is always there.
    ///
    /// # Errors
    /// What is missing here, with what to do.
    pub fn dispatches(
        self,
        runtime: &Runtime,
        options: &Options,
    ) -> Result<Vec<ExecutionProviderDispatch>, String> {
        if let Some(missing) = self.missing(runtime).into_iter().next() {
            return Err(missing);
        }
        Ok(match self {
            Self::Cpu => vec![ep::CPU::default().build()],
            Self::Cuda(index) => vec![cuda(index, options)],
            // What TensorRT can't run goes to CUDA on the same device.
            Self::TensorRt(index) => {
                vec![tensorrt(index, options), cuda(index, &Options { graph: false, ..options.clone() })]
            }
        })
    }

    /// What is missing for it here, each with what to do; nothing where it should work.
    pub fn missing(self, runtime: &Runtime) -> Vec<String> {
        let (name, feature) = match self {
            Self::Cpu => return Vec::new(),
            Self::Cuda(_) => ("cuda", cfg!(feature = "cuda")),
            Self::TensorRt(_) => ("tensorrt", cfg!(feature = "cuda")),
        };
        if !feature {
            return vec![
                "this build has no CUDA, build it with `cargo build --release --features cuda`".to_owned(),
            ];
        }
        let library = libloading::library_filename(format!("onnxruntime_providers_{name}"));
        let beside = runtime.found.path.with_file_name(&library);
        let mut missing = Vec::new();
        if beside.is_absolute() && !beside.exists() {
            missing.push(format!(
                "{} does not exist, install the wheel onnxruntime-gpu in place of onnxruntime",
                beside.display()
            ));
        }
        let needed: &[(&str, &str)] = match self {
            Self::TensorRt(_) => &[CUDA_DRIVER, ("libnvinfer.so.10", "install TensorRT 10")],
            _ => &[CUDA_DRIVER, ("libcudnn.so.9", "install cuDNN 9, such as the wheel nvidia-cudnn-cu13")],
        };
        for (library, remedy) in needed {
            // SAFETY: loading runs the initialisers of NVIDIA's libraries, which the provider would load next.
            if let Err(error) = unsafe { libloading::Library::new(*library) } {
                missing.push(format!("{library} can't be loaded ({error}), {remedy}"));
            }
        }
        missing
    }
}

const CUDA_DRIVER: (&str, &str) =
    (if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" }, "install the NVIDIA driver");

#[cfg(feature = "cuda")]
fn cuda(index: usize, options: &Options) -> ExecutionProviderDispatch {
    ep::CUDA::default()
        .with_device_id(index as i32)
        .with_tf32(options.tf32)
        .with_cuda_graph(options.graph)
        .build()
        .error_on_failure()
}

#[cfg(feature = "cuda")]
fn tensorrt(index: usize, options: &Options) -> ExecutionProviderDispatch {
    let mut provider = ep::TensorRT::default()
        .with_device_id(index as i32)
        .with_fp16(options.tensorrt_fp16)
        .with_cuda_graph(options.graph);
    if let Some(folder) = &options.engines {
        let folder = folder.display();
        provider = provider
            .with_engine_cache(true)
            .with_engine_cache_path(&folder)
            .with_timing_cache(true)
            .with_timing_cache_path(&folder);
    }
    provider.build().error_on_failure()
}

#[cfg(not(feature = "cuda"))]
fn cuda(_index: usize, _options: &Options) -> ExecutionProviderDispatch {
    unreachable!("`missing` refuses it in this build")
}

#[cfg(not(feature = "cuda"))]
fn tensorrt(_index: usize, _options: &Options) -> ExecutionProviderDispatch {
    unreachable!("`missing` refuses it in this build")
}
