//! Runs side by side: the grid, the spread, and every group in a table.

use maud::{Markup, html};

use super::{Charts, MOST_ROWS, Section, more, table};
use crate::report::Teacher;
use crate::report::comparison::{Comparison as Compared, Group};
use crate::report::contents::Contents;
use crate::report::settings::short;
use crate::runs::Spread;
use crate::runs::compare::Probability;
use crate::support::statistics::wilson;
use crate::support::text::signed;

pub(crate) fn compared(contents: &Contents, charts: &Charts<'_>) -> Option<Section> {
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
        p.muted { "A dot is a run, the bar their mean, the line one standard deviation to each side; orange: labels only, which the dashed line continues, and the teacher." }
        @if !comparison.common.is_empty() {
            p { "A configuration is named by what it has in place of the most common values: " (comparison.common.join(", ")) "." }
        }
        @if !comparison.shared.is_empty() { p { "Shared by all: " (comparison.shared.join(", ")) "." } }
        (every(contents, comparison))
        (more(comparison.groups.len()))
        p.muted {
            "p is that of Student's paired t-test over the seeds of both, corrected for the number of configurations by Holm's method. The interval "
            "of an accuracy is Wilson's, for the number of images; that of the difference is over the seeds."
        }
    };
    Some(Section { id: "comparison", title: "Comparison", body })
}

/// Every configuration, a column for each key in which they differ. A column that would be empty is left out.
fn every(contents: &Contents, comparison: &Compared) -> Markup {
    let axes = comparison.axes.iter().map(|key| short(key));
    let before = std::iter::once("configuration").chain(axes);
    let after =
        ["seeds", "validation", "test", "95 % interval", "above labels only", "95 % interval", "ahead", "p"];
    let head: Vec<&str> = before.chain(after).collect();
    let mut rows: Vec<Vec<String>> =
        (0..comparison.groups.len().min(MOST_ROWS)).map(|index| row(contents, comparison, index)).collect();
    rows.extend(contents.teacher.as_ref().map(|teacher| teacher_row(teacher, comparison.axes.len())));
    let is_shown: Vec<bool> =
        (0..head.len()).map(|column| rows.iter().any(|row| row[column] != DASH)).collect();
    let head: Vec<&str> = head.iter().zip(&is_shown).filter(|(_, is)| **is).map(|(cell, _)| *cell).collect();
    table(
        "Every configuration, the best on validation first; in %",
        &head,
        html! {
            @for (index, row) in rows.iter().enumerate() {
                tr.best[index == 0] {
                    @for (column, cell) in row.iter().enumerate().filter(|(column, _)| is_shown[*column]) {
                        @if column == 0 {
                            th scope="row" title=[(cell != "teacher").then(|| &comparison.groups[index].label)] { (cell) }
                        } @else {
                            td { (cell) }
                        }
                    }
                }
            }
        },
    )
}

/// The cell of a missing value.
const DASH: &str = "–";

fn teacher_row(teacher: &Teacher, axes: usize) -> Vec<String> {
    let of = |split: &str| {
        teacher.accuracy(split).map_or(DASH.to_owned(), |share| format!("{:.1}", 100.0 * share))
    };
    let dashes = |count: usize| std::iter::repeat_n(DASH.to_owned(), count);
    let measured = [of("validation"), of("test")];
    std::iter::once("teacher".to_owned()).chain(dashes(axes + 1)).chain(measured).chain(dashes(5)).collect()
}

fn row(contents: &Contents, comparison: &Compared, index: usize) -> Vec<String> {
    let group: &Group = &comparison.groups[index];
    let dash = || DASH.to_owned();
    let gain = group.gain.as_ref().map(|gain| &gain.comparison);
    let points = gain.and_then(|gain| gain.accuracy.as_ref());
    let paired = gain.and_then(|gain| gain.paired);
    let p = gain.and_then(|gain| Some(gain.corrected.map_or(gain.paired?.p, |one| one.p)));
    let tested = group.runs.first().and_then(|&run| contents.runs[run].result.as_ref()?.test.as_ref());
    let interval = group.test.as_ref().zip(tested).map(|(test, metrics)| {
        let [low, high] = wilson(test.mean, metrics.labelled());
        format!("{:.1} to {:.1}", 100.0 * low, 100.0 * high)
    });
    let is_imported = group.runs.iter().any(|&run| contents.runs[run].description.imported.is_some());
    let kind = if group.is_labels_only() { "labels only" } else { "distilled" };
    let kind = if is_imported { format!("{kind}, imported") } else { kind.to_owned() };
    let values = group.values(&comparison.axes).into_iter().map(|value| value.unwrap_or_else(dash));
    let measures = [
        group.runs.len().to_string(),
        group.validation.percents(),
        group.test.as_ref().map_or_else(dash, Spread::percents),
        interval.unwrap_or_else(dash),
        points.map_or_else(dash, |points| {
            let spread = if points.values.len() > 1 {
                format!(" ± {:.1}", 100.0 * points.deviation)
            } else {
                String::new()
            };
            format!("{}{spread}", signed(100.0 * points.mean))
        }),
        paired.map_or_else(dash, |one| {
            format!("{} to {}", signed(100.0 * one.ci[0]), signed(100.0 * one.ci[1]))
        }),
        gain.filter(|gain| gain.pairs > 0)
            .map_or_else(dash, |gain| format!("{} of {}", gain.ahead, gain.pairs)),
        p.map_or_else(dash, |p| Probability(p).to_string()),
    ];
    std::iter::once(format!("{}. {kind}", index + 1)).chain(values).chain(measures).collect()
}
