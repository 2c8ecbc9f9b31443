//! `[teacher]`: the model that is run once.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rule::{Invalid, within};
use super::{Count, Provider, TeacherDevices};

/// `[teacher]`: the model that is run once.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Teacher {
    /// `embedded:leaves`, a `model.onnx`, or a folder that holds one with its `config.json` and `preprocessor_config.json`.
    pub model: String,
    /// The Hugging Face checkpoint that `make teacher` exports to `model`.
    pub checkpoint: Option<String>,
    /// Where ONNX Runtime runs it: `auto`, `cpu`, `cuda:0`, `tensorrt:0`, another provider of docs/teacher.md, or several GPUs for
    /// one cache, `cuda:0,1`.
    pub device: TeacherDevices,
    /// Images in one call. `auto` takes the fastest of those that give the logits of the usual size, 4 on the CPU and 64 on a
    /// GPU, to the last bit: what the cache holds does not depend on the measurement.
    pub batch_size: Count,
    /// Threads of one call on the CPU; 0 shares every core among the sessions, and so does `auto`.
    pub threads: Count,
    /// Sessions on each device, which take batches as they can. Each holds the whole model. `auto` takes two on a GPU, so that one
    /// computes while the other's images are on their way, and one a core on the CPU.
    pub sessions: Count,
    /// What only a GPU can do.
    pub gpu: Gpu,
}

impl Default for Teacher {
    fn default() -> Self {
        Self {
            model: "embedded:leaves".to_owned(),
            checkpoint: None,
            device: TeacherDevices::default(),
            batch_size: Count::Auto,
            threads: Count::Auto,
            sessions: Count::Auto,
            gpu: Gpu::default(),
        }
    }
}

impl Teacher {
    /// Checks every value that a type alone does not bound.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let given = |count: Count, range: RangeInclusive<usize>| {
            count.given().is_none_or(|number| range.contains(&number))
        };
        within(
            "teacher.batch-size",
            self.batch_size,
            given(self.batch_size, 1..=4096),
            "1 to 4096, or auto",
        )?;
        within("teacher.threads", self.threads, given(self.threads, 0..=1024), "0 to 1024, or auto")?;
        within("teacher.sessions", self.sessions, given(self.sessions, 1..=16), "1 to 16, or auto")?;
        self.check_gpu()?;
        Ok(())
    }
}

impl Teacher {
    /// Refuses what the teacher's device would not heed.
    fn check_gpu(&self) -> Result<(), Invalid> {
        let gpu = &self.gpu;
        let on = |provider| self.device.provider() == Some(provider);
        let (cuda, tensorrt) = (on(Provider::Cuda), on(Provider::TensorRt));
        let on = format!("false with teacher.device = \"{}\", ", self.device);
        let rule = format!("{on}since only cuda:N rounds to TensorFloat-32 on demand");
        within("teacher.gpu.tf32", gpu.tf32, !gpu.tf32 || cuda, &rule)?;
        let rule = format!("{on}since only cuda:N and tensorrt:N record CUDA graphs");
        within("teacher.gpu.graph", gpu.graph, !gpu.graph || cuda || tensorrt, &rule)?;
        let rule = format!("{on}since only tensorrt:N can change a model's precision");
        within("teacher.gpu.tensorrt-fp16", gpu.tensorrt_fp16, !gpu.tensorrt_fp16 || tensorrt, &rule)
    }

    /// The batch size whose logits a cache holds: the one that is given, else the usual one of `provider`.
    pub fn batch(&self, provider: Provider) -> usize {
        self.batch_size.given().unwrap_or(provider.usual_batch_size())
    }
}

/// `[teacher.gpu]`: how a GPU runs the teacher. Whatever differs from the defaults is refused where it would do nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gpu {
    /// Whether `cuda:N` may round the factors of float32 products to TensorFloat-32: faster, and about as exact as fp16.
    pub tf32: bool,
    /// Whether the calls of a batch are recorded once and replayed as a CUDA graph. Every batch then has the full size.
    pub graph: bool,
    /// Whether `tensorrt:N` may compute a float32 model in float16.
    pub tensorrt_fp16: bool,
    /// The folder that keeps the engines that TensorRT builds, one folder a teacher; empty builds them anew each time.
    pub tensorrt_cache: PathBuf,
}

impl Default for Gpu {
    fn default() -> Self {
        Self { tf32: false, graph: false, tensorrt_fp16: false, tensorrt_cache: PathBuf::from(".tensorrt") }
    }
}
