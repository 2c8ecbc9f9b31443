//! The combinations of a sweep's axes, draws and explicit runs, and those that are left out.

use toml::Value;

use super::Error;
use super::grid::{Grid, tables};
use super::value::{SEED, Values, same};
use crate::config::{Assignment, Pipeline, Source};

/// Combinations at most.
const MOST: usize = 100_000;

/// Every combination of the grid and the draws, then every explicit run from every seed.
pub(super) fn combinations(
    source: &Source,
    base: &Pipeline,
    grid: &Grid,
    draws: &[Vec<Assignment>],
) -> Result<Vec<Vec<Assignment>>, Error> {
    let explicit = tables(source, "runs", &base.sweep.runs)?;
    let seeds = grid.axes.iter().find(|axis| axis.key == SEED);
    let has_axes = grid.axes.iter().any(|axis| axis.key != SEED) || base.sweep.search.is_some();
    let cells: usize = grid.axes.iter().map(|axis| axis.values.len()).fold(1, usize::saturating_mul);
    let points = cells.saturating_mul(draws.len());
    if points > MOST {
        return Err(Error::TooMany { place: source.place("sweep"), points, most: MOST });
    }
    let mut all = Vec::new();
    let is_empty = grid.axes.is_empty() && explicit.is_empty() && base.sweep.search.is_none();
    if has_axes || (explicit.is_empty() && !is_empty) {
        for draw in draws {
            for cell in 0..cells {
                let mut values = grid.fixed.clone();
                values.extend(draw.iter().cloned());
                let mut rest = cell;
                let chosen = grid.axes.iter().rev().map(|axis| {
                    let index = rest % axis.values.len();
                    rest /= axis.values.len();
                    axis.at(index)
                });
                values.extend(chosen);
                all.push(values);
            }
        }
    }
    for run in explicit {
        let values: Vec<Assignment> = grid.fixed.iter().chain(&run).cloned().collect();
        match seeds {
            Some(axis) if !run.iter().any(|given| given.key == SEED) => {
                let with_seed = |index| values.iter().cloned().chain([axis.at(index)]).collect();
                all.extend((0..axis.values.len()).map(with_seed));
            }
            _ => all.push(values),
        }
    }
    if all.is_empty() {
        return Err(Error::NoRuns { place: source.place("sweep") });
    }
    Ok(all)
}

/// The keys that can differ, in the order of the grid, the seed last.
pub(super) fn axes(grid: &Grid, draws: &[Vec<Assignment>], combinations: &[Vec<Assignment>]) -> Vec<String> {
    let grid_keys = grid.axes.iter().map(|axis| &axis.key);
    let draw_keys = draws.iter().flatten().map(|given| &given.key);
    let fixed = |key: &&String| {
        !grid.fixed.iter().any(|given| given.key == **key)
            || combinations.iter().any(|values| values.iter().filter(|given| given.key == **key).count() > 1)
    };
    let run_keys = combinations.iter().flatten().map(|given| &given.key).filter(fixed);
    let mut axes: Vec<String> = Vec::new();
    for key in grid_keys.chain(draw_keys).chain(run_keys) {
        if !axes.contains(key) {
            axes.push(key.clone());
        }
    }
    axes.sort_by_key(|axis| axis == SEED);
    axes
}

/// Values that a combination must not have all together.
pub(super) struct Exclusion(Vec<(String, Vec<Value>)>);

impl Exclusion {
    /// Whether a combination has them.
    pub(super) fn takes(&self, values: &Values) -> bool {
        let has = |(key, taken): &(String, Vec<Value>)| {
            values.get(key).is_some_and(|value| taken.iter().any(|taken| same(taken, &value)))
        };
        !self.0.is_empty() && self.0.iter().all(has)
    }
}

/// The exclusions of a sweep, checked.
pub(super) fn exclusions(source: &Source, base: &Pipeline) -> Result<Vec<Exclusion>, Error> {
    let values = Values::of(base);
    let mut exclusions = Vec::new();
    for table in tables(source, "exclude", &base.sweep.exclude)? {
        let mut exclusion = Vec::new();
        for Assignment { key, value, place } in table {
            let taken = match value {
                Value::Array(list) if !matches!(values.get(&key), Some(Value::Array(_))) => list,
                value => vec![value],
            };
            let checked =
                |value| Ok(Assignment { key: key.clone(), value, place: place.clone() }.checked()?.value);
            let taken = taken.into_iter().map(checked).collect::<Result<_, Error>>()?;
            exclusion.push((key, taken));
        }
        exclusions.push(Exclusion(exclusion));
    }
    Ok(exclusions)
}
