//! Tests of the way between a student and a Hugging Face folder, and of its errors.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::{Device, Tensor};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{Card, Error, Head, Loaded, load_weights, save_folder, weights_digest};
use crate::config::Architecture;
use crate::student::{Student, StudentShape, visit_parameters};

fn shape(width: f64, classes: usize) -> StudentShape {
    StudentShape::new(Architecture::MobileNetV2, classes, 32).with_width(width)
}

fn student(classes: usize, seed: u64) -> Student {
    Student::new(&shape(0.35, classes), seed, &Device::flex())
}

/// A folder with an exported student of three classes.
fn exported(seed: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let classes = ["angular_leaf_spot", "bean_rust", "healthy"].map(str::to_owned);
    let card = Card { classes: &classes, image_mean: [0.485, 0.456, 0.406], image_std: [0.5; 3], steps: 12 };
    save_folder(folder.path(), &student(3, seed), card).unwrap();
    folder
}

fn parameters(model: &Student) -> BTreeMap<String, Vec<f32>> {
    let mut found = BTreeMap::new();
    visit_parameters(model, |name, data| {
        found.insert(name.to_owned(), data.iter::<f32>().collect());
    });
    found
}

/// Name, type, shape and bytes.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

/// Changes each tensor of the folder's weights, or drops it.
fn rewrite(folder: &Path, change: impl Fn(Stored) -> Option<Stored>) {
    let path = folder.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors: Vec<Stored> = (SafeTensors::deserialize(&bytes).unwrap().iter())
        .filter_map(|(name, view)| {
            change((name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        })
        .collect();
    let views = (tensors.iter())
        .map(|(name, dtype, shape, bytes)| (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn load(folder: &Path) -> Result<Loaded, Error> {
    load_weights(student(3, 99), &folder.join("model.safetensors"))
}

#[test]
fn an_exported_student_loads_to_the_bit() {
    let folder = exported(4);
    let Loaded { model, head } = load(folder.path()).unwrap();
    assert_eq!(head, Head::Loaded);
    assert_eq!(parameters(&model), parameters(&student(3, 4)));
    let pixels = Tensor::<4>::ones([1, 3, 32, 32], &Device::flex());
    assert_eq!(model.forward(pixels.clone()).into_data(), student(3, 4).forward(pixels).into_data());
}

#[test]
fn the_same_student_gives_the_same_bytes() {
    let (first, second) = (exported(4), exported(4));
    for name in ["model.safetensors", "config.json", "preprocessor_config.json"] {
        assert_eq!(fs::read(first.path().join(name)).unwrap(), fs::read(second.path().join(name)).unwrap());
    }
}

#[test]
fn the_folder_says_what_transformers_needs_to_know() {
    let folder = exported(0);
    let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
    insta::assert_snapshot!(read("config.json"));
    insta::assert_snapshot!(read("preprocessor_config.json"));
}

#[test]
fn a_head_for_other_classes_stays_random_and_says_so() {
    let folder = exported(4);
    let path = folder.path().join("model.safetensors");
    let Loaded { model, head } = load_weights(student(5, 99), &path).unwrap();
    assert_eq!(head, Head::Random { classes_in_file: 3 });
    let (found, fresh, file) = (parameters(&model), parameters(&student(5, 99)), parameters(&student(3, 4)));
    for (name, values) in &found {
        let expected = if name.starts_with("classifier.") { &fresh[name] } else { &file[name] };
        assert_eq!(values, expected, "{name}");
    }
}

#[test]
fn half_precision_weights_are_read() {
    for (dtype, top) in [(Dtype::F16, 0x3c00_u16), (Dtype::BF16, 0x3f80)] {
        let folder = exported(4);
        rewrite(folder.path(), |(name, old, shape, bytes)| match old {
            Dtype::F32 => Some((name, dtype, shape, top.to_le_bytes().repeat(bytes.len() / 4))),
            _ => Some((name, old, shape, bytes)),
        });
        let found = parameters(&load(folder.path()).unwrap().model);
        assert!(found.values().flatten().all(|value| value.to_bits() == 1_f32.to_bits()), "{dtype:?}");
    }
}

/// The message, with the temporary folder's name taken out.
fn message(folder: &Path) -> String {
    load(folder).unwrap_err().to_string().replace(folder.to_str().unwrap(), "DIR")
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(message(folder.path()), @"can't read the initial weights DIR/model.safetensors: No such file or directory (os error 2); `student.init` must name the `model.safetensors` of a MobileNetV2 or its folder");
}

#[test]
fn a_damaged_file_is_named() {
    let folder = exported(4);
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    insta::assert_snapshot!(message(folder.path()), @"DIR/model.safetensors is not a whole safetensors file (incomplete metadata, file not fully covered): fetch it again");
}

#[test]
fn missing_tensors_are_listed() {
    let folder = exported(4);
    rewrite(folder.path(), |tensor| (!tensor.0.contains("layer.3.")).then_some(tensor));
    insta::assert_snapshot!(message(folder.path()), @"DIR/model.safetensors lacks mobilenet_v2.layer.3.expand_1x1.convolution.weight, mobilenet_v2.layer.3.expand_1x1.normalization.weight, mobilenet_v2.layer.3.expand_1x1.normalization.bias and 12 more, so it is not a `MobileNetV2ForImageClassification`: give the weights of one");
}

#[test]
fn tensors_without_a_place_are_listed() {
    let folder = exported(4);
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let extra = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
    let views: Vec<_> = file.tensors().into_iter().chain([("classifier.scale".to_owned(), extra)]).collect();
    let bytes = safetensors::serialize(views, None).unwrap();
    fs::write(&path, bytes).unwrap();
    insta::assert_snapshot!(message(folder.path()), @"DIR/model.safetensors also holds classifier.scale, which this student has no place for: give a plain `MobileNetV2ForImageClassification`");
}

#[test]
fn weights_of_another_width_are_refused() {
    let folder = exported(4);
    let wide = Student::new(&shape(0.5, 3), 0, &Device::flex());
    let error = load_weights(wide, &folder.path().join("model.safetensors")).unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(folder.path().to_str().unwrap(), "DIR"), @"DIR/model.safetensors does not fit a student of width 0.5 (found mobilenet_v2.layer.0.reduce_1x1.convolution.weight [8, 48, 1, 1] for [16, 48, 1, 1], mobilenet_v2.layer.0.reduce_1x1.normalization.weight [8] for [16], mobilenet_v2.layer.0.reduce_1x1.normalization.bias [8] for [16] and 184 more): set `student.width` to the file's depth_multiplier");
}

#[test]
fn weights_that_are_not_floats_are_refused() {
    let folder = exported(4);
    rewrite(folder.path(), |(name, dtype, shape, bytes)| {
        let dtype = if name == "classifier.bias" { Dtype::I32 } else { dtype };
        Some((name, dtype, shape, bytes))
    });
    insta::assert_snapshot!(message(folder.path()), @"DIR/model.safetensors stores classifier.bias as I32, expected F32, F16 or BF16: convert the file");
}

#[test]
fn a_folder_stands_for_its_weights() {
    let folder = exported(4);
    let Loaded { model, head } = load_weights(student(3, 99), folder.path()).unwrap();
    assert_eq!(head, Head::Loaded);
    assert_eq!(parameters(&model), parameters(&student(3, 4)));
    let digest = |path: &Path| weights_digest(path, Architecture::MobileNetV2).unwrap();
    assert_eq!(digest(folder.path()), digest(&folder.path().join("model.safetensors")));
}

#[test]
fn weights_that_are_not_finite_are_refused_with_the_tensor() {
    for value in [f32::NAN, f32::INFINITY] {
        let folder = exported(4);
        rewrite(folder.path(), |(name, dtype, shape, mut bytes)| {
            if name.ends_with("layer.3.conv_3x3.normalization.running_mean") {
                bytes[4..8].copy_from_slice(&value.to_le_bytes());
            }
            Some((name, dtype, shape, bytes))
        });
        let said = message(folder.path());
        let tensor = "mobilenet_v2.layer.3.conv_3x3.normalization.running_mean";
        assert!(said.contains(&format!("has {value} in {tensor}")), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_is_refused_at_once() {
    let folder = exported(4);
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [&pipe, Path::new("/dev/zero")] {
        let error = load_weights(student(3, 99), path).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
        let error = weights_digest(path, Architecture::MobileNetV2).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}

#[test]
fn label_ids_may_be_strings() {
    let folder = exported(4);
    let path = folder.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"healthy\": 2", "\"healthy\": \"2\"")).unwrap();
    let opened = super::open_folder(folder.path(), &Device::flex()).unwrap();
    assert_eq!(opened.classes, ["angular_leaf_spot", "bean_rust", "healthy"]);
}

#[test]
fn weights_of_a_network_that_pads_otherwise_are_refused() {
    let folder = exported(4);
    let path = folder.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"tf_padding\": true", "\"tf_padding\": false")).unwrap();
    insta::assert_snapshot!(message(folder.path()), @"DIR/config.json says tf_padding = false, but this student is a MobileNetV2 with tf_padding = true: give weights trained so");
}
