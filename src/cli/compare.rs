//! `decant compare`: two recipes over the same seeds, and whether their difference shows anything.

use crate::cli::output::{out, outln};
use std::path::{Path, PathBuf};

use super::Failure;
use super::output::print_json;
use crate::config::Pipeline;
use crate::dataset::SplitName;
use crate::runs::compare::{Comparison, Measured};
use crate::runs::recipe;
use crate::support::statistics::mean_and_deviation;
use crate::support::table::Table;
use crate::train::metrics::Metrics;
use crate::train::{self, Description, RunResult};

/// Compare two recipes over the same seeds.
///
/// Pairs the runs by seed and says what they differ by on average, what a paired t-test makes of it, what so many images can
/// resolve, and whether all that shows anything: one seed never does.
#[derive(clap::Args)]
pub struct Args {
    /// Finished runs of one recipe, each of another seed
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Finished runs of the other recipe
    #[arg(long, required = true, num_args = 1.., value_name = "RUN")]
    against: Vec<PathBuf>,
    /// validation or test
    #[arg(long, default_value = "test")]
    split: SplitName,
    /// Print JSON on standard output
    #[arg(long)]
    json: bool,
}

/// A finished run.
struct Run {
    folder: PathBuf,
    pipeline: Pipeline,
    cache: String,
    metrics: Metrics,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let [a, b] = [recipe_of(&args.runs, args.split)?, recipe_of(&args.against, args.split)?];
    let images = same_images(&a[0], &b[0], args.split)?;
    let comparison = Comparison::new(&measured(&a), &measured(&b), images);
    if args.json {
        print_json(&comparison);
        return Ok(());
    }
    outln!("on {images} {} images, mean and standard deviation:", args.split);
    let mut table = Table::new(["", "seeds", "accuracy", "macro F1", "agreement"]);
    for (name, runs) in [("  runs", &a), ("  against", &b)] {
        table.row([
            name.to_owned(),
            runs.len().to_string(),
            spread(runs, |metrics| metrics.accuracy),
            spread(runs, |metrics| metrics.macro_f1),
            spread(runs, |metrics| metrics.teacher_agreement),
        ]);
    }
    out!("{table}");
    for (key, first, second) in recipe::differences(&a[0].pipeline, &b[0].pipeline) {
        outln!("  {key}: {first} against {second}");
    }
    if a[0].cache != b[0].cache {
        outln!("  the caches differ in content: {} against {}", &a[0].cache[..12], &b[0].cache[..12]);
    }
    let alone = a.len() + b.len() - 2 * comparison.seeds.len();
    if alone > 0 && !comparison.seeds.is_empty() {
        outln!("  {alone} runs have no partner of their seed, and are left out of the difference");
    }
    outln!("{}", comparison.words());
    Ok(())
}

/// The runs in `folders`, which must be one recipe with a seed each.
fn recipe_of(folders: &[PathBuf], split: SplitName) -> Result<Vec<Run>, Failure> {
    let runs: Vec<Run> = folders.iter().map(|folder| read(folder, split)).collect::<Result<_, _>>()?;
    for (index, run) in runs.iter().enumerate() {
        let (first, folder) = (&runs[0], run.folder.display());
        if let Some((key, ours, theirs)) = recipe::differences(&first.pipeline, &run.pipeline).first() {
            return Err(Failure::usage(format!(
                "{} and {folder} are not one recipe: {key} is {ours} in the first and {theirs} in the second; give the runs of one \
                 recipe before --against and those of the other after it",
                first.folder.display()
            )));
        }
        let same_seed = |other: &&Run| other.pipeline.train.seed == run.pipeline.train.seed;
        if let Some(other) = runs[..index].iter().find(same_seed) {
            return Err(Failure::usage(format!(
                "{} and {folder} both have seed {}; give each seed once",
                other.folder.display(),
                run.pipeline.train.seed
            )));
        }
    }
    Ok(runs)
}

fn read(folder: &Path, split: SplitName) -> Result<Run, Failure> {
    let description: Option<Description> = train::read_json(folder, "run.json")?;
    let result: Option<RunResult> = train::read_json(folder, "result.json")?;
    let (Some(description), Some(result)) = (description, result) else {
        return Err(train::Error::NoRun { path: folder.to_owned() }.into());
    };
    let metrics = match split {
        SplitName::Validation => Some(result.validation),
        SplitName::Test => result.test,
        SplitName::Train => None,
    };
    let metrics = metrics.ok_or_else(|| {
        let folder = folder.display();
        Failure::usage(format!(
            "{folder} was not measured on {split}; give --split validation or --split test"
        ))
    })?;
    let cache = description.cache_content.to_string();
    Ok(Run { folder: folder.to_owned(), pipeline: description.pipeline, cache, metrics })
}

/// How many labelled images both were measured on, which must be as many of each class.
fn same_images(a: &Run, b: &Run, split: SplitName) -> Result<usize, Failure> {
    let labels =
        |run: &Run| -> Vec<u64> { run.metrics.confusion.iter().map(|row| row.iter().sum()).collect() };
    let (first, second) = (labels(a), labels(b));
    if first != second {
        return Err(Failure::usage(format!(
            "{} and {} were measured on other {split} images: {first:?} of each class against {second:?}; compare runs of one \
             dataset",
            a.folder.display(),
            b.folder.display()
        )));
    }
    match first.iter().sum::<u64>() {
        0 => Err(Failure::usage(format!("no {split} image has a label, so there is no accuracy to compare"))),
        images => Ok(images as usize),
    }
}

fn measured(runs: &[Run]) -> Vec<Measured> {
    runs.iter().map(|run| (run.pipeline.train.seed, run.metrics.accuracy)).collect()
}

fn spread(runs: &[Run], of: impl Fn(&Metrics) -> f64) -> String {
    let (mean, deviation) = mean_and_deviation(&runs.iter().map(|run| of(&run.metrics)).collect::<Vec<_>>());
    format!("{:.1} ± {:.1} %", 100.0 * mean, 100.0 * deviation)
}
