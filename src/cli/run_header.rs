//! The head of every run: what is trained on what, by which loss, and what can't be trusted.

use super::output::percent;
use super::recipe_line::recipe;
use crate::config::{Control, Ramp, Train};
use crate::dataset::SplitName;
use crate::runs::warnings;
use crate::stage_one;
use crate::store::{self, EncodingLoss};
use crate::support::context::Context;
use crate::train::Setup;

/// Shows it.
pub(super) fn show(setup: &Setup, context: &Context) {
    let (student, train) = (&setup.pipeline.student, &setup.pipeline.train);
    let manifest = setup.cache.manifest();
    let images = |split: SplitName| setup.dataset.split(split).map_or(0, |split| split.samples.len());
    context.line(format!("train-student  {}", setup.pipeline.name));
    context.line(format!(
        "  data     {}: train {}, validation {}, test {}; {} classes",
        setup.dataset.name,
        images(SplitName::Train),
        images(SplitName::Validation),
        images(SplitName::Test),
        setup.classes()
    ));
    context.line(format!("  teacher  {} (cached, not loaded)", manifest.teacher.name));
    context.line(format!("  quality  {}", quality(setup)));
    context.line(format!(
        "  cache    {} ({})",
        store::place(setup.cache.dir()).display(),
        manifest.storage()
    ));
    let losses = setup.cache.complete().encoding_losses(manifest);
    let used = |loss: &&EncodingLoss| {
        loss.split == SplitName::Train.as_str()
            && train.cached_temperature().is_some_and(|read| loss.temperature.total_cmp(&read).is_eq())
    };
    if let Some(loss) = losses.iter().find(used) {
        context.line(format!("           {loss}"));
    }
    let init = student.init.as_ref().map_or_else(
        || format!("random weights of seed {}", train.seed),
        |path| format!("weights of {}", path.display()),
    );
    context.line(format!("  student  {}, {init}, on {}", student.describe(), setup.device.name));
    context.line(format!("  loss     {}", loss(train)));
    match train.control {
        Control::None => {}
        Control::PermutedTargets => {
            context.line(
                "  control  permuted-targets: each image is taught by the targets of another one, labels stay",
            );
        }
        Control::LabelsOnly => {
            context.line("  control  labels-only: w_kd 0, all else as the recipe has it");
        }
    }
    context.line(format!("  recipe   {}", recipe(student, train)));
    context.line(format!("  run      {}", setup.folder.display()));
    let at_chance = stage_one::at_chance(&setup.dataset, &setup.cache.complete().teacher_quality);
    for warning in at_chance.into_iter().chain(warnings::before(setup)) {
        context.line(format!("  warning  {warning}"));
    }
}

/// The accuracy and calibration of the teacher.
fn quality(setup: &Setup) -> String {
    let quality = &setup.cache.complete().teacher_quality;
    let splits: Vec<String> = quality
        .iter()
        .filter(|quality| quality.labelled > 0)
        .map(|quality| {
            format!("{} {} (ECE {})", quality.split, percent(quality.accuracy), percent(quality.ece))
        })
        .collect();
    if splits.is_empty() {
        return "teacher accuracy: unknown, since no image has a label".to_owned();
    }
    format!("teacher accuracy: {}", splits.join(", "))
}

/// The loss in one convention: `w_ce * CE + w_kd * ...`, whether `T^2` multiplies, and what moves over the epochs.
pub(super) fn loss(train: &Train) -> String {
    let ce = match train.label_smoothing {
        0.0 => "CE".to_owned(),
        smoothing => format!("CE(labels smoothed by {smoothing})"),
    };
    if !train.is_taught() {
        return format!("w_ce 1 * {ce}, the labels only (w_kd 0)");
    }
    let moving = |at: &dyn Fn(usize) -> f32, moves: bool| {
        let [first, last] = [0, train.epochs - 1].map(|epoch| (1e6 * f64::from(at(epoch))).round() / 1e6);
        if moves { format!("{first} -> {last}") } else { first.to_string() }
    };
    let (lambda_moves, temperature_moves) = (train.lambda_end.is_some(), train.temperature_end.is_some());
    let weight = |at: &dyn Fn(usize) -> f32| {
        let weight = moving(at, lambda_moves);
        if lambda_moves { format!("({weight})") } else { weight }
    };
    let w_ce = weight(&|epoch| 1.0 - train.lambda_at(epoch));
    let w_kd = weight(&|epoch| train.lambda_at(epoch));
    let declaration = train.loss.declaration();
    let soft = (declaration.formula)(train.parameters.of(train.loss));
    let temperature = if declaration.softens {
        format!(", T = {}", moving(&|epoch| train.temperature_at(epoch), temperature_moves))
    } else {
        String::new()
    };
    let ramp = match train.ramp {
        _ if !(lambda_moves || temperature_moves && declaration.softens) => "",
        Ramp::Linear => ", linear over the epochs",
        Ramp::Cosine => ", half a cosine over the epochs",
    };
    format!("w_ce {w_ce} * {ce} + w_kd {w_kd} * {soft}{temperature}{ramp}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{Loss, LossParameters};

    #[test]
    fn every_loss_is_said_in_one_convention() {
        let train = |loss| Train { loss, lambda: 0.5, temperature: 5.0, epochs: 30, ..Train::default() };
        let losses = Loss::ALL.iter().map(|l| loss(&train(*l))).collect::<Vec<_>>();
        insta::assert_snapshot!(losses.join("\n"), @r#"
w_ce 0.5 * CE + w_kd 0.5 * T^2 * KL(teacher || student), T = 5
w_ce 0.5 * CE + w_kd 0.5 * T^2 * KL(teacher || student) of standardised logits, T = 5
w_ce 0.5 * CE + w_kd 0.5 * T^2 * (alpha 1 * TCKD + beta 8 * NCKD), T = 5
w_ce 0.5 * CE + w_kd 0.5 * T^2 * (beta 1 * inter + gamma 1 * intra), T = 5
w_ce 0.5 * CE + w_kd 0.5 * MSE of the logits, without T
w_ce 1 * CE, the labels only (w_kd 0)
"#);
    }

    #[test]
    fn what_moves_and_what_is_smoothed_is_said() {
        let moving = Train {
            epochs: 30,
            temperature: 5.0,
            temperature_end: Some(1.0),
            lambda: 0.9,
            lambda_end: Some(0.1),
            label_smoothing: 0.1,
            ramp: Ramp::Cosine,
            loss: Loss::Dist,
            parameters: LossParameters::default().with(Loss::Dist, &[2.0, 1.5]),
            ..Train::default()
        };
        insta::assert_snapshot!(loss(&moving), @"w_ce (0.1 -> 0.9) * CE(labels smoothed by 0.1) + w_kd (0.9 -> 0.1) * T^2 * (beta 2 * inter + gamma 1.5 * intra), T = 5 -> 1, half a cosine over the epochs");
        let control = Train { control: Control::LabelsOnly, ..moving };
        insta::assert_snapshot!(loss(&control), @"w_ce 1 * CE(labels smoothed by 0.1), the labels only (w_kd 0)");
    }
}
