//! With one view, training from the cache is training with the teacher in every step.

#![expect(unsafe_code, reason = "names the library in the environment before other threads read it")]

use burn::tensor::Device;
use decant::config::{self, Train};
use decant::dataset::{Dataset, SplitName};
use decant::stage_one::{self, Settings};
use decant::store::{Cache, soften};
use decant::student::{Student, StudentShape};
use decant::support::context::Context;
use decant::teacher::{OnnxTeacher, Teacher};
use decant::train::order::epoch_order;
use decant::train::pixels::Pixels;
use decant::train::step::{Batch, Learner, StepLoss};
use decant::train::targets::CachedTargets;
use decant::view::{self, Geometry, Preprocess};

const SIZE: usize = 32;
const BATCH: usize = 8;
const STEPS: usize = 10;
/// The cache's batches are not the steps' batches, and ONNX Runtime may round a logit by the batch it is in.
const TOLERANCE: f32 = 1e-5;

fn pixels(dataset: &Dataset, samples: &[usize], preprocess: &Preprocess) -> Vec<f32> {
    let (height, width) = preprocess.size();
    let values = 3 * height as usize * width as usize;
    let mut out = vec![0.0; samples.len() * values];
    for (&sample, out) in samples.iter().zip(out.chunks_exact_mut(values)) {
        let image = view::decode(&dataset.read(SplitName::Train, sample).unwrap()).unwrap();
        let whole = Geometry::whole(image.width(), image.height());
        preprocess.normalise(&preprocess.pixels(&image, &whole).unwrap(), out);
    }
    out
}

#[test]
fn ten_steps_from_the_cache_have_the_losses_of_ten_steps_with_the_teacher() {
    let root = tempfile::tempdir().unwrap();
    let leaves = config::Leaves { train: STEPS * BATCH, validation: 3, test: 3, ..config::Leaves::default() };
    let dataset =
        Dataset::open(&config::Dataset { leaves, ..config::Dataset::default() }, &Context::silent()).unwrap();
    // SAFETY: this binary has one test, so nothing else reads the environment meanwhile.
    unsafe { std::env::set_var("ORT_DYLIB_PATH", crate::common::runtime()) };
    let device = config::TeacherDevice::CPU.into();
    let mut teacher = OnnxTeacher::open(&config::Teacher { device, ..config::Teacher::default() }).unwrap();
    let cache = config::Cache {
        name: "online".to_owned(),
        dir: root.path().to_owned(),
        temperatures: vec![5.0],
        views: 1,
        ..config::Cache::default()
    };
    let settings = Settings { cache: &cache, batch_size: 16, part: (0, 1), context: &Context::silent() };
    let dir = stage_one::run(&dataset, &mut teacher, &settings).unwrap().dir;
    let cached = Cache::open(&dir).unwrap().split("train").unwrap();

    let order = epoch_order(1, 0, STEPS * BATCH);
    let student = Preprocess::for_student(SIZE as u32, [0.5; 3], [0.5; 3]);
    let classes = teacher.class_order(&dataset.classes).unwrap();
    let run = |targets: &mut dyn FnMut(&[usize]) -> Vec<f32>| -> Vec<StepLoss> {
        let train = Train { lr: 1e-3, lambda: 0.5, temperature: 5.0, ..Train::default() };
        let shape = StudentShape::new(config::Architecture::default(), 3, SIZE).with_width(0.35);
        let model = Student::new(&shape, 1, &Device::flex().autodiff());
        let mut learner = Learner::new(model, &train, None, &Device::flex());
        let step = |(step, samples): (usize, &[usize])| {
            let labels =
                samples.iter().map(|&s| dataset.split(SplitName::Train).unwrap().samples[s].label).collect();
            let targets = CachedTargets::Soft(targets(samples));
            let pixels = pixels(&dataset, samples, &student);
            learner.step(
                vec![Batch { pixels: Pixels::Host(pixels), size: [SIZE, SIZE], labels, targets, epoch: 0 }],
                step,
                STEPS,
            )
        };
        order.chunks(BATCH).enumerate().map(step).collect()
    };

    let offline = run(&mut |samples| {
        let rows: Vec<usize> = samples.iter().map(|&sample| cached.row(sample as u64, 0).unwrap()).collect();
        let mut targets = vec![0.0; rows.len() * 3];
        cached.gather_soft(5.0, &rows, &mut targets).unwrap();
        targets
    });
    let preprocess = teacher.preprocess().clone();
    let online = run(&mut |samples| {
        let logits = teacher.logits(&pixels(&dataset, samples, &preprocess), samples.len()).unwrap();
        let mut targets = vec![0.0; logits.len()];
        for (logits, targets) in logits.chunks_exact(3).zip(targets.chunks_exact_mut(3)) {
            let ordered: Vec<f32> = classes.iter().map(|&class| logits[class]).collect();
            soften(&ordered, 5.0, targets);
        }
        targets
    });

    assert_eq!(offline.len(), STEPS);
    for (offline, online) in offline.iter().zip(&online) {
        assert!((offline.total - online.total).abs() <= TOLERANCE * online.total, "{offline:?} {online:?}");
        assert!(online.kd > 0.0 && online.ce > 0.0);
    }
    assert!(offline.windows(2).all(|pair| pair[0] != pair[1]), "the losses must move: {offline:?}");
}
