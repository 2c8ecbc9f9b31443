//! Teachers in ONNX Runtime: what they give, and what is refused.
//!
//! Needs the library that `make runtime` installs.

use std::fs;
use std::path::Path;

use decant::config::{self, Provider, TeacherDevice};
use decant::teacher::{Error, OnnxModel, OnnxTeacher, Teacher, Tuning};

use crate::teacher_support::{CLASSES, copy_of, golden, on_cpu};

const BATCH: usize = 6;

/// The pixels that `tests/goldens/teacher/make.py` gave PyTorch.
fn pixels() -> Vec<f32> {
    let count = BATCH * 3 * 32 * 32;
    (0..count as u64)
        .map(|index| ((index * 2_654_435_761 % (1 << 32)) as f64 / 2_147_483_648.0 - 1.0) as f32)
        .collect()
}

fn pytorchs_logits() -> Vec<f32> {
    let rows: Vec<Vec<f32>> = serde_json::from_slice(&fs::read(golden("logits.json")).unwrap()).unwrap();
    rows.concat()
}

fn logits_of(teacher: &config::Teacher) -> Vec<f32> {
    OnnxTeacher::open(teacher).unwrap().logits(&pixels(), BATCH).unwrap()
}

fn refusal(model: &Path) -> String {
    OnnxTeacher::open(&on_cpu(model)).err().expect("it is refused").to_string()
}

/// `bytes` with one name in place of another of the same length.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for start in 0..bytes.len() - from.len() {
        if bytes[start..].starts_with(from) {
            changed[start..start + to.len()].copy_from_slice(to);
        }
    }
    assert_ne!(changed, bytes);
    changed
}

#[test]
fn logits_equal_pytorchs_in_every_layout() {
    for (name, tolerance) in [("fp32", 1e-5), ("external-data", 1e-5), ("fixed-batch", 1e-5), ("fp16", 2e-2)]
    {
        let found = logits_of(&on_cpu(&golden(name)));
        assert_eq!(found.len(), BATCH * CLASSES.len());
        for (found, expected) in found.iter().zip(pytorchs_logits()) {
            assert!((found - expected).abs() <= tolerance, "{name}: {found} is not {expected}");
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    for name in ["fp32", "fp16"] {
        let with = |threads| {
            logits_of(&config::Teacher { threads: config::Count::Is(threads), ..on_cpu(&golden(name)) })
        };
        let one = with(1);
        for threads in [2, 3, 0] {
            assert_eq!(one, with(threads), "{name} with {threads} threads");
        }
    }
}

#[test]
fn sessions_side_by_side_and_threads_that_spin_give_the_same_bits() {
    for name in ["fp32", "fp16", "fixed-batch"] {
        let config = on_cpu(&golden(name));
        let expected = logits_of(&config);
        let tuning = Tuning { sessions: 3, threads: 2, spin: true, ..Tuning::from(&config) };
        let teachers = OnnxModel::read(&config).unwrap().open(tuning).unwrap();
        assert_eq!(teachers.len(), 3);
        for mut teacher in teachers {
            assert_eq!(teacher.fingerprint(), OnnxTeacher::open(&config).unwrap().fingerprint());
            assert_eq!(teacher.logits(&pixels(), BATCH).unwrap(), expected, "{name}");
        }
    }
}

#[test]
fn one_buffer_serves_batches_of_every_size() {
    for name in ["fp32", "fp16", "fixed-batch"] {
        let mut teacher = OnnxTeacher::open(&on_cpu(&golden(name))).unwrap();
        let pixels = pixels();
        let image = pixels.len() / BATCH;
        let mut buffer = vec![f32::NAN; 100];
        for batch in [BATCH, 1, 4, BATCH, 2] {
            let pixels = &pixels[..batch * image];
            teacher.logits_into(pixels, batch, &mut buffer).unwrap();
            assert_eq!(buffer.len(), batch * CLASSES.len());
            assert_eq!(buffer, teacher.logits(pixels, batch).unwrap(), "{name}, batch {batch}");
        }
    }
}

#[test]
fn pixels_of_another_number_than_the_batchs_are_an_error() {
    for name in ["fp32", "fixed-batch"] {
        let mut teacher = OnnxTeacher::open(&on_cpu(&golden(name))).unwrap();
        let message = teacher.logits(&pixels()[1..], BATCH).unwrap_err().to_string();
        assert!(message.contains("expected 18432 values, found 18431"), "{message}");
    }
}

#[test]
fn a_model_and_its_folder_are_the_same_teacher() {
    let folder = OnnxTeacher::open(&on_cpu(&golden("fp32"))).unwrap();
    let file = OnnxTeacher::open(&on_cpu(&golden("fp32").join("model.onnx"))).unwrap();
    assert_eq!(folder.fingerprint(), file.fingerprint());
    assert_eq!(folder.classes(), CLASSES);
    assert_eq!(folder.preprocess().size(), (32, 32));
    let description = folder.describe();
    assert_eq!((description.device.provider, description.precision.as_str()), (Provider::Cpu, "fp32"));
    assert!(description.runtime.starts_with("ONNX Runtime 1."), "{}", description.runtime);
}

#[test]
fn the_embedded_teacher_knows_the_leaves_classes() {
    let teacher = OnnxTeacher::open(&on_cpu(Path::new("embedded:leaves"))).unwrap();
    assert_eq!(teacher.classes(), CLASSES);
    assert!(refusal(Path::new("embedded:cats")).contains("only embedded:leaves"));
}

#[test]
fn weights_classes_and_preprocessing_each_change_the_fingerprint() {
    let fingerprint = |folder: &Path| OnnxTeacher::open(&on_cpu(folder)).unwrap().fingerprint();
    let original = fingerprint(&golden("external-data"));
    let change = |file: &str, edit: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let copy = copy_of("external-data");
        let path = copy.path().join(file);
        fs::write(&path, edit(fs::read(&path).unwrap())).unwrap();
        fingerprint(copy.path())
    };
    let replace = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replacen(from, to, 3).into_bytes()
    };
    assert_eq!(change("config.json", &|bytes| bytes), original);
    assert_ne!(change("config.json", &replace("healthy", "sound")), original);
    assert_ne!(change("preprocessor_config.json", &replace("0.5", "0.4")), original);
    assert_ne!(
        change("model.onnx_data", &|mut bytes| {
            bytes[1000] ^= 1;
            bytes
        }),
        original
    );
}

#[test]
fn input_and_output_of_other_names_are_found_by_shape() {
    let copy = copy_of("fp32");
    fs::copy(golden("unnamed.onnx"), copy.path().join("model.onnx")).unwrap();
    let found = logits_of(&on_cpu(copy.path()));
    let pixels = pixels();
    let mean = pixels[..32 * 32].iter().sum::<f32>() / 1024.0;
    assert!((found[0] - mean).abs() < 1e-6, "{} is not {mean}", found[0]);
}

#[test]
fn a_model_that_is_no_image_classifier_is_refused_with_what_it_has() {
    let copy = copy_of("fp32");
    fs::copy(golden("text.onnx"), copy.path().join("model.onnx")).unwrap();
    let message = refusal(copy.path());
    assert!(message.contains("input_ids [batch, 128] of i64"), "{message}");
    assert!(message.contains("pixel_values"), "{message}");
}

#[test]
fn a_missing_model_says_what_was_found_instead() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal(&folder.path().join("no.onnx")).contains("no such file or folder"));
    assert!(refusal(folder.path()).contains("is empty"));
    fs::write(folder.path().join("decoder.onnx"), "").unwrap();
    fs::write(folder.path().join("encoder.onnx"), "").unwrap();
    let message = refusal(folder.path());
    assert!(message.contains("only decoder.onnx, encoder.onnx"), "{message}");
    assert!(message.contains("optimum-cli export onnx"), "{message}");
}

#[test]
fn a_missing_companion_file_is_named() {
    for file in ["config.json", "preprocessor_config.json", "model.onnx_data"] {
        let copy = copy_of("external-data");
        fs::remove_file(copy.path().join(file)).unwrap();
        let message = refusal(copy.path());
        assert!(message.contains(file), "{message}");
    }
}

#[test]
fn a_damaged_model_is_an_error() {
    let copy = copy_of("fp32");
    let path = copy.path().join("model.onnx");
    let good = fs::read(&path).unwrap();
    for bad in [&b"<html>not found</html>"[..], &[], &good[..good.len() / 2]] {
        fs::write(&path, bad).unwrap();
        let error = OnnxTeacher::open(&on_cpu(copy.path())).err().expect("it is refused");
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
        assert!(error.to_string().contains("model.onnx"), "{error}");
    }
}

#[test]
fn external_weights_outside_the_folder_are_refused() {
    let copy = copy_of("external-data");
    let path = copy.path().join("model.onnx");
    let escaping = replaced(&fs::read(&path).unwrap(), b"model.onnx_data", b"../../etc/hosts");
    fs::write(&path, escaping).unwrap();
    assert!(refusal(copy.path()).contains("is not in its folder"));
}

#[test]
fn another_number_of_classes_than_logits_is_refused() {
    let copy = copy_of("fp32");
    fs::write(copy.path().join("config.json"), r#"{"id2label": {"0": "a", "1": "b"}}"#).unwrap();
    let message = refusal(copy.path());
    assert!(message.contains("expected 2 logits") && message.contains("found 3"), "{message}");
}

#[test]
fn preprocessing_to_another_size_than_the_model_takes_is_refused() {
    let copy = copy_of("fp32");
    let path = copy.path().join("preprocessor_config.json");
    let text = fs::read_to_string(&path).unwrap().replace("32", "64");
    fs::write(&path, text).unwrap();
    let message = refusal(copy.path());
    assert!(message.contains("takes images of 32x32") && message.contains("makes 64x64"), "{message}");
}

#[test]
fn a_device_that_is_not_there_is_an_error_that_says_what_is_missing() {
    for &provider in &Provider::ALL[1..] {
        let device = TeacherDevice::on(provider, 7);
        let teacher = config::Teacher { device: device.into(), ..on_cpu(&golden("fp32")) };
        let message =
            OnnxTeacher::open(&teacher).err().expect("no machine has eight of them in a test").to_string();
        let several =
            OnnxModel::read(&teacher).unwrap().open(Tuning::from(&teacher)).err().unwrap().to_string();
        assert_eq!(several, message);
        assert!(message.starts_with(&format!("the device {device} is not available: ")), "{message}");
        assert!(message.contains("pip install") || message.contains("AMD's wheel"), "{message}");
    }
}

#[test]
fn auto_says_where_it_runs() {
    let teacher = config::Teacher { device: TeacherDevice::Auto.into(), ..on_cpu(&golden("fp32")) };
    let description = OnnxTeacher::open(&teacher).unwrap().describe();
    // The wheel `onnxruntime` has no CUDA, which is not worth a note.
    assert_eq!((description.device.provider, &description.notes[..]), (Provider::Cpu, &[][..]));
}
