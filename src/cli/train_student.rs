//! `decant train-student`: stage two.

use crate::support::context::Context;
use std::path::PathBuf;

use super::output::{percent, print_json, seconds};
use super::pipeline::{PipelineArgs, shortcut};
use super::{Failure, evaluate, run_header};
use crate::student::hf::Head;
use crate::support::table::Table;
use crate::train::metrics::Metrics;
use crate::train::{self, BEST, EpochRecord, Event, Outcome, Resume, RunResult, Setup, Timing};

/// Stage two: train a student from the cache.
///
/// The teacher is neither opened nor needed. Interrupted or killed, the same command goes on, to the same bytes.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The cache's folder, where more than one fits
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Softens teacher and student in the distillation term [train.temperature]
    #[arg(long)]
    temperature: Option<f32>,
    /// Weight of the distillation term, 0 trains from the labels alone [train.lambda]
    #[arg(long)]
    lambda: Option<f32>,
    /// What is learnt from the teacher: kd, std-kd, dkd, dist, mse or ce [train.loss]
    #[arg(long)]
    loss: Option<String>,
    /// Train a control: permuted-targets (each image taught by those of another) or labels-only [train.control]
    #[arg(long)]
    control: Option<String>,
    /// Fixes initial weights, order and dropout [train.seed]
    #[arg(long)]
    seed: Option<u64>,
    /// Passes over the train split [train.epochs]
    #[arg(long)]
    epochs: Option<usize>,
    /// Images in one step [train.batch-size]
    #[arg(long)]
    batch_size: Option<usize>,
    /// Peak learning rate [train.lr]
    #[arg(long)]
    lr: Option<f64>,
    /// What a run that was begun before does: auto goes on, never refuses, a checkpoint's folder goes on from that one
    #[arg(long, value_name = "auto|never|PATH", default_value = "auto")]
    resume: Resume,
    /// cpu, cuda:N or auto [train.device]
    #[arg(long)]
    device: Option<String>,
    /// Print the result as JSON on standard output
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let shortcuts = [
        shortcut("train.temperature", args.temperature.as_ref()),
        shortcut("train.lambda", args.lambda.as_ref()),
        shortcut("train.loss", args.loss.as_ref()),
        shortcut("train.control", args.control.as_ref()),
        shortcut("train.seed", args.seed.as_ref()),
        shortcut("train.epochs", args.epochs.as_ref()),
        shortcut("train.batch-size", args.batch_size.as_ref()),
        shortcut("train.lr", args.lr.as_ref()),
        shortcut("train.device", args.device.as_ref()),
    ];
    let pipeline = args.pipeline.load(shortcuts.into_iter().flatten().collect())?;
    let context = &if args.json { context.without_lines() } else { context.clone() };
    let setup = Setup::new(pipeline, args.cache.as_deref(), &args.pipeline.pipeline, context)?;
    let (result, _) = student_from(&args.resume, &setup, context)?;
    if args.json {
        print_json(&result);
    }
    Ok(())
}

/// Trains one student, or finds it trained, and shows how it goes.
pub(super) fn student(setup: &Setup, context: &Context) -> Result<(RunResult, Timing), Failure> {
    student_from(&Resume::Auto, setup, context)
}

fn student_from(resume: &Resume, setup: &Setup, context: &Context) -> Result<(RunResult, Timing), Failure> {
    run_header::show(setup, context);
    let epochs = setup.pipeline.train.epochs;
    let mut head = Some(EPOCH_HEAD);
    let outcome = train::resume(setup, resume, context, &mut |event| match event {
        Event::Initialised(Head::Loaded) => {}
        Event::Initialised(Head::Random { classes_in_file }) => {
            context.line(format!(
                "note: student.init has a classifier for {classes_in_file} classes, so this one starts random"
            ));
        }
        Event::Resumed { epoch, step } => {
            context.line(format!("going on in epoch {} of {epochs}, after {step} of its steps", epoch + 1));
        }
        Event::Epoch(record) => {
            if let Some(head) = head.take() {
                context.line(format!("{head}"));
            }
            context.line(format!("{}", epoch_line(record, epochs)));
        }
    })?;
    match outcome {
        Outcome::Interrupted { epochs: done } => Err(Failure::interrupted(format!(
            "interrupted after {done} of {epochs} epochs; the state is saved in {}, the same command goes on from there",
            setup.folder.display()
        ))),
        Outcome::Done { result, timing, already } => {
            show_result(setup, &result, &timing, already, context);
            Ok((*result, timing))
        }
    }
}

const EPOCH_HEAD: &str =
    "  epoch      loss       ce       kd  accuracy | on validation: accuracy  agreement    NLL";

fn epoch_line(record: &EpochRecord, epochs: usize) -> String {
    let validation = &record.validation;
    format!(
        "{:>3}/{epochs:<3} {:>9.4} {:>8.4} {:>8.4} {:>9} |                {:>8} {:>10} {:>6.3}{}",
        record.epoch,
        record.train_loss,
        record.train_hard,
        record.train_soft,
        percent(record.train_accuracy),
        percent(validation.accuracy),
        percent(validation.teacher_agreement),
        validation.negative_log_likelihood,
        if record.best { " *" } else { "" }
    )
}

fn show_result(setup: &Setup, result: &RunResult, timing: &Timing, already: bool, context: &Context) {
    if already {
        context.line(format!("done before: nothing is left to train"));
    } else {
        context.line(format!(
            "done in {} ({:.1} images/s in training steps)",
            seconds(timing.seconds),
            timing.images_per_second()
        ));
    }
    context.line(format!("weights of epoch {}, the best on validation (*):", result.best_epoch));
    let mut table =
        Table::new(["  split", "images", "accuracy", "macro F1", "NLL", "ECE", "agreement", "KL to teacher"]);
    add_row(&mut table, "  validation", &result.validation);
    if let Some(test) = &result.test {
        add_row(&mut table, "  test", test);
    }
    context.line(table.to_string().trim_end());
    let (split, metrics) =
        result.test.as_ref().map_or(("validation", &result.validation), |test| ("test", test));
    if metrics.confusion.len() <= evaluate::MOST_CLASSES {
        context.line(format!("on {split}:"));
        context.line(evaluate::per_class(&setup.dataset.classes, metrics).to_string().trim_end());
    }
    context.line(format!("student  {}", setup.folder.join(BEST).display()));
    context.line(format!(
        "next     decant evaluate --run {0}, or export --to hf --run {0}",
        setup.folder.display()
    ));
}

fn add_row(table: &mut Table, name: &str, metrics: &Metrics) {
    table.row([
        name.to_owned(),
        metrics.samples.to_string(),
        percent(metrics.accuracy),
        percent(metrics.macro_f1),
        format!("{:.3}", metrics.negative_log_likelihood),
        percent(metrics.calibration_error),
        percent(metrics.teacher_agreement),
        format!("{:.3}", metrics.teacher_kl),
    ]);
}
