//! Runs side by side: the grid, the spread, and every group in a table.

use maud::{Markup, html};

use super::{Charts, Section, table};
use crate::report::comparison::Group;
use crate::report::contents::Contents;
use crate::runs::{Comparison, Spread};
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
            p.muted { "The frame is around the best distilled configuration on validation. With lambda = 0 the temperature has no effect." }
        }
        (charts.figures(&["spread", "gain"]))
        p.muted { "A dot is a run, the bar their mean, the line one standard deviation to each side; orange and dashed: from scratch." }
        (table(
            "Every configuration, the best on validation first; in %",
            &["configuration", "seeds", "validation", "test", "above from scratch", "ahead", "p"],
            html! { @for (index, group) in comparison.groups.iter().enumerate() { (row(group, index == 0)) } },
        ))
        p.muted { "p is that of Student's paired t-test over the seeds of both. Of many comparisons, some have a small p by chance." }
    };
    Some(Section { id: "comparison", title: "Comparison", body })
}

fn row(group: &Group, best: bool) -> Markup {
    let gain = |of: &dyn Fn(&Comparison) -> Option<String>| {
        group.gain.as_ref().and_then(|gain| of(&gain.comparison)).unwrap_or("–".to_owned())
    };
    let points = |gain: &Comparison| {
        let accuracy = gain.accuracy.as_ref()?;
        Some(format!("{} ± {:.1}", signed(100.0 * accuracy.mean), 100.0 * accuracy.deviation))
    };
    html! {
        tr.best[best] {
            th scope="row" { (group.label) }
            td { (group.runs.len()) }
            td { (group.validation.percents()) }
            td { (group.test.as_ref().map_or_else(|| "–".to_owned(), Spread::percents)) }
            td { (gain(&points)) }
            td { (gain(&|gain| Some(format!("{} of {}", gain.ahead, gain.pairs)))) }
            td { (gain(&|gain| Some(format!("{:.3}", gain.paired?.p)))) }
        }
    }
}
