//! `[sweep]`: many runs of one pipeline.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::Table;

use super::key::{Declared, Role};
use super::kind::{ANY, Kind};

/// `[sweep]`: which runs there are.
///
/// A `train.*` or `student.*` key with a list is an axis, and the grid has a run for every combination; with one value
/// it holds for every run. Keys are those of `[train]` and `[student]`, and their values are checked like the file's own.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sweep {
    /// The readable part of the folder of results; the pipeline's own name where it is empty.
    pub name: String,
    /// The folder that holds results of sweeps; `--sweeps-dir` and `DECANT_SWEEPS` come before it.
    pub dir: PathBuf,
    /// Axes and fixed values of `[train]`.
    pub train: Table,
    /// Axes and fixed values of `[student]`.
    pub student: Table,
    /// More configurations, each a table of keys and values. One that names no `train.seed` is trained from every seed of
    /// the grid, which itself is left out where it has no axis but the seed.
    pub runs: Vec<Table>,
    /// Which combinations are left out: those that have all of a table's values. A list stands for any of its values.
    pub exclude: Vec<Table>,
    /// Axes whose values are drawn.
    pub search: Option<Search>,
    /// Most configurations are given up early.
    pub halving: Option<Halving>,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            name: String::new(),
            dir: PathBuf::from("sweeps"),
            train: Table::new(),
            student: Table::new(),
            runs: Vec::new(),
            exclude: Vec::new(),
            search: None,
            halving: None,
        }
    }
}

type Key = Declared<Sweep>;

/// The declarations of the section's keys.
pub(super) const KEYS: &[Key] = &[
    Key::new(
        "sweep.name",
        Kind::Text,
        Role::Name,
        "The readable part of the folder of results; the pipeline's name unless given",
    ),
    Key::new(
        "sweep.dir",
        Kind::Path,
        Role::Name,
        "The folder that holds results of sweeps; --sweeps-dir and DECANT_SWEEPS come before it",
    ),
    Key::new(
        "sweep.train",
        Kind::Axes("train"),
        Role::Name,
        "Keys of [train]: a list is an axis, one value holds for every run",
    ),
    Key::new("sweep.student", Kind::Axes("student"), Role::Name, "Keys of [student], likewise"),
    Key::new(
        "sweep.runs",
        Kind::Runs,
        Role::Name,
        "More configurations, each a table of keys and values, trained from every seed of the grid unless it names one",
    ),
    Key::new(
        "sweep.exclude",
        Kind::Runs,
        Role::Name,
        "Combinations that are left out: those that have all of a table's values",
    ),
    Key::new("sweep.search.budget", Kind::Whole(1, 10_000), Role::Name, "How many draws of a random search"),
    Key::new("sweep.search.seed", Kind::Whole(0, ANY), Role::Name, "Fixes the draws"),
    Key::new(
        "sweep.search.train",
        Kind::Axes("train"),
        Role::Name,
        "Keys of [train] to draw: a list, { uniform = [from, to] } or { log = [from, to] }",
    ),
    Key::new(
        "sweep.search.student",
        Kind::Axes("student"),
        Role::Name,
        "Keys of [student] to draw, likewise",
    ),
    Key::new(
        "sweep.halving.from",
        Kind::Whole(1, 100_000),
        Role::Name,
        "Epochs of the first rung of successive halving",
    ),
    Key::new(
        "sweep.halving.factor",
        Kind::Whole(2, 1000),
        Role::Name,
        "One configuration in how many goes on to the next rung, and how many times longer it is trained",
    ),
];

/// `[sweep.search]`: random search (Bergstra and Bengio, JMLR 13, 2012). Each draw is crossed with the grid.
///
/// A range is `{ uniform = [from, to] }` or `{ log = [from, to] }`, drawn to three digits; a list is drawn from. Draw
/// `i` depends only on the seed and `i`, so that a larger budget keeps the draws before.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Search {
    /// How many draws.
    pub budget: usize,
    /// Fixes them.
    pub seed: u64,
    /// Ranges and lists of `[train]`.
    pub train: Table,
    /// Ranges and lists of `[student]`.
    pub student: Table,
}

impl Default for Search {
    fn default() -> Self {
        Self { budget: 10, seed: 0, train: Table::new(), student: Table::new() }
    }
}

/// `[sweep.halving]`: synchronous successive halving (arXiv 1502.07943; the rungs are those of arXiv 1810.05934).
///
/// Every configuration is trained for `from` epochs; of each rung the best one in `factor` go on to `factor` times as
/// many, until the last rung has `train.epochs`. The schedule of the learning rate depends on how many epochs a run
/// has, so a rung is a run of its own from its start: one that reaches the last rung has the bytes of that
/// configuration run by itself.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Halving {
    /// Epochs of the first rung.
    pub from: usize,
    /// One in how many goes on, and how many times longer.
    pub factor: usize,
}

impl Default for Halving {
    fn default() -> Self {
        Self { from: 1, factor: 3 }
    }
}
