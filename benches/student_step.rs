//! Images a second of the student's training step on the CPU: forward, backward and the whole step with AdamW.
//!
//! ```sh
//! cargo bench --bench student_step                        # every case
//! cargo bench --bench student_step -- 224/8 --steps 10    # one case: image size / batch
//! cargo bench --bench student_step -- --architecture resnet-18
//! ```
//!
//! `--json` prints one line of JSON a case. `benches/peers/student_step.py` runs this and PyTorch in turn.

use std::time::{Duration, Instant};

use burn::{
    module::Module,
    nn::loss::CrossEntropyLossConfig,
    optim::{GradientsParams, ModuleOptimizer},
    tensor::{Device, Int, Tensor, TensorData},
};
use decant::config::Architecture;
use decant::student::{Student, StudentShape, kernels::AdamW};

const CASES: [(usize, usize); 4] = [(224, 8), (224, 32), (96, 32), (32, 64)];

/// The fastest of several steps, by part.
struct Times {
    forward: Duration,
    backward: Duration,
    optimiser: Duration,
    step: Duration,
    evaluation: Duration,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let steps = arguments
        .windows(2)
        .find(|pair| pair[0] == "--steps")
        .and_then(|pair| pair[1].parse().ok())
        .unwrap_or(5);
    let name = arguments.windows(2).find(|pair| pair[0] == "--architecture").map(|pair| &*pair[1]);
    let architecture = name.map_or(Architecture::default(), |name| {
        let known = Architecture::ALL.iter().find(|architecture| architecture.name() == name);
        *known.unwrap_or_else(|| panic!("unknown architecture {name}"))
    });
    let chosen = |size: usize, batch: usize| arguments.contains(&format!("{size}/{batch}"));
    let all = !CASES.iter().any(|&(size, batch)| chosen(size, batch));
    for (size, batch) in CASES.into_iter().filter(|&(size, batch)| all || chosen(size, batch)) {
        let times = measure(architecture, size, batch, steps);
        let rate = |time: Duration| batch as f64 / time.as_secs_f64();
        let parts = [
            ("forward", times.forward),
            ("backward", times.backward),
            ("optimiser", times.optimiser),
            ("step", times.step),
            ("evaluation", times.evaluation),
        ];
        if json {
            let parts: Vec<String> =
                parts.iter().map(|(name, time)| format!("\"{name}\": {:.3}", rate(*time))).collect();
            println!("{{\"case\": \"{size}/{batch}\", {}}}", parts.join(", "));
        } else {
            println!("{size} px, batch {batch}: images/s");
            for (name, time) in parts {
                println!("  {name:10} {:9.1}   {:8.1} ms", rate(time), time.as_secs_f64() * 1e3);
            }
        }
    }
}

/// The fastest of `steps` training steps, after one that is not counted.
fn measure(architecture: Architecture, size: usize, batch: usize, steps: usize) -> Times {
    let device = Device::flex().autodiff();
    let mut model = Student::new(&StudentShape::new(architecture, 3, size), 0, &device);
    let mut optimiser = ModuleOptimizer::from(AdamW::new([0.9, 0.999], 1e-8, 0.01));
    let loss = CrossEntropyLossConfig::new().init(&device);
    let pixels: Vec<f32> =
        (0..batch * 3 * size * size).map(|i| (i * 7919 % 1013) as f32 / 506.5 - 1.0).collect();
    let pixels = Tensor::<4>::from_data(TensorData::new(pixels, [batch, 3, size, size]), &device);
    let labels: Vec<i32> = (0..batch as i32).map(|i| i % 3).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), &device);
    let mut best = [Duration::MAX; 4];
    for step in 0..=steps {
        let start = Instant::now();
        let value = loss.forward(model.forward_train(pixels.clone(), None), labels.clone());
        let forward = start.elapsed();
        let resumed = Instant::now();
        let gradients = value.backward();
        let backward = resumed.elapsed();
        let resumed = Instant::now();
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = optimiser.step(1e-4, model, gradients);
        let parts = [forward, backward, resumed.elapsed(), start.elapsed()];
        if step > 0 {
            best = std::array::from_fn(|i| best[i].min(parts[i]));
        }
    }
    let valid = model.valid();
    let pixels = pixels.inner();
    let evaluation = (0..steps).map(|_| {
        let start = Instant::now();
        let _logits = valid.forward(pixels.clone()).into_data();
        start.elapsed()
    });
    let [forward, backward, optimiser, step] = best;
    Times { forward, backward, optimiser, step, evaluation: evaluation.min().unwrap_or_default() }
}
