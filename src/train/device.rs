//! The device a student trains on.

use burn::tensor::{Device, FloatDType};

use super::{Error, border};
use crate::config::{Precision, StudentDevice};

/// A device that was found.
#[derive(Clone, Debug)]
pub struct TrainDevice {
    /// The device as burn has it.
    pub device: Device,
    /// How it is written in a pipeline file; never `auto`.
    pub name: StudentDevice,
    /// Whether it is this machine's processor: reading a tensor then waits for nothing.
    pub is_host: bool,
}

impl TrainDevice {
    /// The processor.
    pub fn cpu() -> Self {
        Self { device: Device::flex(), name: StudentDevice::Cpu, is_host: true }
    }

    /// Checks that it computes in `precision`.
    ///
    /// # Errors
    /// bfloat16 on a processor, which would only be slower, and on a GPU that has none.
    pub fn check_precision(&self, precision: Precision) -> Result<(), Error> {
        match precision {
            Precision::Float32 => Ok(()),
            Precision::Bfloat16 if !self.is_host && self.device.supports_dtype(FloatDType::BF16) => Ok(()),
            Precision::Bfloat16 => Err(Error::NoBfloat16 { device: self.name }),
        }
    }

    /// Does `work` on the device; a GPU that fails on the way is an error and no panic.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::DeviceFailed`].
    pub(super) fn guarded<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        if self.is_host {
            return work();
        }
        border::quietly(work).unwrap_or_else(|reason| Err(Error::DeviceFailed { device: self.name, reason }))
    }
}

/// The device that `asked` names; `auto` is the first CUDA device where there is one, else the CPU.
///
/// # Errors
/// A device that this build or machine does not have, and one that does not work: nothing falls back silently.
pub fn choose(asked: StudentDevice) -> Result<TrainDevice, Error> {
    match asked {
        StudentDevice::Cpu => Ok(TrainDevice::cpu()),
        StudentDevice::Auto if count(StudentDevice::Cuda(0)) == 0 => Ok(TrainDevice::cpu()),
        StudentDevice::Auto => found(StudentDevice::Cuda(0)),
        device => found(device),
    }
}

/// How many devices of the kind of `asked` burn can reach; none of a kind that this build does not have.
fn count(asked: StudentDevice) -> usize {
    devices(asked).map_or(0, |devices| devices.len())
}

fn found(asked: StudentDevice) -> Result<TrainDevice, Error> {
    let failed = |reason| Error::Device { device: asked, reason };
    let mut devices = devices(asked).map_err(failed)?;
    let (index, found) = (asked.index().unwrap_or(0), devices.len());
    if index >= found {
        let kind = asked.family();
        let reason = match found {
            0 => format!("no {kind} device was found; see decant doctor"),
            found => format!("{found} {kind} device(s) were found, numbered from 0; see decant doctor"),
        };
        return Err(failed(reason));
    }
    let device = devices.swap_remove(index);
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    border::try_out(asked, &device).map_err(failed)?;
    Ok(TrainDevice { device, name: asked, is_host: false })
}

/// The devices of the kind of `asked`, in the order of their numbers.
///
/// # Errors
/// A kind that this build or system does not have.
fn devices(asked: StudentDevice) -> Result<Vec<Device>, String> {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    use burn::tensor::DeviceType;
    match asked {
        StudentDevice::Auto | StudentDevice::Cpu => Ok(vec![Device::flex()]),
        #[cfg(feature = "cuda")]
        StudentDevice::Cuda(_) => Ok(Device::enumerate(DeviceType::Cuda).into_vec()),
        #[cfg(feature = "vulkan")]
        StudentDevice::Vulkan(_) => Ok(Device::enumerate(DeviceType::Vulkan).into_vec()),
        #[cfg(feature = "wgpu")]
        StudentDevice::Metal(_) if !cfg!(target_os = "macos") => {
            Err("Metal exists on macOS only; choose vulkan:N or wgpu:N".to_owned())
        }
        #[cfg(feature = "wgpu")]
        StudentDevice::Metal(_) | StudentDevice::Wgpu(_) => {
            Ok(Device::enumerate(DeviceType::Wgpu).into_vec())
        }
        #[cfg(feature = "ndarray")]
        StudentDevice::Ndarray => {
            #[expect(deprecated, reason = "the only other backend that builds from the crates registry")]
            let device = Device::ndarray();
            Ok(vec![device])
        }
        #[cfg(not(all(feature = "cuda", feature = "vulkan", feature = "ndarray")))]
        other => {
            let (name, feature) = match other {
                StudentDevice::Cuda(_) => ("CUDA", "cuda"),
                StudentDevice::Vulkan(_) => ("Vulkan", "vulkan"),
                StudentDevice::Ndarray => ("ndarray", "ndarray"),
                _ => ("wgpu", "wgpu"),
            };
            Err(format!(
                "this decant was built without {name}; build it from its source with --features {feature}"
            ))
        }
    }
}

/// The report of `decant doctor` about a device of students, or about a kind that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceHealth {
    /// The device as `train.device` takes it, or its kind.
    pub name: String,
    /// Its name for people; or what is missing, with what to do.
    pub state: Result<String, String>,
}

/// Looks for GPUs, and computes something on each.
pub(crate) fn examine() -> Vec<DeviceHealth> {
    let only_wgsl = cfg!(feature = "wgpu") && !cfg!(feature = "vulkan");
    let graphics = if only_wgsl { StudentDevice::Wgpu(0) } else { StudentDevice::Vulkan(0) };
    let kinds = [StudentDevice::Cuda(0), graphics, StudentDevice::Metal(0)];
    let here = |kind: &StudentDevice| cfg!(target_os = "macos") == (*kind == StudentDevice::Metal(0));
    kinds.into_iter().filter(here).flat_map(examine_kind).collect()
}

fn examine_kind(kind: StudentDevice) -> Vec<DeviceHealth> {
    let family = kind.family();
    let only = |reason| vec![DeviceHealth { name: family.to_owned(), state: Err(reason) }];
    match devices(kind) {
        Err(reason) => only(reason),
        Ok(devices) if devices.is_empty() => only(format!("no device was found; {}", remedy(kind))),
        Ok(devices) => devices
            .iter()
            .enumerate()
            .map(|(index, device)| DeviceHealth {
                name: format!("{family}:{index}"),
                state: examine_device(kind, device),
            })
            .collect(),
    }
}

/// The steps that bring a device of a kind that has none.
fn remedy(kind: StudentDevice) -> String {
    match kind {
        StudentDevice::Cuda(_) => {
            let driver = "install the NVIDIA driver, then nvidia-smi lists it".to_owned();
            match super::libdevice::provide() {
                Ok(_) => driver,
                Err(missing) => format!("{driver}; {missing}"),
            }
        }
        StudentDevice::Vulkan(_) | StudentDevice::Wgpu(_) => {
            "install the GPU's Vulkan driver (on Debian mesa-vulkan-drivers or nvidia-vulkan-icd), then vulkaninfo lists it"
                .to_owned()
        }
        _ => "this machine has none".to_owned(),
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn examine_device(kind: StudentDevice, device: &Device) -> Result<String, String> {
    border::try_out(kind, device)?;
    Ok(device.identity().map_or_else(String::new, |identity| identity.name))
}

#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
fn examine_device(_: StudentDevice, _: &Device) -> Result<String, String> {
    unreachable!("a build without GPUs has no devices to examine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_refuses_bfloat16_in_a_sentence() {
        let cpu = TrainDevice::cpu();
        assert!(cpu.check_precision(Precision::Float32).is_ok());
        let message = cpu.check_precision(Precision::Bfloat16).unwrap_err().to_string();
        assert!(message.contains("cpu does not compute in bfloat16; set train.precision"), "{message}");
    }

    #[test]
    fn a_gpu_that_fails_is_one_sentence() {
        let gpu = TrainDevice { is_host: false, name: StudentDevice::Cuda(1), ..TrainDevice::cpu() };
        let failed = gpu.guarded::<()>(|| panic!("Several failures\n  at once"));
        let message = failed.unwrap_err().to_string();
        assert!(message.starts_with("the device cuda:1 failed: Several failures at once"), "{message}");
        assert!(matches!(gpu.guarded(|| Ok(7)), Ok(7)));
    }
}
