//! Execution providers: what ONNX Runtime computes with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An execution provider of ONNX Runtime, written as in `teacher.device` and in a manifest: `cpu`, `cuda`, `tensorrt`.
///
/// A new one takes a line in each method here, its registration in `teacher/provider.rs`, ort's feature in `Cargo.toml`, a row in
/// `docs/gpu.md` and its name in `python/decant/manifest.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "&str")]
pub enum Provider {
    /// The processor.
    Cpu,
    /// NVIDIA GPUs.
    Cuda,
    /// NVIDIA GPUs, through TensorRT's engines.
    TensorRt,
    /// GPUs under Windows, through DirectX 12.
    DirectMl,
    /// Apple's GPUs and neural engines.
    CoreMl,
    /// AMD GPUs.
    Rocm,
    /// AMD GPUs, through MIGraphX's compiled programs.
    MiGraphX,
    /// Intel's processors, GPUs and NPUs.
    OpenVino,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 8] = [
        Self::Cpu,
        Self::Cuda,
        Self::TensorRt,
        Self::DirectMl,
        Self::CoreMl,
        Self::Rocm,
        Self::MiGraphX,
        Self::OpenVino,
    ];

    /// The name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::DirectMl => "directml",
            Self::CoreMl => "coreml",
            Self::Rocm => "rocm",
            Self::MiGraphX => "migraphx",
            Self::OpenVino => "openvino",
        }
    }

    /// Whether its devices are numbered, as in `cuda:1`.
    pub(crate) fn is_numbered(self) -> bool {
        !matches!(self, Self::Cpu | Self::CoreMl | Self::OpenVino)
    }

    /// Whether it works in the memory of an NVIDIA GPU.
    pub(crate) fn uses_cuda_memory(self) -> bool {
        matches!(self, Self::Cuda | Self::TensorRt)
    }

    /// Whether it compiles a model for one batch size, to which smaller batches are filled up.
    pub(crate) fn compiles_for_one_batch_size(self) -> bool {
        matches!(self, Self::TensorRt | Self::MiGraphX)
    }

    /// The usual batch size: a core works on a few images that fit its own caches, a GPU has thousands of cores for one call.
    pub(crate) fn usual_batch_size(self) -> usize {
        match self {
            Self::Cpu => 4,
            _ => 64,
        }
    }

    /// The usual number of sessions on a device: two overlap copying with computing where both sides share page-locked memory.
    pub(crate) fn usual_sessions(self) -> usize {
        if self.uses_cuda_memory() { 2 } else { 1 }
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|provider| provider.name() == text);
        found.ok_or_else(|| format!("unknown execution provider {text:?}, expected one of {}", names()))
    }
}

impl TryFrom<String> for Provider {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Provider> for &str {
    fn from(provider: Provider) -> Self {
        provider.name()
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_read_back_as_written() {
        for provider in Provider::ALL {
            let text = serde_json::to_string(&provider).unwrap();
            assert_eq!(text, format!("\"{provider}\""));
            assert_eq!(serde_json::from_str::<Provider>(&text).unwrap(), provider);
        }
    }

    #[test]
    fn an_unknown_provider_lists_the_known_ones() {
        let message = "cuda:0".parse::<Provider>().unwrap_err();
        assert!(message.contains("unknown execution provider \"cuda:0\""), "{message}");
        assert!(
            message.contains("cpu, cuda, tensorrt, directml, coreml, rocm, migraphx, openvino"),
            "{message}"
        );
    }

    #[test]
    fn the_python_reader_knows_every_provider() {
        let names = Provider::ALL.map(|provider| format!("\"{provider}\"")).join(", ");
        let reader = include_str!("../../python/decant/manifest.py");
        assert!(reader.contains(&format!("PROVIDERS = ({names})")), "{names}");
    }
}
