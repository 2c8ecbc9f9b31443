//! `decant plan`: what a pipeline will cost, before any of it is done.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Failure;
use super::pipeline::PipelineArgs;
use super::text::print_json;
use crate::config::{Pipeline, Sweep};
use crate::planning::{Commands, PlannedCache, Units};
use crate::store;
use crate::sweep::{self, Plan, Points};
use crate::teacher;
use crate::train::{self, Shared};

/// The units of work of stage one and of the sweep, for a scheduler.
///
/// Nothing is trained and nothing is written.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The folder that holds results of sweeps [default: the file's sweep.dir, which is "sweeps"]
    #[arg(long, value_name = "DIR", env = "DECANT_SWEEPS")]
    sweeps_dir: Option<PathBuf>,
    /// List every unit of work with its command, for a scheduler
    #[arg(long, value_enum)]
    units: Format,
    /// Deal stage one out as N units, where it is not to be one a shard: each unit hashes the dataset first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    parts: Option<u32>,
}

/// How units are listed.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// One JSON object on standard output
    Json,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let (source, base) = args.pipeline.source(Vec::new())?;
    let teacher = teacher::identify(&base.teacher)?;
    let points = has_runs(&base.sweep).then(|| sweep::expand(&source, &base)).transpose()?;
    let shared = Shared::open(&base.dataset)?;
    let cache = PlannedCache::find(&base, shared.dataset(), &teacher)?;
    let file = args.pipeline.pipeline.as_path();
    let units = points.as_ref().map(|points| sweep_units(points, &base, &shared, file)).transpose()?;
    match args.units {
        Format::Json => print_json(&Units::new(
            file.to_owned(),
            &cache,
            args.parts.map(|parts| parts as usize),
            units.as_ref(),
            &args.commands(),
        )),
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

/// The sweep's runs, as far as they are known: with a cache, which of them are done.
fn sweep_units(
    points: &Points,
    base: &Pipeline,
    shared: &Arc<Shared>,
    file: &Path,
) -> Result<sweep::Units, sweep::Error> {
    match Plan::new(points, base, Arc::clone(shared), None, file) {
        Ok((plan, _)) => sweep::Units::known(&plan, points, base, file),
        Err(sweep::Error::Train(
            train::Error::NoCache { .. } | train::Error::Store(store::Error::NotComplete { .. }),
        )) => sweep::Units::before_cache(points, base, file),
        Err(error) => Err(error),
    }
}
