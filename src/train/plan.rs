//! How an epoch is cut into steps, and a step into batches.

use crate::config::Train;

/// The sizes of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    samples: usize,
    batch: usize,
    /// Samples of a full step.
    step: usize,
    drop_last: bool,
}

impl Plan {
    /// An epoch of `samples` images.
    pub(crate) fn new(train: &Train, samples: usize) -> Self {
        let step = train.batch_size * train.accumulate;
        Self { samples, batch: train.batch_size, step, drop_last: train.drop_last }
    }

    /// Steps in an epoch.
    pub(crate) fn steps(&self) -> usize {
        if self.drop_last { self.samples / self.step } else { self.samples.div_ceil(self.step) }
    }

    /// Samples that an epoch uses, the first of its order.
    pub(crate) fn samples(&self) -> usize {
        self.samples.min(self.steps() * self.step)
    }

    /// Samples of a full step.
    pub(crate) fn step_samples(&self) -> usize {
        self.step
    }

    /// Batches of step `step` of an epoch, counted from 0.
    pub(crate) fn batches(&self, step: usize) -> usize {
        let left = self.samples().saturating_sub(step * self.step);
        left.min(self.step).div_ceil(self.batch)
    }

    /// Samples before step `step` of an epoch.
    pub(crate) fn samples_before(&self, step: usize) -> usize {
        self.samples().min(step.saturating_mul(self.step))
    }

    /// Batches before step `step`.
    pub(crate) fn batches_before(&self, step: usize) -> usize {
        step * (self.step / self.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(samples: usize, accumulate: usize, drop_last: bool) -> Plan {
        Plan::new(&Train { batch_size: 8, accumulate, drop_last, ..Train::default() }, samples)
    }

    #[test]
    fn every_sample_is_in_one_batch_of_one_step() {
        for (samples, accumulate, steps, last) in
            [(24, 1, 3, 1), (25, 1, 4, 1), (25, 2, 2, 2), (17, 2, 2, 1), (3, 4, 1, 1)]
        {
            let plan = plan(samples, accumulate, false);
            assert_eq!((plan.steps(), plan.samples()), (steps, samples));
            assert_eq!(plan.batches(steps - 1), last);
            assert_eq!(plan.batches_before(steps - 1) + last, samples.div_ceil(8));
        }
    }

    #[test]
    fn dropping_the_last_leaves_full_steps_alone() {
        for (samples, accumulate, steps) in [(24, 1, 3), (25, 1, 3), (31, 2, 1), (32, 2, 2), (15, 2, 0)] {
            let plan = plan(samples, accumulate, true);
            assert_eq!((plan.steps(), plan.samples()), (steps, steps * 8 * accumulate));
            assert!((0..steps).all(|step| plan.batches(step) == accumulate));
        }
    }
}
