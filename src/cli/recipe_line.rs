//! A training recipe in one line: what is not at its plainest, and nothing else.

use super::output::numbers;
use crate::config::{ClassWeights, Freeze, Schedule, Student, Train};
use crate::support::text::count;

/// Optimiser, learning rate, batches, and whatever else of the recipe was asked for.
pub(crate) fn recipe(student: &Student, train: &Train) -> String {
    let mut parts = vec![optimizer(train), rate(train), batches(train), count(train.epochs, "epoch")];
    if train.max_grad_norm > 0.0 {
        parts.push(format!("gradient norm at most {}", numbers(&[train.max_grad_norm])));
    }
    if train.ema > 0.0 {
        parts.push(format!("weights averaged with {}", train.ema));
    }
    match &train.class_weights {
        None => {}
        Some(ClassWeights::Rule(_)) => parts.push("classes balanced".to_owned()),
        Some(ClassWeights::List(weights)) => parts.push(format!("class weights {}", numbers(weights))),
    }
    match student.freeze {
        Freeze::None => {}
        Freeze::Blocks(blocks) => {
            parts
                .push(format!("stem and {blocks} of {} blocks frozen", student.architecture.traits().blocks));
        }
        Freeze::Backbone => parts.push("backbone frozen".to_owned()),
    }
    parts.join(", ")
}

fn optimizer(train: &Train) -> String {
    let momentum = match (train.momentum, train.nesterov) {
        (0.0, _) => String::new(),
        (momentum, true) => format!(" with Nesterov's momentum {momentum}"),
        (momentum, false) => format!(" with momentum {momentum}"),
    };
    let decay = match (train.weight_decay, train.decay_norm_and_bias) {
        (0.0, _) => String::new(),
        (decay, true) => format!(", weight decay {decay:e}"),
        (decay, false) => format!(", weight decay {decay:e} but for norm and bias"),
    };
    format!("{}{momentum}{decay}", train.optimizer.name())
}

fn rate(train: &Train) -> String {
    let decay = match train.schedule {
        Schedule::Linear => "linear decay",
        Schedule::Cosine => "cosine decay",
        Schedule::Constant => "constant",
    };
    let end = if train.min_lr > 0.0 { format!(" to {:e}", train.min_lr) } else { String::new() };
    let warmup = match train {
        Train { warmup_steps: 1.., .. } => format!(", {} of warm-up", count(train.warmup_steps, "step")),
        Train { warmup_epochs: 1.0, .. } => ", 1 epoch of warm-up".to_owned(),
        Train { warmup_epochs, .. } if *warmup_epochs > 0.0 => format!(", {warmup_epochs} epochs of warm-up"),
        Train { warmup_ratio: Some(ratio), .. } if *ratio > 0.0 => format!(", {ratio} of it warm-up"),
        _ => String::new(),
    };
    format!("lr {:e} ({decay}{end}{warmup})", train.lr)
}

fn batches(train: &Train) -> String {
    let parts = if train.accumulate > 1 { format!(" x {}", train.accumulate) } else { String::new() };
    let dropped = if train.drop_last { " (the last short step dropped)" } else { "" };
    format!("batch {}{parts}{dropped}", train.batch_size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ClassRule, Optimizer};

    #[test]
    fn a_plain_recipe_is_short_and_a_rich_one_says_everything() {
        insta::assert_snapshot!(
            recipe(&Student::default(), &Train { lr: 5e-5, epochs: 30, weight_decay: 0.0, ..Train::default() }),
            @"AdamW, lr 5e-5 (cosine decay), batch 32, 30 epochs, gradient norm at most 1"
        );
        let short = Train { epochs: 1, warmup_epochs: 1.0, ..Train::default() };
        let said = recipe(&Student::default(), &short);
        assert!(said.contains(", 1 epoch of warm-up)") && said.contains(", 1 epoch,"), "{said}");
        let rich = Train {
            optimizer: Optimizer::Sgd,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 1e-4,
            decay_norm_and_bias: false,
            schedule: Schedule::Cosine,
            lr: 5e-5,
            epochs: 30,
            min_lr: 1e-6,
            warmup_epochs: 2.5,
            accumulate: 4,
            drop_last: true,
            max_grad_norm: 0.0,
            ema: 0.999,
            class_weights: Some(ClassWeights::Rule(ClassRule::Balanced)),
            ..Train::default()
        };
        insta::assert_snapshot!(
            recipe(&Student { freeze: Freeze::Blocks(4), ..Student::default() }, &rich),
            @"SGD with Nesterov's momentum 0.9, weight decay 1e-4 but for norm and bias, lr 5e-5 (cosine decay to 1e-6, 2.5 epochs of warm-up), batch 32 x 4 (the last short step dropped), 30 epochs, weights averaged with 0.999, classes balanced, stem and 4 of 16 blocks frozen"
        );
    }
}
