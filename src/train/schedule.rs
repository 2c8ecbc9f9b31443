//! The learning rate at each optimiser step.

use std::f64::consts::PI;

use crate::config::{Schedule, Train};

/// The learning rate of step `step` of `steps`, counted from 0.
///
/// Rises from 0 to `lr` over the warm-up, then falls to `min-lr` as the schedule says: `transformers`'
/// `get_{linear,cosine,constant}_schedule_with_warmup`, whose rates end at 0, and timm's `min_lr`.
pub(crate) fn learning_rate(train: &Train, step: usize, steps: usize) -> f64 {
    let warmup = warmup(train, steps);
    if step < warmup {
        return train.lr * step as f64 / warmup as f64;
    }
    let done = (step - warmup) as f64 / (steps - warmup).max(1) as f64;
    let left = match train.schedule {
        Schedule::Linear => 1.0 - done,
        Schedule::Cosine => 0.5 * (1.0 + (PI * done).cos()),
        Schedule::Constant => 1.0,
    };
    if train.min_lr == 0.0 { train.lr * left } else { train.min_lr + (train.lr - train.min_lr) * left }
}

/// Steps of the warm-up, rounded up as `transformers` rounds its `warmup_ratio`.
fn warmup(train: &Train, steps: usize) -> usize {
    let share = train.warmup_ratio.unwrap_or(0.0) + train.warmup_epochs / train.epochs.max(1) as f64;
    // A share of 0.1 of 30 steps is 3, not the 4 that its last bit would make of it.
    let whole = (share * steps as f64 - 1e-9).ceil() as usize;
    (train.warmup_steps + whole).min(steps)
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

    #[test]
    fn a_warm_up_is_the_same_in_steps_epochs_and_as_a_share() {
        let base = Train { epochs: 3, ..Train::default() };
        for (train, expected) in [
            (Train { warmup_steps: 10, ..base.clone() }, 10),
            (Train { warmup_epochs: 1.0, ..base.clone() }, 10),
            (Train { warmup_epochs: 0.25, ..base.clone() }, 3),
            (Train { warmup_ratio: Some(0.1), ..base.clone() }, 3),
            (Train { warmup_ratio: Some(1.0), ..base.clone() }, 30),
            (base, 0),
        ] {
            assert_eq!(warmup(&train, 30), expected);
        }
    }

    #[test]
    fn the_rate_ends_at_its_least() {
        for schedule in [Schedule::Linear, Schedule::Cosine] {
            let train = Train { lr: 1.0, min_lr: 0.1, schedule, ..Train::default() };
            assert!((learning_rate(&train, 0, 4) - 1.0).abs() < 1e-12);
            assert!((learning_rate(&train, 4, 4) - 0.1).abs() < 1e-12);
            assert!((learning_rate(&train, 2, 4) - 0.55).abs() < 1e-12);
        }
    }
}
