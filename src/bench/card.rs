//! The graphics card that is measured, and its driver, as far as the system names them.

use std::process::Command;

use crate::config::{Provider, StudentDevice};
use crate::support::machine;
use crate::train::TrainDevice;

/// A graphics card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Card {
    /// Its name; where the teacher's library takes one of several NVIDIA cards, the names of all.
    pub name: Option<String>,
    /// The driver and its version.
    pub driver: Option<String>,
}

impl Card {
    /// The card behind the student's device, or else behind the teacher's; nothing on a processor.
    pub(crate) fn of(student: Option<&TrainDevice>, teacher: Option<Provider>) -> Self {
        let on_nvidia = matches!(teacher, Some(Provider::Cuda | Provider::TensorRt));
        let student = student.filter(|device| !device.is_host);
        match student.map(|device| device.name) {
            Some(StudentDevice::Cuda(_)) => Self { name: student.and_then(name), ..Self::nvidia() },
            Some(_) => of_graphics(student.and_then(name)),
            None if on_nvidia => Self::nvidia(),
            None => Self::default(),
        }
    }

    /// NVIDIA's cards and driver.
    fn nvidia() -> Self {
        let output = Command::new("nvidia-smi")
            .args(["--query-gpu=name,driver_version", "--format=csv,noheader"])
            .output();
        let said = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
        let listed = said.map(|text| listed(&String::from_utf8_lossy(&text))).unwrap_or_default();
        let loaded = machine::nvidia_module();
        // The module that runs is the one that counts.
        let driver = loaded.and_then(|text| module_version(&text)).or(listed.driver);
        Self { driver, ..listed }
    }
}

/// The device's own name.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn name(device: &TrainDevice) -> Option<String> {
    device.device.identity().map(|identity| identity.name)
}

/// A build without GPUs has no device with a name of its own.
#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
fn name(_: &TrainDevice) -> Option<String> {
    None
}

/// The card of this name among those that wgpu lists, with its driver.
#[cfg(feature = "wgpu")]
fn of_graphics(name: Option<String>) -> Card {
    use burn_wgpu::wgpu::{Adapter, Backends, Instance, InstanceDescriptor};
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle());
    let adapters = cubecl::future::block_on(instance.enumerate_adapters(Backends::all()));
    let mut found = adapters.iter().map(Adapter::get_info);
    let driver = found.find(|adapter| Some(&adapter.name) == name.as_ref()).and_then(|adapter| {
        let words = [adapter.driver, adapter.driver_info];
        let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        (!words.is_empty()).then(|| words.join(" "))
    });
    Card { name, driver }
}

#[cfg(not(feature = "wgpu"))]
fn of_graphics(name: Option<String>) -> Card {
    Card { name, driver: None }
}

/// The cards that `nvidia-smi` lists, one a line with the driver's version, each name once.
fn listed(text: &str) -> Card {
    let mut card = Card::default();
    let mut names: Vec<&str> = Vec::new();
    for (name, version) in text.lines().filter_map(|line| line.rsplit_once(", ")) {
        if !names.contains(&name.trim()) {
            names.push(name.trim());
        }
        card.driver = Some(format!("NVIDIA {}", version.trim()));
    }
    card.name = (!names.is_empty()).then(|| names.join(", "));
    card
}

/// The version in `/proc/driver/nvidia/version`, which the kernel's module writes.
fn module_version(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("NVRM version:"))?;
    let is_version =
        |word: &&str| word.contains('.') && word.chars().all(|char| char.is_ascii_digit() || char == '.');
    Some(format!("NVIDIA {}", line.split_whitespace().find(is_version)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_nvidias_modules_is_read() {
        let closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n\
                      GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n";
        assert_eq!(module_version(closed).as_deref(), Some("NVIDIA 535.104.05"));
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs-builder)\n";
        assert_eq!(module_version(open).as_deref(), Some("NVIDIA 570.86.15"));
        assert_eq!(module_version("GCC version:  gcc version 12.2.0\n"), None);
    }

    #[test]
    fn cards_of_one_name_are_named_once() {
        let card = listed(
            "NVIDIA H100 80GB HBM3, 550.54.15\nNVIDIA H100 80GB HBM3, 550.54.15\nNVIDIA A10, 550.54.15\n",
        );
        assert_eq!(card.name.as_deref(), Some("NVIDIA H100 80GB HBM3, NVIDIA A10"));
        assert_eq!(card.driver.as_deref(), Some("NVIDIA 550.54.15"));
        assert_eq!(listed(""), Card::default());
    }

    #[test]
    fn a_processor_has_no_card() {
        assert_eq!(Card::of(Some(&TrainDevice::cpu()), Some(Provider::Cpu)), Card::default());
    }
}
