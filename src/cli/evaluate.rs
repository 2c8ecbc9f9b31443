//! `decant evaluate`: a finished run's student on one split.

use std::path::PathBuf;

use super::Failure;
use super::text::{percent, print_json};
use crate::dataset::SplitName;
use crate::support::table::Table;
use crate::train::{self, metrics};

/// Measure a finished run's student on one split.
///
/// Accuracy, macro F1, per-class table, calibration, agreement with the teacher and KL to it.
#[derive(clap::Args)]
pub struct Args {
    /// The run's folder
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// train, validation or test
    #[arg(long, default_value = "test")]
    split: SplitName,
    /// cpu, cuda:N or auto
    #[arg(long, default_value = "auto")]
    device: crate::config::Device,
    /// Print JSON on standard output
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let (setup, metrics) = train::evaluate_run(&args.run, args.split, args.device)?;
    if args.json {
        print_json(&metrics);
        return Ok(());
    }
    println!("{} on {} {} images", setup.folder.display(), metrics.samples, args.split);
    println!("  accuracy {}, macro F1 {}", percent(metrics.accuracy), percent(metrics.macro_f1));
    println!(
        "  negative log-likelihood {:.3}, calibration error {}",
        metrics.negative_log_likelihood,
        percent(metrics.calibration_error)
    );
    println!(
        "  names the teacher's class for {} of the images, KL to it {:.3} at T = {}",
        percent(metrics.teacher_agreement),
        metrics.teacher_kl,
        setup.pipeline.train.temperature
    );
    let classes = &setup.dataset.classes;
    let mut table = Table::new(["  class", "images", "precision", "recall", "F1", "most often taken for"]);
    for (class, (precision, recall, f1)) in metrics::per_class(&metrics.confusion).into_iter().enumerate() {
        let row = &metrics.confusion[class];
        let others = (0..row.len()).filter(|&other| other != class && row[other] > 0);
        let mistaken = others.max_by_key(|&other| row[other]);
        table.row([
            format!("  {}", classes[class]),
            row.iter().sum::<u64>().to_string(),
            percent(precision),
            percent(recall),
            percent(f1),
            mistaken.map_or("-".to_owned(), |other| format!("{} ({})", classes[other], row[other])),
        ]);
    }
    print!("{table}");
    Ok(())
}
