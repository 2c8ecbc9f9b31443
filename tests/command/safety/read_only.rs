//! A cache on a read-only file system serves training, and says clearly that it can't be written.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::safety::gallery::workshop;

/// A folder that shows another one, read-only; unmounted when it goes out of scope.
struct ReadOnly(PathBuf);

impl ReadOnly {
    /// `None` where nothing can be mounted: that takes root, whom file permissions do not bind.
    fn mount(folder: &Path) -> Option<Self> {
        let mount = |args: &[&str]| {
            let output = Command::new("mount").args(args).output();
            output.is_ok_and(|output| output.status.success())
        };
        let path = folder.to_str().unwrap();
        if !mount(&["--bind", path, path]) {
            eprintln!("skipped: no folder can be mounted here, which takes root");
            return None;
        }
        let mounted = Self(folder.to_path_buf());
        assert!(mount(&["-o", "remount,ro,bind", path]));
        Some(mounted)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_read_only_cache_serves_training_and_refuses_writing() {
    let workshop = workshop();
    let make = ["teacher-cache", "-p", "small.toml"];
    workshop.done(&make);
    let folder = workshop.path().join("cache");
    let Some(mounted) = ReadOnly::mount(&folder) else { return };
    workshop.done(&["train-student", "-p", "small.toml", "--set", "train.epochs=1"]);
    let cache = workshop.only("cache", "small-");
    workshop.done(&["cache", "verify", cache.to_str().unwrap()]);
    // Nothing is left to do, so nothing is written.
    workshop.done(&make);
    let (code, said) =
        workshop.refused(&[&make[..], &["--set", "cache.views=2", "--set", "cache.name=b"]].concat());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("Read-only file system") && said.contains("cache/b-"), "{said}");
    drop(mounted);

    std::fs::remove_file(cache.join("train/part-00001.parquet")).unwrap();
    let Some(_mounted) = ReadOnly::mount(&folder) else { return };
    let (code, said) = workshop.refused(&make);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("Read-only file system") && said.contains("part-00001.parquet"), "{said}");
    let (code, said) = workshop.refused(&["train-student", "-p", "small.toml"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("part-00001.parquet is missing"), "{said}");
}
