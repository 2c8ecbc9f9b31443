//! Opening a model on a device.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use ort::ep::ExecutionProviderDispatch;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::files::{Files, Model};
use super::provider::{self, Options};
use super::runtime::Runtime;
use super::tuning::Tuning;
use super::{Error, signature::Signature};
use crate::config::{self, Provider, ProviderDevice, TeacherDevice};
use crate::support::threads::side_by_side;

/// The batch's name in the models of `optimum` and of this project, which a fixed batch replaces with its size.
const BATCH_DIMENSION: &str = "batch_size";

/// Opens sessions of one teacher.
pub(super) struct SessionOpener<'a> {
    pub runtime: &'static Runtime,
    pub files: &'a Files,
    pub config: &'a config::Teacher,
    pub tuning: Tuning,
}

/// A session with the device that it runs on.
pub(super) struct OpenSession {
    pub session: Session,
    pub signature: Signature,
    pub device: ProviderDevice,
    /// Which provider `auto` passed over, and why.
    pub notes: Vec<String>,
}

impl SessionOpener<'_> {
    /// Every session that the pipeline asks for: some for each of its devices, in their order, the sessions of a device
    /// after one another. There is one at least.
    pub(crate) fn all(&self) -> Result<Vec<OpenSession>, Error> {
        let mut all = Vec::new();
        for &device in self.config.device.as_slice() {
            let first = self.on(device)?;
            let device = first.device;
            all.push(first);
            let more = self.sessions(device.provider) - 1;
            if device.provider == Provider::Cpu {
                // Opening lays out the weights anew, which keeps a core busy.
                all.extend(side_by_side(0..more, |_| self.open(device))?);
            } else {
                for _ in 0..more {
                    all.push(self.open(device)?);
                }
            }
        }
        Ok(all)
    }

    /// One session on `device`; `auto` takes CUDA where it can be had.
    pub(crate) fn on(&self, device: TeacherDevice) -> Result<OpenSession, Error> {
        match device {
            TeacherDevice::On(device) => self.open(device),
            TeacherDevice::Auto if provider::is_built_in(Provider::Cuda) => {
                self.open(ProviderDevice { provider: Provider::Cuda, index: 0 }).or_else(|error| {
                    let opened = self.open(ProviderDevice::CPU)?;
                    let reason = match error {
                        Error::NoProvider { device, missing } => {
                            format!("{device} is not available: {missing}")
                        }
                        error => error.to_string(),
                    };
                    Ok(OpenSession { notes: vec![format!("auto chose the CPU: {reason}")], ..opened })
                })
            }
            TeacherDevice::Auto => self.open(ProviderDevice::CPU),
        }
    }

    /// Sessions on each device.
    fn sessions(&self, provider: Provider) -> usize {
        match self.tuning.sessions {
            0 => provider.usual_sessions(),
            sessions => sessions,
        }
    }

    /// The batch size that a device's calls are recorded or built for.
    pub(crate) fn fixed_batch(&self, provider: Provider) -> Option<usize> {
        // Without it TensorRT would build another engine, for minutes, at the first batch of another size.
        (self.config.gpu.graph || provider.compiles_for_one_batch_size()).then_some(self.tuning.batch)
    }

    fn open(&self, device: ProviderDevice) -> Result<OpenSession, Error> {
        let path = self.files.model.path();
        let no_provider = |missing| Error::NoProvider { device, missing };
        let options = self.options(device.provider)?;
        let dispatches = provider::dispatches(device, self.runtime, &options).map_err(no_provider)?;
        let session = self.build(device.provider, &dispatches).map_err(|error| {
            let reason = plain_reason(&error);
            match device.provider {
                Provider::Cpu => self.refused(&error, reason),
                _ => no_provider(reason),
            }
        })?;
        let signature = Signature::of(&session).map_err(|(expected, found)| Error::Signature {
            path,
            expected: expected.to_owned(),
            found,
        })?;
        Ok(OpenSession { session, signature, device, notes: Vec::new() })
    }

    /// Why ONNX Runtime does not open a model that has the format of one.
    fn refused(&self, error: &ort::Error, reason: String) -> Error {
        let path = self.files.model.path();
        match error.code() {
            ort::ErrorCode::InvalidProtobuf => Error::Malformed { path, reason },
            _ => Error::NotRunnable { path, version: self.runtime.found.version.clone(), reason },
        }
    }

    fn build(&self, provider: Provider, providers: &[ExecutionProviderDispatch]) -> ort::Result<Session> {
        let mut builder = Session::builder(&self.runtime.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(self.threads(provider))?
            .with_inter_threads(1)?
            .with_intra_op_spinning(self.tuning.spin)?
            .with_deterministic_compute(true)?
            .with_execution_providers(providers)?;
        if let Some(batch) = self.fixed_batch(provider) {
            builder = builder.with_dimension_override(BATCH_DIMENSION, batch as i64)?;
        }
        self.commit(builder)
    }

    fn commit(&self, mut builder: SessionBuilder) -> ort::Result<Session> {
        match &self.files.model {
            Model::File(path) => builder.commit_from_file(path),
            Model::Embedded(bytes) => builder.commit_from_memory(bytes),
        }
    }

    /// A session on the CPU that runs the graph as it stands and writes a profile to a file whose name begins with `prefix`.
    pub(crate) fn profiled(&self, prefix: &Path) -> ort::Result<Session> {
        let builder = Session::builder(&self.runtime.environment)?
            .with_optimization_level(GraphOptimizationLevel::Disable)?
            .with_inter_threads(1)?
            .with_profiling(prefix)?;
        self.commit(builder)
    }

    /// Threads of one call, the calling one included.
    fn threads(&self, provider: Provider) -> usize {
        match (self.tuning.threads, provider) {
            (0, Provider::Cpu) => {
                let cores = available_parallelism().map_or(1, usize::from);
                (cores / self.sessions(provider).max(self.tuning.among)).max(1)
            }
            // What a GPU leaves to the CPU is the arithmetic of a few shapes.
            (0, _) => 1,
            (threads, _) => threads,
        }
    }

    fn options(&self, provider: Provider) -> Result<Options, Error> {
        let gpu = &self.config.gpu;
        let tensorrt = provider == Provider::TensorRt && !gpu.tensorrt_cache.as_os_str().is_empty();
        let engines = if tensorrt { Some(self.engine_folder()?) } else { None };
        Ok(Options { tf32: gpu.tf32, graph: gpu.graph, tensorrt_fp16: gpu.tensorrt_fp16, engines })
    }

    /// The folder of this teacher's engines. ONNX Runtime names an engine by its graph and not by its weights, so another
    /// teacher of the same shape would be given the engine of this one.
    fn engine_folder(&self) -> Result<PathBuf, Error> {
        let fingerprint = self.files.fingerprint.to_string();
        let version = &self.runtime.found.version;
        let name = format!("{}-batch{}-ort{version}", &fingerprint[..12], self.tuning.batch);
        let folder = self.config.gpu.tensorrt_cache.join(name);
        match fs::create_dir_all(&folder) {
            Ok(()) => Ok(folder),
            Err(source) => Err(Error::Engines { path: folder, source }),
        }
    }
}

/// ONNX Runtime's reason in one line, without the places in its sources.
pub(super) fn plain_reason(error: &ort::Error) -> String {
    let text = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    // `FILE:LINE FUNCTION [ONNXRuntimeError] : 1 : FAIL : REASON`, several of them one in the other.
    let inner = text.rsplit("[ONNXRuntimeError] : ").next().unwrap_or(&text);
    let inner = if inner.len() < text.len() { inner.splitn(3, " : ").last().unwrap_or(inner) } else { inner };
    // `... CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=... ; file=...`
    let inner = inner.find("CUDA failure").map_or(inner, |start| &inner[start..]);
    inner.split(" ; GPU=").next().unwrap_or(inner).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_without_places_in_sources() {
        let reason = |message: &str| plain_reason(&ort::Error::new(message));
        assert_eq!(
            reason(
                "/src/cuda_execution_provider_info.cc:63 static CUDAExecutionProviderInfo::From(const Options&) [ONNXRuntimeError] : 1 : FAIL : \
                 utils.h:187 Parse Failed to parse provider option \"device_id\": CUDA failure 35: CUDA driver version is insufficient ; \
                 GPU=-1 ; hostname=vm ; file=/src/info.cc ; line=70 ; expr=cudaGetDeviceCount(&num_devices); "
            ),
            "CUDA failure 35: CUDA driver version is insufficient"
        );
        assert_eq!(
            reason(
                "/src/bridge.cc:20 Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library a.so with error:\n b : c"
            ),
            "Failed to load library a.so with error: b : c"
        );
        assert_eq!(reason("Load model from\n  m failed"), "Load model from m failed");
    }
}
