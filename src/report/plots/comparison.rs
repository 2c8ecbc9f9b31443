//! Groups of runs side by side.

use std::fmt::Write;

use crate::report::chart::{Cell, Chart, Heat, Plot, Row, Spread};
use crate::report::comparison::{Comparison, Group};
use crate::runs::Spread as Measured;
use crate::support::text::{count, percent, signed};
use crate::train::metrics::Criterion;

/// Groups in one chart at most.
const MOST_GROUPS: usize = 12;

fn percent_and_spread(measure: &Measured) -> Vec<String> {
    let mean = format!("{:.1}", 100.0 * measure.mean);
    if measure.runs > 1 { vec![mean, format!("± {:.1}", 100.0 * measure.deviation)] } else { vec![mean] }
}

/// Temperature by lambda. Where other keys differ too, those of the best group hold.
pub(crate) fn grid(
    comparison: &Comparison,
    name: &'static str,
    split: &str,
    of: impl Fn(&Group) -> Option<&Measured>,
) -> Option<Chart> {
    let best = comparison.best_distilled()?;
    let shown: Vec<&Group> = comparison
        .groups
        .iter()
        .filter(|group| group.others == best.others || group.is_labels_only_of(best))
        .collect();
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
            same(group.lambda, lambda) && group.temperature.is_none_or(|other| same(other, temperature))
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
    let row = lambdas.iter().position(|&lambda| same(lambda, best.lambda));
    let column = temperatures.iter().position(|&temperature| Some(temperature) == best.temperature);
    let best_mean = of(best).map_or(0.0, |measure| measure.mean);
    let mut kept = String::new();
    for (key, value) in &best.others {
        let _ = write!(kept, ", {key} = {value}");
    }
    Some(Chart {
        name,
        title: format!("{} on {split}, temperature by lambda{kept}", comparison.measured()),
        alt: format!(
            "Mean {} on {split} over the seeds, for each temperature and lambda, from {} to {}; {} at {}, the best on validation.",
            comparison.measure.name(),
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

/// Whether two values of a key are the same one.
fn same(a: f32, b: f32) -> bool {
    a.total_cmp(&b).is_eq()
}

/// Which groups are drawn: the best, and the best one of those that learn from the labels only.
fn drawn(comparison: &Comparison) -> Vec<&Group> {
    let mut drawn: Vec<&Group> = comparison.groups.iter().take(MOST_GROUPS).collect();
    let baseline = comparison.groups.iter().find(|group| group.is_labels_only());
    if let Some(baseline) = baseline.filter(|_| !drawn.iter().any(|group| group.is_labels_only())) {
        drawn.pop();
        drawn.push(baseline);
    }
    drawn
}

fn measured_split(comparison: &Comparison) -> &'static str {
    if comparison.groups.iter().all(|group| group.test.is_some()) { "test" } else { "validation" }
}

/// Every run of each group, and what they spread over.
pub(crate) fn spread(comparison: &Comparison, teacher: impl Fn(&str) -> Option<f64>) -> Option<Chart> {
    let split = measured_split(comparison);
    let of = |group: &Group| match &group.test {
        Some(test) if split == "test" => test.clone(),
        _ => group.validation.clone(),
    };
    let groups = drawn(comparison);
    let rows = groups.iter().map(|group| Row {
        name: group.label.clone(),
        values: of(group).values.iter().map(|value| 100.0 * value).collect(),
        reference: group.is_labels_only(),
    });
    let teacher = teacher(split).filter(|_| comparison.measure == Criterion::Accuracy);
    let teacher =
        teacher.map(|share| Row { name: "teacher".to_owned(), values: vec![100.0 * share], reference: true });
    let baseline = groups.iter().find(|group| group.is_labels_only()).map(|group| 100.0 * of(group).mean);
    let said = groups.iter().map(|group| {
        let measure = of(group);
        format!("{}: {:.1} ± {:.1} %", group.label, 100.0 * measure.mean, 100.0 * measure.deviation)
    });
    Some(Chart {
        name: "spread",
        title: format!("{} on {split}, run by run", comparison.measured()),
        alt: format!(
            "{} on {split}, mean and standard deviation over the seeds, best on validation first. {}.",
            comparison.measured(),
            said.collect::<Vec<_>>().join("; ")
        ),
        plot: Plot::Spread(Spread {
            x: format!("{} on {split}, %", comparison.measure.name()),
            rows: rows.chain(teacher).collect(),
            line: baseline,
        }),
    })
    .filter(|_| !groups.is_empty())
}

/// The gain of each distilled group over its like from the labels only.
pub(crate) fn gains(comparison: &Comparison) -> Option<Chart> {
    let groups: Vec<_> = comparison
        .groups
        .iter()
        .filter_map(|group| Some((group, group.gain.as_ref()?)))
        .filter_map(|(group, gain)| Some((group, gain, gain.comparison.accuracy.as_ref()?)))
        .take(MOST_GROUPS)
        .collect();
    let split = groups.first()?.1.split;
    let rows = groups.iter().map(|(group, _, accuracy)| Row {
        name: group.label.clone(),
        values: accuracy.values.iter().map(|value| 100.0 * value).collect(),
        reference: false,
    });
    let said = groups.iter().map(|(group, gain, accuracy)| {
        format!(
            "{}: {} ± {:.1} points, ahead with {} of {}",
            group.label,
            signed(100.0 * accuracy.mean),
            100.0 * accuracy.deviation,
            gain.comparison.ahead,
            count(gain.comparison.pairs, "seed")
        )
    });
    Some(Chart {
        name: "gain",
        title: format!("Gain over labels only on {split}, seed by seed"),
        alt: format!(
            "Accuracy on {split} of each distilled student above that of the student that learns from the labels only, with the same seed. {}.",
            said.collect::<Vec<_>>().join("; ")
        ),
        plot: Plot::Spread(Spread {
            x: "points of accuracy above labels only".to_owned(),
            rows: rows.collect(),
            line: Some(0.0),
        }),
    })
}
