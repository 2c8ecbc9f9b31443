//! `decant sweep`: every run of a pipeline's `[sweep]`.

mod plan;
mod units;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::Failure;
use super::output::{self, print_json};
use super::pipeline::{PipelineArgs, check_teacher};
use super::teacher_cache::Part;
use crate::config::Pipeline;
use crate::support::context::Context;
use crate::sweep::{self, LOCK_FILE, Lock, Plan, Points, Selection, Summary, SweepProgress, Units, Verified};
use crate::train::Session;
use plan::PlanReport;

/// Train every run of the file's [sweep] that is not done yet.
///
/// Prints the plan first. After an interruption the same command resumes; run again, it trains nothing and writes the
/// same results. Several machines that share the folders each do a part, with --run or --part, and --collect writes the results.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Folder of the results of sweeps [default: the file's sweep.dir, which is "sweeps"]
    #[arg(long, value_name = "DIR", env = "DECANT_SWEEPS")]
    sweeps_dir: Option<PathBuf>,
    /// Cache folder, if several match
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Print the plan and stop
    #[arg(long, conflicts_with_all = ["run", "part"])]
    dry_run: bool,
    /// Train only the run with this id, which decant plan --units json lists
    #[arg(long, value_name = "ID", group = "unit")]
    run: Option<String>,
    /// Train only part I of N of the runs, for N processes that share the folders
    #[arg(long, value_name = "I/N", group = "unit")]
    part: Option<Part>,
    /// Collect results without training
    #[arg(long, group = "unit", conflicts_with_all = ["dry_run", "verify"])]
    collect: bool,
    /// Number of runs to train in parallel
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: u16,
    /// Then train K runs, or all, again from the start and compare their bytes
    #[arg(long, value_name = "K|all", num_args = 0..=1, default_missing_value = "1", conflicts_with_all = ["dry_run", "run", "part"])]
    verify: Option<Count>,
    /// Compare with a lockfile [default: FILE's name with .lock.toml]; exit code 3 where results differ
    #[arg(long, value_name = "LOCK", num_args = 0..=1, conflicts_with_all = ["dry_run", "run", "part"])]
    #[expect(
        clippy::option_option,
        reason = "clap's way to write an option with a value that may be left out"
    )]
    locked: Option<Option<PathBuf>>,
    /// Print the result as JSON on standard output
    #[arg(long)]
    json: bool,
}

/// How many runs are verified.
#[derive(Clone, Copy)]
struct Count(usize);

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("all", _) => Ok(Self(usize::MAX)),
            (_, Ok(count)) if count > 0 => Ok(Self(count)),
            _ => Err("expected a number above 0, or all".to_owned()),
        }
    }
}

/// The outcome, for programs.
#[derive(serde::Serialize)]
struct Report<'a> {
    folder: &'a Path,
    #[serde(flatten)]
    summary: &'a Summary,
    verified: Option<usize>,
    not_reproduced: Vec<String>,
    differs_from_lock: Vec<String>,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let (source, mut base) = args.pipeline.source(Vec::new())?;
    if let Some(dir) = &args.sweeps_dir {
        base.sweep.dir.clone_from(dir);
    }
    let mut points = sweep::expand(&source, &base)?;
    let lock = args.lock()?;
    let context = &if args.json { context.without_lines() } else { context.clone() };
    let shared = Session::open(&base.dataset, context)?;
    base.settle_for(shared.train_images());
    points.settle_for(shared.train_images());
    if let Some(selection) = args.selection() {
        return units::run(&args, &selection, &points, &base, &shared, context);
    }
    let plan = args.plan(&points, &base, &shared)?;
    check_teacher(&base, &plan.own)?;
    if let Some((path, lock)) = &lock {
        lock.check(path, &plan)?;
    }
    if args.dry_run {
        return Ok(());
    }
    let finished = if args.collect {
        Units::known(&plan, &base)?.check_done(&points.axes)?;
        sweep::standing(&plan, &base)?
    } else {
        sweep::run(&plan, &base, args.jobs.into(), context)?
    };
    let folder = plan.folder(&base);
    finished.results.write(&folder, &base.train.dir)?;
    let summary = Summary::of(&finished.results, &plan.own.complete().teacher_quality);
    summary.write(&folder, &plan)?;
    if finished.interrupted {
        return Err(Failure::interrupted(format!(
            "interrupted after {} of {} runs; what is done is kept, and the same command resumes from there",
            summary.done, summary.runs
        )));
    }
    let here = Lock::of(&plan, &finished.results);
    here.write(&folder)?;
    context.line(format!("\n{}", summary.tables(output::width()).trim_end()));
    context.line(format!("\n{}", summary.best_lines().trim_end()));
    context.line(format!("results  {}", folder.display()));
    let verified = args.verify.map(|count| verify(&plan, &finished, count, &folder, context)).transpose()?;
    let not_reproduced: Vec<String> =
        verified.iter().flatten().filter_map(|verified| verified.difference.clone()).collect();
    let differs = lock.map(|(_, lock)| compare(&lock, &here, context)).unwrap_or_default();
    if args.json {
        print_json(&Report {
            folder: &folder,
            summary: &summary,
            verified: verified.as_ref().map(Vec::len),
            not_reproduced: not_reproduced.clone(),
            differs_from_lock: differs.clone(),
        });
    }
    verdict(&summary, &folder, &not_reproduced, &differs)
}

impl Args {
    /// The runs that are trained, where not all are.
    fn selection(&self) -> Option<Selection> {
        let part = self.part.map(|Part(part, parts)| Selection::Part(part, parts));
        part.or_else(|| self.run.clone().map(Selection::Run))
    }

    /// The lockfile to compare with.
    fn lock(&self) -> Result<Option<(PathBuf, Lock)>, Failure> {
        let Some(path) = &self.locked else { return Ok(None) };
        let own = self.pipeline.pipeline.with_extension("lock.toml");
        let path = path.clone().unwrap_or(own);
        let lock = Lock::read(&path)?;
        Ok(Some((path, lock)))
    }

    /// Plans and shows the plan.
    fn plan(&self, points: &Points, base: &Pipeline, shared: &Arc<Session>) -> Result<Plan, Failure> {
        let (cache, file) = (self.cache.as_deref(), self.pipeline.pipeline.as_path());
        let plan = Plan::new(points, base, Arc::clone(shared), cache, file)?;
        let report = PlanReport::new(&plan, points, base)?;
        if !self.json {
            report.print(&plan, points);
        } else if self.dry_run {
            print_json(&report);
        }
        Ok(plan)
    }
}

fn verify(
    plan: &Plan,
    finished: &SweepProgress,
    count: Count,
    folder: &Path,
    context: &Context,
) -> Result<Vec<Verified>, Failure> {
    let mut watch = |run: &sweep::Planned, verified: &Verified| {
        let outcome = verified.difference.as_deref().unwrap_or("the same");
        context.line(format!("verify   {}: {outcome}", plan.label(run)));
    };
    Ok(sweep::verify(plan, &finished.runs, count.0, folder, &mut watch)?)
}

/// Shows how this sweep compares with the lock, and gives the runs that differ.
fn compare(lock: &Lock, here: &Lock, context: &Context) -> Vec<String> {
    let differs = lock.differences(here);
    for circumstance in lock.circumstances(here) {
        context.line(format!("locked   {circumstance}"));
    }
    for run in &differs {
        context.line(format!("locked   {run}"));
    }
    context.line(format!(
        "locked   {} of {} runs have the same result",
        lock.runs.len() - differs.len(),
        lock.runs.len()
    ));
    differs
}

/// The exit code: what was not reproduced before what failed.
fn verdict(
    summary: &Summary,
    folder: &Path,
    not_reproduced: &[String],
    differs: &[String],
) -> Result<(), Failure> {
    if let [first, rest @ ..] = not_reproduced {
        let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
        return Err(Failure::damage(format!(
            "a run was not reproduced: {first}{more}; delete that run's folder and run the sweep again"
        )));
    }
    if !differs.is_empty() {
        return Err(Failure::damage(format!(
            "{} runs have other results than in the lockfile, the first is {}; {LOCK_FILE} in {} is this machine's",
            differs.len(),
            differs[0],
            folder.display()
        )));
    }
    if let [(run, error), ..] = summary.failures.as_slice() {
        return Err(Failure::run(format!(
            "{} of {} runs failed, the first is {run}: {error}; the others are done, and the same command tries the failed ones again",
            summary.failures.len(),
            summary.runs
        )));
    }
    Ok(())
}
