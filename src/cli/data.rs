//! `decant data`: what a dataset holds, and the generated leaves as an image folder.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use super::Failure;
use super::output::{count, fitted, out, outln, print_json};
use super::pipeline::PipelineArgs;
use crate::config;
use crate::dataset::{BadImage, Dataset, Duplicates, Split, leaves};
use crate::support::context::Context;
use crate::support::table::Table;

/// How many bad images are listed one by one.
const LISTED: usize = 20;

/// Inspect a dataset, or write the generated leaves.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Count the images of each split and class, and list what is wrong with them
    Inspect {
        #[command(flatten)]
        pipeline: PipelineArgs,
        /// Do not decode the images, which takes long where there are many
        #[arg(long)]
        no_decode: bool,
        /// Print the result as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Write generated bean leaves, OUT/<split>/<class>/*.jpg
    Synth {
        /// Folder to write, which must be empty or absent
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Also write the lesions of each image as a grey PNG, in a folder of the same layout
        #[arg(long, value_name = "DIR")]
        masks: Option<PathBuf>,
        /// Same seed, same images
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// The least severity of a diseased leaf, from 0 to 1
        #[arg(long, default_value_t = 0.0)]
        severity: f32,
        /// Images in train
        #[arg(long, default_value_t = 1034)]
        train: usize,
        /// Images in validation
        #[arg(long, default_value_t = 133)]
        validation: usize,
        /// Images in test
        #[arg(long, default_value_t = 128)]
        test: usize,
        /// Images without labels
        #[arg(long, default_value_t = 0)]
        unlabelled: usize,
    },
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        Command::Inspect { pipeline, no_decode, json } => inspect(&pipeline, !no_decode, json, context),
        Command::Synth { out, masks, seed, severity, train, validation, test, unlabelled } => {
            let sizes = config::Leaves { seed, train, validation, test, unlabelled, severity };
            let written = leaves::write_folder(&out, &sizes, context)?;
            if let Some(masks) = masks {
                leaves::write_masks(&masks, &sizes, context)?;
            }
            outln!(
                "wrote {written} images to {}: train {train}, validation {validation}, test {test}, unlabelled {unlabelled}",
                out.display()
            );
            outln!("use them with [dataset] source = {:?}", out.display().to_string());
            Ok(())
        }
    }
}

/// The contents of a dataset and its faults, for programs.
#[derive(Serialize)]
struct Inspection<'a> {
    name: &'a str,
    fingerprint: String,
    classes: &'a [String],
    splits: Vec<SplitCounts>,
    notes: &'a [String],
    warnings: Vec<String>,
    duplicates: &'a [Duplicates],
    /// Left out where the images were not decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    bad_images: Option<Vec<NamedBadImage>>,
}

#[derive(Serialize)]
struct SplitCounts {
    split: String,
    images: usize,
    unlabelled: usize,
    /// Images of each class, in the order of the classes.
    of_class: Vec<usize>,
}

#[derive(Serialize)]
struct NamedBadImage {
    image: String,
    reason: String,
}

fn inspect(args: &PipelineArgs, decode: bool, json: bool, context: &Context) -> Result<(), Failure> {
    let pipeline = args.load(Vec::new())?;
    let dataset = Dataset::open(&pipeline.dataset, context)?;
    // Images that are skipped were decoded when the dataset was opened.
    let decode = decode && pipeline.dataset.on_bad_image == config::OnBadImage::Error;
    let bad = if decode { Some(dataset.bad_images(context)?) } else { None };
    let named = |bad: &BadImage| NamedBadImage {
        image: dataset.sample_name(bad.split, bad.index),
        reason: bad.reason.to_string(),
    };
    let inspection = Inspection {
        name: &dataset.name,
        fingerprint: dataset.fingerprint().to_string(),
        classes: &dataset.classes,
        splits: dataset.splits.iter().map(|split| counts(split, dataset.classes.len())).collect(),
        notes: &dataset.notes,
        warnings: [dataset.warnings(), dataset.small_splits()].concat(),
        duplicates: &dataset.duplicates,
        bad_images: bad.map(|bad| bad.iter().map(named).collect()),
    };
    if json {
        print_json(&inspection);
    } else {
        print(&inspection);
    }
    Ok(())
}

fn counts(split: &Split, classes: usize) -> SplitCounts {
    let mut of_class = vec![0; classes];
    for label in split.samples.iter().filter_map(|sample| usize::try_from(sample.label).ok()) {
        of_class[label] += 1;
    }
    let images = split.samples.len();
    SplitCounts { split: split.name.to_string(), images, unlabelled: images - split.labelled(), of_class }
}

fn print(inspection: &Inspection) {
    let Inspection { splits, .. } = inspection;
    outln!("{}  fingerprint {}", inspection.name, inspection.fingerprint);
    let mut table = Table::new(["class"].into_iter().chain(splits.iter().map(|split| split.split.as_str())));
    let mut row = |name: &str, of_split: &dyn Fn(&SplitCounts) -> usize| {
        table
            .row([name.to_owned()].into_iter().chain(splits.iter().map(|split| of_split(split).to_string())));
    };
    for (label, class) in inspection.classes.iter().enumerate() {
        row(class, &|split| split.of_class[label]);
    }
    if splits.iter().any(|split| split.unlabelled > 0) {
        row("(unlabelled)", &|split| split.unlabelled);
    }
    row("all", &|split| split.images);
    out!("{}", fitted(&table));
    for note in inspection.notes {
        outln!("note: {note}");
    }
    for warning in &inspection.warnings {
        outln!("warning: {warning}");
    }
    let bad = inspection.bad_images.as_deref().unwrap_or_default();
    if !bad.is_empty() {
        outln!(
            "warning: {} can't be decoded; remove them, or skip them with dataset.on-bad-image = \"skip\"",
            count(bad.len(), "image")
        );
        for NamedBadImage { image, reason } in bad.iter().take(LISTED) {
            outln!("  {image}: {reason}");
        }
        if bad.len() > LISTED {
            outln!("  and {} more (--json lists all)", bad.len() - LISTED);
        }
    }
}
