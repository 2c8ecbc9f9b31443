//! Runs side by side: the grid, the spread, and every group in a table.

use maud::{Markup, html};

use super::{Charts, Section, table};
use crate::report::comparison::{Gain, Group, Measure};
use crate::report::contents::Contents;
use crate::support::text::signed;

pub fn compared(contents: &Contents, charts: &Charts<'_>) -> Option<Section> {
    let comparison = contents.comparison.as_ref()?;
    let body = html! {
        p {
            "A configuration is what its runs share; they differ in their seed alone. The best is chosen by its mean accuracy on "
            "validation, and test is never used to choose. Means come with the sample standard deviation."
        }
        (charts.figures(&["heat-validation", "heat-test"]))
        @if charts.0.iter().any(|chart| chart.name.starts_with("heat")) {
            p.muted { "The frame is around the best distilled configuration on validation. With lambda = 0 the temperature plays no part." }
        }
        (charts.figures(&["spread", "gain"]))
        p.muted { "A dot is a run, the bar their mean, the line one standard deviation to each side; orange and dashed: from scratch." }
        (table(
            "Every configuration, the best on validation first; accuracy in %",
            &["configuration", "seeds", "validation", "test", "above from scratch", "ahead", "p"],
            html! { @for (index, group) in comparison.groups.iter().enumerate() { (row(group, index == 0)) } },
        ))
        p.muted { "p is that of Student's paired t-test over the seeds of both. Of many comparisons some have a small p by chance." }
    };
    Some(Section { id: "comparison", title: "Comparison", body })
}

fn row(group: &Group, best: bool) -> Markup {
    let gain = |of: &dyn Fn(&Gain) -> String| group.gain.as_ref().map_or("–".to_owned(), of);
    html! {
        tr.best[best] {
            th scope="row" { (group.label) }
            td { (group.runs.len()) }
            td { (spread(&group.validation)) }
            td { (group.test.as_ref().map_or("–".to_owned(), spread)) }
            td { (gain(&|gain| format!("{} ± {:.1}", signed(100.0 * gain.accuracy.mean), 100.0 * gain.accuracy.deviation))) }
            td { (gain(&|gain| format!("{} of {}", gain.ahead, gain.seeds.len()))) }
            td { (group.gain.as_ref().and_then(|gain| gain.test).map_or("–".to_owned(), |test| format!("{:.3}", test.p))) }
        }
    }
}

fn spread(measure: &Measure) -> String {
    if measure.values.len() == 1 {
        return format!("{:.1}", 100.0 * measure.mean);
    }
    format!("{:.1} ± {:.1}", 100.0 * measure.mean, 100.0 * measure.deviation)
}
