//! How fast a student trains here, from a few steps.

use std::time::{Duration, Instant};

use burn::tensor::Device;

use super::device::TrainDevice;
use super::evaluate::logits;
use super::pixels::Pixels;
use super::step::{Batch, Learner, StepLoss};
use super::targets::{CachedTargets, Column};
use super::{Error, read, setup};
use crate::config::Pipeline;

/// Images in the forward passes that are measured.
const FORWARD: usize = 32;
/// Batches that lie ready on a device while its steps are timed.
const READY: usize = 8;

/// The cost of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Seconds of a training step for each of its images: forward, loss, backward, optimiser.
    pub step_seconds: f64,
    /// Seconds of a forward pass, as on validation, for each of its images.
    pub forward_seconds: f64,
}

/// Takes a few steps of the pipeline's student at its real size, on made-up pixels: for `at_most` or three steps, whichever is
/// longer. The first, which warms up, does not count.
///
/// # Errors
/// Weights of `student.init` that can't be loaded.
pub(crate) fn pace(
    pipeline: &Pipeline,
    classes: usize,
    device: &TrainDevice,
    at_most: Duration,
) -> Result<Pace, Error> {
    let (train, side) = (&pipeline.train, pipeline.student.image_size);
    let (model, _) = setup::student(pipeline, classes, &device.device.clone().autodiff())?;
    let mut learner = Learner::new(model, train, None, &device.device);
    let batches = || -> Vec<Batch> {
        (0..train.accumulate).map(|_| made_up(Column::of(train), train.batch_size, side, classes)).collect()
    };
    let mut steps = 0;
    learner.step(batches(), steps, usize::MAX);
    let clock = Instant::now();
    while steps < 2 || clock.elapsed() < at_most {
        steps += 1;
        learner.step(batches(), steps, usize::MAX);
    }
    let images = steps * train.accumulate * train.batch_size;
    let step_seconds = clock.elapsed().as_secs_f64() / images as f64;

    let model = learner.evaluating();
    let forward = || {
        let pixels = made_up(Column::None, FORWARD, side, classes).pixels;
        read::values(logits(&model, pixels, FORWARD, (side, side), &device.device));
    };
    forward();
    let (clock, mut passes) = (Instant::now(), 0);
    while passes < 1 || clock.elapsed() < at_most / 4 {
        passes += 1;
        forward();
    }
    Ok(Pace { step_seconds, forward_seconds: clock.elapsed().as_secs_f64() / (passes * FORWARD) as f64 })
}

/// Seconds of one training step of the pipeline's student on made-up batches, over `budget` or three steps, whichever is longer,
/// after `warm` steps that do not count. Nothing is read from the device but at the ends.
///
/// # Errors
/// Weights of `student.init` that can't be loaded, a device that fails.
pub(crate) fn step_seconds(
    pipeline: &Pipeline,
    classes: usize,
    device: &TrainDevice,
    warm: usize,
    budget: Duration,
) -> Result<f64, Error> {
    device.guarded(|| {
        let mut learner = new_learner(pipeline, classes, device)?;
        let train = &pipeline.train;
        let mut take = |steps: usize| {
            let batch = || {
                made_up(Column::of(train), train.batch_size, pipeline.student.image_size, classes)
                    .on(&device.device)
            };
            let batches: Vec<Batch> = (0..steps).map(|_| batch()).collect();
            let clock = Instant::now();
            let pending =
                batches.into_iter().map(|batch| learner.begin(vec![batch], 1, usize::MAX)).collect();
            StepLoss::read(pending);
            clock.elapsed().as_secs_f64() / steps as f64
        };
        take(warm.max(1));
        let first = take(3);
        // As many as the batches that lie ready may be.
        let steps = (budget.as_secs_f64() / first).clamp(3.0, 200.0) as usize;
        let (mut seconds, mut done) = (3.0 * first, 3);
        while done < steps {
            let some = (steps - done).min(READY);
            seconds += take(some) * some as f64;
            done += some;
        }
        Ok(seconds / done as f64)
    })
}

/// The losses of the first steps of the pipeline's student on made-up batches.
///
/// # Errors
/// As [`step_seconds`].
pub fn losses(
    pipeline: &Pipeline,
    classes: usize,
    device: &TrainDevice,
    steps: usize,
) -> Result<Vec<f32>, Error> {
    device.guarded(|| {
        let mut learner = new_learner(pipeline, classes, device)?;
        let (train, side) = (&pipeline.train, pipeline.student.image_size);
        let pending = (0..steps).map(|step| {
            let batch = made_up(Column::of(train), train.batch_size, side, classes).rolled(step);
            learner.begin(vec![batch], step, steps)
        });
        let pending = pending.collect();
        Ok(StepLoss::read(pending).into_iter().map(|loss| loss.total).collect())
    })
}

fn new_learner(pipeline: &Pipeline, classes: usize, device: &TrainDevice) -> Result<Learner, Error> {
    let (model, _) = setup::student(pipeline, classes, &device.device.clone().autodiff())?;
    Ok(Learner::new(model, &pipeline.train, None, &device.device).deferring(!device.is_host))
}

impl Batch {
    /// The same with its pixels on `device` already.
    fn on(self, device: &Device) -> Self {
        let [height, width] = self.size;
        let shape = [self.labels.len(), 3, height, width];
        Self { pixels: Pixels::Device(self.pixels.on(device, shape)), ..self }
    }

    /// The same with other pixels, so that no two steps see one batch.
    fn rolled(mut self, by: usize) -> Self {
        if let Pixels::Host(values) = &mut self.pixels {
            let count = values.len();
            values.rotate_left(7919 * by % count);
        }
        self
    }
}

/// A batch of made-up images, with values that keep every loss finite.
fn made_up(column: Column, samples: usize, side: usize, classes: usize) -> Batch {
    let targets = || (0..samples * classes).map(|index| 1.0 + (index * 7 % 13) as f32);
    let targets = match column {
        Column::None => CachedTargets::None,
        Column::Logits => CachedTargets::Logits(targets().collect()),
        Column::Soft(_) => {
            let mut rows: Vec<f32> = targets().collect();
            for row in rows.chunks_exact_mut(classes) {
                let sum: f32 = row.iter().sum();
                for target in row {
                    *target /= sum;
                }
            }
            CachedTargets::Soft(rows)
        }
    };
    // Waves of another direction for each sample: where samples resemble each other, normalisation by the batch makes rounding large.
    let pixels = (0..samples * 3 * side * side).map(|index| {
        let (x, y, plane) = (index % side, index / side % side, index / (side * side));
        let sample = plane / 3;
        let wave = x * (1 + sample % 7) + y * (1 + sample % 5) + 37 * plane;
        (wave % 255) as f32 / 127.0 - 1.0
    });
    let labels = (0..samples).map(|sample| (sample % classes) as i32);
    let pixels = Pixels::Host(pixels.collect());
    Batch { pixels, size: [side, side], labels: labels.collect(), targets, epoch: 0 }
}
