//! The device a student trains on.

use burn::tensor::Device;

use super::Error;
use crate::config::StudentDevice;

/// A device that was found.
#[derive(Clone, Debug)]
pub struct TrainDevice {
    /// What burn works on.
    pub device: Device,
    /// How it is written in a pipeline file; never `auto`.
    pub name: StudentDevice,
}

/// The device that `asked` names; `auto` is the first CUDA device where there is one, else the CPU.
///
/// # Errors
/// A CUDA device that this build or machine does not have: nothing falls back silently.
pub fn choose(asked: StudentDevice) -> Result<TrainDevice, Error> {
    match asked {
        StudentDevice::Cpu => Ok(cpu()),
        StudentDevice::Auto if cuda_devices() == 0 => Ok(cpu()),
        StudentDevice::Auto => cuda(0),
        StudentDevice::Cuda(index) => cuda(index),
    }
}

fn cpu() -> TrainDevice {
    TrainDevice { device: Device::flex(), name: StudentDevice::Cpu }
}

/// How many CUDA devices burn can reach; none in a build without the feature `cuda`.
#[cfg(feature = "cuda")]
pub fn cuda_devices() -> usize {
    Device::enumerate(burn::tensor::DeviceType::Cuda).len()
}

/// How many CUDA devices burn can reach; none in a build without the feature `cuda`.
#[cfg(not(feature = "cuda"))]
pub fn cuda_devices() -> usize {
    0
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<TrainDevice, Error> {
    let found = cuda_devices();
    if index < found {
        return Ok(TrainDevice { device: Device::cuda(index), name: StudentDevice::Cuda(index) });
    }
    Err(Error::Device {
        device: StudentDevice::Cuda(index),
        reason: format!("{found} CUDA devices were found; see decant doctor"),
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> Result<TrainDevice, Error> {
    Err(Error::Device {
        device: StudentDevice::Cuda(index),
        reason: "this decant was built without CUDA; build it with cargo build --release --features cuda"
            .to_owned(),
    })
}
