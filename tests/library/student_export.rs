//! A student outside this program: the ONNX file gives burn's logits in ONNX Runtime.
//!
//! Needs the library that `make runtime` installs.

use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use decant::config::Architecture;
use decant::student::{Student, StudentShape, hf, onnx, visit_parameters};
use decant::teacher::{OnnxTeacher, Teacher};
use safetensors::{Dtype, tensor::TensorView};

use crate::teacher_support::{CLASSES, on_cpu};

const CARD: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

/// A student whose batch normalisation does something, as after some training: a new one's is the identity.
fn trained(width: f64, side: usize) -> Student {
    trained_of(&StudentShape::new(Architecture::MobileNetV2, CLASSES.len(), side).with_width(width))
}

/// The same of any shape.
fn trained_of(shape: &StudentShape) -> Student {
    let model = Student::new(shape, 7, &Device::flex());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(hf::WEIGHTS);
    let mut tensors = Vec::new();
    visit_parameters(&model, |name, data| {
        let seed = name.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let noise = noise(data.num_elements(), seed);
        let (kept, scale, offset) = match name.rsplit_once('.').unwrap() {
            (layer, "weight") if layer.ends_with("normalization") => (0.0, 0.1, 1.0),
            (_, "running_var") => (0.0, 0.2, 1.0),
            (layer, "bias") if layer.ends_with("normalization") => (0.0, 0.2, 0.5),
            (_, "running_mean") => (0.0, 0.1, 0.0),
            _ => (1.0, 0.01, 0.0),
        };
        let value = |(old, noise): (f32, f32)| kept * old + scale * noise + offset;
        let bytes: Vec<u8> = data.iter::<f32>().zip(noise).map(value).flat_map(f32::to_le_bytes).collect();
        tensors.push((name.to_owned(), data.shape().to_vec(), bytes));
    });
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    hf::load_weights(model, &path).unwrap().model
}

/// Values from -2 to 2.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let hash = |index: u64| (index + seed % 1_000_003 * 977).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    (0..count as u64).map(|index| hash(index) as f32 / (1 << 22) as f32 - 2.0).collect()
}

/// `[batch, 3, side, side]` from -2 to 2.
fn pixels(batch: usize, side: usize, seed: u64) -> Vec<f32> {
    noise(batch * 3 * side * side, seed)
}

fn save(model: &Student, folder: &Path) {
    let classes = CLASSES.map(str::to_owned);
    let card = hf::Card { classes: &classes, image_mean: CARD.0, image_std: CARD.1, steps: 3 };
    onnx::save_folder(folder, model, &card).unwrap();
}

fn burns_logits(model: &Student, pixels: Vec<f32>, batch: usize) -> Vec<f32> {
    let side = model.shape().image_size;
    let pixels = TensorData::new(pixels, [batch, 3, side, side]);
    model.forward(Tensor::from_data(pixels, &Device::flex())).into_data().try_to_vec().unwrap()
}

#[test]
fn onnx_runtime_gives_burns_logits_at_any_batch_size() {
    // 48 px halves to even sides down to 3, 75 px to odd ones, which pad otherwise.
    let mobilenet = |width, side| trained(width, side);
    let resnet = |side| trained_of(&StudentShape::new(Architecture::ResNet18, CLASSES.len(), side));
    for model in [mobilenet(0.35, 48), mobilenet(0.35, 75), mobilenet(1.4, 32), resnet(48), resnet(75)] {
        let side = model.shape().image_size;
        let folder = tempfile::tempdir().unwrap();
        save(&model, folder.path());
        let mut exported = OnnxTeacher::open(&on_cpu(folder.path())).unwrap();
        assert_eq!(exported.classes(), CLASSES);
        for batch in [1, 8] {
            let pixels = pixels(batch, side, 99);
            let found = exported.logits(&pixels, batch).unwrap();
            let expected = burns_logits(&model, pixels, batch);
            let largest = expected.iter().fold(1.0_f32, |largest, logit| largest.max(logit.abs()));
            assert!(expected.iter().any(|logit| logit.abs() > 0.01), "{expected:?}");
            for (found, expected) in found.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() <= 1e-4 * largest,
                    "{:?}, batch {batch}: {found} is not {expected}",
                    model.shape()
                );
            }
        }
    }
}

#[test]
fn an_onnx_file_by_itself_knows_its_classes_and_preprocessing() {
    let folder = tempfile::tempdir().unwrap();
    save(&trained(0.35, 32), folder.path());
    let beside = OnnxTeacher::open(&on_cpu(folder.path())).unwrap();
    for name in ["config.json", "preprocessor_config.json"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let alone = OnnxTeacher::open(&on_cpu(folder.path())).unwrap();
    assert_eq!(alone.classes(), CLASSES);
    assert_eq!(alone.preprocess(), beside.preprocess());
    assert_eq!(alone.preprocess(), &decant::view::Preprocess::for_student(32, CARD.0, CARD.1));
    assert_eq!(alone.fingerprint(), beside.fingerprint());
}

#[test]
fn the_same_student_gives_the_same_onnx_bytes() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&first, &second] {
        save(&trained(0.35, 32), folder.path());
    }
    let read = |folder: &tempfile::TempDir| fs::read(folder.path().join(onnx::FILE)).unwrap();
    assert!(read(&first) == read(&second));
}

#[test]
fn a_folder_opens_with_the_shape_that_it_describes() {
    let model = trained(0.5, 48);
    let folder = tempfile::tempdir().unwrap();
    let classes = CLASSES.map(str::to_owned);
    let card = hf::Card { classes: &classes, image_mean: CARD.0, image_std: CARD.1, steps: 3 };
    hf::save_folder(folder.path(), &model, card).unwrap();
    let opened = hf::open_folder(folder.path(), &Device::flex()).unwrap();
    assert_eq!(opened.classes, CLASSES);
    assert_eq!((opened.model.shape().width, opened.model.shape().image_size), (0.5, 48));
    let pixels = pixels(2, 48, 1);
    assert_eq!(burns_logits(&opened.model, pixels.clone(), 2), burns_logits(&model, pixels, 2));
}

#[test]
fn a_folder_that_describes_no_student_is_refused_with_what_it_says() {
    let refused = |change: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        let classes = CLASSES.map(str::to_owned);
        let card = hf::Card { classes: &classes, image_mean: CARD.0, image_std: CARD.1, steps: 3 };
        let shape = StudentShape::new(Architecture::MobileNetV2, 3, 32).with_width(0.35);
        hf::save_folder(folder.path(), &Student::new(&shape, 0, &Device::flex()), card).unwrap();
        change(&folder.path().join("config.json"));
        hf::open_folder(folder.path(), &Device::flex()).unwrap_err().to_string()
    };
    let replace = |from: &'static str, to: &'static str| {
        move |path: &Path| fs::write(path, fs::read_to_string(path).unwrap().replace(from, to)).unwrap()
    };
    for (change, said) in [
        (&(|path: &Path| fs::remove_file(path).unwrap()) as &dyn Fn(&Path), "can't read"),
        (&|path| fs::write(path, "{").unwrap(), "EOF"),
        (&replace("\"mobilenet_v2\"", "\"vit\""), "model_type = \"vit\""),
        (&replace("\"expand_ratio\": 6.0", "\"expand_ratio\": 4"), "expand_ratio = 4"),
        (&replace("\"depth_multiplier\": 0.35", "\"depth_multiplier\": 900"), "depth_multiplier is 900"),
        (
            &replace("\"depth_multiplier\": 0.35", "\"depth_multiplier\": 1.0"),
            "does not fit a student of width 1",
        ),
        (&replace("\"2\": \"healthy\"", "\"3\": \"healthy\""), "label2id has class 2"),
    ] {
        let message = refused(change);
        assert!(message.contains(said), "{said}: {message}");
    }
}
