//! The device a student trains on.

use burn::tensor::Device;

use super::Error;
use crate::config;

/// A burn device and its name in messages, `cpu` or `cuda:N`.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What burn works on.
    pub device: Device,
    /// How it is written in a pipeline file.
    pub name: String,
}

/// The device that `asked` names; `auto` is the first CUDA device where there is one, else the CPU.
///
/// # Errors
/// A CUDA device that this build or machine does not have: nothing falls back silently.
pub fn choose(asked: config::Device) -> Result<Chosen, Error> {
    match asked {
        config::Device::Cpu => Ok(cpu()),
        config::Device::Auto if cuda_devices() == 0 => Ok(cpu()),
        config::Device::Auto => cuda(0),
        config::Device::Cuda(index) => cuda(index),
        config::Device::TensorRt(_) => Err(Error::Device {
            device: asked.to_string(),
            reason: "TensorRT only runs teachers, students train on cpu or cuda:N".to_owned(),
        }),
    }
}

fn cpu() -> Chosen {
    Chosen { device: Device::flex(), name: "cpu".to_owned() }
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
fn cuda(index: usize) -> Result<Chosen, Error> {
    let found = cuda_devices();
    if index < found {
        return Ok(Chosen { device: Device::cuda(index), name: format!("cuda:{index}") });
    }
    Err(Error::Device {
        device: format!("cuda:{index}"),
        reason: format!("{found} CUDA devices were found; see decant doctor"),
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> Result<Chosen, Error> {
    Err(Error::Device {
        device: format!("cuda:{index}"),
        reason: "this decant was built without CUDA; build it with cargo build --release --features cuda"
            .to_owned(),
    })
}
