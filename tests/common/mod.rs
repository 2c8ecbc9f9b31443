//! Running the `decant` binary in a folder of its own.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with pipelines, caches and runs that is gone after the test.
pub(crate) struct Workshop {
    pub folder: tempfile::TempDir,
}

/// A pipeline that stage one and stage two finish in a few seconds.
pub(crate) const TINY: &str = r#"
[dataset.leaves]
train = 24
validation = 9
test = 9

[cache]
views = 1

[student]
width = 0.35
image-size = 32
dropout = 0.2

[train]
epochs = 3
batch-size = 8
lr = 1e-3
temperature = 5.0
lambda = 0.5
device = "cpu"
"#;

impl Workshop {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The binary, working in the folder, with nothing of the tester's environment that would change what it does.
    pub(crate) fn decant(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_decant"));
        command.current_dir(self.path()).env("ORT_DYLIB_PATH", runtime());
        for variable in
            ["DECANT_CACHE", "DECANT_RUNS", "HF_HOME", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"]
        {
            command.env_remove(variable);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.decant().args(args).output().unwrap()
    }

    /// Runs a command that must end well, and gives its standard output.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "decant {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail, and gives its exit code and what it said.
    pub(crate) fn refused(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        let said =
            String::from_utf8(output.stderr).unwrap().replace(&self.path().display().to_string(), "DIR");
        (output.status.code().expect("it exits by itself"), said)
    }

    /// The only folder under `root` whose name begins with `prefix`.
    pub(crate) fn only(&self, root: &str, prefix: &str) -> PathBuf {
        let entries = std::fs::read_dir(self.path().join(root)).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<PathBuf> =
            entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix)).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

/// A sealed JSON file without its checksum.
pub(crate) fn unsealed(path: &Path) -> serde_json::Value {
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    value.as_object_mut().unwrap().remove("checksum").expect("it is sealed");
    value
}

/// Changes a sealed JSON file, and seals it again.
pub(crate) fn reseal(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = unsealed(path);
    change(&mut value);
    std::fs::write(path, decant::support::checksummed_json::to_bytes(&value)).unwrap();
}

/// A copy of a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let to = to.join(entry.file_name().unwrap());
        if entry.is_dir() { copy(&entry, &to) } else { assert!(std::fs::copy(&entry, &to).is_ok()) }
    }
}

/// The ONNX Runtime library that `make runtime` installed, or that the tester names.
pub(crate) fn runtime() -> PathBuf {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH") {
        return path.into();
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".onnxruntime/onnxruntime/capi");
    let entries =
        std::fs::read_dir(&folder).expect("make runtime installs ONNX Runtime; make test does so first");
    let mut libraries = entries.map(|entry| entry.unwrap().path());
    let is_library =
        |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("libonnxruntime.");
    libraries.find(is_library).expect("the wheel holds libonnxruntime")
}
