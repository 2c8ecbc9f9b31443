//! `decant doctor`: which devices, execution providers and libraries were found, and what to do about what was not.

use super::Failure;
use crate::teacher::doctor;
use crate::train;

/// Say which devices and libraries were found.
///
/// And what to do about those that were not.
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> Result<(), Failure> {
    let cuda_build = cfg!(feature = "cuda");
    println!("decant {}, {} CUDA", env!("CARGO_PKG_VERSION"), if cuda_build { "with" } else { "without" });
    println!("stage one, the teacher:");
    let health = doctor::examine();
    match &health.library {
        Ok(found) => {
            println!("  ONNX Runtime {}: {} ({})", found.version, found.path.display(), found.origin);
        }
        Err(error) => println!("  ONNX Runtime: {error}"),
    }
    for provider in &health.providers {
        if provider.missing.is_empty() {
            println!("  {:<11} ready", provider.device);
        } else {
            println!("  {:<11} {}", provider.device, provider.missing.join("; "));
        }
    }
    println!("stage two, the student:");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("  cpu         ready, {cores} cores");
    match (cuda_build, train::cuda_devices()) {
        (false, _) => println!("  cuda        this build has none; build with make build FEATURES=cuda"),
        (true, 0) => {
            println!("  cuda        no device found; install the NVIDIA driver, then nvidia-smi lists it");
        }
        (true, devices) => println!("  cuda        ready, {devices} device(s)"),
    }
    match health.library {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::run("stage one can't run until ONNX Runtime is found; stage two can")),
    }
}
