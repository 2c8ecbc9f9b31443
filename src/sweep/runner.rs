//! A whole sweep: rung after rung where it is halved, else one.

use super::execute::{Ending, execute};
use super::halving::promote;
use super::plan::{Plan, Planned};
use super::{Error, Results, State};
use crate::config::Pipeline;
use crate::support::context::Context;

/// How far a sweep is.
pub struct Standing {
    /// Every run that is known, rung by rung.
    pub runs: Vec<Planned>,
    /// What they came to.
    pub results: Results,
    /// Rungs of which nobody knows yet who is in them.
    pub rungs_left: usize,
    /// The user stopped it: the same command goes on.
    pub interrupted: bool,
}

/// Trains every run of the plan that is not done, `jobs` side by side. A run that
/// fails is recorded, and the others go on; one that another process trains is waited for.
///
/// # Errors
/// A cache that is damaged, before any run; a result that can't be read.
pub fn run(plan: &Plan, base: &Pipeline, jobs: usize, context: &Context) -> Result<Standing, Error> {
    plan.check_content()?;
    walk(plan, base, |runs| train(plan, runs, jobs, context))
}

/// How far the sweep is; nothing is trained.
///
/// # Errors
/// A result that can't be read.
pub fn standing(plan: &Plan, base: &Pipeline) -> Result<Standing, Error> {
    walk(plan, base, |runs| Ok(Worked { errors: vec![None; runs.len()], interrupted: false }))
}

/// What was done to the runs of a rung.
struct Worked {
    /// For each the error that it failed with just now.
    errors: Vec<Option<String>>,
    interrupted: bool,
}

/// Lets `work` have the runs of each rung, and goes on to the next once all of them are done or have failed.
fn walk(
    plan: &Plan,
    base: &Pipeline,
    mut work: impl FnMut(&[Planned]) -> Result<Worked, Error>,
) -> Result<Standing, Error> {
    let mut alive: Vec<usize> = (0..plan.runs.len()).collect();
    let results = plan.results(base, Vec::new());
    let mut standing =
        Standing { runs: Vec::new(), results, rungs_left: plan.rungs.len(), interrupted: false };
    while standing.rungs_left > 0 {
        let rung = plan.rungs.len() - standing.rungs_left;
        let runs = plan.rung(rung, &alive)?;
        let Worked { errors, interrupted } = work(&runs)?;
        let first = standing.runs.len();
        for (run, error) in runs.iter().zip(errors) {
            standing.results.rows.push(run.row(error)?);
        }
        standing.runs.extend(runs);
        standing.rungs_left -= 1;
        standing.interrupted = interrupted;
        if interrupted || standing.results.rows[first..].iter().any(|row| row.state == State::Missing) {
            break;
        }
        if let Some(halving) = &plan.halving {
            let promoted = promote(&standing.results, rung, halving.factor);
            let mut rows: Vec<usize> = promoted.into_iter().flat_map(|group| group.rows).collect();
            rows.sort_unstable();
            alive = rows.into_iter().map(|row| alive[row - first]).collect();
        }
    }
    Ok(standing)
}

/// Trains the runs of one rung that are not done.
fn train(plan: &Plan, runs: &[Planned], jobs: usize, context: &Context) -> Result<Worked, Error> {
    let mut todo = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        if run.result()?.is_none() {
            todo.push(index);
        }
    }
    let open: Vec<&Planned> = todo.iter().map(|&index| &runs[index]).collect();
    let names: Vec<String> = open.iter().map(|run| plan.label(run)).collect();
    let endings = execute(&open, &names, jobs, context);
    let mut worked = Worked { errors: vec![None; runs.len()], interrupted: false };
    for (index, ending) in todo.into_iter().zip(endings) {
        match ending {
            Ending::Done => {}
            Ending::Failed(error) => worked.errors[index] = Some(error),
            Ending::Interrupted | Ending::Held => worked.interrupted = true,
        }
    }
    Ok(worked)
}
