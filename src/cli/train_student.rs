//! `decant train-student`: stage two.

use std::path::PathBuf;

use super::epoch_table::EpochTable;
use super::output::{self, fitted, print_json, seconds};
use super::pipeline::{PipelineArgs, check_teacher, shortcut};
use super::{Failure, evaluate, measures, run_header, runs as runs_command};
use crate::loss::Loss;
use crate::runs::{self, Resume, warnings};
use crate::student::hf::Head;
use crate::support::context::Context;
use crate::support::table::Table;
use crate::support::text::{alternatives, number_or_dash};
use crate::train::metrics::Metrics;
use crate::train::{BEST, Event, Outcome, RunResult, Seal, Setup, Timing, read_epochs};

/// Stage two: train a student from the cache.
///
/// The teacher is neither opened nor needed. After an interruption the same command resumes, and ends with the same bytes.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Cache folder, if several match
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Temperature of teacher and student in the distillation term [train.temperature]
    #[arg(long, allow_negative_numbers = true)]
    temperature: Option<f32>,
    /// Weight of the distillation term; 0 trains from the labels only [train.lambda]
    #[arg(long, allow_negative_numbers = true)]
    lambda: Option<f32>,
    #[arg(long, help = format!("Distillation loss: {} [train.loss]", alternatives(Loss::NAMES)))]
    loss: Option<String>,
    /// Train a control: permuted-targets (each image with the targets of another) or labels-only [train.control]
    #[arg(long)]
    control: Option<String>,
    /// Fixes initial weights, order and dropout [train.seed]
    #[arg(long, allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Passes over the train split [train.epochs]
    #[arg(long, allow_negative_numbers = true)]
    epochs: Option<usize>,
    /// Images in one step [train.batch-size]
    #[arg(long, allow_negative_numbers = true)]
    batch_size: Option<usize>,
    /// Peak learning rate [train.lr]
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Name of the run; no part of its key or files [train.name]
    #[arg(long, value_name = "NAME", value_parser = runs_command::word)]
    name: Option<String>,
    /// A word to find the run by; may be given more than once [train.tags]
    #[arg(long = "tag", value_name = "TAG", value_parser = runs_command::word)]
    tags: Vec<String>,
    /// Resume an existing run: auto, never, or a checkpoint path
    #[arg(long, value_name = "auto|never|PATH", default_value = "auto")]
    resume: Resume,
    /// auto, cpu, cuda:N, vulkan:N, metal:N or wgpu:N [train.device]
    #[arg(long)]
    device: Option<String>,
    /// Print the result as JSON on standard output
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
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
    let mut pipeline = args.pipeline.load(shortcuts.into_iter().flatten().collect())?;
    if args.name.is_some() {
        pipeline.train.name = args.name;
    }
    pipeline.train.tags.extend(args.tags);
    let context = &if args.json { context.without_lines() } else { context.clone() };
    let setup = Setup::new(pipeline, args.cache.as_deref(), &args.pipeline.pipeline, context)?;
    check_teacher(&setup.pipeline, &setup.cache)?;
    let (result, _) = student(&args.resume, &setup, context)?;
    if args.json {
        print_json(&result);
    }
    Ok(())
}

/// Trains one student, or finds it trained, and shows how it goes.
fn student(resume: &Resume, setup: &Setup, context: &Context) -> Result<(RunResult, Timing), Failure> {
    run_header::show(setup, context);
    let epochs = setup.pipeline.train.epochs;
    let mut table = EpochTable::default();
    let outcome = runs::resume(setup, resume, context, &mut |event| match event {
        Event::Damaged(path, reason) => {
            let path = path.display();
            context.line(format!(
                "warning: the checkpoint {path} is damaged ({reason}); the one before it is used"
            ));
        }
        Event::Initialised(Head::Loaded) => {}
        Event::Initialised(Head::Random { classes_in_file }) => {
            context.line(format!(
                "note: student.init has a classifier for {classes_in_file} classes, so this one starts random"
            ));
        }
        Event::Resumed { epoch, step } => {
            context.line(format!("resuming at epoch {}/{epochs}, step {step}", epoch + 1));
        }
        Event::Epoch(record) => {
            context.line(table.row(record, epochs, output::width()));
        }
    })?;
    match outcome {
        Outcome::Interrupted { epochs: done } => Err(Failure::interrupted(format!(
            "interrupted after {done} of {epochs} epochs; the state is saved in {}, and the same command resumes from there",
            setup.folder.display()
        ))),
        Outcome::Done { result, timing, already } => {
            show_result(setup, &result, &timing, already, context);
            Ok((*result, timing))
        }
    }
}

fn show_result(setup: &Setup, result: &RunResult, timing: &Timing, already: bool, context: &Context) {
    if already {
        context.line("already trained");
    } else {
        context.line(format!(
            "done in {} ({:.1} images/s in training steps)",
            seconds(timing.seconds),
            timing.images_per_second()
        ));
    }
    context.line(format!(
        "weights of epoch {}, the best by {} on validation (*):",
        result.best_epoch,
        result.chosen_by.name()
    ));
    context.line(fitted(&results(result)).trim_end());
    let (split, metrics) =
        result.test.as_ref().map_or(("validation", &result.validation), |test| ("test", test));
    if metrics.accuracy.is_some() && metrics.confusion.classes() <= evaluate::MOST_CLASSES {
        context.line(format!("on {split}:"));
        context.line(fitted(&evaluate::per_class(&setup.dataset.classes, metrics)).trim_end());
    }
    let epochs = read_epochs(&setup.folder, Seal::Optional).unwrap_or_default();
    for warning in warnings::after(result, &epochs) {
        context.line(format!("warning  {warning}"));
    }
    context.line(format!("student  {}", setup.folder.join(BEST).display()));
    context
        .line(format!("next     decant evaluate {0}, or export --to hf --run {0}", setup.folder.display()));
}

/// The measures of the kept weights on each split.
pub(super) fn results(result: &RunResult) -> Table {
    let mut table = Table::new(["  split"].into_iter().chain(measures::NAMES).chain(["KL to teacher"]));
    add_row(&mut table, "  validation", &result.validation);
    if let Some(test) = &result.test {
        add_row(&mut table, "  test", test);
    }
    table
}

fn add_row(table: &mut Table, name: &str, metrics: &Metrics) {
    let kl = number_or_dash(Some(metrics.teacher_kl).filter(|kl| !kl.is_nan()));
    table.row([name.to_owned()].into_iter().chain(measures::cells(metrics)).chain([kl]));
}
