//! `decant cache inspect`: what a cache holds, the teacher's quality, and what the encoding lost.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::Failure;
use crate::cli::output::{self, bytes, fitted, numbers, out, outln, percent, print_json};
use crate::store::{self, Cache, Confusion, Entropy, Manifest, Summary, TeacherQuality, ViewIdentity};
use crate::support::table::Table;

/// Bins of the histogram of the teacher's confidence.
const CONFIDENCE_BINS: usize = 10;
/// Characters of its longest bar.
const BAR_WIDTH: u64 = 40;
/// Characters before a bar.
const BAR_FROM: usize = 24;
/// Characters of a line.
const LINE: usize = 80;
/// Kinds of mistakes that are shown of a split.
const CONFUSIONS: usize = 3;

/// Everything that `--json` prints.
#[derive(Serialize)]
struct Inspection {
    #[serde(flatten)]
    summary: Summary,
    /// In label order.
    class_names: Vec<String>,
    /// How the views of a train sample are drawn.
    view: ViewIdentity,
    /// The properties of each split's targets, once the cache is complete.
    targets: Vec<Targets>,
}

#[derive(Serialize)]
struct Targets {
    split: String,
    entropies: Vec<Entropy>,
    /// Rows of the plain view whose largest probability at T = 1 lies in each tenth of 0 to 1.
    confidences: Vec<u64>,
    confusions: Vec<Confusion>,
}

pub(crate) fn run(dir: &Path, json: bool) -> Result<(), Failure> {
    let summary = Summary::read(dir)?;
    let Manifest { dataset, view, .. } = Manifest::read(dir)?;
    let targets = if summary.complete { read_targets(dir, &summary)? } else { Vec::new() };
    let inspection = Inspection { summary, class_names: dataset.classes, view, targets };
    if json {
        print_json(&inspection);
    } else {
        print(dir, &inspection);
    }
    Ok(())
}

fn read_targets(dir: &Path, summary: &Summary) -> Result<Vec<Targets>, Failure> {
    let cache = Cache::open(dir)?;
    let mut targets = Vec::new();
    for split in &summary.splits {
        let rows = cache.split(&split.name)?;
        targets.push(Targets {
            split: split.name.clone(),
            entropies: rows.entropies()?,
            confidences: rows.confidences(CONFIDENCE_BINS)?,
            confusions: rows.confusions(CONFUSIONS)?,
        });
    }
    Ok(targets)
}

fn print(dir: &Path, Inspection { summary, class_names, view, targets }: &Inspection) {
    outln!("{}", summary.name);
    outln!("  key           {}", summary.key);
    if let Some(content) = summary.content {
        outln!("  content       {content}");
    }
    outln!("  dataset       {}, {} classes", short(&summary.dataset), summary.classes);
    outln!("  teacher       {} on {}", short(&summary.teacher), summary.provider);
    outln!("  encoding      {}", summary.encoding);
    outln!("  temperatures  {}", numbers(&summary.temperatures));
    outln!("  views         {view}");
    outln!("  shards        {} of {}, {}", summary.shards_done, summary.shards, bytes(summary.bytes));
    print_columns(summary);
    if summary.content.is_none() {
        outln!("  not complete");
        outln!("next     decant teacher-cache, or decant cache merge {}", dir.display());
        return;
    }
    out!("{}", quality(summary));
    print_losses(summary);
    let temperatures = summary.temperatures.iter().map(|temperature| format!("T = {temperature}"));
    let mut table = Table::new(["  entropy in nats".to_owned()].into_iter().chain(temperatures));
    for Targets { split, entropies, .. } in targets {
        let cells = entropies.iter().map(|entropy| format!("{:.3}", entropy.mean_nats));
        table.row([format!("  {split}")].into_iter().chain(cells));
    }
    out!("{}", fitted(&table));
    for Targets { split, confidences, .. } in targets {
        print_confidences(split, confidences);
    }
    for Targets { split, confusions, .. } in targets {
        for confusion in confusions {
            let (label, predicted) = (&class_names[confusion.label], &class_names[confusion.predicted]);
            let times = if confusion.count == 1 { "time" } else { "times" };
            outln!("  {split}: the teacher predicts {predicted} for {label} {} {times}", confusion.count);
        }
    }
}

/// A dataset's or teacher's name; of an absolute path the last two parts.
fn short(name: &str) -> String {
    let path = Path::new(name);
    if !path.is_absolute() {
        return name.to_owned();
    }
    let parts: Vec<_> = path.iter().collect();
    let last: PathBuf = parts[parts.len().saturating_sub(2)..].iter().collect();
    last.display().to_string()
}

/// The columns, in lines of at most [`LINE`] characters.
fn print_columns(summary: &Summary) {
    let width = output::width().unwrap_or(LINE).min(LINE);
    let mut line = "  columns       ".to_owned();
    for (index, column) in summary.columns.iter().enumerate() {
        let comma = if index + 1 < summary.columns.len() { "," } else { "" };
        let column = format!("{} {}{comma}", column.name, column.kind);
        if line.chars().count() + column.chars().count() > width && !line.trim().is_empty() {
            outln!("{}", line.trim_end());
            line = " ".repeat(16);
        }
        line += &column;
        line.push(' ');
    }
    outln!("{}", line.trim_end());
}

fn quality(summary: &Summary) -> Table {
    let mut table = Table::new(["  teacher on", "samples", "rows", "accuracy", "NLL", "ECE"]);
    for split in &summary.splits {
        let quality = TeacherQuality::on(&split.name, &summary.teacher_quality);
        let number = |of: &dyn Fn(&TeacherQuality) -> String| quality.map_or("-".to_owned(), of);
        table.row([
            format!("  {}", split.name),
            split.samples.to_string(),
            split.rows.to_string(),
            number(&|q| percent(q.accuracy)),
            number(&|q| format!("{:.3}", q.nll)),
            number(&|q| percent(q.ece)),
        ]);
    }
    table
}

/// The encoding's loss of the targets, a line for each split and temperature.
fn print_losses(summary: &Summary) {
    if summary.lossless {
        outln!("  the encoding lost nothing: every number is the teacher's own");
        return;
    }
    let mut table =
        Table::new(["  encoding lost on", "T", "mean KL", "largest KL", "mean kept", "least kept"]);
    for split in summary.splits.iter().filter(|split| split.rows > 0) {
        for &temperature in &summary.temperatures {
            let mut losses = summary.encoding_loss.iter();
            let found = losses
                .find(|loss| loss.split == split.name && loss.temperature.total_cmp(&temperature).is_eq());
            let number = |of: &dyn Fn(&store::EncodingLoss) -> Option<String>| {
                found.and_then(of).unwrap_or_else(|| "-".to_owned())
            };
            table.row([
                format!("  {}", split.name),
                temperature.to_string(),
                number(&|loss| Some(format!("{:.1e}", loss.mean_kl))),
                number(&|loss| Some(format!("{:.1e}", loss.largest_kl))),
                number(&|loss| loss.mean_kept.map(percent)),
                number(&|loss| loss.least_kept.map(percent)),
            ]);
        }
    }
    out!("{}", fitted(&table));
    outln!("  KL(teacher's || stored targets) in nats, measured when written; - if it was not");
}

/// A histogram of the teacher's confidence, one line for each bin that is not empty.
fn print_confidences(split: &str, counts: &[u64]) {
    let (rows, most) = (counts.iter().sum::<u64>(), counts.iter().max().copied().unwrap_or(0));
    let longest =
        output::width().map_or(BAR_WIDTH, |width| BAR_WIDTH.min(width.saturating_sub(BAR_FROM) as u64));
    outln!("  largest probability at T = 1 on {split}");
    for (bin, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let edge = |bin: usize| bin as f64 / counts.len() as f64;
        let bar = "#".repeat((count * longest).div_ceil(most.max(1)) as usize);
        let share = percent(count as f64 / rows.max(1) as f64);
        outln!("    {:.1} - {:.1} {share:>8}  {bar}", edge(bin), edge(bin + 1));
    }
}
