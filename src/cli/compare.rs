//! `decant compare`: two configurations over the same seeds, and whether their difference is significant.

use std::path::{Path, PathBuf};

use super::Failure;
use super::model::RunsDir;
use super::output::{fitted, out, outln, print_json};
use crate::dataset::SplitName;
use crate::runs::compare::Measured;
use crate::runs::{Comparison, Recipe, Run, Spread};
use crate::support::table::Table;
use crate::train;
use crate::train::metrics::Metrics;

/// Compare two configurations over the same seeds.
///
/// Pairs the runs by seed, and prints their mean difference, a paired t-test, the difference that this many images can resolve, and whether
/// the difference is significant: a single seed never is.
#[derive(clap::Args)]
pub struct Args {
    /// Finished runs of one configuration, each of another seed
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Finished runs of the other configuration
    #[arg(long, required = true, num_args = 1.., value_name = "RUN")]
    against: Vec<PathBuf>,
    #[command(flatten)]
    dir: RunsDir,
    /// validation or test
    #[arg(long, default_value = "test")]
    split: SplitName,
    /// Print JSON on standard output
    #[arg(long)]
    json: bool,
}

/// A finished run on the split that is compared.
struct Finished {
    folder: PathBuf,
    recipe: Recipe,
    seed: u64,
    cache: String,
    metrics: Metrics,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let [a, b] = [&args.runs, &args.against].map(|runs| configuration(runs, &args.dir, args.split));
    let (a, b) = (a?, b?);
    let images = same_images(&a[0], &b[0], args.split)?;
    let comparison = Comparison::new(&measured(&a)?, &measured(&b)?, images);
    if args.json {
        print_json(&comparison);
        return Ok(());
    }
    outln!("on {images} {} images, mean and standard deviation in %:", args.split);
    let mut table = Table::new(["", "seeds", "accuracy", "macro F1", "agreement"]);
    for (name, runs) in [("  runs", &a), ("  against", &b)] {
        table.row([
            name.to_owned(),
            runs.len().to_string(),
            spread(runs, |metrics| metrics.accuracy),
            spread(runs, |metrics| metrics.macro_f1),
            spread(runs, |metrics| Some(metrics.teacher_agreement)),
        ]);
    }
    out!("{}", fitted(&table));
    for (key, first, second) in a[0].recipe.differences(&b[0].recipe) {
        outln!("  {key}: {first} against {second}");
    }
    if a[0].cache != b[0].cache {
        outln!("  the caches differ in content: {} against {}", &a[0].cache[..12], &b[0].cache[..12]);
    }
    let unpaired = a.len() + b.len() - 2 * comparison.pairs;
    if unpaired > 0 && comparison.pairs > 0 {
        outln!(
            "  {unpaired} runs have no run of the same seed on the other side, and are left out of the difference"
        );
    }
    outln!("{}", comparison.words());
    Ok(())
}

/// The runs in `folders`, which must be one configuration with a seed each.
fn configuration(folders: &[PathBuf], dir: &RunsDir, split: SplitName) -> Result<Vec<Finished>, Failure> {
    let runs: Vec<Finished> =
        folders.iter().map(|folder| read(folder, dir, split)).collect::<Result<_, _>>()?;
    for (index, run) in runs.iter().enumerate() {
        let (first, folder) = (&runs[0], run.folder.display());
        if let Some((key, ours, theirs)) = first.recipe.differences(&run.recipe).first() {
            return Err(Failure::usage(format!(
                "{} and {folder} are not one configuration: {key} is {ours} in the first and {theirs} in the second; give the runs of \
                 one configuration before --against and those of the other after it",
                first.folder.display()
            )));
        }
        if let Some(other) = runs[..index].iter().find(|other| other.seed == run.seed) {
            return Err(Failure::usage(format!(
                "{} and {folder} both have seed {}; give each seed once",
                other.folder.display(),
                run.seed
            )));
        }
    }
    Ok(runs)
}

fn read(named: &Path, dir: &RunsDir, split: SplitName) -> Result<Finished, Failure> {
    let Run { folder, description, result, .. } = Run::read(&dir.find(named)?)?;
    let Some(result) = result else { return Err(train::Error::NoRun { path: folder }.into()) };
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
    let recipe = Recipe::of(&description.pipeline, description.init);
    let (seed, cache) = (description.pipeline.train.seed, description.cache_content.to_string());
    Ok(Finished { folder, recipe, seed, cache, metrics })
}

/// How many labelled images both were measured on, which must be as many of each class.
fn same_images(a: &Finished, b: &Finished, split: SplitName) -> Result<usize, Failure> {
    let (first, second) = (a.metrics.confusion.images(), b.metrics.confusion.images());
    if first != second {
        return Err(Failure::usage(format!(
            "{} and {} were measured on different {split} images: {} and {} labelled images of {} and {} classes, or another number of \
             some class; compare runs of one dataset",
            a.folder.display(),
            b.folder.display(),
            first.iter().sum::<u64>(),
            second.iter().sum::<u64>(),
            first.len(),
            second.len()
        )));
    }
    match first.iter().sum::<u64>() {
        0 => Err(Failure::usage(format!("no {split} image has a label, so there is no accuracy to compare"))),
        images => Ok(images as usize),
    }
}

fn measured(runs: &[Finished]) -> Result<Vec<Measured>, Failure> {
    let run = |run: &Finished| Some((run.seed, run.metrics.accuracy?));
    runs.iter()
        .map(|finished| {
            run(finished).ok_or_else(|| Failure::usage("a run has no accuracy, since no image has a label"))
        })
        .collect()
}

fn spread(runs: &[Finished], of: impl Fn(&Metrics) -> Option<f64>) -> String {
    let spread = Spread::of_all(runs.iter().map(|run| of(&run.metrics)));
    spread.map_or("-".to_owned(), |spread| spread.percents())
}
