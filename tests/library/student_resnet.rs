//! ResNet-18 against PyTorch and transformers: `goldens/student_resnet/make.py` computed the numbers in double precision from
//! the same weights, pixels and teacher, which both sides make by a formula.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::{Device, TensorData};
use decant::{
    config::Architecture,
    student::{Student, StudentShape, hf, visit_parameters},
};
use serde::Deserialize;

use crate::student_goldens::{
    CLASSES, OneStep, SIDE, Stored, Summary, assert_close, assert_step, assert_summary, described, largest,
    pixels, tensors_of, train_steps, values, with_values,
};
use crate::uniform::uniform;

#[derive(Deserialize)]
struct Goldens {
    evaluated: Vec<Evaluated>,
    one_step: OneStep,
    steps: Steps,
    initial: BTreeMap<String, Initial>,
    state_dict: BTreeMap<String, Stored>,
}

#[derive(Deserialize)]
struct Evaluated {
    side: usize,
    logits: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Steps {
    rate: f64,
    weight_decay: f32,
    losses: Vec<f64>,
    gradient_norms: Vec<f64>,
    weights: BTreeMap<String, Summary>,
}

/// Of all values of a new network's tensor.
#[derive(Deserialize)]
struct Initial {
    mean: f64,
    deviation: f64,
    largest: f64,
}

fn goldens() -> Goldens {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/student_resnet/goldens.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn shape() -> StudentShape {
    StudentShape::new(Architecture::ResNet18, CLASSES, SIDE)
}

fn golden_model(device: &Device) -> Student {
    with_values(&shape(), value, device)
}

/// `value` of make.py.
fn value(name: &str, shape: &[usize]) -> Vec<f32> {
    let (offset, scale) = if name.ends_with("convolution.weight") || name == "classifier.1.weight" {
        let fan_in: usize = shape[1..].iter().product();
        (0.0, (6.0 / fan_in as f64).sqrt() as f32)
    } else if name.ends_with("layer.1.normalization.weight") {
        (0.5, 0.25)
    } else if name.ends_with("normalization.weight") {
        (1.0, 0.25)
    } else if name.ends_with("running_var") {
        (1.0, 0.5)
    } else {
        (0.0, 0.25)
    };
    uniform(name, shape.iter().product()).into_iter().map(|value| offset + scale * value).collect()
}

#[test]
fn logits_equal_transformers_at_every_size() {
    let device = Device::flex();
    let model = golden_model(&device);
    for case in goldens().evaluated {
        let logits = model.forward(pixels(0, case.side, &device));
        let scale = largest(&case.logits);
        assert_close(&values(logits), &case.logits.concat(), 5e-6 * scale, &format!("side {}", case.side));
    }
}

#[test]
fn a_training_step_equals_pytorch() {
    assert_step(&goldens().one_step, &golden_model(&Device::flex().autodiff()), 8.0);
}

#[test]
fn three_adamw_steps_follow_pytorch() {
    let golden = goldens().steps;
    let count = golden.losses.len();
    let model = golden_model(&Device::flex().autodiff());
    let found = train_steps(golden.rate, golden.weight_decay, count, model, &Device::flex());
    for step in 0..count {
        let (loss, norm) = (golden.losses[step], golden.gradient_norms[step]);
        assert_close(&[found.losses[step]], &[loss], 5e-4 * loss, &format!("loss of step {step}"));
        assert_close(&[found.gradient_norms[step]], &[norm], 5e-4 * norm, &format!("norm of step {step}"));
    }
    for (name, expected) in &golden.weights {
        let weights: Vec<f64> = found.weights[name].iter::<f64>().collect();
        // A step of AdamW is as long for a gradient that is nearly 0, whose sign is then rounding's.
        let tolerance = 2e-3 * expected.norm;
        assert_summary(&weights, expected, tolerance, name);
    }
}

#[test]
fn training_gives_the_same_bits_on_one_and_on_two_threads() {
    let on_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            train_steps(1e-3, 0.01, 2, golden_model(&Device::flex().autodiff()), &Device::flex()).weights
        })
    };
    assert_eq!(on_threads(1), on_threads(2));
}

#[test]
fn a_new_network_is_drawn_as_transformers_draws_it() {
    let model = Student::new(&shape(), 3, &Device::flex());
    let golden = goldens().initial;
    let mut checked = 0;
    visit_parameters(&model, |name, data| {
        let values: Vec<f64> = data.iter::<f64>().collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        let found = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let Initial { mean: expected_mean, deviation: expected, largest } = golden[name];
        if name == "classifier.1.bias" {
            // Too few values for a comparison of two samples.
            assert!(found > 0.0 && found <= 512f64.sqrt().recip(), "{name}: {found}");
        } else if expected == 0.0 {
            assert_eq!((mean, deviation), (expected_mean, 0.0), "{name}");
        } else {
            // Both are samples of one distribution.
            let spread = expected / count.sqrt();
            assert!((mean - expected_mean).abs() <= 6.0 * spread, "{name}: mean {mean}, not {expected_mean}");
            let near = 6.0 * spread.max(0.005 * expected);
            assert!((deviation - expected).abs() <= near, "{name}: deviation {deviation}, not {expected}");
            assert!(found < 1.5 * largest + near, "{name}: {found} is beyond {largest}");
        }
        checked += 1;
    });
    assert_eq!(checked, golden.len());
}

#[test]
fn an_exported_student_has_the_tensors_of_transformers() {
    let folder = tempfile::tempdir().unwrap();
    let classes = ["a", "b", "c"].map(str::to_owned);
    let card = hf::Card { classes: &classes, image_mean: [0.5; 3], image_std: [0.5; 3], steps: 7 };
    let model = golden_model(&Device::flex());
    hf::save_folder(folder.path(), &model, card).unwrap();
    assert_eq!(tensors_of(folder.path()), described(goldens().state_dict));

    let opened = hf::open_folder(folder.path(), &Device::flex()).unwrap();
    assert_eq!(opened.model.shape(), &shape());
    let all = |model: &Student| {
        let mut found: Vec<(String, TensorData)> = Vec::new();
        visit_parameters(model, |name, data| found.push((name.to_owned(), data)));
        found
    };
    assert_eq!(all(&opened.model), all(&model));
}

#[test]
fn a_configuration_of_another_resnet_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let classes = ["a", "b", "c"].map(str::to_owned);
    let card = hf::Card { classes: &classes, image_mean: [0.5; 3], image_std: [0.5; 3], steps: 7 };
    hf::save_folder(folder.path(), &golden_model(&Device::flex()), card).unwrap();
    let path = folder.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    for (from, to, said) in [
        (
            "\"downsample_in_first_stage\": false",
            "\"downsample_in_first_stage\": true",
            "downsample_in_first_stage = true",
        ),
        ("\"resnet\"", "\"mobilenet_v2\"", "hidden_act = \"relu\""),
        ("\"resnet\"", "\"vit\"", "expected mobilenet_v2 or resnet"),
    ] {
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
        let message = hf::open_folder(folder.path(), &Device::flex()).unwrap_err().to_string();
        assert!(message.contains(said), "{said}: {message}");
    }
}
