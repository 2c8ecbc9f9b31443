//! `decant data`: what a dataset holds, and the generated leaves as an image folder.

use crate::cli::output::{out, outln};
use crate::support::context::Context;
use std::path::PathBuf;

use clap::Subcommand;

use super::Failure;
use super::pipeline::PipelineArgs;
use crate::config;
use crate::dataset::{Dataset, leaves};
use crate::support::table::Table;

/// Inspect a dataset, or write the generated leaves.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Count the images of each split and class
    Inspect {
        #[command(flatten)]
        pipeline: PipelineArgs,
    },
    /// Write generated bean leaves, OUT/<split>/<class>/*.jpg
    Synth {
        /// The folder to write, which must be empty or absent
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Also write each image's lesions as a grey PNG, in a folder of the same layout
        #[arg(long, value_name = "DIR")]
        masks: Option<PathBuf>,
        /// Same seed, same images
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// How ill an ill leaf is at least, from 0 to 1
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
    },
}

pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        Command::Inspect { pipeline } => inspect(&pipeline, context),
        Command::Synth { out, masks, seed, severity, train, validation, test } => {
            let sizes = config::Leaves { seed, train, validation, test, severity };
            let written = leaves::write_folder(&out, &sizes, context)?;
            if let Some(masks) = masks {
                leaves::write_masks(&masks, &sizes, context)?;
            }
            outln!(
                "wrote {written} images to {}: train {train}, validation {validation}, test {test}",
                out.display()
            );
            outln!("use them with [dataset] source = {:?}", out.display().to_string());
            Ok(())
        }
    }
}

fn inspect(args: &PipelineArgs, context: &Context) -> Result<(), Failure> {
    let pipeline = args.load(Vec::new())?;
    let dataset = Dataset::open(&pipeline.dataset, context)?;
    outln!("{}  fingerprint {}", dataset.name, dataset.fingerprint());
    let mut table = Table::new(
        ["class".to_owned()].into_iter().chain(dataset.splits.iter().map(|split| split.name.to_string())),
    );
    let count = |label: Option<i32>| {
        let of = move |split: &crate::dataset::Split| {
            split.samples.iter().filter(|sample| label.is_none_or(|label| sample.label == label)).count()
        };
        dataset.splits.iter().map(of).collect::<Vec<usize>>()
    };
    let cells = |name: &str, counts: Vec<usize>| {
        [name.to_owned()]
            .into_iter()
            .chain(counts.into_iter().map(|count| count.to_string()))
            .collect::<Vec<_>>()
    };
    for (label, class) in dataset.classes.iter().enumerate() {
        table.row(cells(class, count(Some(label as i32))));
    }
    let unlabelled = count(Some(-1));
    if unlabelled.iter().any(|&images| images > 0) {
        table.row(cells("(unlabelled)", unlabelled));
    }
    table.row(cells("all", count(None)));
    out!("{table}");
    for note in &dataset.notes {
        outln!("note: {note}");
    }
    Ok(())
}
