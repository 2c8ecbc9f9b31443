//! What the README promises of crashes, full disks, neighbours and hostile input, each shown by trying to break it.

mod bombs;
mod disk_full;
mod drift;
mod fuzzed;
pub(crate) mod gallery;
mod inputs;
mod killed;
#[cfg(target_os = "linux")]
mod limits;
mod merging;
mod read_only;
mod tools;
