//! Which charts a report has, and what each says to those who do not see it.

use super::chart::{Calibration, Cell, Chart, Heat, Line, Lines, Plot, Row, Series, Spread};
use super::comparison::{Comparison, Group};
use super::teacher::Teacher;
use super::{Contents, Run};
use crate::support::text::percent;
use crate::train::EpochRecord;

/// A matrix of more classes has cells that nobody can read, and is told as a list.
pub const MOST_CLASSES: usize = 25;
/// Groups in one chart at most.
const MOST_GROUPS: usize = 12;

/// Every chart of a report, in the page's order.
pub fn charts(contents: &Contents) -> Vec<Chart> {
    let mut charts = Vec::new();
    if let Some(comparison) = &contents.comparison {
        charts.extend(grid(comparison, "heat-validation", "validation", |group| Some(&group.validation)));
        charts.extend(grid(comparison, "heat-test", "test", |group| group.test.as_ref()));
        charts.extend(spread(comparison));
        charts.extend(gains(comparison));
        charts.extend(sweep_curves(comparison, &contents.runs));
    } else if let [run] = contents.runs.as_slice() {
        charts.extend(run_curves(run));
    }
    if let Some(student) = &contents.student {
        let title = format!("Confusion matrix of the student on {}", student.split);
        charts.extend(confusion("confusion", title, &student.metrics.confusion, &contents.classes));
        charts.push(reliability(contents));
    }
    if let Some(teacher) = &contents.teacher {
        if contents.student.is_none() {
            let title = format!("Confusion matrix of the teacher on {}", teacher.measured);
            charts.extend(confusion("confusion", title, &teacher.confusion, &contents.classes));
            charts.push(reliability(contents));
        }
        charts.extend(entropy(teacher, contents.classes.len()));
    }
    charts
}

fn curve(name: &str, colour: usize, line: Line, points: Vec<(f64, f64)>) -> Series {
    Series { name: Some(name.to_owned()), points, colour, line }
}

fn over_epochs(epochs: &[EpochRecord], of: impl Fn(&EpochRecord) -> f64) -> Vec<(f64, f64)> {
    epochs.iter().map(|record| (record.epoch as f64, of(record))).collect()
}

fn run_curves(run: &Run) -> Vec<Chart> {
    let epochs = &run.epochs;
    let (Some(first), Some(last)) = (epochs.first(), epochs.last()) else { return Vec::new() };
    let train = &run.description.pipeline.train;
    let best = epochs.iter().rev().find(|record| record.best).unwrap_or(last);
    let mut losses = Vec::new();
    if train.lambda > 0.0 {
        losses.push(curve("labels' part", 1, Line::Dashed, over_epochs(epochs, |record| record.train_hard)));
        losses.push(curve(
            "teacher's part",
            2,
            Line::Dashed,
            over_epochs(epochs, |record| record.train_soft),
        ));
    }
    losses.push(curve("total", 0, Line::Solid, over_epochs(epochs, |record| record.train_loss)));
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
            "Validation accuracy and agreement",
            format!(
                "Validation accuracy by epoch: {} in epoch {}, best {} in epoch {}; the student then names the teacher's class for {} of the images.",
                percent(first.validation.accuracy),
                first.epoch,
                percent(best.validation.accuracy),
                best.epoch,
                percent(best.validation.teacher_agreement)
            ),
            "% of validation images",
            vec![
                curve(
                    "agrees with the teacher",
                    1,
                    Line::Dashed,
                    over_epochs(epochs, |record| 100.0 * record.validation.teacher_agreement),
                ),
                curve(
                    "right",
                    0,
                    Line::Solid,
                    over_epochs(epochs, |record| 100.0 * record.validation.accuracy),
                ),
            ],
            (None, None),
        ),
        chart(
            "likelihood",
            "Distance to labels and teacher on validation",
            format!(
                "Negative log-likelihood of the validation labels: {:.3} in epoch {}, {:.3} in epoch {}; KL to the teacher {:.3}, then {:.3}.",
                first.validation.negative_log_likelihood,
                first.epoch,
                last.validation.negative_log_likelihood,
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
                    over_epochs(epochs, |record| record.validation.teacher_kl),
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
                points: over_epochs(epochs, |record| 1e3 * record.lr),
                colour: 0,
                line: Line::Solid,
            }],
            (Some(0.0), None),
        ),
    ]
}

/// The best distilled student and its like from scratch, epoch by epoch: each seed, and the mean over them.
fn sweep_curves(comparison: &Comparison, runs: &[Run]) -> Vec<Chart> {
    let mut groups: Vec<(&Group, usize)> = Vec::new();
    match comparison.best_distilled() {
        Some(best) => {
            groups.extend(comparison.scratch_of(best).map(|scratch| (scratch, 1)));
            groups.push((best, 0));
        }
        None => groups.extend(comparison.groups.first().map(|group| (group, 0))),
    }
    let series = |of: &dyn Fn(&EpochRecord) -> f64| -> Vec<Series> {
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
    let end = |name: &str, unit: &str, of: &dyn Fn(&EpochRecord) -> f64| {
        let ends = groups.iter().map(|(group, _)| {
            let last: Vec<f64> =
                group.runs.iter().filter_map(|&index| runs[index].epochs.last().map(of)).collect();
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
    let accuracy = |record: &EpochRecord| 100.0 * record.validation.accuracy;
    let agreement = |record: &EpochRecord| 100.0 * record.validation.teacher_agreement;
    let likelihood = |record: &EpochRecord| record.validation.negative_log_likelihood;
    let hard = |record: &EpochRecord| record.train_hard;
    vec![
        chart(
            "accuracy",
            "Validation accuracy",
            end("Validation accuracy", " %", &accuracy),
            "% of validation images",
            series(&accuracy),
        ),
        chart(
            "loss",
            "Training loss on the labels",
            end("Cross-entropy with the training labels", "", &hard),
            "nats",
            series(&hard),
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

fn percent_and_spread(measure: &super::Measure) -> Vec<String> {
    let mean = format!("{:.1}", 100.0 * measure.mean);
    if measure.values.len() > 1 {
        vec![mean, format!("± {:.1}", 100.0 * measure.deviation)]
    } else {
        vec![mean]
    }
}

/// Temperature by lambda. Where other keys differ too, those of the best group hold.
fn grid(
    comparison: &Comparison,
    name: &'static str,
    split: &str,
    of: impl Fn(&Group) -> Option<&super::Measure>,
) -> Option<Chart> {
    let best = comparison.best_distilled()?;
    let shown: Vec<&Group> = comparison.groups.iter().filter(|group| group.others == best.others).collect();
    let mut temperatures: Vec<f32> = shown.iter().filter_map(|group| group.temperature).collect();
    let mut lambdas: Vec<f32> = shown.iter().map(|group| group.lambda).collect();
    for values in [&mut temperatures, &mut lambdas] {
        values.sort_by(f32::total_cmp);
        values.dedup();
    }
    if temperatures.len() + lambdas.len() < 3 {
        return None;
    }
    let find = |lambda: f32, temperature: f32| {
        let here = |group: &&&Group| {
            group.lambda == lambda && group.temperature.is_none_or(|other| other == temperature)
        };
        shown.iter().find(here).copied()
    };
    let means: Vec<f64> = shown.iter().filter_map(|group| Some(of(group)?.mean)).collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if means.is_empty() {
        return None;
    }
    let cell = |lambda: f32, temperature: f32| {
        let measure = of(find(lambda, temperature)?)?;
        let depth = if high > low { (measure.mean - low) / (high - low) } else { 0.5 };
        Some(Cell { depth, lines: percent_and_spread(measure) })
    };
    let cells = lambdas.iter().map(|&lambda| temperatures.iter().map(|&t| cell(lambda, t)).collect());
    let row = lambdas.iter().position(|&lambda| lambda == best.lambda);
    let column = temperatures.iter().position(|&temperature| Some(temperature) == best.temperature);
    let best_mean = of(best).map_or(0.0, |measure| measure.mean);
    let mut kept = String::new();
    for (key, value) in &best.others {
        kept += &format!(", {key} = {value}");
    }
    Some(Chart {
        name,
        title: format!("Accuracy on {split}, temperature by lambda{kept}"),
        alt: format!(
            "Mean accuracy on {split} over the seeds, for each temperature and lambda, from {} to {}; {} at {}, the best on validation.",
            percent(low),
            percent(high),
            percent(best_mean),
            best.label
        ),
        plot: Plot::Heat(Heat {
            rows_title: "lambda".to_owned(),
            columns_title: "T".to_owned(),
            rows: lambdas.iter().map(f32::to_string).collect(),
            columns: temperatures.iter().map(f32::to_string).collect(),
            cells: cells.collect(),
            framed: row.zip(column),
        }),
    })
}

/// Which groups are drawn: the best, and the best one from scratch among them.
fn drawn(comparison: &Comparison) -> Vec<&Group> {
    let mut drawn: Vec<&Group> = comparison.groups.iter().take(MOST_GROUPS).collect();
    let scratch = comparison.groups.iter().find(|group| group.is_scratch());
    if let Some(scratch) = scratch.filter(|_| !drawn.iter().any(|group| group.is_scratch())) {
        drawn.pop();
        drawn.push(scratch);
    }
    drawn
}

fn measured_split(comparison: &Comparison) -> &'static str {
    if comparison.groups.iter().all(|group| group.test.is_some()) { "test" } else { "validation" }
}

fn spread(comparison: &Comparison) -> Option<Chart> {
    let split = measured_split(comparison);
    let of = |group: &Group| match &group.test {
        Some(test) if split == "test" => test.clone(),
        _ => group.validation.clone(),
    };
    let groups = drawn(comparison);
    let rows = groups.iter().map(|group| Row {
        name: group.label.clone(),
        values: of(group).values.iter().map(|value| 100.0 * value).collect(),
        reference: group.is_scratch(),
    });
    let scratch = groups.iter().find(|group| group.is_scratch()).map(|group| 100.0 * of(group).mean);
    let said = groups.iter().map(|group| {
        let measure = of(group);
        format!("{}: {:.1} ± {:.1} %", group.label, 100.0 * measure.mean, 100.0 * measure.deviation)
    });
    Some(Chart {
        name: "spread",
        title: format!("Accuracy on {split}, run by run"),
        alt: format!(
            "Accuracy on {split}, mean and standard deviation over the seeds, best on validation first. {}.",
            said.collect::<Vec<_>>().join("; ")
        ),
        plot: Plot::Spread(Spread {
            x: format!("accuracy on {split}, %"),
            rows: rows.collect(),
            line: scratch,
        }),
    })
    .filter(|_| !groups.is_empty())
}

fn gains(comparison: &Comparison) -> Option<Chart> {
    let split = measured_split(comparison);
    let groups: Vec<_> = comparison
        .groups
        .iter()
        .filter_map(|group| Some((group, group.gain.as_ref()?)))
        .take(MOST_GROUPS)
        .collect();
    let rows = groups.iter().map(|(group, gain)| Row {
        name: group.label.clone(),
        values: gain.accuracy.values.iter().map(|value| 100.0 * value).collect(),
        reference: false,
    });
    let said = groups.iter().map(|(group, gain)| {
        let Measure { mean, deviation } = points(gain);
        format!(
            "{}: {mean:+.1} ± {deviation:.1} points, ahead with {} of {} seeds",
            group.label,
            gain.ahead,
            gain.seeds.len()
        )
    });
    Some(Chart {
        name: "gain",
        title: format!("Distilled above from scratch on {split}, seed by seed"),
        alt: format!(
            "Accuracy on {split} of each distilled student above that of the student from scratch with the same seed. {}.",
            said.collect::<Vec<_>>().join("; ")
        ),
        plot: Plot::Spread(Spread {
            x: "points of accuracy above from scratch".to_owned(),
            rows: rows.collect(),
            line: Some(0.0),
        }),
    })
    .filter(|_| !groups.is_empty())
}

/// In points, hundredths of accuracy.
struct Measure {
    mean: f64,
    deviation: f64,
}

fn points(gain: &super::Gain) -> Measure {
    Measure { mean: 100.0 * gain.accuracy.mean, deviation: 100.0 * gain.accuracy.deviation }
}

fn confusion(name: &'static str, title: String, counts: &[Vec<u64>], classes: &[String]) -> Option<Chart> {
    let all: u64 = counts.iter().flatten().sum();
    if classes.len() > MOST_CLASSES || all == 0 {
        return None;
    }
    let cells = counts.iter().map(|row| {
        let labelled: u64 = row.iter().sum();
        let cell = |&count: &u64| {
            let depth = count as f64 / labelled.max(1) as f64;
            let lines = if classes.len() > 10 || labelled == 0 {
                vec![count.to_string()]
            } else {
                vec![count.to_string(), format!("{:.0} %", 100.0 * depth)]
            };
            Some(Cell { depth, lines })
        };
        row.iter().map(cell).collect()
    });
    let right: u64 = (0..counts.len()).map(|class| counts[class][class]).sum();
    let worst = (0..counts.len())
        .flat_map(|label| (0..counts.len()).map(move |said| (label, said)))
        .filter(|(label, said)| label != said)
        .max_by_key(|&(label, said)| (counts[label][said], std::cmp::Reverse((label, said))));
    let worst =
        worst.filter(|&(label, said)| counts[label][said] > 0).map_or(String::new(), |(label, said)| {
            format!(
                " Most often {} is taken for {}: {} times.",
                classes[label], classes[said], counts[label][said]
            )
        });
    Some(Chart {
        name,
        alt: format!("{title}: {right} of {all} images are right.{worst}"),
        title,
        plot: Plot::Heat(Heat {
            rows_title: "label".to_owned(),
            columns_title: "predicted".to_owned(),
            rows: classes.to_vec(),
            columns: classes.to_vec(),
            cells: cells.collect(),
            framed: None,
        }),
    })
}

/// The student's diagram with the teacher's marks, or the teacher's alone.
fn reliability(contents: &Contents) -> Chart {
    let teacher = contents.teacher.as_ref();
    let (who, split, bins, other) = match &contents.student {
        Some(student) => {
            let other = teacher.map(|teacher| ("teacher".to_owned(), teacher.reliability.clone()));
            ("student", &*student.split, student.reliability.clone(), other)
        }
        None => {
            let split = teacher.map_or("", |teacher| &*teacher.measured);
            ("teacher", split, teacher.map(|teacher| teacher.reliability.clone()).unwrap_or_default(), None)
        }
    };
    let error = super::reliability::calibration_error(&bins);
    let theirs = other.as_ref().map_or(String::new(), |(_, bins)| {
        format!("; the teacher's is {}", percent(super::reliability::calibration_error(bins)))
    });
    Chart {
        name: "reliability",
        title: format!("Reliability of the {who} on {split}"),
        alt: format!(
            "How often the {who}'s answers of each confidence are right, in 15 bins. Its expected calibration error is {}{theirs}.",
            percent(error)
        ),
        plot: Plot::Calibration(Calibration { name: who.to_owned(), bins, other }),
    }
}

fn entropy(teacher: &Teacher, classes: usize) -> Option<Chart> {
    let most = (classes.max(1) as f64).ln();
    let temperatures = || teacher.splits.first().into_iter().flat_map(|split| &split.entropies);
    let (first, last) = (temperatures().next()?, temperatures().last()?);
    let ends = [first, last].map(|entropy| f64::from(entropy.temperature));
    let mut series = vec![Series {
        name: Some(format!("all {classes} classes alike")),
        points: ends.iter().map(|&temperature| (temperature, most)).collect(),
        colour: 3,
        line: Line::Dashed,
    }];
    for (index, split) in teacher.splits.iter().enumerate().rev() {
        let points =
            split.entropies.iter().map(|entropy| (f64::from(entropy.temperature), entropy.mean_nats));
        series.push(curve(&split.name, index, Line::Marked, points.collect()));
    }
    let said = teacher.splits.iter().map(|split| {
        let values = split
            .entropies
            .iter()
            .map(|entropy| format!("{:.3} at T = {}", entropy.mean_nats, entropy.temperature));
        format!("{}: {}", split.name, values.collect::<Vec<_>>().join(", "))
    });
    Some(Chart {
        name: "entropy",
        title: "Entropy of the soft targets".to_owned(),
        alt: format!(
            "Mean entropy of the soft targets by temperature, in nats; {most:.3} says nothing, 0 is a hard label. {}.",
            said.collect::<Vec<_>>().join("; ")
        ),
        plot: Plot::Lines(Lines {
            x: "temperature".to_owned(),
            y: "nats".to_owned(),
            series,
            bounds: (Some(0.0), None),
        }),
    })
}
