//! `decant export`: a finished run's student as other tools load it.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::Failure;
use super::compression;
use super::model::RunsDir;
use super::output::outln;
use crate::runs::FinishedRun;
use crate::runs::card::{self, Kind};
use crate::store::Cache;
use crate::student::{hf, onnx};
use crate::support::{atomic, files, overwrite};

/// The largest file of a run that is copied, in bytes.
const LIMIT: u64 = 64 << 30;

/// Write a finished run's student as other tools load it.
///
/// Weights or an ONNX file, with config.json, preprocessor_config.json and a model card.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A run, by its folder, its name, the beginning of either, or latest
    #[arg(value_name = "RUN", required_unless_present = "run")]
    named: Option<PathBuf>,
    /// The same
    #[arg(long, value_name = "RUN", conflicts_with = "named", hide = true)]
    run: Option<PathBuf>,
    #[command(flatten)]
    runs: RunsDir,
    /// The layout
    #[arg(long)]
    to: To,
    /// The folder to write [default: export/hf or export/onnx in the run's folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The license that the model card names, as the hub abbreviates it, such as apache-2.0
    #[arg(long, value_name = "ID", default_value = "unknown")]
    license: String,
    /// Write into a folder that decant did not write
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum To {
    /// A folder for AutoModelForImageClassification.from_pretrained
    Hf,
    /// model.onnx, for ONNX Runtime and other readers of ONNX
    Onnx,
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let named = args.named.or(args.run).ok_or_else(|| Failure::usage("name a run"))?;
    let folder = args.runs.find(&named)?;
    let run = FinishedRun::open(&folder)?;
    let best = run.best();
    let opened = hf::open_folder(&best, &burn::tensor::Device::flex()).map_err(crate::train::Error::from)?;
    let (name, kind) = match args.to {
        To::Hf => ("hf", Kind::HuggingFace),
        To::Onnx => ("onnx", Kind::Onnx),
    };
    let out = args.out.unwrap_or_else(|| folder.join("export").join(name));
    if !args.force {
        overwrite::check_folder(&out, "README.md", card::is_card).map_err(Failure::usage)?;
    }
    let cache = Cache::open(&run.description.cache).ok();
    let cache = cache.filter(|cache| cache.complete().content == run.description.cache_content);
    if cache.is_none() {
        outln!(
            "note: the cache {} is missing or has changed, so the card says less about the data and the teacher",
            run.description.cache.display()
        );
    }
    // First, so that the folder is known as ours if the rest can't be written.
    // A card is written without sizes where they can't be measured, as without an ONNX Runtime library.
    let compression = compression::of(&run).ok();
    let card =
        card::model_card(&run, &opened.classes, cache.as_ref(), compression.as_ref(), kind, &args.license);
    write(&out.join("README.md"), card.as_bytes())?;
    match kind {
        Kind::HuggingFace => {
            for file in [hf::WEIGHTS, "config.json", "preprocessor_config.json"] {
                let bytes =
                    files::read_regular(&best.join(file), LIMIT).map_err(failed("read", &best.join(file)))?;
                write(&out.join(file), &bytes)?;
            }
        }
        Kind::Onnx => {
            let student = &run.description.pipeline.student;
            let card = hf::Card {
                classes: &opened.classes,
                image_mean: student.image_mean,
                image_std: student.image_std,
                steps: 0,
            };
            onnx::save_folder(&out, &opened.model, &card).map_err(crate::train::Error::from)?;
        }
    }
    outln!("wrote {}", out.display());
    for line in how_to_load(kind, &out) {
        outln!("  {line}");
    }
    outln!("next     hf upload NAME {}, which publishes it", out.display());
    Ok(())
}

fn how_to_load(kind: Kind, out: &Path) -> [String; 2] {
    let path = serde_json::Value::from(out.display().to_string());
    let library = match kind {
        Kind::HuggingFace => format!("transformers: AutoModelForImageClassification.from_pretrained({path})"),
        Kind::Onnx => {
            let file = serde_json::Value::from(out.join(onnx::FILE).display().to_string());
            format!("onnxruntime: InferenceSession({file}), opset {}", onnx::OPSET)
        }
    };
    [library, format!("decant predict --model {} IMAGE...", out.display())]
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    atomic::write(path, bytes).map_err(failed("write", path))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::run(format!("can't {action} {path}: {error}; check free space and permissions"))
}
