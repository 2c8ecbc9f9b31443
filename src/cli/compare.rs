//! `decant compare`: two configurations over the same seeds, and whether their difference is significant.

use std::path::{Path, PathBuf};

use super::Failure;
use super::model::RunsDir;
use super::output::{fitted, out, outln, print_json};
use crate::dataset::SplitName;
use crate::report;
use crate::runs::compare::Measured;
use crate::runs::standings::{self, Standing};
use crate::runs::{Comparison, Recipe, Run, Spread};
use crate::store::{Cache, TeacherQuality};
use crate::support::table::Table;
use crate::train;
use crate::train::metrics::Metrics;

/// Compare configurations over the same seeds.
///
/// With --against, two: pairs the runs by seed, and prints their mean difference, a paired t-test, the difference that this many images can
/// resolve, and whether the difference is significant: a single seed never is. Without it, every configuration of a sweep or of several runs
/// against the labels only, corrected for how many there are.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Finished runs of one configuration, each of another seed; or a sweep, or runs of several configurations
    #[arg(required = true, value_name = "SWEEP|RUN")]
    runs: Vec<PathBuf>,
    /// Finished runs of the other configuration
    #[arg(long, num_args = 1.., value_name = "RUN")]
    against: Vec<PathBuf>,
    #[command(flatten)]
    dir: RunsDir,
    /// validation or test [default: test]
    #[arg(long, requires = "against")]
    split: Option<SplitName>,
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
    /// The cache's folder.
    place: PathBuf,
    metrics: Metrics,
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if args.against.is_empty() {
        return all(&args);
    }
    let split = args.split.unwrap_or(SplitName::Test);
    let [a, b] = [&args.runs, &args.against].map(|runs| configuration(runs, &args.dir, split));
    let (a, b) = (a?, b?);
    let images = same_images(&a[0], &b[0], split)?;
    let comparison = Comparison::new(&measured(&a)?, &measured(&b)?, images);
    let is_one_cache = a.iter().chain(&b).all(|run| run.cache == a[0].cache);
    let cache = is_one_cache.then(|| Cache::open(&a[0].place).ok()).flatten();
    if args.json {
        print_json(&comparison);
        return Ok(());
    }
    outln!("on {images} {split} images, mean and standard deviation in %:");
    let mut table = Table::new(["", "seeds", "accuracy", "macro F1", "agreement"]);
    for (name, runs) in [("  runs", &a), ("  against", &b)] {
        table.row([
            name.to_owned(),
            runs.len().to_string(),
            spread(runs, |metrics| metrics.accuracy),
            spread(runs, |metrics| metrics.macro_f1),
            spread(runs, |metrics| Some(metrics.teacher_agreement).filter(|share| !share.is_nan())),
        ]);
    }
    if let Some(accuracy) = cache.and_then(|cache| teacher_accuracy(&cache, split)) {
        let none = || "-".to_owned();
        table.row(["  teacher".to_owned(), none(), accuracy, none(), none()]);
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

/// Every configuration against the labels only, and the teacher.
fn all(args: &Args) -> Result<(), Failure> {
    let (runs, notes) = report::runs_of(&args.runs, &args.dir.path())?;
    let compared = report::Comparison::of(&runs).ok_or_else(|| {
        Failure::usage("none of these runs is finished; decant runs ls says how far each is")
    })?;
    if args.json {
        print_json(&compared);
        return Ok(());
    }
    for note in notes {
        outln!("note     {note}");
    }
    if !compared.shared.is_empty() {
        outln!("shared   {}", compared.shared.join(", "));
    }
    if !compared.common.is_empty() {
        outln!("common   {}; a configuration is named by what differs", compared.common.join(", "));
    }
    let standings = compared.groups.iter().map(|group| Standing {
        name: narrow(&group.label),
        seeds: group.runs.len(),
        validation: &group.validation,
        test: group.test.as_ref(),
        gain: group.gain.as_ref(),
    });
    out!("{}", fitted(&standings::table(standings, teacher(&runs))));
    let has_gain = compared.groups.iter().any(|group| group.gain.is_some());
    out!("{}", standings::legend(compared.measure, has_gain));
    match compared.best_distilled().map(|best| (best, &best.gain)) {
        Some((best, Some(gain))) => outln!(
            "verdict  {} against the labels only, on {}: {}",
            best.label,
            gain.split,
            gain.comparison.words()
        ),
        Some((best, None)) => outln!(
            "verdict  none: {} has no run from the labels only (lambda = 0) with the same settings and seed beside it",
            best.label
        ),
        None => outln!("verdict  none: no run learned from the teacher"),
    }
    Ok(())
}

/// A label as a terminal of 80 columns has a place for it.
fn narrow(label: &str) -> String {
    label.replace(" = ", "=").replace(" (lambda=0)", "")
}

/// The teacher's accuracy on a split, where the cache says it.
fn teacher_accuracy(cache: &Cache, split: SplitName) -> Option<String> {
    let quality = TeacherQuality::on(split.as_str(), &cache.complete().teacher_quality)?;
    Some(format!("{:.1}", 100.0 * quality.accuracy))
}

/// The teacher's accuracy on validation and test, where the cache of these runs is still there.
fn teacher(runs: &[Run]) -> Option<[String; 2]> {
    let description = &runs.first()?.description;
    if runs.iter().any(|run| run.description.cache_content != description.cache_content) {
        return None;
    }
    let cache = Cache::open(&description.cache).ok()?;
    let accuracy = |split: SplitName| teacher_accuracy(&cache, split).unwrap_or_else(|| "-".to_owned());
    Some([accuracy(SplitName::Validation), accuracy(SplitName::Test)])
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
    let recipe = Recipe::of_run(&description);
    let (seed, cache) = (description.pipeline.train.seed, description.cache_content.to_string());
    Ok(Finished { folder, recipe, seed, cache, place: description.cache, metrics })
}

/// How many labelled images both were measured on, which must be as many of each class.
fn same_images(a: &Finished, b: &Finished, split: SplitName) -> Result<usize, Failure> {
    let (first, second) = (a.metrics.confusion.images(), b.metrics.confusion.images());
    // An accuracy that another tool gives has no images by class.
    let are_told = ![a, b].iter().any(|one| one.metrics.confusion.is_empty());
    let is_same = if are_told { first == second } else { a.metrics.labelled() == b.metrics.labelled() };
    if !is_same {
        return Err(Failure::usage(format!(
            "{} and {} were measured on different {split} images: {} and {} labelled images of {} and {} classes, or another number of \
             some class; compare runs of one dataset",
            a.folder.display(),
            b.folder.display(),
            a.metrics.labelled(),
            b.metrics.labelled(),
            first.len(),
            second.len()
        )));
    }
    match a.metrics.labelled() {
        0 => Err(Failure::usage(format!("no {split} image has a label, so there is no accuracy to compare"))),
        images => Ok(images),
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
