//! The Python package on caches that this program makes: tests/python.

use std::path::Path;
use std::process::Command;

#[test]
#[ignore = "needs a Python with tests/interop/requirements*.txt, named by PYTHON; `make interop` runs it"]
fn the_python_package_reads_what_the_program_writes() {
    let python = std::env::var("PYTHON").expect("make interop names an interpreter");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let status = Command::new(python)
        .args(["-m", "unittest", "discover", "-v"])
        .arg(tests)
        .env("DECANT", env!("CARGO_BIN_EXE_decant"))
        .status()
        .unwrap();
    assert!(status.success());
}
