//! The plan of a sweep, for people and programs.

use std::path::PathBuf;

use crate::cli::Failure;
use crate::cli::output::{fitted, numbers, out, outln, seconds};
use crate::config::Pipeline;
use crate::support::table::Table;
use crate::sweep::{self, Plan, Points};

/// Configurations that the plan lists.
const LISTED: usize = 40;

/// The plan.
#[derive(serde::Serialize)]
pub(crate) struct PlanReport {
    name: String,
    /// Known once every cache is there.
    results: PathBuf,
    cache: PathBuf,
    runs: usize,
    merged: usize,
    excluded: usize,
    done: usize,
    estimated_seconds: f64,
    rungs: Vec<usize>,
    /// Each configuration with how many of its runs are done, and how many there are.
    configurations: Vec<(String, usize, usize)>,
}

impl PlanReport {
    pub(crate) fn new(plan: &Plan, points: &Points, base: &Pipeline) -> Result<Self, Failure> {
        let all: Vec<usize> = (0..plan.runs.len()).collect();
        let first = plan.rung(0, &all)?;
        let (mut done, mut todo, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for run in &first {
            let row = run.row(None)?;
            if row.result().is_some() {
                done.push(run);
            } else {
                todo.push(run);
            }
            rows.push(row);
        }
        let results = plan.results(base, rows);
        let rung = results.rung(0);
        let configurations = rung
            .in_order()
            .into_iter()
            .map(|one| (rung.label(one), one.finished.len(), one.members.len()))
            .collect();
        // Later rungs are fewer and longer in the same measure.
        let rungs = plan.rungs.len() as f64;
        Ok(Self {
            name: sweep::name(base).to_owned(),
            results: plan.folder(base),
            cache: plan.own.dir().to_owned(),
            runs: points.points.len(),
            merged: points.merged,
            excluded: points.excluded,
            done: done.len(),
            estimated_seconds: rungs * sweep::estimate(&todo, &done)?,
            rungs: plan.rungs.clone(),
            configurations,
        })
    }

    pub(crate) fn print(&self, plan: &Plan, points: &Points) {
        outln!("sweep  {}", self.name);
        outln!("  data     {}, {} classes", plan.shared.dataset().name, plan.shared.dataset().classes.len());
        outln!("  cache    {} (T = {})", self.cache.display(), numbers(&plan.own.manifest().temperatures));
        for axis in points.describe_axes() {
            outln!("  axis     {axis}");
        }
        let mut notes = String::new();
        if self.merged > 0 {
            notes = format!("; {} more are the same run, from the labels only", self.merged);
        }
        if self.excluded > 0 {
            notes = format!("{notes}; {} are excluded", self.excluded);
        }
        outln!("  runs     {}{notes}", self.runs);
        if plan.halving.is_some() {
            let rungs: Vec<String> = self.rungs.iter().map(ToString::to_string).collect();
            outln!("  rungs    {} epochs, each a run of its own", rungs.join(", "));
        }
        let todo = plan.runs.len() - self.done;
        let time =
            if todo == 0 { String::new() } else { format!(", about {}", seconds(self.estimated_seconds)) };
        outln!("  done     {}, {todo} to train{time}", self.done);
        outln!("  results  {}", self.results.display());
        let mut table = Table::new(["  configuration", "done", "runs"]);
        for (name, done, runs) in self.configurations.iter().take(LISTED) {
            table.row([format!("  {name}"), done.to_string(), runs.to_string()]);
        }
        out!("{}", fitted(&table));
        if self.configurations.len() > LISTED {
            outln!("  ... and {} more", self.configurations.len() - LISTED);
        }
        outln!();
    }
}
