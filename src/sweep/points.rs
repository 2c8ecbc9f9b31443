//! `[sweep]` multiplied out: every combination as a checked pipeline, those that come to the same run as one.

use toml::Value;

use super::space::{Grid, tables};
use super::value::{LAMBDA, SEED, TEMPERATURE, Values, same, short, text};
use super::{Error, search};
use crate::config::{Assignment, Pipeline, Source};

/// Combinations at most.
const MOST: usize = 100_000;

/// Characters of an axis in the plan.
const AXIS_WIDTH: usize = 69;

/// What only the teacher's term reads, so that a run from the labels alone is the same whatever it is.
const TEACHER_TERM: [&str; 1] = [TEMPERATURE];

/// One run that a sweep asks for.
#[derive(Clone, Debug)]
pub struct Point {
    /// The pipeline, checked.
    pub pipeline: Pipeline,
    /// The value of each of [`Points::axes`]; `None` where the run does not depend on it.
    pub values: Vec<Option<Value>>,
}

/// Every run that a sweep asks for.
#[derive(Clone, Debug)]
pub struct Points {
    /// The keys in which the runs differ, the seed last.
    pub axes: Vec<String>,
    /// The runs, in the order of the grid.
    pub points: Vec<Point>,
    /// How many combinations came to a run that is listed already.
    pub merged: usize,
    /// How many were excluded.
    pub excluded: usize,
}

impl Points {
    /// Each axis with its values, such as `T: 1, 2, 5`, in 80 columns.
    pub fn describe_axes(&self) -> Vec<String> {
        let describe = |(index, axis): (usize, &String)| {
            let mut texts: Vec<String> = Vec::new();
            for value in self.points.iter().filter_map(|point| point.values[index].as_ref()) {
                let text = text(value);
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
            let mut line = format!("{}: {}", short(axis), texts.join(", "));
            if line.chars().count() > AXIS_WIDTH {
                line = format!("{}: {} values from {}", short(axis), texts.len(), texts[0]);
            }
            line
        };
        self.axes.iter().enumerate().map(describe).collect()
    }
}

/// What tables and lines call a run: `T=5 lambda=0.9 seed=0`.
pub(super) fn label(axes: &[String], values: &[Option<Value>]) -> String {
    let named = axes.iter().zip(values).filter_map(|(axis, value)| Some((axis, value.as_ref()?)));
    let parts: Vec<String> = named.map(|(axis, value)| format!("{}={}", short(axis), text(value))).collect();
    if parts.is_empty() { "the pipeline itself".to_owned() } else { parts.join(" ") }
}

/// Multiplies a pipeline's `[sweep]` out and checks every value. `base` is the pipeline with the folders that are used.
///
/// # Errors
/// A key nobody knows, a value of the wrong type or out of range, a sweep of no run.
pub fn expand(source: &Source, base: &Pipeline) -> Result<Points, Error> {
    let grid = Grid::read(source, base)?;
    let draws = search::draws(source, base)?;
    let excluded = exclusions(source, base)?;
    let combinations = combinations(source, base, &grid, &draws)?;
    let axes = axes(&grid, &draws, &combinations);

    let mut found = Points { axes: axes.clone(), points: Vec::new(), merged: 0, excluded: 0 };
    let mut seen = std::collections::HashSet::new();
    for values in combinations {
        let mut pipeline = source.variant(&values)?;
        if excluded.iter().any(|exclusion| exclusion.takes(&Values::of(&pipeline))) {
            found.excluded += 1;
            continue;
        }
        let labels_alone = !pipeline.train.is_taught();
        if labels_alone {
            let values: Vec<Assignment> =
                values.into_iter().filter(|given| !TEACHER_TERM.contains(&given.key.as_str())).collect();
            pipeline = source.variant(&values)?;
        }
        pipeline.cache.dir.clone_from(&base.cache.dir);
        pipeline.train.dir.clone_from(&base.train.dir);
        let identity = serde_json::to_string(&(&pipeline.student, &pipeline.train)).expect("plain data");
        if !seen.insert(identity) {
            found.merged += 1;
            continue;
        }
        let values = Values::of(&pipeline);
        let matters = |axis: &String| !(labels_alone && TEACHER_TERM.contains(&axis.as_str()));
        let values = axes.iter().map(|axis| values.get(axis).filter(|_| matters(axis))).collect();
        found.points.push(Point { pipeline, values });
    }
    if found.points.is_empty() {
        return Err(Error::NoRuns { place: source.place("sweep") });
    }
    Ok(found)
}

/// Every combination of the grid and the draws, then every explicit run from every seed.
fn combinations(
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
fn axes(grid: &Grid, draws: &[Vec<Assignment>], combinations: &[Vec<Assignment>]) -> Vec<String> {
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
struct Exclusion(Vec<(String, Vec<Value>)>);

impl Exclusion {
    fn takes(&self, values: &Values) -> bool {
        let has = |(key, taken): &(String, Vec<Value>)| {
            values.get(key).is_some_and(|value| taken.iter().any(|taken| same(taken, &value)))
        };
        !self.0.is_empty() && self.0.iter().all(has)
    }
}

fn exclusions(source: &Source, base: &Pipeline) -> Result<Vec<Exclusion>, Error> {
    let values = Values::of(base);
    let mut exclusions = Vec::new();
    for table in tables(source, "exclude", &base.sweep.exclude)? {
        let mut exclusion = Vec::new();
        for Assignment { key, value, place } in table {
            let taken = match value {
                Value::Array(list) if !matches!(values.get(&key), Some(Value::Array(_))) => list,
                value => vec![value],
            };
            for value in &taken {
                // Its key and its type are the pipeline's own; a temperature needs a weight to be one.
                let given =
                    |key: &str, value: Value| Assignment { key: key.to_owned(), value, place: place.clone() };
                let mut trial = vec![given(&key, value.clone())];
                if key != LAMBDA {
                    trial.insert(0, given(LAMBDA, Value::Float(0.5)));
                }
                source.variant(&trial)?;
            }
            exclusion.push((key, taken));
        }
        exclusions.push(Exclusion(exclusion));
    }
    Ok(exclusions)
}
