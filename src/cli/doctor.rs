//! `decant doctor`: which devices, execution providers and libraries were found, and what to do about what was not.

use super::Failure;
use crate::cli::output::outln;
use crate::support::context::Context;
use crate::teacher::doctor;
use crate::train;

/// Say which devices and libraries were found.
///
/// And what to do about those that were not.
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: Args, _: &Context) -> Result<(), Failure> {
    let cuda_build = cfg!(feature = "cuda");
    outln!("decant {}, {} CUDA", env!("CARGO_PKG_VERSION"), if cuda_build { "with" } else { "without" });
    outln!("stage one, the teacher:");
    let health = doctor::examine();
    match &health.library {
        Ok(found) => {
            outln!("  ONNX Runtime {}: {} ({})", found.version, found.path.display(), found.origin);
        }
        Err(error) => outln!("  ONNX Runtime: {error}"),
    }
    for provider in &health.providers {
        if provider.missing.is_empty() {
            outln!("  {:<11} ready", provider.device);
        } else {
            outln!("  {:<11} {}", provider.device, provider.missing.join("; "));
        }
    }
    outln!("stage two, the student:");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    outln!("  cpu         ready, {cores} cores");
    match (cuda_build, train::cuda_devices()) {
        (false, _) => outln!("  cuda        this build has none; build with make build FEATURES=cuda"),
        (true, 0) => {
            outln!("  cuda        no device found; install the NVIDIA driver, then nvidia-smi lists it");
        }
        (true, devices) => outln!("  cuda        ready, {devices} device(s)"),
    }
    match health.library {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::run("stage one can't run until ONNX Runtime is found; stage two can")),
    }
}
