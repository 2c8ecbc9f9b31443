//! The device that a student trains on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A device as `train.device` takes it: `auto`, `cpu`, `cuda:0`, `vulkan:0`, `metal`, `wgpu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum StudentDevice {
    /// CUDA where this build and machine have it, else the CPU; the choice is printed.
    #[default]
    Auto,
    /// All cores of this machine.
    Cpu,
    /// The CUDA device of this index.
    Cuda(usize),
    /// The Vulkan device of this index: GPUs first, software last.
    Vulkan(usize),
    /// The Metal device of this index.
    Metal(usize),
    /// The device of this index on whatever graphics API the system has: Vulkan, Metal, DirectX 12.
    Wgpu(usize),
    /// burn's other backend for the CPU, on which the tests run what GPUs run.
    Ndarray,
}

impl StudentDevice {
    /// The kind of device without its number, which is part of what a run is: `cuda` for `cuda:1`.
    pub fn family(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda(_) => "cuda",
            Self::Vulkan(_) => "vulkan",
            Self::Metal(_) => "metal",
            Self::Wgpu(_) => "wgpu",
            Self::Ndarray => "ndarray",
        }
    }

    /// Its number among those of its kind; none for a processor and `auto`.
    pub fn index(self) -> Option<usize> {
        match self {
            Self::Auto | Self::Cpu | Self::Ndarray => None,
            Self::Cuda(index) | Self::Vulkan(index) | Self::Metal(index) | Self::Wgpu(index) => Some(index),
        }
    }

    /// The largest difference between a share, such as an accuracy, of a run and of its repetition on a GPU, whose sums are made in
    /// another order each time. Not measured yet.
    pub(crate) const GPU_TOLERANCE: f64 = 0.03;

    /// Whether a run that is repeated gives the same bytes.
    pub(crate) fn repeats_exactly(self) -> bool {
        self == Self::Cpu
    }
}

impl FromStr for StudentDevice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, index) = text.split_once(':').unwrap_or((text, "0"));
        match (kind, index.parse::<usize>(), text.contains(':')) {
            ("auto", _, false) => Ok(Self::Auto),
            ("cpu", _, false) => Ok(Self::Cpu),
            ("ndarray", _, false) => Ok(Self::Ndarray),
            ("cuda", Ok(index), _) => Ok(Self::Cuda(index)),
            ("vulkan", Ok(index), _) => Ok(Self::Vulkan(index)),
            ("metal", Ok(index), _) => Ok(Self::Metal(index)),
            ("wgpu", Ok(index), _) => Ok(Self::Wgpu(index)),
            _ => Err(format!(
                "unknown device {text:?} for a student, expected auto, cpu, cuda:N, vulkan:N, metal:N or wgpu:N"
            )),
        }
    }
}

impl TryFrom<String> for StudentDevice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<StudentDevice> for String {
    fn from(device: StudentDevice) -> Self {
        device.to_string()
    }
}

impl fmt::Display for StudentDevice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index() {
            Some(index) => formatter.pad(&format!("{}:{index}", self.family())),
            None => formatter.pad(self.family()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_read_back_as_written() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3", "vulkan:1", "metal:0", "wgpu:2", "ndarray"] {
            assert_eq!(text.parse::<StudentDevice>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(StudentDevice::Cuda(0)));
        assert_eq!("metal".parse(), Ok(StudentDevice::Metal(0)));
    }

    #[test]
    fn an_unknown_device_lists_the_known_ones() {
        for text in ["gpu", "cuda:x", "cpu:1", "tensorrt:0", ""] {
            assert!(text.parse::<StudentDevice>().unwrap_err().contains("cuda:N, vulkan:N"));
        }
    }
}
