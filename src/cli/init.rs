//! `decant init`: a pipeline file for a folder of images and a teacher.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Failure;
use super::output::{count, outln};
use crate::config::{self, Architecture, Pipeline};
use crate::dataset::{Dataset, SplitName};
use crate::support::atomic;
use crate::support::context::Context;
use crate::support::overwrite;
use crate::support::text::alternatives;
use crate::teacher;

/// The first words of a file that this command wrote.
const MARK: &str = "# Written by decant init";

/// Write a pipeline file for your images and your teacher.
///
/// Reads both first: a dataset that can't be used, or a teacher with other classes, is an error before any file is written.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The images: a folder, or hub:ORG/NAME
    #[arg(value_name = "SOURCE")]
    source: String,
    /// The teacher: a folder with model.onnx and config.json, an ONNX file, or hub:ORG/NAME
    #[arg(long, value_name = "MODEL")]
    teacher: String,
    /// The file to write [default: the images' name with .toml]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a file that decant did not write
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let out = args.out.unwrap_or_else(|| PathBuf::from(format!("{}.toml", name_of(&args.source))));
    if !args.force {
        overwrite::check_file(&out, |head| head.starts_with(MARK.as_bytes())).map_err(Failure::usage)?;
    }
    let text = minimal(&args.source, &args.teacher);
    let mut pipeline = config::parse(&out, &text, &[])?;
    let dataset = Dataset::open(&pipeline.dataset, context)?;
    let identity = teacher::identify(&pipeline.teacher)?;
    identity.class_order(&dataset.classes)?;
    let train = dataset.split(SplitName::Train).map_or(0, |split| split.samples.len());
    pipeline.settle_for(train);
    atomic::write(&out, file(&out, &pipeline, &dataset, &args.source, &args.teacher).as_bytes())
        .map_err(|error| Failure::run(format!("can't write {}: {error}", out.display())))?;
    let splits: Vec<String> =
        dataset.splits.iter().map(|split| format!("{} {}", split.name, split.samples.len())).collect();
    outln!("data     {}; {}", splits.join(", "), format!("{} classes", dataset.classes.len()));
    outln!("teacher  {}, whose classes are the data's", args.teacher);
    outln!("wrote    {}", out.display());
    outln!("next     decant teacher-cache -p {}", out.display());
    outln!("         decant train-student -p {}", out.display());
    Ok(())
}

/// The file's name for images of `source`: the last part of its path.
fn name_of(source: &str) -> String {
    let last = Path::new(source.trim_end_matches('/')).file_name();
    last.map_or_else(|| "pipeline".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The shortest pipeline file.
fn minimal(source: &str, teacher: &str) -> String {
    let text = |text: &str| toml::Value::from(text);
    format!("[dataset]\nsource = {}\n\n[teacher]\nmodel = {}\n", text(source), text(teacher))
}

/// The file: what was asked for, and the keys that people change first, with their values as comments.
fn file(out: &Path, pipeline: &Pipeline, dataset: &Dataset, source: &str, teacher: &str) -> String {
    let Pipeline { cache, student, train, .. } = pipeline;
    let out = out.display();
    let mut text = format!(
        "{MARK} for {} with {} classes.\n#\n\
         #   decant teacher-cache -p {out}   runs the teacher, once\n\
         #   decant train-student -p {out}   trains a student from what it said\n\
         #   decant sweep -p {out}           every combination in [sweep], if there is one\n#\n\
         # A key behind a # has the value that it shows; take the # away to change it.\n\n{}",
        count(dataset.splits.iter().map(|split| split.samples.len()).sum(), "image"),
        dataset.classes.len(),
        minimal(source, teacher),
    );
    let mut section = |name: &str, keys: &[(&str, String, &str)]| {
        let _ = write!(text, "\n[{name}]\n");
        for (key, value, comment) in keys {
            let _ = writeln!(text, "# {:<28} # {comment}", format!("{key} = {value}"));
        }
    };
    let cache_keys = [
        (
            "views",
            cache.views.to_string(),
            "crops and flips of each image that the teacher sees; more are better and cost the teacher more",
        ),
        (
            "temperatures",
            format!("{:?}", cache.temperatures),
            "soft targets that are stored; others are computed when they are asked for",
        ),
    ];
    section("cache", &cache_keys);
    let others = Architecture::NAMES.iter().filter(|name| **name != student.architecture.name());
    let others =
        format!("or {}", alternatives(&others.map(|name| format!("\"{name}\"")).collect::<Vec<_>>()));
    let student_keys = [
        ("architecture", format!("\"{}\"", student.architecture.name()), &*others),
        ("width", student.width().to_string(), "scales the channels, 0.35 to 1.4"),
        ("image-size", student.image_size.to_string(), "pixels; larger is better and slower"),
        (
            "init",
            "\"model.safetensors\"".to_owned(),
            "start from trained weights; left out, from random ones",
        ),
    ];
    section("student", &student_keys);
    let train_keys = [
        ("temperature", format!("{:?}", train.temperature), "softens the teacher's targets"),
        ("lambda", format!("{:?}", train.lambda), "weight of the teacher's term; the labels have the rest"),
        ("epochs", train.epochs.to_string(), "for this number of images"),
        ("batch-size", train.batch_size.to_string(), "images in a step"),
        ("lr", format!("{:e}", train.lr), "for this batch size"),
        ("device", "\"auto\"".to_owned(), "or cpu, cuda:0"),
    ];
    section("train", &train_keys);
    text.push_str(
        "\n# With the teacher and from the labels only, three seeds each:\n# [sweep]\n\
         # train.lambda = [0.0, 0.9]\n# train.seed = [0, 1, 2]\n",
    );
    text
}
