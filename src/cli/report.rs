//! `decant report`: one HTML page about a cache, a run or several runs.

use std::path::PathBuf;

use super::Failure;
use super::compression;
use super::output::{bytes, errln, outln, print_json};
use crate::config;
use crate::dataset::SplitName;
use crate::report::{Options, Report};
use crate::store;
use crate::support::context::Context;

/// One self-contained HTML page about a cache, a run or a sweep.
///
/// Charts, images and everything needed to rerun it. Several runs are compared as a sweep.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A cache's folder, a run's, several runs', or a sweep's
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The page
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
    /// Write each chart as SVG and PNG into this folder as well
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// The pipeline file that a cache was made from, to show its images
    #[arg(short, long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// The folder that holds the runs which a sweep's folder lists
    #[arg(long, value_name = "DIR", env = "DECANT_RUNS", default_value = "runs")]
    runs_dir: PathBuf,
    /// The split that is measured [default: test, or else validation]
    #[arg(long)]
    split: Option<SplitName>,
    /// Where the student is evaluated: auto, cpu, cuda:N, vulkan:N, metal:N or wgpu:N
    #[arg(long, default_value = "auto")]
    device: config::StudentDevice,
    /// Replace files that decant did not write
    #[arg(long)]
    force: bool,
    /// Print the report's numbers as JSON on standard output
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let dataset = match &args.pipeline {
        Some(file) => Some(config::load(file, &[])?.dataset),
        None => None,
    };
    let options = Options {
        split: args.split,
        device: args.device,
        runs_dir: args.runs_dir,
        dataset,
        compression: Some(compression::of),
        context: context.clone(),
    };
    let paths = args.paths.iter().map(|path| store::pull(path, context)).collect::<Result<Vec<_>, _>>()?;
    if !args.force {
        Report::check_places(&args.output, args.charts.as_deref())?;
    }
    let report = Report::of(&paths, &options)?;
    report.write(&args.output)?;
    if let Some(folder) = &args.charts {
        report.write_charts(folder, context)?;
    }
    for note in &report.contents.notes {
        errln!("note: {note}");
    }
    if args.json {
        print_json(&report.contents);
        return Ok(());
    }
    outln!("{} ({}, {} charts)", args.output.display(), bytes(report.html.len() as u64), report.charts.len());
    if let Some(folder) = &args.charts {
        outln!("{} ({} SVG and PNG files)", folder.display(), 2 * report.charts.len());
    }
    Ok(())
}
