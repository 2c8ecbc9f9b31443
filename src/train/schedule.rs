//! The learning rate at each optimiser step.

use std::f64::consts::PI;

use crate::config::{Schedule, Train};

/// The learning rate of step `step` of `steps`, counted from 0.
///
/// Rises from 0 to `lr` over the warm-up, then falls as the schedule says: `transformers`'
/// `get_{linear,cosine,constant}_schedule_with_warmup`.
pub fn learning_rate(train: &Train, step: usize, steps: usize) -> f64 {
    let warmup = train.warmup_steps.min(steps);
    if step < warmup {
        return train.lr * step as f64 / warmup as f64;
    }
    let done = (step - warmup) as f64 / (steps - warmup).max(1) as f64;
    train.lr
        * match train.schedule {
            Schedule::Linear => 1.0 - done,
            Schedule::Cosine => 0.5 * (1.0 + (PI * done).cos()),
            Schedule::Constant => 1.0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, warmup_steps: usize) -> Vec<f64> {
        let train = Train { lr: 1.0, schedule, warmup_steps, ..Train::default() };
        (0..4).map(|step| (learning_rate(&train, step, 4) * 1000.0).round() / 1000.0).collect()
    }

    #[test]
    fn the_rate_follows_transformers_schedules() {
        assert_eq!(rates(Schedule::Linear, 0), [1.0, 0.75, 0.5, 0.25]);
        assert_eq!(rates(Schedule::Linear, 2), [0.0, 0.5, 1.0, 0.5]);
        assert_eq!(rates(Schedule::Cosine, 0), [1.0, 0.854, 0.5, 0.146]);
        assert_eq!(rates(Schedule::Constant, 1), [0.0, 1.0, 1.0, 1.0]);
    }
}
