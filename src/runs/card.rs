//! The model card of a finished run: a `README.md` as the Hugging Face hub reads it.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use super::{Compression, FinishedRun};
use crate::config::{Control, Pipeline, Student, Train};
use crate::store::Cache;
use crate::student::{self, onnx};
use crate::support::confusion::ClassMeasures;
use crate::support::text::{number_or_dash, percent, percent_or_dash, without_absolute_paths};
use crate::train::metrics::Metrics;

/// The files that a card lies beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Weights that `transformers` loads.
    HuggingFace,
    /// An ONNX file.
    Onnx,
}

/// The card of `run`'s student. `classes` are its class names in the order of the logits, and `cache` is the one it was
/// trained from, where it is still there: it knows the data and the teacher best. `license` is as the hub names it.
pub(crate) fn model_card(
    run: &FinishedRun,
    classes: &[String],
    cache: Option<&Cache>,
    compression: Option<&Compression>,
    kind: Kind,
    license: &str,
) -> String {
    let Pipeline { student, train, .. } = &run.description.pipeline;
    let dataset = cache.map_or_else(|| dataset_name(run), |cache| cache.manifest().dataset.name.clone());
    let parts = [
        head(run, &dataset, kind, license),
        introduction(run, classes, kind),
        usage(kind),
        results(run, classes),
        compression.map_or_else(String::new, size_and_speed),
        data(run, &dataset, cache),
        teacher(run, cache),
        recipe(run, student, train),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Whether a file that begins with these bytes is a card that decant wrote.
pub(crate) fn is_card(head: &[u8]) -> bool {
    let mark = b"\n- knowledge-distillation\n- decant\n";
    head.starts_with(b"---\n") && head.windows(mark.len()).any(|window| window == mark)
}

/// The name of a dataset where only the pipeline is left to give it.
fn dataset_name(run: &FinishedRun) -> String {
    let source = &run.description.pipeline.dataset.source;
    match source.strip_prefix("hub:") {
        Some(id) => id.to_owned(),
        None => {
            Path::new(source).file_name().map_or(source.clone(), |name| name.to_string_lossy().into_owned())
        }
    }
}

/// The metadata: YAML, whose strings may be written as JSON's.
fn head(run: &FinishedRun, dataset: &str, kind: Kind, license: &str) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let library = match kind {
        Kind::HuggingFace => "transformers",
        Kind::Onnx => "onnx",
    };
    let base = base_model(run).map_or_else(String::new, |base| format!("base_model: {}\n", quoted(base)));
    let mut text = format!(
        "---\nlicense: {}\n{base}library_name: {library}\npipeline_tag: image-classification\ntags:\n- image-classification\n\
         - {}\n- knowledge-distillation\n- decant\ndatasets:\n- {}\nmetrics:\n- accuracy\n- f1\n\
         model-index:\n- name: {}\n  results:\n",
        quoted(license),
        student::model_type(run.description.pipeline.student.architecture),
        quoted(dataset),
        quoted(&run.result.name)
    );
    for (split, metrics) in splits(run) {
        let (Some(accuracy), Some(macro_f1)) = (metrics.accuracy, metrics.macro_f1) else { continue };
        let _ = write!(
            text,
            "  - task:\n      type: image-classification\n    dataset:\n      name: {0}\n      type: {0}\n      \
             split: {split}\n    metrics:\n    - type: accuracy\n      value: {accuracy:.4}\n    - type: f1\n      \
             name: macro F1\n      value: {macro_f1:.4}\n",
            quoted(dataset),
        );
    }
    text + "---\n"
}

/// The teacher on the hub that the student was distilled from, where the pipeline names one.
fn base_model(run: &FinishedRun) -> Option<&str> {
    let Pipeline { teacher, train, .. } = &run.description.pipeline;
    let id = teacher.model.strip_prefix("hub:").or(teacher.checkpoint.as_deref())?;
    // A folder of this machine has no page on the hub.
    let is_id =
        id.split('/').count() == 2 && id.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    (train.is_taught() && is_id).then_some(id)
}

fn splits(run: &FinishedRun) -> Vec<(&'static str, &Metrics)> {
    let test = run.result.test.as_ref().map(|test| ("test", test));
    [("validation", &run.result.validation)].into_iter().chain(test).collect()
}

fn introduction(run: &FinishedRun, classes: &[String], kind: Kind) -> String {
    let Pipeline { student, train, .. } = &run.description.pipeline;
    let taught = match train.control {
        Control::PermutedTargets => {
            "**A control, not for use**: its soft targets were shuffled, so that each image was taught with those of another one."
        }
        _ if !train.is_taught() => {
            "It was trained on the labels only, as a baseline for students with a teacher."
        }
        _ => "It was distilled from the cached logits of a larger teacher, beside the labels.",
    };
    let form = match kind {
        Kind::HuggingFace => "in the layout of Hugging Face `transformers`".to_owned(),
        Kind::Onnx => format!(
            "as an ONNX file (opset {}, batch normalisation folded into the convolutions, any batch size)",
            onnx::OPSET
        ),
    };
    let architecture = student.architecture.traits();
    let width = student.width.map_or_else(String::new, |width| format!("width {width}, "));
    format!(
        "# {}\n\nA {} ({width}{} pixels, {} parameters) for {} classes: {}. {taught}\n\
         It is here {form}, written by decant {}.\n",
        run.result.name,
        architecture.title,
        student.image_size,
        run.result.parameters,
        classes.len(),
        classes.join(", "),
        env!("CARGO_PKG_VERSION")
    )
}

fn usage(kind: Kind) -> String {
    let code = match kind {
        Kind::HuggingFace => {
            "from PIL import Image\n\
             from transformers import AutoImageProcessor, AutoModelForImageClassification\n\n\
             # Pillow's pixels are those of the training; torchvision's differ by a level here and there.\n\
             processor = AutoImageProcessor.from_pretrained(\".\", backend=\"pil\")\n\
             model = AutoModelForImageClassification.from_pretrained(\".\")\n\
             inputs = processor(Image.open(\"image.jpg\").convert(\"RGB\"), return_tensors=\"pt\")\n\
             logits = model(**inputs).logits\n\
             print(model.config.id2label[logits.argmax().item()])\n"
        }
        Kind::Onnx => {
            "import json\n\
             import onnxruntime\n\
             from PIL import Image\n\
             from transformers import AutoImageProcessor\n\n\
             # Pillow's pixels are those of the training; torchvision's differ by a level here and there.\n\
             processor = AutoImageProcessor.from_pretrained(\".\", backend=\"pil\")\n\
             session = onnxruntime.InferenceSession(\"model.onnx\")\n\
             pixels = processor(Image.open(\"image.jpg\").convert(\"RGB\"), return_tensors=\"np\")[\"pixel_values\"]\n\
             [logits] = session.run([\"logits\"], {\"pixel_values\": pixels})\n\
             classes = json.loads(session.get_modelmeta().custom_metadata_map[\"id2label\"])\n\
             print(classes[str(logits.argmax())])\n"
        }
    };
    format!("## How to load it\n\n```python\n{code}```\n\nOr `decant predict --model . image.jpg`.\n")
}

fn results(run: &FinishedRun, classes: &[String]) -> String {
    let mut text = format!(
        "## Results\n\nOne run of seed {}; the weights are those of epoch {}, the best by {} on validation.\n\n\
         | split | images | accuracy | macro F1 | NLL | ECE | agreement with the teacher | KL to it at T = {} |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        run.result.seed,
        run.result.best_epoch,
        run.result.chosen_by.name(),
        run.result.temperature
    );
    for (split, metrics) in splits(run) {
        let _ = writeln!(
            text,
            "| {split} | {} | {} | {} | {} | {} | {} | {:.3} |",
            metrics.samples,
            percent_or_dash(metrics.accuracy),
            percent_or_dash(metrics.macro_f1),
            number_or_dash(metrics.negative_log_likelihood),
            percent_or_dash(metrics.calibration_error),
            percent(metrics.teacher_agreement),
            metrics.teacher_kl
        );
    }
    let Some((split, metrics)) = splits(run).pop() else { return text };
    if metrics.accuracy.is_none() {
        return text;
    }
    let _ = write!(text, "\n| class on {split} | precision | recall | F1 |\n| --- | ---: | ---: | ---: |\n");
    for (class, measures) in classes.iter().zip(metrics.confusion.per_class()) {
        let ClassMeasures { precision, recall, f1, .. } = measures;
        let _ = writeln!(
            text,
            "| {class} | {} | {} | {} |",
            percent_or_dash(precision),
            percent_or_dash(recall),
            percent_or_dash(f1)
        );
    }
    text
}

/// Student and teacher side by side.
fn size_and_speed(compression: &Compression) -> String {
    let line = |cells: &[String; 6]| format!("| {} |\n", cells.join(" | "));
    let rows: String = compression.rows().iter().map(line).collect();
    format!(
        "## Size and speed\n\n{}| --- | ---: | ---: | ---: | ---: | ---: |\n{rows}\n{}.\n",
        line(&Compression::head()),
        without_absolute_paths(&compression.measured_with())
    )
}

fn data(run: &FinishedRun, dataset: &str, cache: Option<&Cache>) -> String {
    let source = &run.description.pipeline.dataset.source;
    let origin = match (source.as_str(), source.strip_prefix("hub:")) {
        ("leaves", _) => "drawn by decant's generator (`decant data synth`), no photographs",
        (_, Some(_)) => "from the Hugging Face hub",
        _ => "from local files",
    };
    let mut text = format!("## Data\n\n{dataset}, {origin}.");
    if let Some(cache) = cache {
        let dataset = &cache.manifest().dataset;
        let sizes: Vec<String> =
            dataset.splits.iter().map(|split| format!("{} {}", split.name, split.samples)).collect();
        let _ = write!(text, " Images: {}. Fingerprint {}.", sizes.join(", "), dataset.fingerprint);
        for note in &dataset.notes {
            let _ = write!(text, "\n- {note}");
        }
    }
    text + "\n"
}

fn teacher(run: &FinishedRun, cache: Option<&Cache>) -> String {
    let name = &run.description.teacher;
    let name = Path::new(name).file_name().map_or(name.clone(), |_| last_two(Path::new(name)));
    let mut text = format!("## Teacher\n\n{name}.");
    if let Some(cache) = cache {
        for quality in cache.complete().teacher_quality.iter().filter(|quality| quality.labelled > 0) {
            let _ = write!(
                text,
                " {}: accuracy {:.1} %, ECE {:.1} %.",
                quality.split,
                100.0 * quality.accuracy,
                100.0 * quality.ece
            );
        }
    }
    text + "\n"
}

/// The settings that a student is trained with.
#[derive(Serialize)]
struct Recipe<'a> {
    student: &'a Student,
    train: &'a Train,
}

/// The resolved `[student]` and `[train]`, without the keys of this machine.
fn recipe(run: &FinishedRun, student: &Student, train: &Train) -> String {
    let mut student = student.clone();
    student.init = student.init.map(|path| last_two(&path).into());
    let text = toml::to_string(&Recipe { student: &student, train }).expect("a configuration is plain data");
    let local = |line: &&str| line.starts_with("dir = ") || line.starts_with("device = ");
    let lines: Vec<&str> = text.lines().filter(|line| !local(line)).collect();
    format!(
        "## Recipe\n\n```toml\n{}\n```\n\nRun {}, trained with decant {}; BLAKE3 of its weights {}.\n",
        lines.join("\n"),
        &run.result.key[..12.min(run.result.key.len())],
        run.description.decant,
        run.result.weights
    )
}

/// The end of a path, which says what it is and not whose.
fn last_two(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}
