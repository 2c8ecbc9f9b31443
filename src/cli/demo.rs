//! `decant demo`: both stages, and the gain of distillation.

use crate::cli::output::{out, outln};
use crate::support::context::Context;
use std::sync::Arc;

use super::Failure;
use super::output::{bytes, count, percent_or_dash, seconds};
use super::pipeline::PipelineArgs;
use super::{teacher_cache, train_student};
use crate::config::{Control, Pipeline};
use crate::dataset::SplitName;
use crate::runs::compare::Measured;
use crate::runs::{Comparison, Spread};
use crate::store::Cache;
use crate::support::table::Table;
use crate::train::metrics::{Meter, Metrics};
use crate::train::{RunResult, Session, Timing};

/// Both stages, distilled against from scratch.
///
/// Trains the pipeline's student from several seeds, with the teacher and without, and compares them on test.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// How many seeds each student is trained from, beginning with train.seed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
}

/// One finished run, with its test measures.
struct Run {
    seed: u64,
    test: Metrics,
    timing: Timing,
}

pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let pipeline = args.pipeline.load(Vec::new())?;
    if !pipeline.train.is_taught() || pipeline.train.control != Control::None {
        return Err(Failure::usage(
            "the demo compares with the labels only, so the pipeline must learn from the teacher: train.lambda above 0, \
             train.loss other than ce and no train.control",
        ));
    }
    let file = args.pipeline.pipeline.display();
    outln!("$ decant teacher-cache -p {file}");
    let stage_one = teacher_cache::cache(&pipeline, (0, 1), context)?;
    if stage_one.bytes().is_none() {
        return Err(Failure::interrupted("interrupted in stage one; the same command resumes from there"));
    }
    let shared = Session::open(&pipeline.dataset, context)?;
    let first = pipeline.train.seed;
    let mut students: [(String, Control, Vec<Run>); 2] = [
        (
            format!("distilled (T = {}, lambda = {})", pipeline.train.temperature, pipeline.train.lambda),
            Control::None,
            Vec::new(),
        ),
        ("from scratch (labels only)".to_owned(), Control::LabelsOnly, Vec::new()),
    ];
    for seed in first..first + args.seeds {
        for (_, control, runs) in &mut students {
            outln!("\n$ decant train-student -p {file} --control {} --seed {seed}", control.as_str());
            runs.push(student(&args, &shared, &pipeline, *control, seed, context)?);
        }
    }
    let cache = Cache::open(&stage_one.dir)?;
    outln!(
        "\nOn test, {} for each student, mean and standard deviation:",
        count(args.seeds as usize, "seed")
    );
    let mut table = Table::new(["", "accuracy", "macro F1", "agreement", "one run"]);
    let teacher = teacher_on_test(&cache, &pipeline)?;
    table.row([
        "teacher".to_owned(),
        percent_or_dash(teacher.accuracy),
        percent_or_dash(teacher.macro_f1),
        "-".to_owned(),
        "-".to_owned(),
    ]);
    for (name, _, runs) in &students {
        let time: f64 = runs.iter().map(|run| run.timing.seconds).sum::<f64>() / runs.len() as f64;
        table.row([
            name.clone(),
            spread(runs, |metrics| metrics.accuracy),
            spread(runs, |metrics| metrics.macro_f1),
            spread(runs, |metrics| Some(metrics.teacher_agreement)),
            seconds(time),
        ]);
    }
    out!("{table}");
    outln!("gain of distillation: {}", gain(&students[0].2, &students[1].2));
    let stage_one_time = if stage_one.images == 0 {
        "cached already".to_owned()
    } else {
        format!("{} ({:.0} images/s)", seconds(stage_one.seconds), stage_one.images_per_second)
    };
    outln!(
        "stage one, once for all {} runs: {stage_one_time}; the cache is {}",
        2 * args.seeds,
        bytes(stage_one.bytes().unwrap_or(0))
    );
    outln!("next     decant evaluate RUN, or your own images: see README.md");
    Ok(())
}

/// Trains one student, or finds it trained.
fn student(
    args: &Args,
    shared: &Arc<Session>,
    pipeline: &Pipeline,
    control: Control,
    seed: u64,
    context: &Context,
) -> Result<Run, Failure> {
    let mut pipeline = pipeline.clone();
    pipeline.train.control = control;
    pipeline.train.seed = seed;
    let (result, timing) =
        train_student::student(&shared.setup(pipeline, None, &args.pipeline.pipeline)?, context)?;
    let RunResult { test, .. } = result;
    let test =
        test.ok_or_else(|| Failure::usage("the demo compares on test, and the dataset has no test split"))?;
    Ok(Run { seed, test, timing })
}

/// The teacher's own measures, from its cached logits.
fn teacher_on_test(cache: &Cache, pipeline: &Pipeline) -> Result<Metrics, Failure> {
    let rows = cache.split(SplitName::Test.as_str())?;
    let plain: Vec<usize> = (0..rows.samples()).filter_map(|sample| rows.row(sample, 0)).collect();
    let mut logits = vec![0.0; plain.len() * rows.classes()];
    rows.gather_logits(&plain, &mut logits)?;
    let labels: Vec<i32> = plain.iter().map(|&row| rows.label(row)).collect();
    let mut meter = Meter::new(rows.classes(), pipeline.train.temperature);
    meter.add(&logits, &logits, &labels);
    Ok(meter.finish())
}

/// `81.2 ± 1.4 %` over the runs.
fn spread(runs: &[Run], of: impl Fn(&Metrics) -> Option<f64>) -> String {
    let spread = Spread::of_all(runs.iter().map(|run| of(&run.test)));
    spread.map_or("-".to_owned(), |spread| {
        format!("{:.1} ± {:.1} %", 100.0 * spread.mean, 100.0 * spread.deviation)
    })
}

/// The gain of distillation, seed by seed, and whether it is significant.
fn gain(distilled: &[Run], scratch: &[Run]) -> String {
    let of = |runs: &[Run]| -> Vec<Measured> {
        runs.iter().filter_map(|run| Some((run.seed, run.test.accuracy?))).collect()
    };
    let labelled = distilled[0].test.confusion.labelled();
    Comparison::new(&of(distilled), &of(scratch), labelled as usize).words()
}
