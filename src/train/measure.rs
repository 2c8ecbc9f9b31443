//! How fast a student trains here, from a few steps.

use std::time::{Duration, Instant};

use burn::tensor::Tensor;

use super::Error;
use super::setup::Setup;
use crate::student::dropout;

/// Images a second through a step's forward and backward passes, measured for `at_most` or three steps, whichever is
/// longer. The first step, which warms up, does not count.
///
/// # Errors
/// Weights of `student.init` that can't be loaded.
pub fn images_per_second(setup: &Setup, at_most: Duration) -> Result<f64, Error> {
    let device = setup.device.device.clone().autodiff();
    let (model, _) = setup.student(&device)?;
    let (batch, size) = (setup.pipeline.train.batch_size, setup.pipeline.student.image_size);
    let step = |number: u64| {
        let pixels = Tensor::ones([batch, 3, size, size], &device);
        let mask = dropout::mask(model.shape().dropout, [batch, model.features()], 0, number, &device);
        let loss = model.forward_train(pixels, mask).square().mean();
        let _ = loss.backward();
        loss.into_data();
    };
    step(0);
    let clock = Instant::now();
    let mut steps = 0;
    while steps < 2 || clock.elapsed() < at_most {
        steps += 1;
        step(steps);
    }
    Ok((steps as usize * batch) as f64 / clock.elapsed().as_secs_f64())
}
