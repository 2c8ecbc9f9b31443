//! The steps of an epoch: begun, read back, checked, shown.

use std::time::Instant;

use super::{PendingStep, Trainer};
use crate::support::progress::clock_time;
use crate::support::text::percent;
use crate::train::step::{Batch, StepLoss};
use crate::train::{Error, checkpoint, schedule};

/// Steps on a GPU between two reads of the losses, at most.
const READ_EVERY: usize = 100;

impl Trainer<'_> {
    pub(super) fn step(&mut self, batches: Vec<Batch>) -> Result<(), Error> {
        let labels = batches.iter().flat_map(|batch| &batch.labels);
        let (samples, labelled) = (labels.clone().count(), labels.filter(|&&label| label >= 0).count());
        let (step, steps) = (self.steps_done(), self.steps());
        let losses = self.learner.begin(batches, step, steps);
        let lr = schedule::learning_rate(&self.setup.pipeline.train, step, steps);
        self.pending.push(PendingStep { losses, step: step + 1, lr, samples, labelled });
        self.state.step += 1;
        self.timing.train_images += samples;
        if self.steps_done().is_multiple_of(self.read_every()) { self.read_losses() } else { Ok(()) }
    }

    /// Steps after which losses are read. The CPU has them at once; a GPU would stand still until it is asked for the next step.
    pub(super) fn read_every(&self) -> usize {
        match self.setup.pipeline.train.tensorboard {
            _ if self.setup.device.is_host => 1,
            0 => READ_EVERY,
            every => every.min(READ_EVERY),
        }
    }

    /// Reads the losses of the steps since the last time: they are checked, logged and added to the epoch's.
    pub(super) fn read_losses(&mut self) -> Result<(), Error> {
        let mut steps = Vec::new();
        let losses = self.pending.drain(..).map(|PendingStep { losses, step, lr, samples, labelled }| {
            steps.push((step, lr, samples, labelled));
            losses
        });
        let losses = StepLoss::read(losses.collect());
        for (loss, (step, lr, samples, labelled)) in losses.into_iter().zip(steps) {
            self.check("the loss", loss.total, step)?;
            self.check("the gradient's norm", loss.gradient_norm, step)?;
            self.board.step(step, &loss, lr, samples)?;
            self.state.sums.add(loss, samples, labelled);
        }
        Ok(())
    }

    /// The progress of the epoch in a line; `clock` has run since its step `first`.
    pub(super) fn live(&self, first: usize, clock: &Instant) -> String {
        let (state, config) = (&self.state, &self.setup.pipeline.train);
        let (step, steps) = (self.steps_done(), self.steps());
        let a_second = (state.step - first) as f64 / clock.elapsed().as_secs_f64().max(1e-9);
        let sums = &state.sums;
        if sums.samples == 0 {
            return "the first losses are not read yet".to_owned();
        }
        let accuracy = sums.accuracy().map_or("-".to_owned(), percent);
        format!(
            "loss {:.3}, accuracy {accuracy}, whole run {} left, {:.0} images/s, ce {:.3}, kd {:.3}, lr {:.1e}",
            sums.mean(sums.total),
            clock_time((steps - step) as f64 / a_second),
            a_second * self.plan.step_samples() as f64,
            sums.mean(sums.ce),
            sums.mean(sums.kd),
            schedule::learning_rate(config, step - 1, steps),
        )
    }

    /// Steps of the run before the next one.
    pub(super) fn steps_done(&self) -> usize {
        self.state.epoch * self.plan.steps() + self.state.step
    }

    /// Steps of the whole run.
    pub(super) fn steps(&self) -> usize {
        self.plan.steps() * self.setup.pipeline.train.epochs
    }

    /// Stops when a value of step `step`, from 1, is not a number.
    pub(super) fn check(&self, what: &'static str, value: f32, step: usize) -> Result<(), Error> {
        if value.is_finite() { Ok(()) } else { Err(self.diverged(what, value, step)) }
    }

    pub(super) fn diverged(&self, what: &'static str, value: f32, step: usize) -> Error {
        let run = self.setup.folder.clone();
        let is_kept = checkpoint::folders(&run).is_ok_and(|folders| !folders.is_empty());
        Error::Diverged { what, value, step, steps: self.steps(), run, is_kept }
    }
}
