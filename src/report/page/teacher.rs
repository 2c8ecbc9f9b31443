//! The teacher as its cache has it.

use maud::html;

use super::{Charts, Section, results, sentence, table};
use crate::report::contents::{Contents, Kind};
use crate::report::plots::MOST_CLASSES;
use crate::support::text::{percent, without_absolute_paths};

pub(crate) fn teacher(contents: &Contents, charts: &Charts<'_>) -> Option<Section> {
    let teacher = contents.teacher.as_ref()?;
    let alone = contents.kind == Kind::Cache;
    let body = html! {
        (table(
            "The teacher against the labels, at temperature 1 on the plain view",
            &["split", "images", "rows", "accuracy", "NLL", "ECE"],
            html! {
                @for split in &teacher.splits {
                    tr {
                        th scope="row" { (split.name) }
                        td { (split.samples) }
                        td { (split.rows) }
                        @if let Some(quality) = &split.quality {
                            td { (percent(quality.accuracy)) }
                            td { (format!("{:.3}", quality.nll)) }
                            td { (percent(quality.ece)) }
                        } @else {
                            td { "–" } td { "–" } td { "–" }
                        }
                    }
                }
            },
        ))
        @if alone { (charts.figures(&["confusion", "reliability", "entropy"])) } @else { (charts.figures(&["entropy"])) }
        @if alone && contents.classes.len() > MOST_CLASSES { (results::confusions(&teacher.confusion, &contents.classes)) }
        p.muted {
            "The entropy is the mean over all rows of a split. Near 0 the targets add nothing to the labels; near the dashed line they are uniform."
        }
        @for duplicates in &teacher.duplicates { p { (sentence(duplicates)) "." } }
        @for note in &teacher.manifest.dataset.notes { p.muted { (sentence(&without_absolute_paths(note))) } }
    };
    Some(Section { id: "teacher", title: "Teacher and soft targets", body })
}
