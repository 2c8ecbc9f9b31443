//! Limits of the system: answered in a sentence.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::common::{TINY, Workshop};

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
