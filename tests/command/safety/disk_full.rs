//! A full disk at any point: one clear sentence, exit 1, and the same bytes once there is space.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::Workshop;
use crate::safety::gallery::{assert_same, files, workshop};

/// A file system in memory of a size that can be changed; unmounted when it goes out of scope.
struct Disk(PathBuf);

impl Disk {
    /// `None` where nothing can be mounted: that takes root.
    fn mount(path: PathBuf, kilobytes: u32) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "tmpfs"], &path);
        if !mounted {
            eprintln!("skipped: no tmpfs can be mounted here, which takes root");
        }
        mounted.then_some(Self(path))
    }

    fn resize(&self, kilobytes: u32) {
        assert!(mount(&["-o", &format!("remount,size={kilobytes}k")], &self.0));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn mount(args: &[&str], path: &Path) -> bool {
    let output = Command::new("mount").args(args).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}

/// Runs `args` with its output folder on ever larger disks, until one is large enough; on each smaller one it must fail
/// clearly, then end as `whole` has it once the disk is larger. Says how many were too small.
fn fill(workshop: &Workshop, args: &[&str], folder: &str, sizes: &[u32], skip: &[&str]) -> Option<usize> {
    workshop.done(args);
    let whole = files(&workshop.path().join(folder), skip);
    std::fs::remove_dir_all(workshop.path().join(folder)).unwrap();
    let mut full = 0;
    for &kilobytes in sizes {
        let disk = Disk::mount(workshop.path().join(folder), kilobytes)?;
        let output = workshop.run(args);
        if !output.status.success() {
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{kilobytes} kB: {said}");
            assert!(said.contains("No space left on device") && said.contains(folder), "{said}");
            let errors = said.lines().filter(|line| !line.starts_with("warning: "));
            assert_eq!(errors.count(), 1, "{said}");
            full += 1;
            disk.resize(64 * 1024);
            workshop.done(args);
        }
        assert_same(&whole, &files(&disk.0, skip));
    }
    Some(full)
}

#[test]
fn a_cache_on_a_full_disk_goes_on_once_there_is_space() {
    let workshop = workshop();
    let args = ["teacher-cache", "-p", "small.toml"];
    // The whole cache takes some 150 kB; the file system counts pages of 4 kB.
    if let Some(full) = fill(&workshop, &args, "cache", &[4, 8, 16, 32, 48, 64, 96], &[]) {
        assert!(full >= 5, "only {full} of the disks were too small");
    }
}

#[test]
fn a_run_on_a_full_disk_goes_on_once_there_is_space() {
    let workshop = workshop();
    workshop.done(&["teacher-cache", "-p", "small.toml"]);
    let args = ["train-student", "-p", "small.toml"];
    let sizes = [4, 512, 2048, 4096, 6144, 8192];
    let of_time = ["timing.json", "events.out.tfevents.decant"];
    if let Some(full) = fill(&workshop, &args, "runs", &sizes, &of_time) {
        assert!(full >= 4, "only {full} of the disks were too small");
    }
}
