//! Execution providers: registering one with ONNX Runtime, and what is missing where it can't be had.

use std::path::PathBuf;

use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};

use super::runtime::Runtime;
use super::search::is_of_gpu_wheel;
use crate::config::{Provider, ProviderDevice};

/// How a GPU's provider runs a model.
#[derive(Clone, Debug, Default)]
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

/// Libraries that a provider needs, and the command that brings them.
struct Needed {
    libraries: &'static [&'static str],
    remedy: &'static str,
}

/// The libraries that `libonnxruntime_providers_cuda.so` of ONNX Runtime 1.31 is linked with or loads.
const CUDA: &[Needed] = &[
    Needed { libraries: &["libcuda.so.1"], remedy: "install the NVIDIA driver" },
    Needed {
        libraries: &[
            "libcudart.so.13",
            "libcublasLt.so.13",
            "libcublas.so.13",
            "libcurand.so.10",
            "libcudnn.so.9",
        ],
        remedy: "run `pip install \"onnxruntime-gpu[cuda,cudnn]\"`",
    },
];

const TENSORRT: &[Needed] = &[Needed {
    libraries: &["libnvinfer.so.10", "libnvonnxparser.so.10"],
    remedy: "run `pip install \"tensorrt-cu13<11\"`",
}];

/// Registers `device` with a session, after what is tried first and so on; each fails loudly. Empty for no provider at all.
///
/// # Errors
/// The libraries that are missing here, with what to do.
pub(super) fn dispatches(
    device: ProviderDevice,
    runtime: &Runtime,
    options: &Options,
) -> Result<Vec<ExecutionProviderDispatch>, String> {
    let missing = missing(device.provider, runtime);
    if !missing.is_empty() {
        return Err(missing.join("; "));
    }
    let index = device.index as i32;
    Ok(match device.provider {
        Provider::Cpu => vec![ep::CPU::default().build()],
        Provider::Cuda => vec![cuda(index, options)],
        // What TensorRT can't run goes to CUDA on the same device.
        Provider::TensorRt => {
            vec![tensorrt(index, options), cuda(index, &Options { graph: false, ..options.clone() })]
        }
        Provider::DirectMl => vec![ep::DirectML::default().with_device_id(index).build().error_on_failure()],
        Provider::CoreMl => vec![ep::CoreML::default().build().error_on_failure()],
        Provider::Rocm => vec![ep::ROCm::default().with_device_id(index).build().error_on_failure()],
        Provider::MiGraphX => vec![ep::MIGraphX::default().with_device_id(index).build().error_on_failure()],
        Provider::OpenVino => vec![ep::OpenVINO::default().build().error_on_failure()],
    })
}

/// Whether the library was built with `provider`, and the package whose library is.
fn build(provider: Provider) -> (ort::Result<bool>, &'static str) {
    match provider {
        Provider::Cpu => (Ok(true), "the wheel onnxruntime"),
        Provider::Cuda => (ep::CUDA::is_available(), "`pip install onnxruntime-gpu`"),
        Provider::TensorRt => (ep::TensorRT::is_available(), "`pip install onnxruntime-gpu`"),
        Provider::DirectMl => (ep::DirectML::is_available(), "`pip install onnxruntime-directml` on Windows"),
        Provider::CoreMl => (ep::CoreML::is_available(), "`pip install onnxruntime` on macOS"),
        Provider::Rocm => (ep::ROCm::is_available(), "AMD's wheel onnxruntime-rocm"),
        Provider::MiGraphX => (ep::MIGraphX::is_available(), "AMD's wheel onnxruntime-migraphx"),
        Provider::OpenVino => (ep::OpenVINO::is_available(), "`pip install onnxruntime-openvino`"),
    }
}

/// Whether ONNX Runtime was built with `provider`; what it needs beside that may still be missing.
pub(super) fn is_built_in(provider: Provider) -> bool {
    matches!(build(provider), (Ok(true), _))
}

/// The libraries that are missing for `provider` here, each with what to do; nothing where it should work.
pub(super) fn missing(provider: Provider, runtime: &Runtime) -> Vec<String> {
    let (built_in, package) = build(provider);
    if !matches!(built_in, Ok(true)) {
        let path = runtime.found.path.display();
        if provider.uses_cuda_memory() && is_of_gpu_wheel(&runtime.found.path) {
            return vec![format!(
                "{path} is that of the wheel onnxruntime, which took the place of onnxruntime-gpu's; run \
                 `pip install --force-reinstall --no-deps onnxruntime-gpu`"
            )];
        }
        return vec![format!("{path} is built without the provider {provider}; {package} has it")];
    }
    if !provider.uses_cuda_memory() || !cfg!(target_os = "linux") {
        return Vec::new();
    }
    runtime.preload_cuda();
    let mut missing = without_provider_library(provider, runtime);
    missing.extend(not_loading(CUDA));
    if provider == Provider::TensorRt {
        missing.extend(not_loading(TENSORRT));
    }
    missing
}

/// The library of the provider itself, which ONNX Runtime loads from its own folder.
fn without_provider_library(provider: Provider, runtime: &Runtime) -> Vec<String> {
    let library = libloading::library_filename(format!("onnxruntime_providers_{provider}"));
    let beside = runtime.found.path.with_file_name(library);
    if !beside.is_absolute() || beside.exists() {
        return Vec::new();
    }
    vec![format!(
        "{} does not exist; `pip install --force-reinstall onnxruntime-gpu` brings it",
        beside.display()
    )]
}

/// The libraries of `needed` that the system's loader doesn't find or can't load, with what to do about it.
fn not_loading(needed: &[Needed]) -> Vec<String> {
    #[expect(unsafe_code, reason = "loading a library runs code of it")]
    let loads = |library: &str| {
        // SAFETY: loading runs the initialisers of NVIDIA's libraries, which the provider would load next.
        unsafe { libloading::Library::new(library) }.is_ok()
    };
    let mut texts = Vec::new();
    for Needed { libraries, remedy } in needed {
        let missing: Vec<&str> = libraries.iter().copied().filter(|library| !loads(library)).collect();
        if !missing.is_empty() {
            texts.push(format!("{} can't be loaded, {remedy}", missing.join(", ")));
        }
    }
    texts
}

fn cuda(index: i32, options: &Options) -> ExecutionProviderDispatch {
    ep::CUDA::default()
        .with_device_id(index)
        .with_tf32(options.tf32)
        .with_cuda_graph(options.graph)
        .build()
        .error_on_failure()
}

fn tensorrt(index: i32, options: &Options) -> ExecutionProviderDispatch {
    let mut provider = ep::TensorRT::default()
        .with_device_id(index)
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
