//! A whole sweep: rung after rung where it is halved, else one.

use super::board::Board;
use super::execute::{Ending, execute};
use super::halving::promote;
use super::plan::{Plan, Planned};
use super::{Error, Results};
use crate::config::Pipeline;

/// A sweep that ran.
pub struct Finished {
    /// Every run that it came to, rung by rung.
    pub runs: Vec<Planned>,
    /// What they came to.
    pub results: Results,
    /// The user stopped it: the same command goes on.
    pub interrupted: bool,
}

/// Trains every run of the plan that is not done, `jobs` side by side, and unless `quiet` shows how it goes. A run that
/// fails is recorded, and the others go on.
///
/// # Errors
/// A cache that is damaged, before any run; a result that can't be read.
pub fn run(plan: &Plan, base: &Pipeline, jobs: usize, quiet: bool) -> Result<Finished, Error> {
    plan.check_content()?;
    let mut alive: Vec<usize> = (0..plan.runs.len()).collect();
    let mut finished =
        Finished { runs: Vec::new(), results: plan.results(base, Vec::new()), interrupted: false };
    for rung in 0..plan.rungs.len() {
        let runs = plan.rung(rung, &alive)?;
        finished.interrupted = train(plan, &runs, jobs, quiet, &mut finished.results)?;
        let first = finished.runs.len();
        finished.runs.extend(runs);
        if finished.interrupted {
            break;
        }
        if let Some(halving) = &plan.halving {
            let promoted = promote(&finished.results, rung, halving.factor);
            let mut rows: Vec<usize> = promoted.into_iter().flat_map(|group| group.rows).collect();
            rows.sort_unstable();
            alive = rows.into_iter().map(|row| alive[row - first]).collect();
        }
    }
    Ok(finished)
}

/// Trains one rung and adds its rows. Whether the user stopped it.
fn train(
    plan: &Plan,
    runs: &[Planned],
    jobs: usize,
    quiet: bool,
    results: &mut Results,
) -> Result<bool, Error> {
    let mut todo = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        if run.result()?.is_none() {
            todo.push(index);
        }
    }
    let open: Vec<&Planned> = todo.iter().map(|&index| &runs[index]).collect();
    let names: Vec<String> = open.iter().map(|run| plan.label(run)).collect();
    let endings = execute(&open, &names, jobs, &Board::new(open.len(), quiet));
    for (index, run) in runs.iter().enumerate() {
        let ending = todo.iter().position(|&open| open == index).map(|at| &endings[at]);
        let error = match ending {
            Some(Ending::Failed(error)) => Some(error.clone()),
            _ => None,
        };
        results.rows.push(run.row(error)?);
    }
    Ok(endings.contains(&Ending::Interrupted))
}
