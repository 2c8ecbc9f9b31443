//! The ranges of how a student is optimised.

use super::check::{Invalid, list, within};
use super::{ClassWeights, Optimizer, Schedule, Train};

/// Checks optimiser, schedule, accumulation, average, class weights and checkpoints.
pub(super) fn check(train: &Train) -> Result<(), Invalid> {
    optimizer(train)?;
    schedule(train)?;
    let share = |value: f64| (0.0..1.0).contains(&value);
    within("train.accumulate", train.accumulate, (1..=1024).contains(&train.accumulate), "1 to 1024")?;
    within("train.ema", train.ema, share(train.ema), "0 (no average) to below 1")?;
    let minutes = train.checkpoint_minutes;
    let a_week = 7.0 * 24.0 * 60.0;
    within("train.checkpoint-minutes", minutes, (0.0..=a_week).contains(&minutes), "0 (none) to 10080")?;
    if let Some(ClassWeights::List(weights)) = &train.class_weights {
        let fine = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
        let some = weights.iter().any(|weight| *weight > 0.0);
        within("train.class-weights", list(weights), fine && some, "numbers from 0, one of them above 0")?;
    }
    Ok(())
}

fn optimizer(train: &Train) -> Result<(), Invalid> {
    within("train.lr", train.lr, train.lr > 0.0 && train.lr <= 10.0, "above 0 and at most 10")?;
    within("train.weight-decay", train.weight_decay, (0.0..=10.0).contains(&train.weight_decay), "0 to 10")?;
    within(
        "train.betas",
        list(&train.betas),
        train.betas.iter().all(|beta| (0.0..1.0).contains(beta)),
        "two numbers from 0 to below 1",
    )?;
    within("train.eps", train.eps, train.eps > 0.0 && train.eps < 1.0, "between 0 and 1")?;
    within("train.alpha", train.alpha, (0.0..1.0).contains(&train.alpha), "0 to below 1")?;
    within("train.momentum", train.momentum, (0.0..1.0).contains(&train.momentum), "0 to below 1")?;
    within(
        "train.momentum",
        train.momentum,
        train.momentum == 0.0 || train.optimizer.has_momentum(),
        "0 unless train.optimizer is \"sgd\" or \"rmsprop\": the others have train.betas",
    )?;
    within(
        "train.nesterov",
        train.nesterov,
        !train.nesterov || (train.optimizer == Optimizer::Sgd && train.momentum > 0.0),
        "false unless train.optimizer is \"sgd\" and train.momentum above 0",
    )?;
    within(
        "train.max-grad-norm",
        train.max_grad_norm,
        train.max_grad_norm >= 0.0 && train.max_grad_norm.is_finite(),
        "0 (no clipping) or more",
    )
}

fn schedule(train: &Train) -> Result<(), Invalid> {
    let falls = train.schedule != Schedule::Constant;
    within("train.min-lr", train.min_lr, (0.0..=train.lr).contains(&train.min_lr), "0 to train.lr")?;
    within(
        "train.min-lr",
        train.min_lr,
        falls || train.min_lr == 0.0,
        "0 with train.schedule = \"constant\"",
    )?;
    let (epochs, ratio) = (train.warmup_epochs, train.warmup_ratio);
    within("train.warmup-ratio", ratio, (0.0..=1.0).contains(&ratio), "0 to 1")?;
    within(
        "train.warmup-epochs",
        epochs,
        (0.0..=train.epochs as f64).contains(&epochs),
        "0 to train.epochs",
    )?;
    let alone = "0 where another key says how long the warm-up is";
    within("train.warmup-ratio", ratio, ratio == 0.0 || (epochs == 0.0 && train.warmup_steps == 0), alone)?;
    within("train.warmup-epochs", epochs, epochs == 0.0 || train.warmup_steps == 0, alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(train: Train) -> &'static str {
        check(&train).err().map_or("nothing", |invalid| invalid.key)
    }

    #[test]
    fn a_key_that_would_do_nothing_is_refused() {
        let train = Train::default;
        assert_eq!(refused(train()), "nothing");
        assert_eq!(refused(Train { momentum: 0.9, ..train() }), "train.momentum");
        assert_eq!(refused(Train { optimizer: Optimizer::Sgd, nesterov: true, ..train() }), "train.nesterov");
        assert_eq!(
            refused(Train { optimizer: Optimizer::Sgd, momentum: 0.9, nesterov: true, ..train() }),
            "nothing"
        );
        let constant = Schedule::Constant;
        assert_eq!(refused(Train { schedule: constant, min_lr: 1e-6, ..train() }), "train.min-lr");
        assert_eq!(refused(Train { min_lr: 1.0, ..train() }), "train.min-lr");
        assert_eq!(refused(Train { warmup_steps: 1, warmup_epochs: 1.0, ..train() }), "train.warmup-epochs");
        assert_eq!(refused(Train { warmup_ratio: 0.1, warmup_epochs: 1.0, ..train() }), "train.warmup-ratio");
    }

    #[test]
    fn class_weights_that_leave_nothing_to_learn_are_refused() {
        let with = |weights: Vec<f32>| Train {
            class_weights: Some(ClassWeights::List(weights)),
            ..Train::default()
        };
        assert_eq!(refused(with(vec![1.0, 0.0, 2.5])), "nothing");
        for weights in [vec![0.0, 0.0], vec![1.0, -1.0], vec![f32::NAN], vec![]] {
            assert_eq!(refused(with(weights)), "train.class-weights");
        }
    }
}
