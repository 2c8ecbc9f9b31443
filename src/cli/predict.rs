//! `decant predict`: classes and probabilities of images.

use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::Failure;
use super::model::{Model, ModelArgs, RunsDir, is_run};
use super::output::{errln, outln, percent};
use crate::dataset;
use crate::support::context::Context;
use crate::support::files::{IMAGE_LIMIT, read_regular};
use crate::train::metrics::softmax;
use crate::view::{self, Preprocess};

/// Name the classes of images.
///
/// Takes images, folders (with all images below them, sorted) and - for an image on standard input. An image that can't
/// be read is named, the others are predicted nevertheless, and the exit code is 1.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    runs: RunsDir,
    /// Images, folders, or - for standard input
    #[arg(value_name = "IMAGE", required_unless_present = "list")]
    inputs: Vec<PathBuf>,
    /// A file with one image or folder a line, or - for standard input
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// How many classes to name for each image, the likeliest first
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// Images in one call of the model
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch_size: u32,
    /// auto, cpu, cuda:N, vulkan:N, metal:N or wgpu:N
    #[arg(long, default_value = "auto")]
    device: crate::config::StudentDevice,
    /// Print one JSON object a line and image
    #[arg(long)]
    json: bool,
}

const STANDARD_INPUT: &str = "-";

/// One line of `--json`.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Predicted { image: &'a str, predictions: Vec<Prediction<'a>> },
    Failed { image: &'a str, error: &'a str },
}

#[derive(Serialize)]
struct Prediction<'a> {
    class: &'a str,
    index: usize,
    probability: f64,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    if let Some(run) = args.inputs.iter().find(|input| is_run(input)) {
        return Err(Failure::usage(format!(
            "{} is a run's folder, not an image; predict takes one model, by --run, and images",
            run.display()
        )));
    }
    let mut model = args.model.open(&args.runs, args.device)?;
    let mut failures = 0;
    let mut inputs = args.inputs.clone();
    inputs.extend(listed(args.list.as_deref())?);
    let images = expand(&inputs, |path, error| {
        failures += 1;
        report(&path.display().to_string(), &error, args.json);
    });
    let readers = images.iter().chain(&args.list).filter(|path| is_standard_input(path)).count();
    if readers > 1 {
        return Err(Failure::usage("standard input can be read once, and - was given more than once"));
    }
    for paths in images.chunks(args.batch_size as usize) {
        if context.is_cancelled() {
            return Err(Failure::interrupted("interrupted; what was printed is right"));
        }
        failures += batch(&mut model, paths, &args)?;
    }
    match (failures, images.len()) {
        (0, 0) => Err(Failure::usage("the list names no image")),
        (0, _) => Ok(()),
        (1, _) => Err(Failure::run("1 input could not be read, it is named above")),
        (failures, _) => {
            Err(Failure::run(format!("{failures} inputs could not be read, they are named above")))
        }
    }
}

/// Predicts one batch, decoded on all cores, and gives how many of it could not be read.
fn batch(model: &mut Model, paths: &[PathBuf], args: &Args) -> Result<usize, Failure> {
    let values = model.values();
    let decoded: Vec<Result<Vec<f32>, String>> =
        paths.par_iter().map(|path| pixels(path, &model.preprocess, values)).collect();
    let good: Vec<f32> = decoded.iter().flatten().flatten().copied().collect();
    let count = good.len() / values;
    let logits = if count == 0 { Vec::new() } else { model.logits(good, count)? };
    let mut rows = logits.chunks_exact(model.classes.len());
    let mut failures = 0;
    for (path, decoded) in paths.iter().zip(&decoded) {
        let name = path.display().to_string();
        match decoded {
            Ok(_) => print(&name, rows.next().expect("one row an image"), &model.classes, args),
            Err(error) => {
                failures += 1;
                report(&name, error, args.json);
            }
        }
    }
    Ok(failures)
}

/// The model's input of one image, or why there is none.
fn pixels(path: &Path, preprocess: &Preprocess, values: usize) -> Result<Vec<f32>, String> {
    let bytes = if is_standard_input(path) {
        let mut bytes = Vec::new();
        std::io::stdin().take(IMAGE_LIMIT).read_to_end(&mut bytes).map(|_| bytes)
    } else {
        read_regular(path, IMAGE_LIMIT)
    };
    let bytes = bytes.map_err(|error| format!("can't be read: {error}"))?;
    let rendered = view::render_whole(&bytes, preprocess).map_err(|error| error.to_string())?;
    let mut pixels = vec![0.0; values];
    preprocess.normalise(&rendered.pixels, &mut pixels);
    Ok(pixels)
}

/// Every image, folders replaced by what is in them; `failed` is told of those that hold none.
fn expand(inputs: &[PathBuf], mut failed: impl FnMut(&Path, String)) -> Vec<PathBuf> {
    let mut images = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            images.push(input.clone());
            continue;
        }
        match dataset::images_below(input) {
            Ok(found) if found.is_empty() => {
                failed(input, "holds no file that has the name of an image".to_owned());
            }
            Ok(found) => images.extend(found),
            Err(error) => failed(input, error.to_string()),
        }
    }
    images
}

/// The lines of `--list`.
fn listed(list: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    let Some(path) = list else { return Ok(Vec::new()) };
    let text = if is_standard_input(path) {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text =
        text.map_err(|error| Failure::usage(format!("can't read the list {}: {error}", path.display())))?;
    Ok(text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(PathBuf::from).collect())
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT)
}

fn print(name: &str, logits: &[f32], classes: &[String], args: &Args) {
    let predictions = likeliest(logits, classes, args.top as usize);
    if args.json {
        print_line(&Line::Predicted { image: name, predictions });
        return;
    }
    let named: Vec<String> =
        predictions.iter().map(|one| format!("{} {}", one.class, percent(one.probability))).collect();
    outln!("{name}: {}", named.join(", "));
}

fn report(name: &str, error: &str, json: bool) {
    errln!("decant: {name} {error}");
    if json {
        print_line(&Line::Failed { image: name, error });
    }
}

fn print_line(line: &Line) {
    outln!("{}", serde_json::to_string(line).expect("plain data"));
}

/// The `top` likeliest classes of a row of logits; of equals the first class comes first.
fn likeliest<'a>(logits: &[f32], classes: &'a [String], top: usize) -> Vec<Prediction<'a>> {
    let probabilities = softmax(logits);
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    order.truncate(top);
    let prediction =
        |index: usize| Prediction { class: &classes[index], index, probability: probabilities[index] };
    order.into_iter().map(prediction).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_come_first_with_their_probabilities() {
        let classes = ["a", "b", "c"].map(str::to_owned);
        let found = likeliest(&[1f32.ln(), 3f32.ln(), 1f32.ln()], &classes, 2);
        let found: Vec<_> = found.iter().map(|one| (one.class, one.index, one.probability)).collect();
        assert!((found[0].2 - 0.6).abs() < 1e-6 && (found[1].2 - 0.2).abs() < 1e-6, "{found:?}");
        assert_eq!((found[0].0, found[0].1, found[1].0, found[1].1), ("b", 1, "a", 0));
        assert_eq!(likeliest(&[0.0; 3], &classes, 9).len(), 3);
    }
}
