//! `decant teacher-cache`: stage one.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Failure;
use super::output::{bytes, errln, fitted, numbers, percent, print_json, seconds};
use super::pipeline::{PipelineArgs, shortcut};
use crate::config::{self, Count, OnBadImage, Pipeline};
use crate::dataset::{Dataset, SplitName};
use crate::stage_one::{self, Left, Settings, State, Summary, TunedTeacher, Tuner};
use crate::store::{self, Manifest};
use crate::support::context::Context;
use crate::support::table::Table;
use crate::support::text::count;
use crate::teacher::{Description, OnnxModel, Teacher};

/// Stage one: run the teacher once and cache its logits.
///
/// Writes the teacher's logits and soft targets to the cache. Interrupted or killed, the same command resumes. Rows that another
/// cache of the same teacher holds are copied, not computed again.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// auto, cpu, cuda:N, tensorrt:N or several GPUs, cuda:0,1 [teacher.device]
    #[arg(long)]
    device: Option<String>,
    /// Do only part I of N, for N processes that fill one cache
    #[arg(long, value_name = "I/N", default_value = "0/1", hide_default_value = true)]
    shard: Part,
    /// Print the result as JSON on standard output
    #[arg(long)]
    json: bool,
}

/// `I/N`: part I, from 0, of N.
#[derive(Clone, Copy)]
pub(super) struct Part(pub usize, pub usize);

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
        match parts {
            Some((part, parts)) if part < parts => Ok(Self(part, parts)),
            _ => Err("expected I/N with I from 0 to N-1, such as 0/4".to_owned()),
        }
    }
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let shortcuts = shortcut("teacher.device", args.device.as_ref());
    let pipeline = args.pipeline.load(shortcuts.into_iter().collect())?;
    let context = &if args.json { context.without_lines() } else { context.clone() };
    let summary = cache(&pipeline, (args.shard.0, args.shard.1), context)?;
    match &summary.state {
        State::Interrupted => {
            return Err(Failure::interrupted(format!(
                "interrupted after {} of {} shards; what is done is kept in {}, run the same command to resume",
                summary.shards_done_before + summary.shards_done_now,
                summary.shards,
                store::place(&summary.dir).display()
            )));
        }
        State::PartDone => context.line("this part is done; the cache is complete once the other parts are"),
        State::Complete(_) => {
            context.line(format!("next     decant train-student -p {}", args.pipeline.pipeline.display()));
        }
    }
    if args.json {
        print_json(&report(&summary));
    }
    Ok(())
}

/// Runs stage one, and shows what it will do, what it found and what came out.
pub(super) fn cache(
    pipeline: &Pipeline,
    part: (usize, usize),
    context: &Context,
) -> Result<Summary, Failure> {
    // The teacher first: its faults are reported before a large dataset is read.
    let model = OnnxModel::read(&pipeline.teacher)?;
    let mut dataset = Dataset::open(&pipeline.dataset, context)?;
    let batch_size = pipeline.teacher.batch(config::Provider::Cpu);
    let mut settings = Settings { cache: &pipeline.cache, batch_size, part, context };
    let is_skipping = pipeline.dataset.on_bad_image == OnBadImage::Skip;
    if is_skipping
        && let Some(kept) = stage_one::without_left_out(&dataset, model.identity().fingerprint, &settings)?
    {
        dataset = kept;
    }
    if let Some(summary) = stage_one::reuse(&dataset, &model.identity(), &settings)? {
        let batch_size = Manifest::read(&summary.dir)?.teacher.batch_size as usize;
        show_head(pipeline, &dataset, &summary.teacher, batch_size, context);
        return show_outcome(pipeline, summary, context);
    }
    let open = |tuning| model.open_team(tuning);
    let tuner = Tuner::open(&pipeline.teacher, &open)?;
    settings.batch_size = pipeline.teacher.batch(tuner.teacher().describe().device.provider);
    let left = left(&dataset, tuner.teacher(), &settings)?;
    if let (Count::Auto, Some(begun)) = (pipeline.teacher.batch_size, left.batch_size) {
        settings.batch_size = begun;
    }
    show_head(pipeline, &dataset, &tuner.teacher().describe(), settings.batch_size, context);
    let mut tuned = tuner.tune(left.rows, settings.batch_size)?;
    let config::Teacher { batch_size, sessions, threads, .. } = pipeline.teacher;
    if left.rows > 0 && [batch_size, sessions, threads].contains(&Count::Auto) {
        show_tuning(&tuned, context);
    }
    let batch_size = tuned.batch_size;
    let summary = if is_skipping {
        let before = dataset.notes.len();
        let (kept, summary) = stage_one::run_all_skipping(dataset, &mut tuned.each(), batch_size, &settings)?;
        kept.notes[before..].iter().for_each(|note| context.line(format!("note: {note}")));
        summary
    } else {
        stage_one::run_all(&dataset, &mut tuned.each(), batch_size, &settings)
            .map_err(|error| error.with_all_bad_images(&dataset, context))?
    };
    show_outcome(pipeline, summary, context)
}

/// Shows what came out.
fn show_outcome(pipeline: &Pipeline, summary: Summary, context: &Context) -> Result<Summary, Failure> {
    if !is_called(&summary.dir, &pipeline.cache.name) {
        let place = store::place(&summary.dir);
        context.line(format!("reused   {}, which is the same cache under another name", place.display()));
    }
    show_summary(&summary, context);
    if let State::Complete(complete) = &summary.state {
        let losses = complete.encoding_losses(&Manifest::read(&summary.dir)?);
        let of_train = losses.iter().filter(|loss| loss.split == SplitName::Train.as_str());
        of_train.for_each(|loss| context.line(format!("encoding {loss}")));
    }
    for warning in &summary.warnings {
        errln!("warning: {warning}");
    }
    Ok(summary)
}

/// Whether a cache's folder has this name, which its key follows.
fn is_called(folder: &Path, name: &str) -> bool {
    let folder = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.rsplit_once('-').is_none_or(|(before, _)| before == name)
}

/// The work that is left of the cache.
fn left(dataset: &Dataset, teacher: &dyn Teacher, settings: &Settings) -> Result<Left, Failure> {
    teacher.class_order(&dataset.classes)?;
    let (fingerprint, resize) = (teacher.fingerprint(), teacher.preprocess().resize());
    let manifest = stage_one::manifest(dataset, &teacher.describe(), fingerprint, &resize, settings)?;
    Ok(stage_one::left(&manifest, settings)?)
}

fn show_tuning(tuned: &TunedTeacher, context: &Context) {
    let mut heading = "auto";
    for line in tuned.words() {
        context.line(format!("  {heading:<8} {line}"));
        heading = "";
    }
}

fn show_head(
    pipeline: &Pipeline,
    dataset: &Dataset,
    description: &Description,
    batch_size: usize,
    context: &Context,
) {
    context.line(format!("teacher-cache  {}", pipeline.name));
    let splits: Vec<String> =
        dataset.splits.iter().map(|split| format!("{} {}", split.name, split.samples.len())).collect();
    context.line(format!(
        "  data     {}: {}; classes {}",
        dataset.name,
        splits.join(", "),
        classes(&dataset.classes)
    ));
    for note in &dataset.notes {
        context.line(format!("           {note}"));
    }
    context.line(format!(
        "  teacher  {} ({}) on {}, {}, batch {}",
        description.model, description.precision, description.device, description.runtime, batch_size
    ));
    context.line(format!(
        "  cache    {}, {}, temperatures {}",
        Path::new(&pipeline.cache.dir).join(&pipeline.cache.name).display(),
        count(pipeline.cache.views.into(), "view"),
        numbers(&pipeline.cache.temperatures)
    ));
    for warning in dataset.warnings() {
        errln!("warning: {warning}");
    }
}

/// All of a few class names, the first of many.
fn classes(names: &[String]) -> String {
    match names {
        [first, .., last] if names.len() > 8 => format!("{first} ... {last} ({})", names.len()),
        _ => names.join(", "),
    }
}

fn show_summary(summary: &Summary, context: &Context) {
    for note in &summary.notes {
        context.line(format!("note: {note}"));
    }
    if summary.shards_done_now == 0 && matches!(summary.state, State::Complete(_)) {
        context.line("already complete: every shard is there and sound, the teacher was not asked");
    } else {
        context.line(format!(
            "{} of {} shards, {} images in {} ({:.1} images/s)",
            summary.shards_done_before + summary.shards_done_now,
            summary.shards,
            summary.images,
            seconds(summary.seconds),
            summary.images_per_second
        ));
    }
    if summary.reused > 0 {
        context.line(format!(
            "reused   {} rows that another cache of this teacher or an interrupted run holds; the teacher was not asked for them",
            summary.reused
        ));
    }
    let quality = summary.teacher_quality();
    if quality.iter().any(|split| split.labelled > 0) {
        let mut table = Table::new(["  teacher on", "labelled", "accuracy", "NLL", "ECE"]);
        for split in quality {
            // A split without labels has no measures.
            let of_labels = |text: String| if split.labelled > 0 { text } else { "-".to_owned() };
            table.row([
                format!("  {}", split.split),
                split.labelled.to_string(),
                of_labels(percent(split.accuracy)),
                of_labels(format!("{:.3}", split.nll)),
                of_labels(percent(split.ece)),
            ]);
        }
        context.line(fitted(&table).trim_end());
    }
    let size = summary.bytes().map(|count| format!(" ({})", bytes(count))).unwrap_or_default();
    context.line(format!("cache    {}{size}", store::place(&summary.dir).display()));
}

/// The result for programs.
#[derive(serde::Serialize)]
struct Report<'a> {
    cache: PathBuf,
    complete: bool,
    shards: usize,
    shards_done: usize,
    images: u64,
    seconds: f64,
    images_per_second: f64,
    bytes: Option<u64>,
    teacher_quality: &'a [crate::store::TeacherQuality],
    warnings: &'a [String],
}

fn report(summary: &Summary) -> Report<'_> {
    Report {
        cache: store::place(&summary.dir),
        complete: matches!(summary.state, State::Complete(_)),
        shards: summary.shards,
        shards_done: summary.shards_done_before + summary.shards_done_now,
        images: summary.images,
        seconds: summary.seconds,
        images_per_second: summary.images_per_second,
        bytes: summary.bytes(),
        teacher_quality: summary.teacher_quality(),
        warnings: &summary.warnings,
    }
}
