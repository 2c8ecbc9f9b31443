//! Finding the ONNX Runtime library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use decant::teacher::doctor;
use decant::teacher::runtime::{self, Origin, Search};

use crate::common::{TINY, Workshop, copy};

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_projects_library_is_found_from_anywhere_below() {
    let search = Search { starts: vec![project().join("src/teacher")], ..Search::default() };
    let found = search.find().unwrap();
    assert_eq!(found.origin, Origin::Project);
    assert!(found.path.starts_with(project().join(".onnxruntime")), "{}", found.path.display());
    assert!(found.version.starts_with("1."), "{}", found.version);
}

#[test]
fn the_variable_comes_before_the_project() {
    let known = Search { starts: vec![project()], ..Search::default() }.find().unwrap();
    let variable = Some(known.path.clone());
    let search = Search { variable, starts: vec![project()], system: true, ..Search::default() };
    assert_eq!(search.find().unwrap().origin, Origin::Variable);
}

#[test]
fn without_a_library_every_place_and_the_remedy_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let search = Search { starts: vec![folder.path().to_path_buf()], ..Search::default() };
    let message = search.find().unwrap_err().to_string();
    let shown = folder.path().display().to_string();
    for part in ["ORT_DYLIB_PATH is not set", &shown, "pip install onnxruntime"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_variable_that_names_no_library_is_an_error_and_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libonnxruntime.so");
    let variable = Some(file.clone());
    let search =
        || Search { variable: variable.clone(), starts: vec![project()], system: true, ..Search::default() };
    let missing = search().find().unwrap_err().to_string();
    assert!(missing.contains("there is no such file") && missing.contains("ORT_DYLIB_PATH"), "{missing}");
    fs::write(&file, "no library").unwrap();
    assert!(search().find().unwrap_err().to_string().contains(&file.display().to_string()));
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_the_library_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("libonnxruntime.so");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let message = Search { variable: Some(pipe), ..Search::default() }.find().unwrap_err().to_string();
    assert!(message.contains("it is not a regular file"), "{message}");
}

#[test]
fn another_library_and_an_old_version_are_refused_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let found = |name: &str, source: &str| {
        let library = compile(folder.path(), name, source);
        Search { variable: Some(library), ..Search::default() }.find().unwrap_err().to_string()
    };
    assert!(found("other", "int x;").contains("it has no OrtGetApiBase"));
    assert!(found("null", "void *OrtGetApiBase(void) { return 0; }").contains("gives nothing"));
    let old = r#"
        static const char *version(void) { return "1.9.0"; }
        static struct { void *get_api; const char *(*version)(void); } base = { 0, version };
        void *OrtGetApiBase(void) { return &base; }
    "#;
    let message = found("old", old);
    assert!(message.contains("is ONNX Runtime 1.9.0, expected 1.23 or later"), "{message}");
}

fn compile(folder: &Path, name: &str, source: &str) -> PathBuf {
    let (code, library) = (folder.join(format!("{name}.c")), folder.join(format!("lib{name}.so")));
    fs::write(&code, source).unwrap();
    let status =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).status().unwrap();
    assert!(status.success());
    library
}

#[test]
fn the_doctor_tells_what_was_found_and_what_is_missing() {
    let health = doctor::examine();
    assert_eq!(health.library.unwrap(), runtime::load().unwrap().found);
    let devices: Vec<String> = health.providers.iter().map(|provider| provider.device.to_string()).collect();
    assert_eq!(devices[..3], ["cpu", "cuda:0", "tensorrt:0"]);
    assert_eq!(health.providers[0].missing, Vec::<String>::new());
    assert!(!health.providers[1].built_in);
    assert!(health.looked[0].contains("ORT_DYLIB_PATH"), "{:?}", health.looked);
    assert!(health.providers[1].missing[0].contains("pip install onnxruntime-gpu"));
}

#[test]
fn a_complete_cache_needs_no_onnx_runtime() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    let again = |more: &[&str]| {
        let mut command = workshop.decant();
        command.env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so");
        command.args(["teacher-cache", "-p", "tiny.toml"]).args(more).output().unwrap()
    };
    for more in [&[][..], &["--set", "cache.temperatures=[1, 3]"]] {
        let output = again(more);
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("the teacher was not asked"), "{said}");
    }
    // What is not there yet needs the teacher.
    let output = again(&["--set", "cache.views=2"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/libonnxruntime.so"));
}

#[test]
fn a_cache_under_another_name_is_that_of_the_pipelines_own_teacher() {
    let workshop = Workshop::new();
    let text = format!("[teacher]\nmodel = \"teacher\"\n{TINY}");
    workshop.file("a.toml", &text);
    workshop.file("b.toml", &text);
    let goldens = project().join("tests/goldens/teacher");
    copy(&goldens.join("fp32"), &workshop.path().join("teacher"));
    workshop.done(&["teacher-cache", "-p", "a.toml"]);
    workshop.done(&["train-student", "-p", "b.toml", "--epochs", "1"]);
    fs::copy(goldens.join("fp16/model.onnx"), workshop.path().join("teacher/model.onnx")).unwrap();
    let (code, said) = workshop.refused(&["train-student", "-p", "b.toml", "--epochs", "2"]);
    assert!(code == 2 && said.contains("was made by another teacher"), "{code}: {said}");
    // The teacher may also be gone.
    fs::remove_dir_all(workshop.path().join("teacher")).unwrap();
    workshop.done(&["train-student", "-p", "b.toml", "--epochs", "2"]);
}
