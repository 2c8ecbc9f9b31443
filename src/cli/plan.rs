//! `decant plan`: what a pipeline will cost, before any of it is done.

mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::Failure;
use super::output::print_json;
use super::pipeline::PipelineArgs;
use crate::config::{Pipeline, StudentDevice, Sweep};
use crate::planning::{Commands, Cost, Decoding, PlannedCache, Probe, Run, SweepCost, Units};
use crate::store;
use crate::support::context::Context;
use crate::sweep::{self, Estimator, Plan, Points, State};
use crate::teacher;
use crate::train::{self, Session};

/// Estimate the cost of stage one and the sweep here, from a short measurement.
///
/// Runs the teacher and a few steps of the student for about ten seconds, and keeps nothing.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The folder that holds results of sweeps [default: the file's sweep.dir, which is "sweeps"]
    #[arg(long, value_name = "DIR", env = "DECANT_SWEEPS")]
    sweeps_dir: Option<PathBuf>,
    /// Measure nothing: only sizes, and what finished runs took. The teacher is read, and not run
    #[arg(long)]
    no_measure: bool,
    /// Take the teacher to give R views a second, as measured elsewhere, and don't run it here
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// List every unit of work with its command instead, for a scheduler
    #[arg(long, value_enum, conflicts_with = "json")]
    units: Option<Format>,
    /// Deal stage one out as N units, where it is not to be one a shard: each unit hashes the dataset first
    #[arg(long, value_name = "N", requires = "units", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    parts: Option<u32>,
    /// Print the result as JSON on standard output
    #[arg(long)]
    json: bool,
}

/// How units are listed.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// One JSON object on standard output
    Json,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && rate.is_finite());
    rate.ok_or_else(|| "expected views a second, a number above 0".to_owned())
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let (source, mut base) = args.pipeline.source(Vec::new())?;
    if let Some(dir) = &args.sweeps_dir {
        base.sweep.dir.clone_from(dir);
    }
    let teacher = teacher::identify(&base.teacher)?;
    let mut points = has_runs(&base.sweep).then(|| sweep::expand(&source, &base)).transpose()?;
    let clock = Instant::now();
    let shared = Session::open(&base.dataset, context)?;
    base.settle_for(shared.train_images());
    if let Some(points) = &mut points {
        points.settle_for(shared.train_images());
    }
    let dataset_seconds = clock.elapsed().as_secs_f64();
    let cache = PlannedCache::find(&base, shared.dataset(), &teacher, context)?;
    let file = args.pipeline.pipeline.as_path();
    let (units, mut estimator) = match &points {
        Some(points) => sweep_units(points, &base, &shared, file)?,
        None => (None, Estimator::default()),
    };

    let dataset = shared.dataset();
    let mut cost = Cost::of(&base, dataset, &cache);
    let mut decoding = Decoding { image_seconds: 0.0, overlaps: false };
    if let Some(rate) = args.rate {
        cost.at_rate(rate, None);
    } else if !args.no_measure {
        let probe = Probe::take(&base, dataset, &cache, context)?;
        cost.measured(&probe, dataset_seconds);
        // What finished runs took has their decoding in it.
        decoding.image_seconds = if estimator.is_empty() { probe.decode_seconds } else { 0.0 };
    }
    if !args.no_measure {
        let device = train::choose_device(base.train.device)?;
        decoding.overlaps = device.name != StudentDevice::Cpu;
        let pipelines = units.iter().flat_map(|units| &units.units).map(|unit| &unit.pipeline);
        pipelines.chain([&base]).for_each(|pipeline| estimator.measure(pipeline, dataset, &device));
    }
    let seconds = |pipeline: &Pipeline| estimator.seconds(pipeline, dataset);
    let run_seconds: Vec<Option<f64>> =
        units.iter().flat_map(|units| &units.units).map(|unit| seconds(&unit.pipeline)).collect();
    if args.units.is_some() {
        let row_seconds = cost.stage_one.map(|stage_one| 1.0 / stage_one.rows_per_second);
        let parts = args.parts.map(|parts| parts as usize);
        let commands = args.commands();
        let listed =
            Units::new(file.to_owned(), &cache, parts, row_seconds, units.as_ref(), &run_seconds, &commands);
        print_json(&listed);
        return Ok(());
    }
    add_students(&mut cost, &base, seconds(&base), decoding, units.as_ref(), &run_seconds);
    if args.json {
        print_json(&cost);
    } else {
        table::print(&cost, &cache, &base, dataset);
    }
    Ok(())
}

impl Args {
    fn commands(&self) -> Commands {
        let dir = self.sweeps_dir.as_ref();
        let sweep = dir.map(|dir| vec!["--sweeps-dir".to_owned(), dir.display().to_string()]);
        Commands { pipeline: self.pipeline.again(), sweep: sweep.unwrap_or_default() }
    }
}

/// Whether a `[sweep]` asks for any run.
fn has_runs(sweep: &Sweep) -> bool {
    !sweep.train.is_empty() || !sweep.student.is_empty() || !sweep.runs.is_empty() || sweep.search.is_some()
}

/// The sweep's runs, as far as they are known, and what those that are done took.
fn sweep_units(
    points: &Points,
    base: &Pipeline,
    shared: &Arc<Session>,
    file: &Path,
) -> Result<(Option<sweep::Units>, Estimator), sweep::Error> {
    match Plan::new(points, base, Arc::clone(shared), None, file) {
        Ok(plan) => {
            let units = sweep::Units::known(&plan, base)?;
            Ok((Some(units), Estimator::of_runs(&plan.runs)?))
        }
        Err(sweep::Error::Train(
            train::Error::NoCache { .. }
            | train::Error::Store(store::Error::Mismatch(store::Mismatch::NotComplete { .. })),
        )) => Ok((Some(sweep::Units::before_cache(points, base, file)?), Estimator::default())),
        Err(error) => Err(error),
    }
}

fn add_students(
    cost: &mut Cost,
    base: &Pipeline,
    seconds: Option<f64>,
    decoding: Decoding,
    units: Option<&sweep::Units>,
    run_seconds: &[Option<f64>],
) {
    let is_done = |unit: &sweep::Unit| matches!(unit.state, State::Done(_));
    cost.sweep = units.map(|units| SweepCost {
        runs: units.units.len(),
        done: units.units.iter().filter(|unit| is_done(unit)).count(),
        rungs_left: units.rungs_left,
        ..SweepCost::default()
    });
    let Some(seconds) = seconds else { return };
    let runs: Option<Vec<Run>> = units.and_then(|units| {
        let runs = units.units.iter().zip(run_seconds);
        runs.map(|(unit, seconds)| {
            Some(Run { seconds: (*seconds)?, epochs: unit.pipeline.train.epochs, done: is_done(unit) })
        })
        .collect()
    });
    cost.students(base, seconds, decoding, runs.as_deref());
}
