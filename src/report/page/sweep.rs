//! Runs side by side: the grid, the spread, and every group in a table.

use maud::{Markup, html};

use super::{Charts, Section, table};
use crate::report::Teacher;
use crate::report::comparison::{Comparison as Compared, Group, short};
use crate::report::contents::Contents;
use crate::runs::Spread;
use crate::support::statistics::wilson;
use crate::support::text::signed;

pub fn compared(contents: &Contents, charts: &Charts<'_>) -> Option<Section> {
    let comparison = contents.comparison.as_ref()?;
    let body = html! {
        p {
            "The runs of a configuration differ in their seed only. The best configuration has the best mean " (comparison.measure.name())
            " over its seeds on validation, and test is never used to choose. Its run to export, shown below, is its best seed on "
            "validation. Means come with the sample standard deviation."
        }
        (charts.figures(&["heat-validation", "heat-test"]))
        @if charts.0.iter().any(|chart| chart.name.starts_with("heat")) {
            p.muted { "The frame is around the best distilled configuration on validation. With lambda = 0 the temperature has no effect. Nothing was trained where a cell says untried." }
        }
        (charts.figures(&["spread", "gain"]))
        p.muted { "A dot is a run, the bar their mean, the line one standard deviation to each side; orange and dashed: from scratch." }
        @if !comparison.shared.is_empty() { p { "Shared by all: " (comparison.shared.join(", ")) "." } }
        (every(contents, comparison))
        p.muted {
            "p is that of Student's paired t-test over the seeds of both, corrected for the number of configurations by Holm's method. The interval "
            "of an accuracy is Wilson's, for the number of images; that of the difference is over the seeds."
        }
    };
    Some(Section { id: "comparison", title: "Comparison", body })
}

/// Every configuration, a column for each key in which they differ.
fn every(contents: &Contents, comparison: &Compared) -> Markup {
    let axes = comparison.axes.iter().map(|key| short(key));
    let before = std::iter::once("configuration").chain(axes);
    let after =
        ["seeds", "validation", "test", "95 % interval", "above from scratch", "95 % interval", "ahead", "p"];
    let head: Vec<&str> = before.chain(after).collect();
    table(
        "Every configuration, the best on validation first; in %",
        &head,
        html! {
            @for (index, group) in comparison.groups.iter().enumerate() { (row(contents, group, index)) }
            @if let Some(teacher) = &contents.teacher { (teacher_row(teacher, comparison.axes.len())) }
        },
    )
}

fn teacher_row(teacher: &Teacher, axes: usize) -> Markup {
    let of = |split: &str| {
        teacher.accuracy(split).map_or("–".to_owned(), |share| format!("{:.1}", 100.0 * share))
    };
    html! {
        tr {
            th scope="row" { "teacher" }
            @for _ in 0..=axes { td { "–" } }
            td { (of("validation")) }
            td { (of("test")) }
            @for _ in 0..5 { td { "–" } }
        }
    }
}

fn row(contents: &Contents, group: &Group, index: usize) -> Markup {
    let axes = contents.comparison.as_ref().map_or(&[][..], |comparison| &comparison.axes);
    let dash = || "–".to_owned();
    let gain = group.gain.as_ref().map(|gain| &gain.comparison);
    let points = gain.and_then(|gain| gain.accuracy.as_ref());
    let paired = gain.and_then(|gain| gain.paired);
    let p = gain.and_then(|gain| Some(gain.corrected.map_or(gain.paired?.p, |one| one.p)));
    let tested = group.runs.first().and_then(|&run| contents.runs[run].result.as_ref()?.test.as_ref());
    let interval = group.test.as_ref().zip(tested).map(|(test, metrics)| {
        let [low, high] = wilson(test.mean, metrics.confusion.labelled() as usize);
        format!("{:.1} to {:.1}", 100.0 * low, 100.0 * high)
    });
    html! {
        tr.best[index == 0] {
            th scope="row" title=(group.label) {
                (index + 1) ". " @if group.is_scratch() { "from scratch" } @else { "distilled" }
            }
            @for value in group.values(axes) { td { (value.unwrap_or_else(dash)) } }
            td { (group.runs.len()) }
            td { (group.validation.percents()) }
            td { (group.test.as_ref().map_or_else(dash, Spread::percents)) }
            td { (interval.unwrap_or_else(dash)) }
            td { (points.map_or_else(dash, |points| format!("{} ± {:.1}", signed(100.0 * points.mean), 100.0 * points.deviation))) }
            td { (paired.map_or_else(dash, |one| format!("{} to {}", signed(100.0 * one.ci[0]), signed(100.0 * one.ci[1])))) }
            td { (gain.filter(|gain| gain.pairs > 0).map_or_else(dash, |gain| format!("{} of {}", gain.ahead, gain.pairs))) }
            td { (p.map_or_else(dash, |p| format!("{p:.3}"))) }
        }
    }
}
