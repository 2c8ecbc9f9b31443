//! `decant evaluate`: a trained classifier on the splits of a dataset.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::compression;
use super::model::{Model, RunsDir, is_run};
use super::output::{errln, fitted, out, outln, percent, print_json};
use super::{Failure, measures};
use crate::config;
use crate::dataset::SplitName;
use crate::runs::{Compression, FinishedRun};
use crate::support::context::Context;
use crate::support::table::Table;
use crate::support::text::{number_or_dash, percent_or_dash};
use crate::teacher::class_order;
use crate::train::images::Images;
use crate::train::metrics::Metrics;
use crate::train::{self, BEST, Setup};

/// Measure a trained student, or any classifier in a Hugging Face folder or ONNX file.
///
/// Accuracy, macro F1, precision and recall of each class, confusion matrix, calibration, agreement with the teacher and
/// KL to it; then parameters, multiply-accumulates, bytes and milliseconds an image of model and teacher. A run knows its dataset and cache; for any other model -p names the pipeline file that does.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    measured: Measured,
    #[command(flatten)]
    runs: RunsDir,
    /// The pipeline file whose dataset and cache the model is measured on
    #[arg(short, long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// Override any key of the pipeline file
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "pipeline")]
    sets: Vec<String>,
    /// The folder that holds caches [default: the file's cache.dir]
    #[arg(long, value_name = "DIR", env = "DECANT_CACHE")]
    cache_dir: Option<PathBuf>,
    /// Cache folder, if several match the pipeline file
    #[arg(long, value_name = "DIR", requires = "pipeline")]
    cache: Option<PathBuf>,
    /// train, validation or test; may be given more than once [default: validation and test]
    #[arg(long = "split", value_name = "SPLIT")]
    splits: Vec<SplitName>,
    /// auto, cpu, cuda:N, vulkan:N, metal:N or wgpu:N
    #[arg(long, default_value = "auto")]
    device: config::StudentDevice,
    /// Print one JSON object on standard output, with the measures of each split
    #[arg(long)]
    json: bool,
}

/// Which classifier is measured.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Measured {
    /// Runs, each by its folder, its name, the beginning of either, or latest
    #[arg(value_name = "RUN")]
    named: Vec<PathBuf>,
    /// The same
    #[arg(long, value_name = "RUN", hide = true)]
    run: Vec<PathBuf>,
    /// A run's folder, a Hugging Face folder, or an ONNX file
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
}

impl Measured {
    /// The paths of the classifiers.
    fn paths(&self, runs: &RunsDir) -> Result<Vec<PathBuf>, Failure> {
        match &self.model {
            Some(model) => Ok(vec![model.clone()]),
            None => self.named.iter().chain(&self.run).map(|run| runs.find(run)).collect(),
        }
    }
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let paths = args.measured.paths(&args.runs)?;
    if let [path] = paths.as_slice() {
        let mut measured = evaluate(&args, path, !args.json, context)?;
        match measured_compression(&args, path) {
            Ok(compression) => measured.compression = Some(compression),
            Err(error) => errln!("note: size and speed are not measured: {error}"),
        }
        if args.json {
            print_json(&measured);
        } else if let Some(compression) = &measured.compression {
            outln!("size and speed, {}", compression.measured_with());
            out!("{}", fitted(&compression.table()));
        }
        return Ok(());
    }
    let mut all = BTreeMap::new();
    let mut table = Table::new(["run", "split"].into_iter().chain(measures::NAMES));
    for path in &paths {
        let measured = evaluate(&args, path, false, context)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for split in SplitName::ALL {
            let Some(metrics) = measured.splits.get(split.as_str()) else { continue };
            table.row([name.clone(), split.to_string()].into_iter().chain(measures::cells(metrics)));
        }
        all.insert(path.display().to_string(), measured);
    }
    if args.json {
        print_json(&all);
    } else {
        out!("{}", fitted(&table));
    }
    Ok(())
}

/// The measures of one classifier.
#[derive(Serialize)]
struct Evaluated {
    #[serde(flatten)]
    splits: BTreeMap<&'static str, Metrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<Compression>,
}

/// The measures of one classifier on each split that was asked for.
fn evaluate(args: &Args, path: &Path, shown: bool, context: &Context) -> Result<Evaluated, Failure> {
    let setup = setup(args, path, context)?;
    let mut model = Model::open(path, args.device)?;
    let order = class_order(&model.classes, &setup.dataset.classes, config::ClassMatching::Name)?;
    let splits = match &args.splits[..] {
        [] => {
            let mut splits = vec![SplitName::Validation, SplitName::Test];
            splits.retain(|&split| setup.dataset.split(split).is_some());
            splits
        }
        splits => splits.to_vec(),
    };
    let mut measured = BTreeMap::new();
    for split in splits {
        let metrics = measure(&setup, &mut model, &order, split)?;
        if shown {
            print(&setup, &model.description, split, &metrics);
        }
        measured.insert(split.as_str(), metrics);
    }
    Ok(Evaluated { splits: measured, compression: None })
}

/// The size and the speed of a classifier beside those of the pipeline's teacher.
fn measured_compression(args: &Args, path: &Path) -> Result<Compression, Failure> {
    let measured = match &args.pipeline {
        None => compression::measure(&FinishedRun::open(path)?),
        Some(file) => {
            let teacher = config::load(file, &args.sets)?.teacher;
            let model = if is_run(path) { path.join(BEST) } else { path.to_owned() };
            compression::of_model(&model, &teacher)
        }
    };
    measured.map_err(Failure::run)
}

/// The dataset and the cache: those of the pipeline file, else the run's own.
fn setup(args: &Args, path: &Path, context: &Context) -> Result<Setup, Failure> {
    let Some(file) = &args.pipeline else {
        if is_run(path) {
            return Ok(FinishedRun::open(path)?.setup(args.device, context)?);
        }
        return Err(Failure::usage(format!(
            "{} does not know its dataset; name the pipeline file that does with -p FILE",
            path.display()
        )));
    };
    let mut pipeline = config::load(file, &args.sets)?;
    if let Some(dir) = &args.cache_dir {
        pipeline.cache.dir.clone_from(dir);
    }
    pipeline.train.device = args.device;
    Ok(Setup::new(pipeline, args.cache.as_deref(), file, context)?)
}

/// `order` finds each of the dataset's classes among the model's.
fn measure(setup: &Setup, model: &mut Model, order: &[usize], split: SplitName) -> Result<Metrics, Failure> {
    let same_pixels = setup.cache.manifest().view.resize == model.preprocess.resize();
    let rows = setup.rows(split)?;
    let images = Images::new(&setup.dataset, split, rows, model.preprocess.clone(), same_pixels);
    train::measure(&images, setup.pipeline.train.temperature, |pixels, batch| {
        let logits = model.logits(pixels, batch)?;
        let rows = logits.chunks_exact(order.len());
        Ok::<_, Failure>(rows.flat_map(|row| order.iter().map(|&class| row[class])).collect())
    })
}

fn print(setup: &Setup, model: &str, split: SplitName, metrics: &Metrics) {
    outln!("{model} on {} {split} images of {}", metrics.samples, setup.dataset.name);
    outln!(
        "  accuracy {}, macro F1 {}",
        percent_or_dash(metrics.accuracy),
        percent_or_dash(metrics.macro_f1)
    );
    outln!(
        "  negative log-likelihood {}, calibration error {}",
        number_or_dash(metrics.negative_log_likelihood),
        percent_or_dash(metrics.calibration_error)
    );
    outln!(
        "  agreement with the teacher {}, KL to it {:.3} at T = {}",
        percent(metrics.teacher_agreement),
        metrics.teacher_kl,
        setup.pipeline.train.temperature
    );
    if metrics.accuracy.is_none() {
        outln!("  no image has a label, so there is nothing to say of each class");
        return;
    }
    out!("{}", fitted(&per_class(&setup.dataset.classes, metrics)));
    if metrics.confusion.classes() <= MOST_CLASSES {
        out!("{}", fitted(&confusion(&setup.dataset.classes, metrics)));
    }
}

/// Confusion matrices of more classes are wider than a terminal; `--json` gives them.
pub(super) const MOST_CLASSES: usize = 12;

/// Precision, recall and F1 of each class.
pub(super) fn per_class(classes: &[String], metrics: &Metrics) -> Table {
    let mut table = Table::new(["  class", "images", "precision", "recall", "F1", "most often taken for"]);
    let mistaken = metrics.confusion.most_often_taken_for();
    for ((class, measures), mistaken) in classes.iter().zip(metrics.confusion.per_class()).zip(mistaken) {
        table.row([
            format!("  {class}"),
            measures.images.to_string(),
            percent_or_dash(measures.precision),
            percent_or_dash(measures.recall),
            percent_or_dash(measures.f1),
            mistaken.map_or("-".to_owned(), |(other, count)| format!("{} ({count})", classes[other])),
        ]);
    }
    table
}

fn confusion(classes: &[String], metrics: &Metrics) -> Table {
    let head = classes.iter().map(|class| format!("-> {class}"));
    let mut table = Table::new(std::iter::once("  label".to_owned()).chain(head));
    for (class, row) in classes.iter().zip(metrics.confusion.rows()) {
        table.row(std::iter::once(format!("  {class}")).chain(row.iter().map(u64::to_string)));
    }
    table
}
