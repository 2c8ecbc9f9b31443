//! The results along each axis, and by temperature and lambda.

use serde::Serialize;
use toml::Value;

use super::results::{Results, Row};
use super::value::{LAMBDA, TEMPERATURE, same, short, text};
use crate::runs::Spread;
use crate::train::RunResult;
use crate::train::metrics::Criterion;

/// The runs that have one value of an axis.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Marginal {
    /// The axis.
    pub axis: String,
    /// The value.
    pub value: String,
    /// How many runs.
    pub runs: usize,
    /// Their measure on validation.
    pub validation: Spread,
    /// Their measure on test.
    pub test: Option<Spread>,
}

/// Mean measures by temperature and lambda.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    /// The columns.
    pub temperatures: Vec<String>,
    /// Each lambda with its cells.
    pub rows: Vec<(String, Vec<Option<Spread>>)>,
    /// The split that was measured.
    pub split: &'static str,
}

fn done_in_last_rung(results: &Results) -> impl Iterator<Item = (&Row, &RunResult)> {
    let rows = results.rows.iter().filter(|row| row.rung + 1 == results.rungs);
    rows.filter_map(|row| Some((row, row.result()?)))
}

/// One entry for each value of each axis, over the runs that were trained to the end.
pub(crate) fn marginals(results: &Results, criterion: Criterion) -> Vec<Marginal> {
    let mut marginals = Vec::new();
    for (index, axis) in results.axes.iter().enumerate() {
        for value in distinct(done_in_last_rung(results).filter_map(|(row, _)| row.values[index].as_ref())) {
            let has = |row: &Row| row.values[index].as_ref().is_some_and(|own| same(own, value));
            let runs = || done_in_last_rung(results).filter(|(row, _)| has(row)).map(|(_, run)| run);
            let (axis, value, count) = (short(axis).to_owned(), text(value), runs().count());
            let validation = Spread::of_all(runs().map(|run| criterion.measure(&run.validation)));
            let Some(validation) = validation else { continue };
            let test = Spread::of_all(runs().map(|run| criterion.measure(run.test.as_ref()?)));
            marginals.push(Marginal { axis, value, runs: count, validation, test });
        }
    }
    marginals
}

/// The mean measure on test, else on validation, by temperature and lambda where both are axes.
pub(crate) fn grid(results: &Results, criterion: Criterion) -> Option<Grid> {
    let position = |key: &str| results.axes.iter().position(|axis| axis == key);
    let (temperature, lambda) = (position(TEMPERATURE)?, position(LAMBDA)?);
    let runs = || done_in_last_rung(results);
    let temperatures = distinct(runs().filter_map(|(row, _)| row.values[temperature].as_ref()));
    let lambdas = distinct(runs().filter_map(|(row, _)| row.values[lambda].as_ref()));
    if temperatures.is_empty() || lambdas.is_empty() {
        return None;
    }
    let on_test = |run: &RunResult| run.test.as_ref().and_then(|test| criterion.measure(test));
    let has_test = runs().all(|(_, run)| on_test(run).is_some());
    let measure = |run: &RunResult| if has_test { on_test(run) } else { criterion.measure(&run.validation) };
    let cell = |on_lambda: &Value, on_temperature: &Value| {
        let matches = |own: Option<&Value>, wanted: &Value| own.is_some_and(|own| same(own, wanted));
        let fits = |row: &Row| {
            // From the labels only, every temperature is the same.
            let any = row.values[temperature].is_none();
            matches(row.values[lambda].as_ref(), on_lambda)
                && (any || matches(row.values[temperature].as_ref(), on_temperature))
        };
        Spread::of_all(runs().filter(|(row, _)| fits(row)).map(|(_, run)| measure(run)))
    };
    let row = |lambda: &&Value| {
        (text(lambda), temperatures.iter().map(|temperature| cell(lambda, temperature)).collect())
    };
    let rows = lambdas.iter().map(row).collect();
    let split = if has_test { "test" } else { "validation" };
    Some(Grid { temperatures: temperatures.iter().map(|value| text(value)).collect(), rows, split })
}

/// Values once each: numbers ascending, others in the order in which they come.
fn distinct<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<&'a Value> {
    let mut once: Vec<&Value> = Vec::new();
    for value in values {
        if !once.iter().any(|known| same(known, value)) {
            once.push(value);
        }
    }
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    let infinite = f64::INFINITY;
    once.sort_by(|a, b| number(a).unwrap_or(infinite).total_cmp(&number(b).unwrap_or(infinite)));
    once
}
