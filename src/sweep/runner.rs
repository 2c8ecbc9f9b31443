//! A whole sweep: rung after rung where it is halved, else one rung.

use super::execute::{RunOutcome, execute};
use super::plan::{Plan, Planned};
use super::{Error, Results, State};
use crate::config::Pipeline;
use crate::support::context::Context;

/// How far a sweep is.
pub(crate) struct SweepProgress {
    /// Every run that is known, rung by rung.
    pub runs: Vec<Planned>,
    /// Their results.
    pub results: Results,
    /// Rungs whose runs are not known yet.
    pub rungs_left: usize,
    /// The user stopped it: the same command resumes it.
    pub interrupted: bool,
}

/// Trains every run of the plan that is not done, `jobs` in parallel. A run that fails is recorded, and the others are trained; one
/// that another process trains is waited for.
///
/// # Errors
/// A cache that is damaged, before any run; a result that can't be read.
pub(crate) fn run(
    plan: &Plan,
    base: &Pipeline,
    jobs: usize,
    context: &Context,
) -> Result<SweepProgress, Error> {
    plan.check_content()?;
    walk(plan, base, |runs| train(plan, runs, jobs, context))
}

/// How far the sweep is; nothing is trained.
///
/// # Errors
/// A result that can't be read.
pub(crate) fn standing(plan: &Plan, base: &Pipeline) -> Result<SweepProgress, Error> {
    walk(plan, base, |runs| Ok(RungOutcome { errors: vec![None; runs.len()], interrupted: false }))
}

/// The outcome of the runs of a rung.
struct RungOutcome {
    /// For each the error that it failed with just now.
    errors: Vec<Option<String>>,
    interrupted: bool,
}

/// Hands the runs of each rung to `work`, and continues with the next rung once all of them are done or have failed.
fn walk(
    plan: &Plan,
    base: &Pipeline,
    mut work: impl FnMut(&[Planned]) -> Result<RungOutcome, Error>,
) -> Result<SweepProgress, Error> {
    let mut alive: Vec<usize> = (0..plan.runs.len()).collect();
    let results = plan.results(base, Vec::new());
    let mut progress =
        SweepProgress { runs: Vec::new(), results, rungs_left: plan.rungs.len(), interrupted: false };
    while progress.rungs_left > 0 {
        let rung = plan.rungs.len() - progress.rungs_left;
        let runs = plan.rung(rung, &alive)?;
        let RungOutcome { errors, interrupted } = work(&runs)?;
        let first = progress.runs.len();
        for (run, error) in runs.iter().zip(errors) {
            progress.results.rows.push(run.row(error)?);
        }
        progress.runs.extend(runs);
        progress.rungs_left -= 1;
        progress.interrupted = interrupted;
        if interrupted || progress.results.rows[first..].iter().any(|row| row.state == State::Missing) {
            break;
        }
        if let Some(halving) = &plan.halving {
            let promoted = progress.results.rung(rung).promoted(halving.factor);
            alive = promoted.into_iter().map(|row| alive[row]).collect();
        }
    }
    Ok(progress)
}

/// Trains the runs of one rung that are not done.
fn train(plan: &Plan, runs: &[Planned], jobs: usize, context: &Context) -> Result<RungOutcome, Error> {
    let mut todo = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        if run.result()?.is_none() {
            todo.push(index);
        }
    }
    let open: Vec<&Planned> = todo.iter().map(|&index| &runs[index]).collect();
    let names: Vec<String> = open.iter().map(|run| plan.label(run)).collect();
    let outcomes = execute(&open, &names, jobs, context);
    let mut done = RungOutcome { errors: vec![None; runs.len()], interrupted: false };
    for (index, outcome) in todo.into_iter().zip(outcomes) {
        match outcome {
            RunOutcome::Done => {}
            RunOutcome::Failed(error) => done.errors[index] = Some(error),
            RunOutcome::Interrupted | RunOutcome::Held => done.interrupted = true,
        }
    }
    Ok(done)
}
