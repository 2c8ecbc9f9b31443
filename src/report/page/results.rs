//! Learning curves, results and costs.

use maud::{Markup, html};

use super::{Charts, MOST_ROWS, Section, breakable, folded, table};
use crate::report::contents::{Contents, Kind};
use crate::report::plots::MOST_CLASSES;
use crate::runs::{Compression, Run};
use crate::support::confusion::Confusion;
use crate::support::text::{bytes, grouped, percent_or_dash, seconds, without_absolute_paths};
use crate::train::metrics::Metrics;

pub(crate) fn learning(contents: &Contents, charts: &Charts<'_>) -> Option<Section> {
    let shown = contents.runs.iter().any(|run| !run.epochs.is_empty());
    let body = html! {
        @if contents.kind == Kind::Sweep {
            p { "The best distilled configuration beside the same student that learns from the labels only: a thin line is a seed, a thick one their mean." }
        }
        (charts.figures(&["accuracy", "loss", "agreement", "likelihood", "learning-rate"]))
    };
    shown.then_some(Section { id: "learning", title: "Learning curves", body })
}

pub(crate) fn student(contents: &Contents, charts: &Charts<'_>) -> Option<Section> {
    let student = contents.student.as_ref()?;
    let metrics = &student.metrics;
    let body = html! {
        p {
            "The weights of the best epoch on validation, measured on the " (metrics.samples) " images of " (student.split) "."
            @if contents.kind == Kind::Sweep { " Of the best configuration, the run with the best validation accuracy: " code { (student.run) } "." }
        }
        (charts.figures(&["confusion", "reliability"]))
        p.muted { @if contents.classes.len() <= MOST_CLASSES { "Each row of the matrix adds up to the images of one class. " } "On the diagonal of the reliability diagram, predictions are right as often as they are confident." }
        @if contents.classes.len() > MOST_CLASSES { (confusions(&metrics.confusion, &contents.classes)) }
        @if metrics.accuracy.is_some() { (classes(metrics, &contents.classes)) }
    };
    Some(Section { id: "student", title: "The student's predictions", body })
}

fn classes(metrics: &Metrics, names: &[String]) -> Markup {
    let mut rows: Vec<_> = names.iter().zip(metrics.confusion.per_class()).collect();
    if rows.len() > MOST_ROWS {
        // Classes without a measure come last.
        rows.sort_by(|a, b| a.1.f1.unwrap_or(2.0).total_cmp(&b.1.f1.unwrap_or(2.0)));
        rows.truncate(MOST_ROWS);
    }
    let each = table(
        "Each class",
        &["class", "images", "precision", "recall", "F1"],
        html! {
            @for (name, measures) in rows {
                tr {
                    th scope="row" { (breakable(name)) }
                    td { (measures.images) }
                    td { (percent_or_dash(measures.precision)) }
                    td { (percent_or_dash(measures.recall)) }
                    td { (percent_or_dash(measures.f1)) }
                }
            }
        },
    );
    folded(names.len(), "Each class", each)
}

/// The most frequent confusions, where there are too many classes for a matrix.
pub(crate) fn confusions(confusion: &Confusion, names: &[String]) -> Markup {
    let mut pairs = confusion.mistakes();
    pairs.truncate(20);
    table(
        "The most frequent confusions",
        &["label", "taken for", "images"],
        html! {
            @for (count, label, said) in pairs {
                tr { th scope="row" { (breakable(&names[label])) } td.name { (breakable(&names[said])) } td { (count) } }
            }
        },
    )
}

pub(crate) fn costs(contents: &Contents) -> Option<Section> {
    if contents.runs.is_empty() && contents.teacher.is_none() {
        return None;
    }
    let body = html! {
        @if let Some(compression) = &contents.compression {
            (compressed(compression))
        }
        @if !contents.runs.is_empty() {
            (folded(contents.runs.len(), "Each run", table(
                "Each run",
                &["run", "T", "lambda", "seed", "epochs", "best epoch", "validation", "test", "time", "images/s", "parameters", "weights"],
                html! { @for run in contents.runs.iter().take(MOST_ROWS) { (cost(run)) } },
            )))
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

/// Student and teacher side by side: why one distils.
fn compressed(compression: &Compression) -> Markup {
    let head = Compression::head();
    let rows = compression.rows();
    html! {
        (table(
            "Student and teacher",
            &head.each_ref().map(String::as_str),
            html! {
                @for [name, numbers @ ..] in &rows {
                    tr { th scope="row" { (name) } @for number in numbers { td { (number) } } }
                }
            },
        ))
        p { "Measured with " (without_absolute_paths(&compression.measured_with())) "." }
    }
}

fn cost(run: &Run) -> Markup {
    let train = &run.description.pipeline.train;
    let name = run.name();
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
            td { (result.map_or_else(dash, |result| percent_or_dash(result.validation.accuracy))) }
            td { (result.and_then(|result| result.test.as_ref()).map_or_else(dash, |test| percent_or_dash(test.accuracy))) }
            td { (seconds(run.timing.seconds)) }
            td { (format!("{:.0}", run.timing.images_per_second())) }
            td { (result.map_or_else(dash, |result| grouped(result.parameters))) }
            td { (run.weights_bytes.map_or_else(dash, bytes)) }
        }
    }
}
