//! Where a model runs.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A device as it is written in a pipeline file: `auto`, `cpu`, `cuda:0`, `tensorrt:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum Device {
    /// CUDA where this build and machine have it, else the CPU; what was chosen is printed.
    #[default]
    Auto,
    /// All cores of this machine.
    Cpu,
    /// The CUDA device of this index.
    Cuda(usize),
    /// The TensorRT provider on the CUDA device of this index (teachers only).
    TensorRt(usize),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, index) = text.split_once(':').unwrap_or((text, "0"));
        match (kind, index.parse::<usize>(), text.contains(':')) {
            ("auto", _, false) => Ok(Self::Auto),
            ("cpu", _, false) => Ok(Self::Cpu),
            ("cuda", Ok(index), _) => Ok(Self::Cuda(index)),
            ("tensorrt", Ok(index), _) => Ok(Self::TensorRt(index)),
            _ => Err(format!("unknown device {text:?}, expected auto, cpu, cuda:N or tensorrt:N")),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(index) => write!(formatter, "cuda:{index}"),
            Self::TensorRt(index) => write!(formatter, "tensorrt:{index}"),
        }
    }
}

impl serde::Serialize for Device {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_read_back_as_written() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3", "tensorrt:1"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
    }

    #[test]
    fn an_unknown_device_lists_the_known_ones() {
        for text in ["gpu", "cuda:x", "cpu:1", ""] {
            assert!(text.parse::<Device>().unwrap_err().contains("cuda:N"));
        }
    }
}
