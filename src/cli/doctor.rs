//! `decant doctor`: which devices, execution providers and libraries were found, and what to do about what was not.

use super::Failure;
use super::output::outln;
use crate::config::Provider;
use crate::support::context::Context;
use crate::support::machine;
use crate::teacher::Error;
use crate::teacher::doctor::{self, Health};
use crate::train;

/// Show which devices and libraries were found.
///
/// And what to do about those that were not.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: Args, _: &Context) -> Result<(), Failure> {
    let students: Vec<&str> = [
        (true, "CPU"),
        (cfg!(feature = "cuda"), "CUDA"),
        (cfg!(feature = "wgpu"), "wgpu"),
        (cfg!(feature = "vulkan"), "Vulkan"),
    ]
    .into_iter()
    .filter_map(|(has, name)| has.then_some(name))
    .collect();
    outln!(
        "decant {}; teachers: every provider of ONNX Runtime; students: {}",
        env!("CARGO_PKG_VERSION"),
        students.join(", ")
    );
    outln!("stage one, the teacher:");
    let health = doctor::examine();
    print_library(&health);
    print_providers(&health);
    outln!("stage two, the student:");
    outln!("  cpu         ready, {} cores", machine::cores());
    for device in train::examine_devices() {
        match device.state {
            Ok(name) => outln!("  {:<11} ready, {name}", device.name),
            Err(missing) => outln!("  {:<11} {missing}", device.name),
        }
    }
    match health.library {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::run("stage one can't run until ONNX Runtime is found; stage two can")),
    }
}

fn print_library(health: &Health) {
    match &health.library {
        Ok(found) => {
            outln!(
                "  library     ONNX Runtime {}: {} ({})",
                found.version,
                found.path.display(),
                found.origin
            );
        }
        // The places that an error would list stand below.
        Err(Error::NoLibrary { .. }) => {
            outln!(
                "  library     none; run `pip install onnxruntime` in an active virtual environment, or set ORT_DYLIB_PATH"
            );
        }
        Err(error) => outln!("  library     {error}"),
    }
    for (index, place) in health.looked.iter().enumerate() {
        outln!("  {:<11} {place}", if index == 0 { "looked at" } else { "" });
    }
}

/// A line for each provider that the library has, for CUDA, which most people ask for, and one for all others.
fn print_providers(health: &Health) {
    let has_line =
        |provider: &&doctor::ProviderHealth| provider.built_in || provider.device.provider == Provider::Cuda;
    for provider in health.providers.iter().filter(has_line) {
        let state =
            if provider.missing.is_empty() { "ready".to_owned() } else { provider.missing.join("; ") };
        outln!("  {:<11} {state}", provider.device);
    }
    let others: Vec<&str> = health
        .providers
        .iter()
        .filter(|provider| !has_line(provider))
        .map(|provider| provider.device.provider.name())
        .collect();
    if !others.is_empty() {
        outln!("  others      not in this library: {}", others.join(", "));
    }
}
