//! `decant cache verify`: every byte is compared with what was written and, on request, the logits with what the teacher gives today.

use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::cli::output::{bytes, fitted, out, outln};
use crate::config;
use crate::dataset::Dataset;
use crate::stage_one::{Recomputed, recompute};
use crate::store::{self, Cache};
use crate::support::context::Context;
use crate::support::table::Table;
use crate::teacher::{OnnxTeacher, Teacher};

/// The arguments of `verify`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The cache's folder
    cache: PathBuf,
    /// Run the teacher on N random rows again, one by one and in other batch sizes, and compare
    #[arg(long, value_name = "N", requires = "pipeline")]
    recompute: Option<usize>,
    /// The pipeline file that the cache was made from, for --recompute
    #[arg(short, long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// Override any key of the pipeline file
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "pipeline")]
    sets: Vec<String>,
    /// Fixes which rows --recompute takes
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let cache = store::pull(&args.cache, context)?;
    bytes_are_sound(&cache)?;
    match (args.recompute, &args.pipeline) {
        (Some(rows), Some(pipeline)) => teacher_agrees(args, &cache, pipeline, rows, context),
        _ => Ok(()),
    }
}

fn bytes_are_sound(dir: &Path) -> Result<(), Failure> {
    let report = store::verify(dir)?;
    if report.damage.is_empty() {
        outln!(
            "{} is sound: {} shards, {} rows, {}, content {}",
            dir.display(),
            report.shards,
            report.rows,
            bytes(report.bytes),
            report.content.short(12)
        );
        return Ok(());
    }
    for damage in &report.damage {
        outln!("{damage}");
    }
    Err(Failure::damage(format!(
        "{} has {} damaged parts; delete the damaged shards with their records and run decant teacher-cache again",
        dir.display(),
        report.damage.len()
    )))
}

fn teacher_agrees(
    args: &Args,
    cache: &Path,
    file: &Path,
    rows: usize,
    context: &Context,
) -> Result<(), Failure> {
    let pipeline = config::load(file, &args.sets)?;
    let dataset = Dataset::open(&pipeline.dataset, context)?;
    let cache = Cache::open(cache)?;
    let of_cache = &cache.manifest().dataset;
    let dataset = dataset.as_cached(&of_cache.left_out, of_cache.fingerprint).unwrap_or(dataset);
    let mut teacher = OnnxTeacher::open(&pipeline.teacher)?;
    let batch_size = pipeline.teacher.batch(teacher.describe().device.provider);
    let found = recompute(&dataset, &mut teacher, &cache, batch_size, rows, args.seed)?;
    print(&found);
    if let Some(image) = &found.other_pixels {
        return Err(Failure::damage(format!(
            "the teacher's input for {image} has other pixels than when the cache was made: the decoder or the resizer \
             has drifted; make the cache again with this version"
        )));
    }
    if found.is_noise() {
        return Err(Failure::damage(format!(
            "the teacher differs from itself by {:.2e} between batch sizes, with logits of up to {:.2e}: its logits depend on chance or \
             on the other images of a batch, so {} is not what it says of single images; export it without dropout, noise or batch \
             statistics and make the cache again, with teacher.batch-size = 1 if it is quantised as it runs",
            found.floor.max,
            found.largest,
            args.cache.display()
        )));
    }
    if found.drifted() {
        return Err(Failure::damage(format!(
            "{} is not what this teacher says today: a logit is {:.2e} off, rounding explains {:.2e}; make the cache again, \
             or find out what changed (provider, precision, runtime)",
            args.cache.display(),
            found.least_drift(),
            found.allowed()
        )));
    }
    outln!("the teacher says the same today, up to rounding ({:.2e} is allowed)", found.allowed());
    Ok(())
}

fn print(found: &Recomputed) {
    outln!("recomputed {} rows: |stored - recomputed| logits by batch size", found.rows);
    let mut table = Table::new(["  batch", "max", "mean"]);
    let mut row = |name: String, (max, mean): (f64, f64)| {
        table.row([format!("  {name}"), format!("{max:.2e}"), format!("{mean:.2e}")]);
    };
    for (size, difference) in &found.stored {
        row(size.to_string(), (difference.max, difference.mean()));
    }
    row("noise floor".to_owned(), (found.floor.max, found.floor.mean()));
    out!("{}", fitted(&table));
}
