//! `[sweep]`: many runs of one pipeline.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::Table;

use super::rule::{Invalid, within};

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

impl Sweep {
    /// Checks every value that a type alone does not bound.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        if let Some(search) = &self.search {
            within(
                "sweep.search.budget",
                search.budget,
                (1..=10_000).contains(&search.budget),
                "1 to 10000",
            )?;
        }
        if let Some(Halving { from, factor }) = self.halving {
            within("sweep.halving.from", from, (1..=100_000).contains(&from), "1 to 100000")?;
            within("sweep.halving.factor", factor, (2..=1000).contains(&factor), "2 to 1000")?;
        }
        Ok(())
    }
}

/// `[sweep.search]`: random search (Bergstra and Bengio, JMLR 13, 2012). Each draw is crossed with the grid.
///
/// A range is `{ uniform = [from, to] }` or `{ log = [from, to] }`, drawn to three digits; a list is drawn from. Draw
/// `i` depends on the seed and `i` alone, so that a larger budget keeps the draws before.
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
