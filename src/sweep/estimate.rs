//! How long runs will take: from those that are done, else from a short measurement.

use std::time::Duration;

use super::Error;
use super::plan::Planned;
use crate::config::{Architecture, Pipeline};
use crate::dataset::{Dataset, SplitName};
use crate::train::{self, Timing, TrainDevice};

/// Shapes of an architecture that are measured at most; others are scaled from those.
const MEASURED: usize = 3;
/// Seconds for each.
const MEASURE: Duration = Duration::from_secs(1);

/// The settings that decide how long an image takes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    architecture: Architecture,
    width: f64,
    size: usize,
    batch: usize,
}

impl Shape {
    fn of(pipeline: &Pipeline) -> Self {
        let (student, train) = (&pipeline.student, &pipeline.train);
        Self {
            architecture: student.architecture,
            width: student.width(),
            size: student.image_size,
            batch: train.batch_size * train.accumulate,
        }
    }

    /// The work of one image, in a unit of its own: pixels times channels, which is what the memory moves.
    fn work(self) -> f64 {
        (self.size * self.size) as f64 * self.width
    }
}

/// Seconds of a run for each train image of each epoch, validation included, by the run's shape.
#[derive(Clone, Debug, Default)]
pub(crate) struct Estimator {
    known: Vec<(Shape, f64)>,
}

impl Estimator {
    /// The times of the runs among these that are done.
    ///
    /// # Errors
    /// A time that can't be read.
    pub(crate) fn of_runs<'a>(runs: impl IntoIterator<Item = &'a Planned>) -> Result<Self, Error> {
        let mut estimator = Self::default();
        for run in runs {
            let shape = Shape::of(&run.setup.pipeline);
            if estimator.of_shape(shape).is_some() || run.result()?.is_none() {
                continue;
            }
            let timing = Timing::read_or_default(&run.setup.folder);
            if timing.train_images > 0 && timing.seconds > 0.0 {
                estimator.known.push((shape, timing.seconds / timing.train_images as f64));
            }
        }
        Ok(estimator)
    }

    /// Whether no run has told anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Takes a few steps of this pipeline's student, unless a run of its shape is known or enough others are. One that can't be
    /// measured can't be trained, which is reported when it is trained.
    pub(crate) fn measure(&mut self, pipeline: &Pipeline, dataset: &Dataset, device: &TrainDevice) {
        let shape = Shape::of(pipeline);
        if self.of_shape(shape).is_some() || self.of_architecture(shape).count() >= MEASURED {
            return;
        }
        if let Ok(pace) = train::pace(pipeline, dataset.classes.len(), device, MEASURE) {
            let images = |split| dataset.split(split).map_or(0, |split| split.samples.len()) as f64;
            let forward = pace.forward_seconds * images(SplitName::Validation);
            self.known.push((shape, pace.step_seconds + forward / images(SplitName::Train).max(1.0)));
        }
    }

    /// Seconds of a whole run of this pipeline; none where nothing is known.
    pub(crate) fn seconds(&self, pipeline: &Pipeline, dataset: &Dataset) -> Option<f64> {
        let shape = Shape::of(pipeline);
        let scaled = || {
            self.of_architecture(shape).last().map(|(other, seconds)| seconds * shape.work() / other.work())
        };
        let an_image = self.of_shape(shape).or_else(scaled)?;
        let images = dataset.split(SplitName::Train).map_or(0, |split| split.samples.len());
        Some(an_image * (images * pipeline.train.epochs) as f64)
    }

    /// The times of shapes of the same architecture.
    fn of_architecture(&self, shape: Shape) -> impl Iterator<Item = &(Shape, f64)> {
        self.known.iter().filter(move |(known, _)| known.architecture == shape.architecture)
    }

    fn of_shape(&self, shape: Shape) -> Option<f64> {
        self.known.iter().find(|(known, _)| *known == shape).map(|(_, seconds)| *seconds)
    }
}

/// Seconds that `todo` will take one after another, at the rate of the runs in `done`; rates of shapes that none of
/// them has are measured now.
///
/// # Errors
/// A time that can't be read.
pub(crate) fn estimate(todo: &[&Planned], done: &[&Planned]) -> Result<f64, Error> {
    let mut estimator = Estimator::of_runs(done.iter().copied())?;
    let seconds = todo.iter().map(|run| {
        let setup = &run.setup;
        estimator.measure(&setup.pipeline, &setup.dataset, &setup.device);
        estimator.seconds(&setup.pipeline, &setup.dataset).unwrap_or(0.0)
    });
    Ok(seconds.sum())
}
