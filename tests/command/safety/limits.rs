//! Limits of the system: answered in a sentence.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::common::{TINY, Workshop};
use crate::safety::gallery::{assert_same, files, workshop};

/// A user that runs nothing else, so that a limit of processes counts these only.
const IDLE_USER: &str = "--reuid=61234";

#[test]
fn a_full_standard_output_is_an_error_also_of_help() {
    let workshop = Workshop::new();
    for args in
        [&["--help"][..], &["--version"], &["cache", "--help"], &["cache", "ls"], &["completions", "bash"]]
    {
        let Ok(full) = File::options().write(true).open("/dev/full") else {
            eprintln!("skipped: there is no /dev/full here");
            return;
        };
        let output = workshop.decant().args(args).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("can't write to standard output"), "{args:?}: {said}");
    }
}

/// Runs a command as a user who may have `threads` threads; `None` where that can't be set here.
fn with_threads(workshop: &Workshop, threads: usize, args: &[&str]) -> Option<(i32, String)> {
    let limit = format!("--nproc={threads}");
    let limited = || {
        let mut command = Command::new("setpriv");
        command.args([IDLE_USER, "--clear-groups", "prlimit", &limit]).current_dir(workshop.path());
        command
    };
    let binary = env!("CARGO_BIN_EXE_decant");
    let mut version = limited();
    version.args([binary, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !version.status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: limits can't be set here, which takes root");
        return None;
    }
    let output = limited()
        .arg(binary)
        .args(args)
        .env("RAYON_NUM_THREADS", "1")
        .env("HOME", workshop.path())
        .env("ORT_DYLIB_PATH", crate::common::runtime())
        .output()
        .unwrap();
    Some((output.status.code()?, String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn a_limit_of_threads_ends_in_a_sentence_wherever_it_is_met() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    std::fs::set_permissions(workshop.path(), Permissions::from_mode(0o777)).unwrap();
    // The first thread and that of the pool; then the loader has none.
    for threads in 1..=2 {
        let Some((code, said)) = with_threads(&workshop, threads, &["train-student", "-p", "tiny.toml"])
        else {
            return;
        };
        assert!(code == 1 && said.contains("can't start"), "{threads} threads, {code}: {said}");
    }
}

/// Runs `args` under limits of a file's size, in bytes; under each it must fail clearly, and then end without a limit as `whole` has it.
fn with_file_sizes(workshop: &Workshop, args: &[&str], folder: &str, limits: &[usize], skip: &[&str]) {
    workshop.done(args);
    let place = workshop.path().join(folder);
    let whole = files(&place, skip);
    for limit in limits {
        std::fs::remove_dir_all(&place).unwrap();
        let mut limited = Command::new("prlimit");
        limited.args([&format!("--fsize={limit}"), env!("CARGO_BIN_EXE_decant")]).args(args);
        let output = limited
            .current_dir(workshop.path())
            .env("ORT_DYLIB_PATH", crate::common::runtime())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{limit} bytes: {said}");
        let errors: Vec<&str> = said.lines().filter(|line| !line.starts_with("warning: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains("File too large"), "{limit} bytes: {said}");
        workshop.done(args);
        assert_same(&whole, &files(&place, skip));
    }
}

#[test]
fn a_limit_of_file_sizes_ends_in_a_sentence_and_damages_nothing() {
    let workshop = workshop();
    with_file_sizes(&workshop, &["teacher-cache", "-p", "small.toml"], "cache", &[100, 1000, 4000], &[]);
    let of_time = ["timing.json", "events.out.tfevents.decant"];
    let limits = [100, 4000, 100_000, 1_000_000];
    with_file_sizes(&workshop, &["train-student", "-p", "small.toml"], "runs", &limits, &of_time);
}

/// Runs a command whose address space may have `megabytes`, on one thread.
fn with_memory(workshop: &Workshop, megabytes: usize, args: &[&str]) -> (Option<i32>, String) {
    let mut limited = Command::new("prlimit");
    limited.args([&format!("--as={}", megabytes << 20), env!("CARGO_BIN_EXE_decant")]).args(args);
    let output = limited
        .current_dir(workshop.path())
        .env("ORT_DYLIB_PATH", crate::common::runtime())
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_image_that_there_is_no_memory_for_is_named_and_never_left_out() {
    let workshop = workshop();
    // A header that claims as many pixels as are read; its data is never looked at.
    let name = "images/train/bean_rust/huge.bmp";
    let mut header = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    header.extend(14_000u32.to_le_bytes());
    header.extend(14_000u32.to_le_bytes());
    header.extend(b"\x01\0\x18\0");
    header.resize(54, 0);
    std::fs::write(workshop.path().join(name), header).unwrap();
    for set in ["dataset.on-bad-image=error", "dataset.on-bad-image=skip"] {
        let args = ["teacher-cache", "-p", "small.toml", "--set", set];
        let (code, said) = with_memory(&workshop, 1100, &args);
        assert!(
            code == Some(1) && said.contains(name) && said.contains("the system gives no"),
            "{set}: {said}"
        );
    }
}

#[test]
fn a_limit_of_memory_ends_in_a_sentence_wherever_it_is_met() {
    let workshop = Workshop::new();
    // The targets of one batch take more than there is.
    workshop.file(
        "tiny.toml",
        &TINY.replace("batch-size = 8", "batch-size = 24").replace("image-size = 32", "image-size = 1024"),
    );
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    let mut met = 0;
    for megabytes in [500, 700, 1000, 1400] {
        let (code, said) = with_memory(&workshop, megabytes, &["train-student", "-p", "tiny.toml"]);
        let errors: Vec<&str> = said.lines().filter(|line| !line.starts_with("warning: ")).collect();
        assert!(code == Some(1) && errors.len() == 1, "{megabytes} MB, {code:?}: {said}");
        met += usize::from(errors[0].contains("the system gives no more memory"));
    }
    assert!(met > 0, "no allocation was refused");
}
