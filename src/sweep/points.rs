//! `[sweep]` multiplied out: every combination as a checked pipeline, with equal runs merged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use toml::Value;

use super::combinations::{axes, combinations, exclusions};
use super::grid::Grid;
use super::value::{LAMBDA, Values, short, text};
use super::{Error, search};
use crate::config::{self, Assignment, Pipeline, Source, Variant};
use crate::runs::keys::{self, is_of};
use crate::train;

/// Characters of an axis in the plan.
const AXIS_WIDTH: usize = 69;

/// The keys that can turn the teacher's term off, which are tried last.
const SWITCHES: [&str; 4] = ["train.loss", "train.control", "train.lambda-end", LAMBDA];

/// One run that a sweep asks for.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// The pipeline, checked.
    pub pipeline: Pipeline,
    /// The value of each of [`Points::axes`]; `None` where the run does not depend on it.
    pub values: Vec<Option<Value>>,
}

/// Every run that a sweep asks for.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "they are its points")]
pub(crate) struct Points {
    /// The keys in which the runs differ, the seed last.
    pub axes: Vec<String>,
    /// The runs, in the order of the grid.
    pub points: Vec<Point>,
    /// How many combinations gave a run that is listed already.
    pub merged: usize,
    /// How many were excluded.
    pub excluded: usize,
}

impl Points {
    /// Fills in what each run leaves to the number of images that are trained on.
    pub(crate) fn settle_for(&mut self, images: usize) {
        for point in &mut self.points {
            point.pipeline.settle_for(images);
        }
    }

    /// Each axis with its values, such as `T: 1, 2, 5`, in 80 columns.
    pub(crate) fn describe_axes(&self) -> Vec<String> {
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

/// The name of a run in tables and lines: `T=5 lambda=0.9 seed=0`.
pub(super) fn label(axes: &[String], values: &[Option<Value>]) -> String {
    let named = axes.iter().zip(values).filter_map(|(axis, value)| Some((axis, value.as_ref()?)));
    let parts: Vec<String> = named.map(|(axis, value)| format!("{}={}", short(axis), text(value))).collect();
    if parts.is_empty() { "the pipeline itself".to_owned() } else { parts.join(" ") }
}

/// Multiplies a pipeline's `[sweep]` out and checks every value. `base` is the pipeline with the folders that are used.
///
/// # Errors
/// An unknown key, a value of the wrong type or out of range, a sweep without runs.
pub(crate) fn expand(source: &Source, base: &Pipeline) -> Result<Points, Error> {
    train::check_paths([&base.train.dir, &base.cache.dir, &base.sweep.dir].map(PathBuf::as_path))?;
    let grid = Grid::read(source, base)?;
    let draws = search::draws(source, base)?;
    let excluded = exclusions(source, base)?;
    let combinations = combinations(source, base, &grid, &draws)?;
    let axes = axes(&grid, &draws, &combinations);

    let mut found = Points { axes: axes.clone(), points: Vec::new(), merged: 0, excluded: 0 };
    let mut seen = std::collections::HashSet::new();
    let mut readers = Readers::default();
    for values in combinations {
        let Variant { mut pipeline, unread } = source.variant(&values)?;
        readers.note(&values, &unread);
        if excluded.iter().any(|exclusion| exclusion.takes(&Values::of(&pipeline))) {
            found.excluded += 1;
            continue;
        }
        let mut dropped: Vec<&str> = unread.iter().map(|(key, _)| *key).collect();
        if !pipeline.train.is_taught() {
            let more;
            (pipeline, more) = from_labels_only(source, values)?;
            dropped.retain(|key| !keys::is_teachers(key));
            dropped.extend(more);
        }
        pipeline.cache.dir.clone_from(&base.cache.dir);
        pipeline.train.dir.clone_from(&base.train.dir);
        let identity = serde_json::to_string(&(&pipeline.student, &pipeline.train)).expect("plain data");
        if !seen.insert(identity) {
            found.merged += 1;
            continue;
        }
        let values = Values::of(&pipeline);
        let matters = |axis: &String| !dropped.iter().any(|name| is_of(axis, name));
        let values = axes.iter().map(|axis| values.get(axis).filter(|_| matters(axis))).collect();
        found.points.push(Point { pipeline, values });
    }
    readers.check()?;
    if found.points.is_empty() {
        return Err(Error::NoRuns { place: source.place("sweep") });
    }
    Ok(found)
}

/// Which keys the runs of a sweep read.
#[derive(Default)]
struct Readers {
    read: BTreeSet<String>,
    /// The condition under which a key that a run does not read would be read, and where it was given.
    unread: BTreeMap<&'static str, (&'static str, String)>,
}

impl Readers {
    fn note(&mut self, given: &[Assignment], unread: &[(&'static str, &'static str)]) {
        for Assignment { key, place, .. } in given {
            match unread.iter().find(|(name, _)| name == key) {
                Some((name, reader)) => {
                    self.unread.entry(name).or_insert_with(|| (reader, place.clone()));
                }
                None => {
                    self.read.insert(key.clone());
                }
            }
        }
    }

    /// Refuses a key that no run reads.
    fn check(self) -> Result<(), Error> {
        let unread = self.unread.into_iter().find(|(name, _)| !self.read.contains(*name));
        match unread.and_then(|(name, found)| Some((config::find_key(name)?, found))) {
            Some((key, (reader, place))) => Err(config::Error::unread(key, reader, place).into()),
            None => Ok(()),
        }
    }
}

/// A run from the labels only, with the pipeline's own values for the keys that it does not depend on, and the names of
/// those.
fn from_labels_only(
    source: &Source,
    mut values: Vec<Assignment>,
) -> Result<(Pipeline, Vec<&'static str>), Error> {
    let mut dropped = Vec::new();
    let others = keys::teacher_term().filter(|name| !SWITCHES.contains(name));
    for name in others.chain(SWITCHES) {
        let without: Vec<Assignment> =
            values.iter().filter(|given| !is_of(&given.key, name)).cloned().collect();
        if !source.variant(&without)?.pipeline.train.is_taught() {
            values = without;
            dropped.push(name);
        }
    }
    Ok((source.variant(&values)?.pipeline, dropped))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(sweep: &str) -> Result<Points, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.toml");
        std::fs::write(&path, sweep).unwrap();
        let source = Source::read(&path, &[]).map_err(|error| error.to_string());
        let shown = folder.path().display().to_string();
        let points = source.and_then(|source| {
            let base = source.pipeline().map_err(|error| error.to_string())?;
            expand(&source, &base).map_err(|error| error.to_string())
        });
        points.map_err(|error| error.replace(&shown, "DIR"))
    }

    fn labels(sweep: &str) -> Vec<String> {
        let points = expanded(sweep).unwrap();
        points.points.iter().map(|point| label(&points.axes, &point.values)).collect()
    }

    #[test]
    fn a_grid_has_every_combination_and_the_labels_only_run_once() {
        let points = "[sweep]\ntrain.temperature = [1, 5]\ntrain.lambda = [0, 0.9]\ntrain.seed = [0, 1]\n";
        insta::assert_snapshot!(labels(points).join("\n"), @r"
        lambda=0 seed=0
        lambda=0 seed=1
        lambda=0.9 T=1 seed=0
        lambda=0.9 T=1 seed=1
        lambda=0.9 T=5 seed=0
        lambda=0.9 T=5 seed=1
        ");
        assert_eq!(expanded(points).unwrap().merged, 2);
    }

    #[test]
    fn runs_from_the_labels_only_depend_on_nothing_that_the_teachers_term_reads() {
        let points =
            "[sweep]\ntrain.dkd.beta = [1, 8]\ntrain.loss = [\"dkd\", \"ce\"]\ntrain.lambda = [0, 0.9]\n";
        insta::assert_snapshot!(labels(points).join("\n"), @r"
        lambda=0
        dkd.beta=1 lambda=0.9 loss=dkd
        loss=ce
        dkd.beta=8 lambda=0.9 loss=dkd
        ");
    }

    #[test]
    fn a_single_value_holds_for_every_run_and_is_no_axis() {
        let points =
            expanded("[sweep]\ntrain.epochs = 3\ntrain.betas = [0.8, 0.9]\ntrain.lr = [1e-3, 1e-2]\n")
                .unwrap();
        assert_eq!(points.axes, ["train.lr"]);
        assert!(points.points.iter().all(|point| point.pipeline.train.epochs == 3));
        assert!(points.points.iter().all(|point| point.pipeline.train.betas[0] < 0.85));
        assert_eq!(labels("[sweep]\ntrain.betas = [[0.9, 0.99], [0.8, 0.9]]\n").len(), 2);
    }

    #[test]
    fn explicit_runs_are_trained_from_every_seed() {
        let runs = "[sweep]\ntrain.seed = [0, 1]\nruns = [{ train.lr = 1e-3 }, { train.lr = 1e-2, train.seed = 7 }]\n";
        assert_eq!(labels(runs), ["lr=0.001 seed=0", "lr=0.001 seed=1", "lr=0.01 seed=7"]);
        let beside = "[sweep]\ntrain.lambda = [0.5]\nruns = [{ train.lambda = 0.9 }]\n";
        assert_eq!(labels(beside), ["lambda=0.5", "lambda=0.9"]);
    }

    #[test]
    fn exclusions_take_away_what_has_all_their_values() {
        let points = "[sweep]\ntrain.temperature = [1, 2, 5]\ntrain.lambda = [0.5, 1]\n\
            exclude = [{ train.temperature = [1, 2], train.lambda = 1.0 }]\n";
        assert_eq!(labels(points), ["lambda=0.5 T=1", "lambda=0.5 T=2", "lambda=0.5 T=5", "lambda=1 T=5"]);
        assert_eq!(expanded(points).unwrap().excluded, 2);
    }

    #[test]
    fn a_larger_budget_keeps_the_draws_before_and_crosses_them_with_the_seeds() {
        let search = |budget: usize| {
            labels(&format!(
                "[sweep]\ntrain.seed = [0, 1]\n[sweep.search]\nbudget = {budget}\ntrain.lr = {{ log = [1e-4, 1e-2] }}\n\
                 train.epochs = {{ uniform = [5, 50] }}\nstudent.dropout = [0.0, 0.2]\n"
            ))
        };
        let (few, many) = (search(3), search(10));
        assert_eq!((few.len(), many.len()), (6, 20));
        assert_eq!(few, many[..6]);
    }

    #[test]
    fn what_is_no_axis_is_refused_with_its_line() {
        let refused = |sweep: &str| expanded(sweep).unwrap_err();
        insta::assert_snapshot!(
            refused("[sweep]\ntrain.temprature = [1, 2]\n"),
            @"DIR/grid.toml:2: unknown key `temprature` in [train]; did you mean `temperature`?"
        );
        insta::assert_snapshot!(
            refused("[sweep]\n\ntrain.epochs = [1, \"many\"]\n"),
            @r#"DIR/grid.toml:3: `train.epochs` must be a whole number from 0 to 100000; found "many""#
        );
        insta::assert_snapshot!(
            refused("[sweep]\ntrain.lambda = [0.5, 1.5]\n"),
            @"DIR/grid.toml:2: `train.lambda` must be a number from 0 to 1; found 1.5"
        );
        insta::assert_snapshot!(
            refused("[sweep]\ntrain.temperature = [5, 0]\n"),
            @"DIR/grid.toml:2: `train.temperature` must be a number from 0.01 to 1000; found 0"
        );
        insta::assert_snapshot!(
            refused("[sweep]\ntrain.seed = [0, 1, 0]\n"),
            @"DIR/grid.toml:2: train.seed = [0, 1, 0], expected a list of one value at least, each listed once"
        );
        insta::assert_snapshot!(
            refused("[sweep]\ntrain.dir = [\"a\", \"b\"]\n"),
            @"DIR/grid.toml:2: train.dir can't differ between the runs of a sweep, since their folders stand side by side"
        );
        insta::assert_snapshot!(
            refused("[sweep]\nruns = [{ cache.views = 2 }]\n"),
            @"DIR/grid.toml:2: cache.views can't differ between the runs of a sweep, since they share one dataset and one teacher; only train.* and student.* keys can"
        );
        insta::assert_snapshot!(
            refused("[sweep]\nteacher.batch-size = [1, 2]\n"),
            @"DIR/grid.toml:2: unknown key `teacher` in [sweep]; expected one of: name, dir, train, student, runs, exclude, search, halving"
        );
        insta::assert_snapshot!(
            refused("[sweep.search]\ntrain.lr = { log = [1e-2, 1e-4] }\n"),
            @"DIR/grid.toml:2: train.lr = { log = [0.01, 0.0001] }, expected a list, { uniform = [from, to] } or { log = [from, to] } with from above 0, from below to"
        );
        insta::assert_snapshot!(
            refused("[sweep]\n"),
            @"DIR/grid.toml:1: [sweep] is missing or makes no run; give it an axis such as train.temperature = [1.0, 5.0], or fewer exclusions"
        );
    }
}
