//! The processor of this machine, and the driver of its graphics cards.

use std::path::Path;
use std::thread::available_parallelism;

/// The processor's name.
pub(crate) fn processor() -> String {
    model_name(Path::new("/proc/cpuinfo"))
        .unwrap_or_else(|| format!("a processor ({})", std::env::consts::ARCH))
}

/// The number of its cores that this process may take.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The version text of NVIDIA's kernel module, where it is loaded.
pub(crate) fn nvidia_module() -> Option<String> {
    std::fs::read_to_string("/proc/driver/nvidia/version").ok()
}

/// The model name in Linux's list of processors.
fn model_name(list: &Path) -> Option<String> {
    let text = std::fs::read_to_string(list).ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
