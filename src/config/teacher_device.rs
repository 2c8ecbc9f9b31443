//! One device that the teacher runs on.

use std::fmt;
use std::str::FromStr;

use super::{Provider, StudentDevice};

/// A device of an execution provider: `cpu`, `cuda:1`, `coreml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderDevice {
    /// The execution provider.
    pub provider: Provider,
    /// Which of the provider's devices; 0 where they are not numbered.
    pub index: usize,
}

impl ProviderDevice {
    /// The processor.
    pub const CPU: Self = Self { provider: Provider::Cpu, index: 0 };
}

impl fmt::Display for ProviderDevice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.provider.is_numbered() {
            formatter.pad(&format!("{}:{}", self.provider, self.index))
        } else {
            self.provider.fmt(formatter)
        }
    }
}

/// A device as `teacher.device` takes it: `auto`, `cpu`, `cuda:0`, `tensorrt:0` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TeacherDevice {
    /// CUDA where the library has it and this machine can run it, else the CPU; the choice is printed.
    #[default]
    Auto,
    /// This one, or an error.
    On(ProviderDevice),
}

impl TeacherDevice {
    /// The processor.
    pub const CPU: Self = Self::On(ProviderDevice::CPU);

    /// The device `index` of `provider`.
    pub fn on(provider: Provider, index: usize) -> Self {
        Self::On(ProviderDevice { provider, index })
    }

    /// The provider that is asked for; none for `auto`.
    pub fn provider(self) -> Option<Provider> {
        match self {
            Self::Auto => None,
            Self::On(device) => Some(device.provider),
        }
    }

    /// The forms in a pipeline file: `auto, cpu, cuda:N, ...`.
    pub(super) fn forms() -> String {
        let forms = Provider::ALL.map(|provider| {
            if provider.is_numbered() { format!("{provider}:N") } else { provider.to_string() }
        });
        format!("auto, {}", forms.join(", "))
    }
}

impl FromStr for TeacherDevice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("unknown device {text:?}, expected one of {}", Self::forms());
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => (name, Some(index.parse::<usize>().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let provider: Provider = name.parse().map_err(|_| unknown())?;
        match index {
            Some(_) if !provider.is_numbered() => Err(unknown()),
            index => Ok(Self::on(provider, index.unwrap_or(0))),
        }
    }
}

impl TryFrom<StudentDevice> for TeacherDevice {
    type Error = String;

    /// The same device of ONNX Runtime, which has no provider for graphics APIs.
    fn try_from(device: StudentDevice) -> Result<Self, String> {
        match device {
            StudentDevice::Auto => Ok(Self::Auto),
            StudentDevice::Cpu => Ok(Self::CPU),
            StudentDevice::Cuda(index) => Ok(Self::on(Provider::Cuda, index)),
            StudentDevice::Vulkan(_)
            | StudentDevice::Metal(_)
            | StudentDevice::Wgpu(_)
            | StudentDevice::Ndarray => Err(format!(
                "ONNX Runtime can't run on {device}; choose auto, cpu or cuda:N for an ONNX file"
            )),
        }
    }
}

impl fmt::Display for TeacherDevice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.pad("auto"),
            Self::On(device) => device.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_read_back_as_written() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3", "tensorrt:1", "directml:0", "coreml", "openvino"] {
            assert_eq!(text.parse::<TeacherDevice>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(TeacherDevice::on(Provider::Cuda, 0)));
    }

    #[test]
    fn an_unknown_device_lists_the_known_ones() {
        for text in ["gpu", "cuda:x", "cpu:1", "auto:0", "coreml:0", ""] {
            let message = text.parse::<TeacherDevice>().unwrap_err();
            assert!(message.contains("cuda:N") && message.contains("coreml,"), "{message}");
        }
    }
}
