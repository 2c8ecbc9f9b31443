//! How long the runs will take: from those that are done, else from a short measurement.

use std::time::Duration;

use super::Error;
use super::plan::Planned;
use crate::dataset::SplitName;
use crate::train::{self, Setup, Timing, read_json};

/// Shapes that are measured at most; others are scaled from those.
const MEASURED: usize = 3;
/// Seconds for each.
const MEASURE: Duration = Duration::from_secs(1);
/// The optimiser, the loader and the writing of checkpoints take the rest of a step.
const SHARE_OF_PASSES: f64 = 0.85;

/// What decides how long an image takes.
#[derive(Clone, Copy, PartialEq)]
struct Shape {
    width: f64,
    size: usize,
    batch: usize,
}

impl Shape {
    fn of(setup: &Setup) -> Self {
        let (student, train) = (&setup.pipeline.student, &setup.pipeline.train);
        Self { width: student.width, size: student.image_size, batch: train.batch_size }
    }

    /// The work of one image, in a unit of its own: pixels times channels, which is what the memory moves.
    fn work(self) -> f64 {
        (self.size * self.size) as f64 * self.width
    }
}

/// Seconds that `todo` will take one after another, at the rate of the runs in `done`; rates of shapes that none of
/// them has are measured now.
///
/// # Errors
/// A time that can't be read.
pub fn estimate(todo: &[&Planned], done: &[&Planned]) -> Result<f64, Error> {
    let mut rates: Vec<(Shape, f64)> = Vec::new();
    for run in done {
        let shape = Shape::of(&run.setup);
        let timing: Timing = read_json(&run.setup.folder, "timing.json")?.unwrap_or_default();
        if timing.train_images > 0 && timing.seconds > 0.0 && !rates.iter().any(|(known, _)| *known == shape)
        {
            rates.push((shape, timing.train_images as f64 / timing.seconds));
        }
    }
    let mut seconds = 0.0;
    for run in todo {
        let setup = &run.setup;
        let shape = Shape::of(setup);
        let known = rates.iter().find(|(known, _)| *known == shape).map(|(_, rate)| *rate);
        let rate = match (known, rates.last()) {
            (Some(rate), _) => rate,
            (None, Some((other, rate))) if rates.len() >= MEASURED => rate * other.work() / shape.work(),
            (None, _) => {
                // One that can't be measured can't be trained, which is said when it is its turn.
                let Ok(rate) = train::images_per_second(setup, MEASURE) else { continue };
                // Validation is a forward pass, about a third of a step.
                let images = |split| setup.dataset.split(split).map_or(0, |split| split.samples.len()) as f64;
                let train_images = images(SplitName::Train).max(1.0);
                let rate = SHARE_OF_PASSES * rate * train_images
                    / (train_images + images(SplitName::Validation) / 3.0);
                rates.push((shape, rate));
                rate
            }
        };
        let images = setup.dataset.split(SplitName::Train).map_or(0, |split| split.samples.len());
        seconds += (images * setup.pipeline.train.epochs) as f64 / rate.max(1e-9);
    }
    Ok(seconds)
}
