//! `decant demo`: both stages, and the gain of distillation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use toml::Value;

use super::Failure;
use super::compression;
use super::output::{bytes, count, fitted, out, outln, percent_or_dash, seconds};
use super::pipeline::PipelineArgs;
use super::teacher_cache;
use crate::config::{Control, Pipeline};
use crate::dataset::{self, SplitName};
use crate::runs::{Comparison, FinishedRun, Spread, compare::Measured};
use crate::store::Cache;
use crate::support::context::Context;
use crate::support::progress::clock_time;
use crate::support::table::Table;
use crate::sweep::{self, Plan, Point, Points, State};
use crate::train::metrics::{Meter, Metrics};
use crate::train::{self, Session};

/// Both stages on generated leaves: students with the teacher against students without.
///
/// Trains the pipeline's student from several seeds, once with the teacher's targets and once from the labels only, and compares
/// them on test. After an interruption the same command resumes.
#[derive(clap::Args)]
#[command(mut_arg("pipeline", |pipeline| pipeline.required(false).default_value("leaves.toml")))]
pub(crate) struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Number of seeds of each student, from train.seed
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Two seeds and a fifth of the epochs: to see whether everything works, not what distillation gains
    #[arg(long, conflicts_with = "seeds")]
    quick: bool,
}

/// The axes in which the demo's runs differ.
const AXES: [&str; 2] = ["train.lambda", "train.seed"];

/// How long the student's speed is measured for the estimate.
const MEASURE: Duration = Duration::from_millis(500);

/// The most students that are trained at once; each has its own activations in memory.
const MOST_AT_ONCE: usize = 5;

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let mut base = args.pipeline.load(Vec::new())?;
    if !base.train.is_taught() || base.train.control != Control::None {
        return Err(Failure::usage(
            "the demo compares with the labels only, so the pipeline must learn from the teacher: train.lambda above 0, \
             train.loss other than ce and no train.control",
        ));
    }
    let seeds = if args.quick { 2 } else { args.seeds };
    let file = args.pipeline.pipeline.as_path();
    let at_once = at_once(&base, 2 * seeds);
    announce(&base, &args, seeds, at_once);

    let stage_one = teacher_cache::cache(&base, (0, 1), &context.without_lines())?;
    if stage_one.bytes().is_none() {
        return Err(Failure::interrupted("interrupted in stage one; the same command resumes from there"));
    }
    let shared = Session::open(&base.dataset, context)?;
    base.settle_for(shared.train_images());
    if args.quick {
        base.train.epochs = base.train.epochs.div_ceil(5);
    }
    outln!(
        "teacher  {}; the cache is {}",
        if stage_one.images == 0 {
            "asked in an earlier run".to_owned()
        } else {
            let rate = stage_one.images_per_second;
            format!("asked once, in {}: {rate:.0} images/s", seconds(stage_one.seconds))
        },
        bytes(stage_one.bytes().unwrap_or(0))
    );
    let plan = Plan::new(&points(&base, seeds), &base, Arc::clone(&shared), None, file)?;
    let clock = Instant::now();
    let finished = sweep::run(&plan, &base, at_once, context)?;
    if finished.interrupted {
        return Err(Failure::interrupted("interrupted; what is done is kept, and the same command resumes"));
    }
    let mut students: [Vec<(u64, &Metrics)>; 2] = Default::default();
    for (run, row) in finished.runs.iter().zip(&finished.results.rows) {
        let test = match &row.state {
            State::Done(result) => result.test.as_ref(),
            State::Failed(error) => return Err(Failure::run(error)),
            State::Missing => None,
        };
        let test = test
            .ok_or_else(|| Failure::usage("the demo compares on test, and the dataset has no test split"))?;
        let is_taught = run.setup.pipeline.train.is_taught();
        students[usize::from(!is_taught)].push((row.seed, test));
    }
    let teacher = teacher_on_test(&Cache::open(&stage_one.dir)?, &base)?;
    show(&base, &teacher, &students, clock.elapsed());
    if args.quick {
        outln!(
            "note: two seeds and a fifth of the epochs show that everything works, not what distillation gains; run decant demo for that"
        );
    }
    let first = finished.runs.iter().find(|run| run.setup.pipeline.train.is_taught());
    if let Some(run) = first {
        match compression::measure(&FinishedRun::open(&run.setup.folder)?) {
            Ok(compression) => {
                outln!("\nSize and speed, {}:", compression.measured_with());
                out!("{}", fitted(&compression.table()));
            }
            Err(error) => outln!("\nnote: size and speed are not measured: {error}"),
        }
    }
    next(&base);
    Ok(())
}

/// The runs: with the teacher and from the labels only, seed by seed.
fn points(base: &Pipeline, seeds: u64) -> Points {
    let run = |seed: u64, control: Control| {
        let mut pipeline = base.clone();
        pipeline.train.seed = seed;
        pipeline.train.control = control;
        let lambda = f64::from(pipeline.train.lambda_at(0));
        let lambda = (lambda * 1e6).round() / 1e6;
        Point { pipeline, values: vec![Some(Value::Float(lambda)), Some(Value::Integer(seed as i64))] }
    };
    let first = base.train.seed;
    let all = (first..first + seeds)
        .flat_map(|seed| [Control::None, Control::LabelsOnly].map(|control| run(seed, control)));
    Points { axes: AXES.map(str::to_owned).to_vec(), points: all.collect(), merged: 0, excluded: 0 }
}

/// How many of the students are trained at once: one small student leaves cores idle, several fill them. On a GPU it is one.
fn at_once(base: &Pipeline, students: u64) -> usize {
    let is_host = train::choose_device(base.train.device).is_ok_and(|device| device.is_host);
    if is_host { rayon::current_num_threads().min(MOST_AT_ONCE).min(students as usize) } else { 1 }
}

/// The steps of the demo, and how long it will take where that can be measured before.
fn announce(base: &Pipeline, args: &Args, seeds: u64, at_once: usize) {
    let source = &base.dataset;
    if source.source == "leaves" {
        let leaves = &source.leaves;
        outln!(
            "demo     {} of generated bean leaves with a label and {} without; {} to choose an epoch, {} to test",
            count(leaves.train, "photograph"),
            leaves.unlabelled,
            leaves.validation,
            leaves.test
        );
        let drawing = dataset::drawing_seconds(source);
        let train = leaves.train + leaves.unlabelled;
        let students = 2 * seeds;
        if let Some(training) = training_seconds(base, train, leaves.validation, args.quick, at_once) {
            let rounds = students.div_ceil(at_once as u64);
            let total = drawing.unwrap_or(0.0) + rounds as f64 * training;
            let drawing = drawing.map_or("the leaves are drawn already".to_owned(), |time| {
                format!("{} to draw the leaves", clock_time(time))
            });
            outln!(
                "takes    about {} here beside the teacher: {drawing}, {} for each of {students} students, {at_once} at a time",
                clock_time(total),
                seconds(training),
            );
        }
    } else {
        outln!("demo     {}: {} students; decant plan -p says how long that takes", source.source, 2 * seeds);
    }
}

/// Seconds of one run of `at_once`, by the measured speed of its steps.
fn training_seconds(
    base: &Pipeline,
    images: usize,
    validation: usize,
    quick: bool,
    at_once: usize,
) -> Option<f64> {
    let mut pipeline = base.clone();
    pipeline.settle_for(images);
    let epochs = if quick { pipeline.train.epochs.div_ceil(5) } else { pipeline.train.epochs };
    let device = train::choose_device(pipeline.train.device).ok()?;
    let threads = (rayon::current_num_threads() / at_once).max(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok()?;
    let pace =
        pool.install(|| train::pace(&pipeline, dataset::leaves::CLASSES.len(), &device, MEASURE)).ok()?;
    let forward = validation + pipeline.train.precise_bn.min(images);
    Some(epochs as f64 * (pace.step_seconds * images as f64 + pace.forward_seconds * forward as f64))
}

fn show(base: &Pipeline, teacher: &Metrics, students: &[Vec<(u64, &Metrics)>; 2], time: Duration) {
    let train = &base.train;
    outln!(
        "\nOn {} test images, {} each, mean and standard deviation ({} of training):",
        teacher.confusion.labelled(),
        count(students[0].len(), "seed"),
        seconds(time.as_secs_f64())
    );
    let mut table = Table::new(["", "accuracy", "macro F1", "agreement with the teacher"]);
    table.row([
        "teacher".to_owned(),
        percent_or_dash(teacher.accuracy),
        percent_or_dash(teacher.macro_f1),
        "-".to_owned(),
    ]);
    let names = [
        format!("student, distilled (T = {}, lambda = {})", train.temperature, train.lambda),
        "student, labels only".to_owned(),
    ];
    for (name, runs) in names.iter().zip(students) {
        table.row([
            name.clone(),
            spread(runs, |metrics| metrics.accuracy),
            spread(runs, |metrics| metrics.macro_f1),
            spread(runs, |metrics| Some(metrics.teacher_agreement)),
        ]);
    }
    out!("{}", fitted(&table));
    outln!("gain of distillation: {}", gain(&students[0], &students[1]));
}

/// Advice for these runs and for one's own images.
fn next(base: &Pipeline) {
    outln!(
        "next     decant report {}/{}-*, one page about these students",
        base.train.dir.display(),
        base.name
    );
    outln!("         decant init FOLDER --teacher TEACHER, a pipeline file for your own images");
}

/// The teacher's own measures, from its cached logits.
fn teacher_on_test(cache: &Cache, pipeline: &Pipeline) -> Result<Metrics, Failure> {
    let rows = cache.split(SplitName::Test.as_str())?;
    let plain: Vec<usize> = rows.plain().collect();
    let mut logits = vec![0.0; plain.len() * rows.classes()];
    rows.gather_logits(&plain, &mut logits)?;
    let labels: Vec<i32> = plain.iter().map(|&row| rows.label(row)).collect();
    let mut meter = Meter::new(rows.classes(), pipeline.train.temperature);
    meter.add(&logits, &logits, &labels);
    Ok(meter.finish())
}

/// `81.2 ± 1.4 %` over the runs.
fn spread(runs: &[(u64, &Metrics)], of: impl Fn(&Metrics) -> Option<f64>) -> String {
    let spread = Spread::of_all(runs.iter().map(|(_, metrics)| of(metrics)));
    spread.map_or("-".to_owned(), |spread| {
        format!("{:.1} ± {:.1} %", 100.0 * spread.mean, 100.0 * spread.deviation)
    })
}

/// The gain of distillation, seed by seed, and whether it is significant.
fn gain(distilled: &[(u64, &Metrics)], scratch: &[(u64, &Metrics)]) -> String {
    let of = |runs: &[(u64, &Metrics)]| -> Vec<Measured> {
        runs.iter().filter_map(|(seed, metrics)| Some((*seed, metrics.accuracy?))).collect()
    };
    let labelled = distilled[0].1.confusion.labelled();
    Comparison::new(&of(distilled), &of(scratch), labelled as usize).words()
}
