//! The charts of a report, each with a text for readers who do not see it.

mod answers;
mod comparison;
mod curves;

use super::Contents;
use super::chart::Chart;

pub(crate) use answers::MOST_CLASSES;

/// Every chart of a report, in the page's order.
pub(crate) fn charts(contents: &Contents) -> Vec<Chart> {
    let mut charts = Vec::new();
    let teacher = |split: &str| contents.teacher.as_ref()?.accuracy(split);
    if let Some(comparison) = &contents.comparison {
        charts.extend(comparison::grid(comparison, "heat-validation", "validation", |group| {
            Some(&group.validation)
        }));
        charts.extend(comparison::grid(comparison, "heat-test", "test", |group| group.test.as_ref()));
        charts.extend(comparison::spread(comparison, teacher));
        charts.extend(comparison::gains(comparison));
        charts.extend(curves::sweep(comparison, &contents.runs, teacher("validation")));
    } else if let [run] = contents.runs.as_slice() {
        charts.extend(curves::run(run, teacher("validation")));
    }
    if let Some(student) = &contents.student {
        let title = format!("Confusion matrix of the student on {}", student.split);
        charts.extend(answers::confusion("confusion", title, &student.metrics.confusion, &contents.classes));
        charts.push(answers::reliability_diagram(contents));
    }
    if let Some(teacher) = &contents.teacher {
        if contents.student.is_none() {
            let title = format!("Confusion matrix of the teacher on {}", teacher.measured);
            charts.extend(answers::confusion("confusion", title, &teacher.confusion, &contents.classes));
            charts.push(answers::reliability_diagram(contents));
        }
        charts.extend(answers::entropy(teacher, contents.classes.len()));
    }
    charts
}
