//! Errors of a teacher and of the library that runs it.

use std::io;
use std::path::PathBuf;

use crate::config::ProviderDevice;
use crate::support::exit::{ExitKind, Kind};
use crate::support::hub;

/// An error of a teacher: the file, what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No ONNX Runtime library was found.
    #[error(
        "found no ONNX Runtime library: {looked}; run `pip install onnxruntime` in an active virtual environment, or set \
         ORT_DYLIB_PATH to a {} of version 1.{} or later",
        super::library_name::LIBRARY,
        super::library_name::OLDEST_MINOR
    )]
    NoLibrary {
        /// Every place that was looked at.
        looked: String,
    },
    /// `ORT_DYLIB_PATH` names a file that is not there.
    #[error(
        "ORT_DYLIB_PATH names {path}, and there is no such file; correct the variable, or unset it and run `pip install onnxruntime` in an active virtual environment"
    )]
    NoSuchLibrary {
        /// The file.
        path: PathBuf,
    },
    /// A file that should be ONNX Runtime does not load.
    #[error(
        "{path} can't be loaded as ONNX Runtime ({reason}); run `pip install --force-reinstall onnxruntime`, or set \
         ORT_DYLIB_PATH to another library"
    )]
    BadLibrary {
        /// The file, or the name that the system's loader was given.
        path: PathBuf,
        /// The loader's message.
        reason: String,
    },
    /// An ONNX Runtime that lacks functions this program calls.
    #[error(
        "{path} is ONNX Runtime {found}, expected 1.{} or later; run `pip install --upgrade onnxruntime`, or set \
         ORT_DYLIB_PATH to a newer library",
        super::library_name::OLDEST_MINOR
    )]
    OldLibrary {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// The provider that the pipeline asks for can't be had.
    #[error(
        "the device {device} is not available: {missing}; or choose the CPU, with --device cpu or teacher.device = \"cpu\""
    )]
    NoProvider {
        /// The request.
        device: ProviderDevice,
        /// The missing thing, with what to do.
        missing: String,
    },
    /// No folder for what TensorRT builds.
    #[error(
        "can't make {path} for TensorRT's engines: {source}; set teacher.gpu.tensorrt-cache to a folder that can be written, or to \"\" to keep none"
    )]
    Engines {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        r#source: io::Error,
    },
    /// No model at the place that the pipeline names.
    #[error(
        "no teacher at {path}: {found}; set teacher.model to a model.onnx, its folder or hub:ORG/NAME, or export one with `optimum-cli export onnx` or `python -m decant.export`"
    )]
    NoModel {
        /// The model that the pipeline names.
        path: PathBuf,
        /// The thing that was found there.
        found: String,
    },
    /// An embedded teacher that this program does not hold.
    #[error("there is no embedded teacher {name:?}, only {}", super::embedded::NAME)]
    NoEmbedded {
        /// The value in the pipeline.
        name: String,
    },
    /// A file of the teacher can't be read.
    #[error("can't read the model's {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        r#source: io::Error,
    },
    /// A file of the teacher is not what its name says.
    #[error("{path} is damaged, or not an ONNX model: {reason}; fetch or export it again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// `config.json` or `preprocessor_config.json` is not what it should be.
    #[error(
        "can't read what {path} says of the model: {reason}; correct it, or save it again with save_pretrained()"
    )]
    Json {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// The library does not open a model that has the right format.
    #[error("ONNX Runtime {version} can't run {path}: {reason}; {}", without(reason))]
    NotRunnable {
        /// The model.
        path: PathBuf,
        /// The library's version.
        version: String,
        /// ONNX Runtime's message.
        reason: String,
    },
    /// Nothing says what the logits or the pixels of a model mean.
    #[error(
        "{path} does not tell {missing}; copy what save_pretrained() of the model and of its image processor writes into {folder}, or write \
         into the pipeline file:\n\n{lines}"
    )]
    Undescribed {
        /// The model.
        path: PathBuf,
        /// All that is missing.
        missing: String,
        /// Where the files should be.
        folder: String,
        /// Lines for a pipeline file.
        lines: String,
    },
    /// `teacher.crop-pct` with a model whose input is not a square.
    #[error(
        "teacher.crop-pct crops a square, and the model takes {height} x {width}; leave it out, or write a preprocessor_config.json"
    )]
    CropOfRectangle {
        /// Pixels.
        height: u32,
        /// Pixels.
        width: u32,
    },
    /// Not a hub id.
    #[error(
        "{id:?} is not a model's id on the hub; expected hub:ORG/NAME, such as hub:onnx-community/vit-base-patch16-224"
    )]
    HubId {
        /// The given text.
        id: String,
    },
    /// The hub does not give a file.
    #[error(transparent)]
    Hub(#[from] hub::Failed),
    /// A model on the hub that was never exported to ONNX.
    #[error(
        "the model {id} on {endpoint} has no ONNX file, found {found}; export it with `optimum-cli export onnx` and give its folder as teacher.model"
    )]
    NoHubModel {
        /// The model.
        id: String,
        /// The hub.
        endpoint: String,
        /// Files that it has.
        found: String,
    },
    /// Offline, and not in the local cache.
    #[error(
        "HF_HUB_OFFLINE is set and {path} holds no ONNX file of the model {id}; run once without it, or give the model's folder as \
         teacher.model"
    )]
    Offline {
        /// The model.
        id: String,
        /// Its folder in the local cache.
        path: PathBuf,
    },
    /// The model's inputs or outputs are not a classifier's.
    #[error("{path} is not an image classifier that decant can run: expected {expected}, found {found}")]
    Signature {
        /// The model.
        path: PathBuf,
        /// The shape of a classifier.
        expected: String,
        /// The shape of this one.
        found: String,
    },
    /// `preprocessor_config.json` makes another size than the model takes.
    #[error(
        "{path} takes images of {expected}, but its preprocessor_config.json makes {found} (height x width); correct one of them"
    )]
    ImageSize {
        /// The model.
        path: PathBuf,
        /// The model's input.
        expected: String,
        /// The shape that preprocessing makes.
        found: String,
    },
    /// The preprocessing is not one that this program knows.
    #[error(transparent)]
    Preprocess(#[from] crate::view::Error),
    /// Teacher and dataset know different classes.
    #[error("the teacher's classes are not the dataset's, {problem}: the teacher knows {} ({}), the dataset has {} ({}); use a teacher that was trained on these classes, correct id2label in its config.json, or write teacher.classes into the pipeline file (teacher.match-classes = \"index\" where names occur twice)", .teacher.len(), .teacher.join(", "), .dataset.len(), .dataset.join(", "))]
    Classes {
        /// The first difference.
        problem: String,
        /// The teacher's classes.
        teacher: Vec<String>,
        /// The dataset's.
        dataset: Vec<String>,
    },
    /// Names that `transformers` makes up for a model that was saved without names.
    #[error(
        "the teacher's {count} classes have no names but LABEL_0 and so on; write their names into the pipeline file in the order of the \
         teacher's logits, such as:\n\n[teacher]\nclasses = {dataset:?}\n"
    )]
    ClassesWithoutNames {
        /// How many there are.
        count: usize,
        /// The dataset's.
        dataset: Vec<String>,
    },
    /// The model ran and failed.
    #[error("the model {path} failed on a batch of {batch}: {reason}")]
    Inference {
        /// The model.
        path: PathBuf,
        /// Images in the batch.
        batch: usize,
        /// ONNX Runtime's message, or the fault of its logits.
        reason: String,
    },
}

/// What to do about a model that ONNX Runtime does not open for `reason`.
fn without(reason: &str) -> &'static str {
    if reason.contains("bad_alloc") {
        return "free some memory, or take a smaller teacher";
    }
    "use an ONNX Runtime that knows its operators and its opset, or export the model with standard operators and an opset that this one \
     knows"
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Read { .. } | Self::Engines { .. } | Self::Inference { .. } | Self::Hub(_) => Kind::Failed,
            _ => Kind::Usage,
        }
    }
}
