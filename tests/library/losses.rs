//! Each loss and its gradient: against PyTorch's autograd (`goldens/losses/make.py`), against its own slope in double precision,
//! and at logits as large as floats are.

use std::{fs, path::Path};

use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation::softmax};
use decant::config::Train;
use decant::loss::{Loss, Targets, cross_entropy, dist, dkd, kd, kd_top, mse, std_kd};
use decant::train::loss::distillation;
use serde::Deserialize;

const BATCH: usize = 6;

#[derive(Deserialize)]
struct Goldens {
    student: Vec<f64>,
    teacher: Vec<f64>,
    labels: Vec<i64>,
    top_classes: Vec<i64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    loss: String,
    temperature: f32,
    value: f64,
    gradient: Vec<f64>,
}

fn goldens() -> Goldens {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/losses/goldens.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A batch of the goldens in one precision.
struct Batch<'a> {
    goldens: &'a Goldens,
    device: Device,
    dtype: DType,
}

impl Batch<'_> {
    fn floats(&self, values: &[f64]) -> Tensor<2> {
        let width = values.len() / BATCH;
        let data = TensorData::new(values.to_vec(), [BATCH, width]);
        Tensor::from_data(data, (&self.device, self.dtype))
    }

    fn ints(&self, values: &[i64]) -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(values.to_vec(), [BATCH, values.len() / BATCH]), &self.device)
    }

    /// What `make.py` calls `name`, of this student.
    fn loss(&self, name: &str, temperature: f32, student: Tensor<2>) -> Tensor<1> {
        let teacher = self.floats(&self.goldens.teacher);
        let labels = self.ints(&self.goldens.labels).squeeze_dim::<1>(1);
        match name {
            "kd" => kd(student, softmax(teacher / temperature, 1), temperature),
            "kd_top" => {
                let classes = self.ints(&self.goldens.top_classes);
                let kept = softmax(teacher / temperature, 1).gather(1, classes.clone());
                let rest = -kept.clone().sum_dim(1) + 1.0;
                kd_top(student, classes, Tensor::cat(vec![kept, rest], 1), temperature)
            }
            "std_kd" => std_kd(student, teacher, temperature),
            "dkd" => dkd(student, teacher, labels, temperature, [1.0, 8.0]),
            "dist" => dist(student, teacher, temperature, [1.0, 2.0]),
            "mse" => mse(student, teacher),
            "ce" => cross_entropy(student, labels, 0.0),
            "ce_smooth" => {
                let mut labels = self.goldens.labels.clone();
                labels[2] = -1;
                cross_entropy(student, self.ints(&labels).squeeze_dim(1), 0.1)
            }
            _ => panic!("a golden of an unknown loss {name}"),
        }
    }

    fn value_and_gradient(&self, name: &str, temperature: f32, student: &[f64]) -> (f64, Vec<f64>) {
        let student = self.floats(student).require_grad();
        let loss = self.loss(name, temperature, student.clone());
        let gradient = student.grad(&loss.clone().backward()).expect("the loss depends on the student");
        (scalar(&loss), gradient.into_data().iter::<f64>().collect())
    }
}

fn scalar(tensor: &Tensor<1>) -> f64 {
    tensor.clone().into_data().iter::<f64>().next().unwrap()
}

fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found} is not {expected} to {tolerance}");
}

#[test]
fn every_loss_and_its_gradient_are_pytorchs() {
    let goldens = goldens();
    let batch = Batch { goldens: &goldens, device: Device::flex().autodiff(), dtype: DType::F32 };
    for case in &goldens.cases {
        let name = format!("{} at {}", case.loss, case.temperature);
        let (value, gradient) = batch.value_and_gradient(&case.loss, case.temperature, &goldens.student);
        assert_close(value, case.value, 2e-6 * case.value.max(1.0), &name);
        let largest = case.gradient.iter().fold(0.0, |largest: f64, slope| largest.max(slope.abs()));
        assert_eq!(gradient.len(), case.gradient.len());
        for (found, expected) in gradient.iter().zip(&case.gradient) {
            assert_close(*found, *expected, 3e-6 * largest, &name);
        }
    }
}

#[test]
fn every_gradient_is_the_slope_of_its_loss() {
    const STEP: f64 = 1e-5;
    let goldens = goldens();
    let batch = Batch { goldens: &goldens, device: Device::flex().autodiff(), dtype: DType::F64 };
    for case in &goldens.cases {
        let name = format!("{} at {}", case.loss, case.temperature);
        let (_, gradient) = batch.value_and_gradient(&case.loss, case.temperature, &goldens.student);
        for (index, found) in gradient.into_iter().enumerate() {
            let at = |step: f64| {
                let mut moved = goldens.student.clone();
                moved[index] += step;
                scalar(&batch.loss(&case.loss, case.temperature, batch.floats(&moved)))
            };
            assert_close(found, (at(STEP) - at(-STEP)) / (2.0 * STEP), 1e-7, &name);
        }
    }
}

/// Rows of logits at which a careless formula is not finite: sure, larger than any exponential, all equal, one alone.
const EXTREMES: [[f64; 3]; 6] = [
    [1e4, -1e4, 0.0],
    [-1e30, 0.0, 1e30],
    [1e30, 1e30, 1e30],
    [0.0, 0.0, 0.0],
    [-1e-30, 0.0, 1e-30],
    [0.0, 200.0, 0.0],
];

fn device() -> Device {
    Device::flex().autodiff()
}

fn rows<const N: usize, const W: usize>(rows: [[f64; W]; N]) -> Tensor<2> {
    Tensor::from_data(TensorData::from(rows), (&device(), DType::F32))
}

fn labels<const N: usize>(labels: [i64; N]) -> Tensor<1, Int> {
    Tensor::from_data(labels, &device())
}

/// The gradient of a loss, and its value.
fn gradient_of(student: Tensor<2>, loss: impl Fn(Tensor<2>) -> Tensor<1>) -> (f64, Vec<f32>) {
    let student = student.require_grad();
    let loss = loss(student.clone());
    let gradient = student.grad(&loss.clone().backward()).expect("the loss depends on the student");
    (scalar(&loss), gradient.into_data().iter::<f32>().collect())
}

#[test]
fn extreme_logits_of_student_and_teacher_leave_every_loss_finite() {
    for shift in 0..EXTREMES.len() {
        let mut teacher = EXTREMES;
        teacher.rotate_left(shift);
        let teacher = rows(teacher);
        let labels = labels([0, 1, 2, -1, -1, 0]);
        let losses: [(&str, &dyn Fn(Tensor<2>) -> Tensor<1>); 6] = [
            ("kd", &|student| kd(student, softmax(teacher.clone() / 5.0, 1), 5.0)),
            ("std-kd", &|student| std_kd(student, teacher.clone(), 5.0)),
            ("dkd", &|student| dkd(student, teacher.clone(), labels.clone(), 5.0, [1.0, 8.0])),
            ("dist", &|student| dist(student, teacher.clone(), 5.0, [1.0, 1.0])),
            ("ce", &|student| cross_entropy(student, labels.clone(), 0.1)),
            ("kd-top", &|student| {
                let classes = teacher.clone().argmax(1);
                kd_top(student, classes, rows([[1.0, 0.0]; 6]), 5.0)
            }),
        ];
        for (name, loss) in losses {
            let (value, gradient) = gradient_of(rows(EXTREMES), loss);
            assert!(value.is_finite(), "{name} is {value} at a shift of {shift}");
            assert!(gradient.iter().all(|slope| slope.is_finite()), "{name}: {gradient:?} at {shift}");
        }
    }
}

#[test]
fn one_dropped_class_leaves_the_loss_and_its_gradient_as_they_are() {
    let student = || rows([[2.0, -1.0, 0.5], [0.25, 0.75, -3.0]]);
    let dense = gradient_of(student(), |logits| kd(logits, rows([[0.5, 0.2, 0.3], [0.1, 0.9, 0.0]]), 5.0));
    let classes = Tensor::from_data([[0, 2], [1, 0]], &device());
    let top = gradient_of(student(), |logits| {
        kd_top(logits, classes.clone(), rows([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]]), 5.0)
    });
    assert_close(top.0, dense.0, 1e-6, "one class dropped");
    for (top, dense) in top.1.into_iter().zip(dense.1) {
        assert_close(top.into(), dense.into(), 1e-6, "one class dropped");
    }
}

#[test]
fn an_unlabelled_sample_is_taught_by_the_teacher_alone() {
    let student = || rows([[2.0, -1.0, 0.5], [0.25, 0.75, -3.0]]);
    let teacher = || rows([[0.0, 0.1, 3.0], [1.0, 0.0, 0.5]]);
    let only_second = scalar(&cross_entropy(student(), labels([-1, 1]), 0.0));
    assert_close(only_second, scalar(&cross_entropy(student().slice(1..2), labels([1]), 0.0)), 1e-6, "ce");
    assert_close(scalar(&cross_entropy(student(), labels([-1, -1]), 0.1)), 0.0, 0.0, "no label at all");
    let decoupled = |labels| scalar(&dkd(student(), teacher(), labels, 4.0, [1.0, 8.0]));
    assert_close(decoupled(labels([-1, 1])), decoupled(labels([2, 1])), 0.0, "the teacher's class");
}

#[test]
fn decoupling_and_standardising_change_what_they_say_and_no_more() {
    let student = || rows([[2.0, -1.0, 0.5], [0.25, 0.75, -3.0]]);
    let teacher = || rows([[0.0, 0.1, 3.0], [1.0, 0.0, 0.5]]);
    let whole = scalar(&std_kd(student(), teacher(), 2.0));
    let moved = scalar(&std_kd(student() * 7.0 + 3.0, teacher() * 0.5 - 1.0, 2.0));
    assert_close(moved, whole, 1e-5, "scale and level are nothing to std-kd");
    let moved = scalar(&mse(student() + 3.0, teacher() + 3.0));
    assert_close(moved, scalar(&mse(student(), teacher())), 1e-5, "mse sees differences");
    let intra_of_one = [0.0, 1.0];
    let alone = |logits: Tensor<2>| dist(logits, teacher().slice(0..1), 1.0, intra_of_one);
    let (value, gradient) = gradient_of(student().slice(0..1), alone);
    assert_eq!((value, gradient), (1.0, vec![0.0; 3]));
}

/// The loss of a step is the mean of its images' own, so that images without a label take nothing from those that have one.
#[test]
fn an_image_without_a_label_has_a_cross_entropy_of_0() {
    let student = || rows([[2.0, -1.0, 0.5], [0.25, 0.75, -3.0]]);
    let teacher = || rows([[0.0, 0.1, 3.0], [1.0, 0.0, 0.5]]);
    let train = Train { lambda: 0.25, temperature: 2.0, ..Train::default() };
    let loss = |of: [i64; 2], labelled| {
        distillation(&train, 0, student(), labels(of), Targets::Logits(teacher()), None, labelled)
    };
    let (both, first) = (loss([0, 1], 1.0), loss([0, -1], 0.5));
    let of_first = scalar(&cross_entropy(student(), labels([0, -1]), 0.0));
    assert!(of_first > 0.0);
    assert_close(scalar(&first.total), 0.75 * of_first / 2.0 + 0.25 * scalar(&first.soft), 1e-5, "total");
    let second = scalar(&cross_entropy(student(), labels([-1, 1]), 0.0));
    assert_close(scalar(&both.total) - scalar(&first.total), 0.75 * second / 2.0, 1e-5, "the second's part");
}

#[test]
fn a_run_weighs_its_two_terms_by_the_epochs_lambda_and_temperature() {
    let student = || rows([[2.0, -1.0, 0.5], [0.25, 0.75, -3.0]]);
    let teacher = || rows([[0.0, 0.1, 3.0], [1.0, 0.0, 0.5]]);
    let train = Train {
        epochs: 3,
        temperature: 9.0,
        temperature_end: Some(1.0),
        lambda: 0.2,
        lambda_end: Some(0.8),
        label_smoothing: 0.1,
        ..Train::default()
    };
    for loss in [Loss::Kd, Loss::StdKd] {
        let train = Train { loss, ..train.clone() };
        let found = distillation(&train, 1, student(), labels([0, 1]), Targets::Logits(teacher()), None, 1.0);
        let hard = scalar(&cross_entropy(student(), labels([0, 1]), 0.1));
        let soft = scalar(&match loss {
            Loss::Kd => kd(student(), softmax(teacher() / 5.0, 1), 5.0),
            _ => std_kd(student(), teacher(), 5.0),
        });
        assert_close(scalar(&found.hard), hard, 1e-6, "hard");
        assert_close(scalar(&found.soft), soft, 1e-5, "soft");
        assert_close(scalar(&found.total), 0.5 * (hard + soft), 1e-5, "total");
    }
    let found = distillation(&train, 1, student(), labels([0, 1]), Targets::None, None, 1.0);
    assert_eq!((scalar(&found.total), scalar(&found.soft)), (scalar(&found.hard), 0.0));
}
