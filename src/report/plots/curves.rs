//! Learning curves.

use crate::report::chart::{Chart, Line, Lines, Plot, Series};
use crate::report::comparison::{Comparison, Group};
use crate::runs::Run;
use crate::support::text::{number_or_dash, percent, percent_or_dash};
use crate::train::EpochRecord;

fn curve(name: &str, colour: usize, line: Line, points: Vec<(f64, f64)>) -> Series {
    Series { name: Some(name.to_owned()), points, colour, line }
}

/// Points of a curve at most: a chart is not wider, and a page stays small.
const MOST_POINTS: usize = 300;

/// The points of a measure over the epochs, of many epochs evenly taken ones and the last; none where it was not measured.
fn over_epochs(epochs: &[EpochRecord], of: impl Fn(&EpochRecord) -> Option<f64>) -> Vec<(f64, f64)> {
    let step = epochs.len().div_ceil(MOST_POINTS).max(1);
    let is_taken = |index: usize| index.is_multiple_of(step) || index + 1 == epochs.len();
    let taken = epochs.iter().enumerate().filter(|(index, _)| is_taken(*index));
    taken.filter_map(|(_, record)| Some((record.epoch as f64, of(record)?))).collect()
}

/// The teacher's accuracy on validation, as a line across the chart, however few its epochs are.
fn teacher_line(teacher: Option<f64>) -> Option<Series> {
    Some(curve("teacher", 3, Line::Across, vec![(1.0, 100.0 * teacher?)]))
}

/// How one student learned; `teacher` is the teacher's accuracy on validation.
pub(crate) fn run(run: &Run, teacher: Option<f64>) -> Vec<Chart> {
    let epochs = &run.epochs;
    let (Some(first), Some(last)) = (epochs.first(), epochs.last()) else { return Vec::new() };
    let train = &run.description.pipeline.train;
    let best = epochs.iter().rev().find(|record| record.best).unwrap_or(last);
    let mut losses = Vec::new();
    if train.is_taught() {
        losses.push(curve("ce_loss", 1, Line::Dashed, over_epochs(epochs, |record| Some(record.ce_loss))));
        losses.push(curve("kd_loss", 2, Line::Dashed, over_epochs(epochs, |record| Some(record.kd_loss))));
    }
    losses.push(curve("total", 0, Line::Solid, over_epochs(epochs, |record| Some(record.train_loss))));
    let chart = |name, title: &str, alt, y: &str, series, bounds| Chart {
        name,
        title: title.to_owned(),
        alt,
        plot: Plot::Lines(Lines { x: "epoch".to_owned(), y: y.to_owned(), series, bounds }),
    };
    vec![
        chart(
            "loss",
            "Training loss",
            format!(
                "Training loss by epoch: {:.3} in epoch {}, {:.3} in epoch {}.",
                first.train_loss, first.epoch, last.train_loss, last.epoch
            ),
            "loss",
            losses,
            (None, None),
        ),
        chart(
            "accuracy",
            "Accuracy and agreement",
            format!(
                "Validation accuracy by epoch: {} in epoch {}, best {} in epoch {}; the student then agrees with the teacher on {} of the images.",
                percent_or_dash(first.validation.accuracy),
                first.epoch,
                percent_or_dash(best.validation.accuracy),
                best.epoch,
                percent(best.validation.teacher_agreement)
            ),
            "% of images",
            teacher_line(teacher)
                .into_iter()
                .chain([
                    curve(
                        "training accuracy",
                        2,
                        Line::Dashed,
                        over_epochs(epochs, |record| record.train_accuracy.map(|share| 100.0 * share)),
                    ),
                    curve(
                        "validation accuracy",
                        0,
                        Line::Solid,
                        over_epochs(epochs, |record| record.validation.accuracy.map(|share| 100.0 * share)),
                    ),
                    // Above the accuracy, with which it is the same where the teacher is always right.
                    curve(
                        "agreement with the teacher",
                        1,
                        Line::Dashed,
                        over_epochs(epochs, |record| Some(100.0 * record.validation.teacher_agreement)),
                    ),
                ])
                .collect(),
            (None, None),
        ),
        chart(
            "likelihood",
            "Distance to labels and teacher on validation",
            format!(
                "Negative log-likelihood of the validation labels: {} in epoch {}, {} in epoch {}; KL to the teacher {:.3}, then {:.3}.",
                number_or_dash(first.validation.negative_log_likelihood),
                first.epoch,
                number_or_dash(last.validation.negative_log_likelihood),
                last.epoch,
                first.validation.teacher_kl,
                last.validation.teacher_kl
            ),
            "nats",
            vec![
                curve(
                    &format!("KL to the teacher at T = {}", train.temperature),
                    1,
                    Line::Dashed,
                    over_epochs(epochs, |record| Some(record.validation.teacher_kl)),
                ),
                curve(
                    "negative log-likelihood",
                    0,
                    Line::Solid,
                    over_epochs(epochs, |record| record.validation.negative_log_likelihood),
                ),
            ],
            (None, None),
        ),
        chart(
            "learning-rate",
            "Learning rate",
            format!(
                "Learning rate at the end of each epoch: {:e} in epoch {}, {:e} in epoch {}.",
                first.lr, first.epoch, last.lr, last.epoch
            ),
            "10⁻³",
            vec![Series {
                name: None,
                points: over_epochs(epochs, |record| Some(1e3 * record.lr)),
                colour: 0,
                line: Line::Solid,
            }],
            (Some(0.0), None),
        ),
    ]
}

/// The best distilled student and its like from the labels only, epoch by epoch: each seed, and the mean over them.
pub(crate) fn sweep(comparison: &Comparison, runs: &[Run], teacher: Option<f64>) -> Vec<Chart> {
    let mut groups: Vec<(&Group, usize)> = Vec::new();
    match comparison.best_distilled() {
        Some(best) => {
            groups.extend(comparison.labels_only_of(best).map(|baseline| (baseline, 1)));
            groups.push((best, 0));
        }
        None => groups.extend(comparison.groups.first().map(|group| (group, 0))),
    }
    let series = |of: &dyn Fn(&EpochRecord) -> Option<f64>| -> Vec<Series> {
        let mut series = Vec::new();
        for &(group, colour) in &groups {
            let curves: Vec<Vec<(f64, f64)>> =
                group.runs.iter().map(|&index| over_epochs(&runs[index].epochs, of)).collect();
            let shortest = curves.iter().map(Vec::len).min().unwrap_or(0);
            let mean = (0..shortest).map(|epoch| {
                let sum: f64 = curves.iter().map(|curve| curve[epoch].1).sum();
                (curves[0][epoch].0, sum / curves.len() as f64)
            });
            let mean = curve(&group.label, colour, Line::Solid, mean.collect());
            series.extend(curves.into_iter().map(|points| Series {
                name: None,
                points,
                colour,
                line: Line::Thin,
            }));
            series.push(mean);
        }
        series
    };
    let end = |name: &str, unit: &str, of: &dyn Fn(&EpochRecord) -> Option<f64>| {
        let ends = groups.iter().map(|(group, _)| {
            let last: Vec<f64> =
                group.runs.iter().filter_map(|&index| of(runs[index].epochs.last()?)).collect();
            format!("{}: {:.2}{unit}", group.label, last.iter().sum::<f64>() / last.len().max(1) as f64)
        });
        format!(
            "{name} by epoch, each seed and their mean. After the last epoch, {}.",
            ends.collect::<Vec<_>>().join("; ")
        )
    };
    let chart = |name, title: &str, alt, y: &str, series| Chart {
        name,
        title: title.to_owned(),
        alt,
        plot: Plot::Lines(Lines { x: "epoch".to_owned(), y: y.to_owned(), series, bounds: (None, None) }),
    };
    // Other tools do not say how their students learned.
    if groups.iter().flat_map(|(group, _)| &group.runs).all(|&index| runs[index].epochs.is_empty()) {
        return Vec::new();
    }
    let accuracy = |record: &EpochRecord| record.validation.accuracy.map(|share| 100.0 * share);
    let agreement = |record: &EpochRecord| Some(100.0 * record.validation.teacher_agreement);
    let likelihood = |record: &EpochRecord| record.validation.negative_log_likelihood;
    let ce_loss = |record: &EpochRecord| Some(record.ce_loss);
    vec![
        chart(
            "accuracy",
            "Validation accuracy",
            end("Validation accuracy", " %", &accuracy),
            "% of validation images",
            teacher_line(teacher).into_iter().chain(series(&accuracy)).collect(),
        ),
        chart(
            "loss",
            "Training cross-entropy (ce_loss)",
            end("Cross-entropy with the training labels", "", &ce_loss),
            "nats",
            series(&ce_loss),
        ),
        chart(
            "agreement",
            "Agreement with the teacher",
            end("Agreement with the teacher on validation", " %", &agreement),
            "% of validation images",
            series(&agreement),
        ),
        chart(
            "likelihood",
            "Negative log-likelihood on validation",
            end("Negative log-likelihood of the validation labels", "", &likelihood),
            "nats",
            series(&likelihood),
        ),
    ]
}
