//! How students learned, what they came to, and what that cost.

use maud::{Markup, html};

use super::{Charts, Section, table};
use crate::report::Run;
use crate::report::contents::{Contents, Kind};
use crate::report::plots::MOST_CLASSES;
use crate::support::text::{bytes, percent, seconds};
use crate::train::metrics::{Metrics, per_class};

pub fn learning(contents: &Contents, charts: &Charts<'_>) -> Option<Section> {
    let shown = contents.runs.iter().any(|run| !run.epochs.is_empty());
    let body = html! {
        @if contents.kind == Kind::Sweep {
            p { "The best distilled configuration beside the same student from scratch: a thin line is a seed, a thick one their mean." }
        }
        (charts.figures(&["accuracy", "loss", "agreement", "likelihood", "learning-rate"]))
    };
    shown.then_some(Section { id: "learning", title: "Learning curves", body })
}

pub fn student(contents: &Contents, charts: &Charts<'_>) -> Option<Section> {
    let student = contents.student.as_ref()?;
    let metrics = &student.metrics;
    let body = html! {
        p {
            "The weights of the best epoch on validation, asked about the " (metrics.samples) " images of " (student.split) "."
            @if contents.kind == Kind::Sweep { " Of the best configuration, the run with the best validation accuracy: " code { (student.run) } "." }
        }
        (charts.figures(&["confusion", "reliability"]))
        p.muted { "Each row of the matrix adds up to the images of one class. On the diagonal of the reliability diagram, answers are right as often as they are confident." }
        @if contents.classes.len() > MOST_CLASSES { (confusions(&metrics.confusion, &contents.classes)) }
        (classes(metrics, &contents.classes))
    };
    Some(Section { id: "student", title: "The student's answers", body })
}

fn classes(metrics: &Metrics, names: &[String]) -> Markup {
    let rows = names.iter().zip(per_class(&metrics.confusion)).zip(&metrics.confusion);
    table(
        "Each class",
        &["class", "images", "precision", "recall", "F1"],
        html! {
            @for ((name, (precision, recall, f1)), row) in rows {
                tr {
                    th scope="row" { (name) }
                    td { (row.iter().sum::<u64>()) }
                    td { (percent(precision)) }
                    td { (percent(recall)) }
                    td { (percent(f1)) }
                }
            }
        },
    )
}

/// The most frequent confusions, where there are too many classes for a matrix.
pub fn confusions(counts: &[Vec<u64>], names: &[String]) -> Markup {
    let mut pairs: Vec<(u64, usize, usize)> = Vec::new();
    for (label, row) in counts.iter().enumerate() {
        let others = row.iter().enumerate().filter(|&(said, &count)| said != label && count > 0);
        pairs.extend(others.map(|(said, &count)| (count, label, said)));
    }
    pairs.sort_by_key(|&(count, label, said)| (std::cmp::Reverse(count), label, said));
    pairs.truncate(20);
    table(
        "The most frequent confusions",
        &["label", "taken for", "images"],
        html! {
            @for (count, label, said) in pairs {
                tr { th scope="row" { (names[label]) } td { (names[said]) } td { (count) } }
            }
        },
    )
}

pub fn costs(contents: &Contents) -> Option<Section> {
    if contents.runs.is_empty() && contents.teacher.is_none() {
        return None;
    }
    let body = html! {
        @if !contents.runs.is_empty() {
            (table(
                "Each run",
                &["run", "T", "lambda", "seed", "epochs", "best", "validation", "test", "time", "images/s", "parameters", "weights"],
                html! { @for run in &contents.runs { (cost(run)) } },
            ))
        }
        @if contents.runs.len() > 1 {
            p { "Together " (seconds(contents.runs.iter().map(|run| run.timing.seconds).sum())) " of training." }
        }
        @if let Some(teacher) = &contents.teacher {
            p {
                "The cache has " (bytes(teacher.bytes)) " (" (teacher.manifest.storage()) "), "
                (teacher.splits.iter().map(|split| split.rows).sum::<u64>()) " rows, made once for all students."
            }
        }
    };
    Some(Section { id: "costs", title: "Times and sizes", body })
}

fn cost(run: &Run) -> Markup {
    let train = &run.description.pipeline.train;
    let name = run.folder.file_name().unwrap_or(run.folder.as_os_str()).to_string_lossy();
    let result = run.result.as_ref();
    let dash = || "–".to_owned();
    html! {
        tr {
            th scope="row" { (name) }
            td { @if train.is_taught() { (train.temperature) } @else { "–" } }
            td { (train.lambda) }
            td { (train.seed) }
            td { (run.epochs.len()) " of " (train.epochs) }
            td { (result.map_or_else(dash, |result| result.best_epoch.to_string())) }
            td { (result.map_or_else(dash, |result| percent(result.validation.accuracy))) }
            td { (result.and_then(|result| result.test.as_ref()).map_or_else(dash, |test| percent(test.accuracy))) }
            td { (seconds(run.timing.seconds)) }
            td { (format!("{:.0}", run.timing.images_per_second())) }
            td { (result.map_or_else(dash, |result| result.parameters.to_string())) }
            td { (run.weights_bytes.map_or_else(dash, bytes)) }
        }
    }
}
