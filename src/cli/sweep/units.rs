//! `decant sweep --run ID` and `--part I/N`: some runs of a sweep that several processes share.

use std::sync::Arc;

use super::Args;
use crate::cli::Failure;
use crate::cli::output::{outln, print_json};
use crate::config::Pipeline;
use crate::support::context::Context;
use crate::sweep::{self, Plan, Points, Selection, Trained, Units};
use crate::train::Session;

/// The runs that were trained here, for programs.
#[derive(serde::Serialize)]
struct Report<'a> {
    runs: &'a [Trained],
    /// Rungs of successive halving whose runs are not known yet.
    rungs_left: usize,
}

/// Trains the runs of a selection. `--collect` writes the sweep's results.
pub(crate) fn run(
    args: &Args,
    selection: &Selection,
    points: &Points,
    base: &Pipeline,
    shared: &Arc<Session>,
    context: &Context,
) -> Result<(), Failure> {
    let (cache, file) = (args.cache.as_deref(), args.pipeline.pipeline.as_path());
    let plan = Plan::new(points, base, Arc::clone(shared), cache, file)?;
    let units = Units::known(&plan, base)?;
    let trained = sweep::train(&plan, &units.select(selection, file)?, args.jobs.into(), context)?;
    if args.json {
        print_json(&Report { runs: &trained, rungs_left: units.rungs_left });
    } else {
        match units.rungs_left {
            0 => outln!("done here; --collect writes the results once every part is done"),
            rungs => outln!(
                "done here; once every part is done, the same command trains the next of {rungs} rungs"
            ),
        }
    }
    let failed: Vec<&Trained> = trained.iter().filter(|run| run.error.is_some()).collect();
    match failed.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(Failure::run(format!(
            "{} of {} runs failed, the first is {}: {}; the same command tries these again",
            failed.len(),
            trained.len(),
            first.run,
            first.error.as_deref().unwrap_or_default()
        ))),
    }
}
