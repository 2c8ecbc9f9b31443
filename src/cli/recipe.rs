//! A training recipe in one line: what is not at its plainest, and nothing else.

use super::text::numbers;
use crate::config::{ClassWeights, Freeze, Schedule, Student, Train};

/// Optimiser, learning rate, batches, and whatever else of the recipe was asked for.
pub fn recipe(student: &Student, train: &Train) -> String {
    let mut parts = vec![optimizer(train), rate(train), batches(train), format!("{} epochs", train.epochs)];
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
        Freeze::Blocks(blocks) => parts.push(format!("stem and {blocks} of 16 blocks frozen")),
        Freeze::Backbone => parts.push("backbone frozen".to_owned()),
    }
    parts.join(", ")
}

fn optimizer(train: &Train) -> String {
    let mut text = train.optimizer.name().to_owned();
    if train.momentum > 0.0 {
        let nesterov = if train.nesterov { "Nesterov's " } else { "" };
        text += &format!(" with {nesterov}momentum {}", train.momentum);
    }
    if train.weight_decay > 0.0 {
        let of = if train.decay_norm_and_bias { "" } else { " but for norm and bias" };
        text += &format!(" and weight decay {:e}{of}", train.weight_decay);
    }
    text
}

fn rate(train: &Train) -> String {
    let mut schedule = match train.schedule {
        Schedule::Linear => "linear decay",
        Schedule::Cosine => "cosine decay",
        Schedule::Constant => "constant",
    }
    .to_owned();
    if train.min_lr > 0.0 {
        schedule += &format!(" to {:e}", train.min_lr);
    }
    if train.warmup_steps > 0 {
        schedule += &format!(", {} steps of warm-up", train.warmup_steps);
    } else if train.warmup_epochs > 0.0 {
        schedule += &format!(", {} epochs of warm-up", train.warmup_epochs);
    } else if train.warmup_ratio > 0.0 {
        schedule += &format!(", {} of it warm-up", train.warmup_ratio);
    }
    format!("lr {:e} ({schedule})", train.lr)
}

fn batches(train: &Train) -> String {
    let mut text = format!("batch {}", train.batch_size);
    if train.accumulate > 1 {
        text += &format!(" x {}", train.accumulate);
    }
    if train.drop_last {
        text += " (the last short step dropped)";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ClassRule, Optimizer};

    #[test]
    fn a_plain_recipe_is_short_and_a_rich_one_says_everything() {
        insta::assert_snapshot!(
            recipe(&Student::default(), &Train::default()),
            @"AdamW, lr 5e-5 (linear decay), batch 8, 30 epochs, gradient norm at most 1"
        );
        let rich = Train {
            optimizer: Optimizer::Sgd,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 1e-4,
            decay_norm_and_bias: false,
            schedule: Schedule::Cosine,
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
            @"SGD with Nesterov's momentum 0.9 and weight decay 1e-4 but for norm and bias, lr 5e-5 (cosine decay to 1e-6, 2.5 epochs of warm-up), batch 8 x 4 (the last short step dropped), 30 epochs, weights averaged with 0.999, classes balanced, stem and 4 of 16 blocks frozen"
        );
    }
}
