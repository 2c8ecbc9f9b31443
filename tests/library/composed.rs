//! A student by burn's own operations against one by decant's kernels for the CPU. What is composed of burn's operations runs on every GPU.
//!
//! `make test` takes burn's ndarray backend. A build with the feature `vulkan`, `wgpu` or `cuda` takes a GPU.
//!
//! Both sides compute in float32 and add in another order, so they agree up to rounding that grows with depth and steps.

use std::cell::Cell;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use decant::config::{Pipeline, Student, StudentDevice};
use decant::runs;
use decant::store::Encoding;
use decant::student::hf;
use decant::support::context::Context;
use decant::train::{self, BEST, Event, Outcome, Setup, TrainDevice, clip};

use crate::controls::Workshop;
use crate::student_goldens::{
    SIDE, assert_close, golden_model, gradients_by_name, pixels, recipe, soft_targets, ten_adamw_steps_on,
    values,
};

/// The device that is tested.
const DEVICE: StudentDevice = if cfg!(feature = "cuda") {
    StudentDevice::Cuda(0)
} else if cfg!(feature = "vulkan") {
    StudentDevice::Vulkan(0)
} else if cfg!(feature = "wgpu") {
    StudentDevice::Wgpu(0)
} else {
    StudentDevice::Ndarray
};

/// The device for one test at a time: in software it takes all cores, and kernels are counted for the whole process.
struct Tested {
    device: TrainDevice,
    _turn: MutexGuard<'static, ()>,
}

/// None where this machine has no GPU, and the terminal names the reason; an error where `DECANT_TEST_GPU` is set.
fn tested() -> Option<Tested> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    match train::choose_device(DEVICE) {
        Ok(device) => Some(Tested { device, _turn: turn }),
        Err(error) => {
            assert!(std::env::var_os("DECANT_TEST_GPU").is_none(), "{error}");
            // Not `eprintln`, which a test that passes does not show.
            std::io::stderr().write_all(format!("skipped a test of {DEVICE}: {error}\n").as_bytes()).unwrap();
            None
        }
    }
}

/// Logits, loss, gradients by name and their norm of one batch.
struct Step {
    logits: Vec<f64>,
    loss: f64,
    gradients: std::collections::HashMap<String, Vec<f64>>,
    norm: f64,
}

fn step(device: &Device) -> Step {
    let device = device.clone().autodiff();
    let model = golden_model(0.35, &device);
    let logits = model.forward_train(pixels(0, SIDE, &device), None);
    let labels = Tensor::<1, Int>::from_data([0, 1, 2, 0], &device);
    let targets = decant::loss::Targets::Soft(soft_targets(0, &device));
    let loss = train::loss::distillation(&recipe(), 0, logits.clone(), labels, targets, None, 1.0).total;
    let gradients = GradientsParams::from_grads(loss.clone().backward(), &model);
    let (gradients, norm) = clip::clip_on_device(gradients, &model, 0.0);
    Step {
        logits: values(logits),
        loss: values(loss)[0],
        gradients: gradients_by_name(&model, &gradients),
        norm: values(norm.expect("there are gradients"))[0],
    }
}

#[test]
fn logits_and_gradients_are_the_cpus() {
    let Some(tested) = tested() else { return };
    let (expected, found) = (step(&Device::flex()), step(&tested.device.device));
    let largest = expected.logits.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    assert_close(&found.logits, &expected.logits, 1e-4 * largest, "logits");
    assert_close(&[found.loss], &[expected.loss], 1e-4 * expected.loss, "loss");
    assert_close(&[found.norm], &[expected.norm], 1e-3 * expected.norm, "gradient norm");
    for (name, gradient) in &expected.gradients {
        let norm = gradient.iter().map(|value| value * value).sum::<f64>().sqrt();
        // The share of the global norm is for what has no gradient but rounding.
        let tolerance = 1e-3 * norm + 1e-5 * expected.norm;
        assert_close(&found.gradients[name], gradient, tolerance, name);
    }
}

#[test]
fn ten_adamw_steps_follow_pytorch() {
    let Some(tested) = tested() else { return };
    ten_adamw_steps_on(&tested.device.device, |step| if step < 4 { 1e-4 } else { 1e-2 });
}

#[test]
fn a_run_resumes_and_what_it_keeps_is_the_same_student_on_the_cpu() {
    let Some(_tested) = tested() else { return };
    let workshop = Workshop::new(Encoding::FLOAT32);
    let mut pipeline = workshop.pipeline.clone();
    (pipeline.train.epochs, pipeline.train.device) = (3, DEVICE);
    let setup = Setup::new(pipeline, None, Path::new("gray.toml"), &Context::silent()).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asked = std::sync::Arc::clone(&stop);
    let context = Context::silent().until(move || asked.load(std::sync::atomic::Ordering::SeqCst));
    let first = runs::train(&setup, &context, &mut |event| {
        if matches!(event, Event::Epoch(_)) {
            stop.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    });
    assert!(matches!(first, Ok(Outcome::Interrupted { epochs: 1 })));
    let resumed = Rc::new(Cell::new(false));
    let outcome = runs::train(&setup, &Context::silent(), &mut |event| {
        if matches!(event, Event::Resumed { epoch: 1, .. }) {
            resumed.set(true);
        }
    });
    let Ok(Outcome::Done { result, already: false, .. }) = outcome else { panic!("it trains to its end") };
    assert!(resumed.get());

    let on_cpu = hf::open_folder(&setup.folder.join(BEST), &Device::flex()).unwrap().model;
    let images = setup.images(decant::dataset::SplitName::Validation).unwrap();
    let metrics =
        train::evaluate(&on_cpu, &images, setup.pipeline.train.temperature, &Device::flex()).unwrap();
    assert_eq!(metrics.accuracy, result.validation.accuracy);
    assert!((metrics.teacher_kl - result.validation.teacher_kl).abs() < 1e-3);
}

#[test]
fn bfloat16_is_computed_or_refused_in_a_sentence() {
    let Some(tested) = tested() else { return };
    match tested.device.check_precision(decant::config::Precision::Bfloat16) {
        Ok(()) => {
            let mut pipeline = small();
            pipeline.train.precision = decant::config::Precision::Bfloat16;
            assert!(train::losses(&pipeline, 3, &tested.device, 1).unwrap()[0].is_finite());
        }
        Err(error) => assert!(error.to_string().contains("does not compute in bfloat16"), "{error}"),
    }
}

fn small() -> Pipeline {
    let mut pipeline = Pipeline::default();
    pipeline.student = Student { width: Some(0.35), image_size: 32, ..pipeline.student };
    pipeline.train.lr = 1e-3;
    pipeline
}

#[cfg(feature = "wgpu")]
mod launches {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use cubecl::logging::{LaunchObservation, LaunchObserver};
    use decant::config::Pipeline;
    use decant::train::{self, TrainDevice};

    use super::{small, tested};

    /// How often each kernel is launched, by its name.
    #[derive(Default)]
    struct Launches(Mutex<BTreeMap<String, usize>>);

    impl LaunchObserver for Launches {
        fn launched(&self, kernel: &'static str) {
            let path = kernel.split('<').next().unwrap_or(kernel);
            let name = path.rsplit("::").find(|part| *part != "kernel").unwrap_or(path);
            *self.0.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        }
    }

    /// Kernels of a step, each with how often it is launched. The steps before it have compiled and chosen them.
    fn launches_of_a_step(pipeline: &Pipeline, device: &TrainDevice) -> BTreeMap<String, usize> {
        let counted = |steps: usize| {
            let launches = Arc::new(Launches::default());
            let observation = LaunchObservation::new(launches.clone());
            train::losses(pipeline, 3, device, steps).unwrap();
            drop(observation);
            std::mem::take(&mut *launches.0.lock().unwrap())
        };
        counted(4);
        let (few, many) = (counted(2), counted(4));
        let of_one = many.into_iter().map(|(name, count)| {
            let before = few.get(&name).copied().unwrap_or(0);
            (name, count.saturating_sub(before) / 2)
        });
        of_one.filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn the_kernels_of_a_step_are_counted() {
        let Some(tested) = tested() else { return };
        let launches = launches_of_a_step(&small(), &tested.device);
        let total: usize = launches.values().sum();
        for (name, count) in &launches {
            println!("{count:>6}  {name}");
        }
        println!("{total:>6}  in one step");
        assert!(total > 0);
    }
}
