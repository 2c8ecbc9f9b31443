//! What can be wrong with a teacher or with the library that runs it.

use crate::support::exit::{ExitKind, Kind};
use std::io;
use std::path::PathBuf;

use crate::config::ProviderDevice;

/// Each names the file, what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// ONNX Runtime is nowhere.
    #[error(
        "found no ONNX Runtime library: {looked}; run `pip install onnxruntime` in an active virtual environment, or `make runtime` in \
         decant's checkout, or set ORT_DYLIB_PATH to a {} of version 1.{} or later",
        super::runtime::LIBRARY,
        super::runtime::OLDEST_MINOR
    )]
    NoLibrary {
        /// Every place that was looked at.
        looked: String,
    },
    /// `ORT_DYLIB_PATH` names a file that is not there.
    #[error(
        "ORT_DYLIB_PATH names {path}, and there is no such file; correct the variable, or unset it so that decant looks for the library itself"
    )]
    NoSuchLibrary {
        /// The file.
        path: PathBuf,
    },
    /// A file that should be ONNX Runtime does not load.
    #[error(
        "{path} can't be loaded as ONNX Runtime ({reason}); run `pip install --force-reinstall onnxruntime` or `make runtime`, or set \
         ORT_DYLIB_PATH to another library"
    )]
    BadLibrary {
        /// The file, or the name that the system's loader was given.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// An ONNX Runtime that lacks functions this program calls.
    #[error(
        "{path} is ONNX Runtime {found}, expected 1.{} or later; run `pip install --upgrade onnxruntime` or `make runtime`, or set \
         ORT_DYLIB_PATH to a newer library",
        super::runtime::OLDEST_MINOR
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
        /// What was asked for.
        device: ProviderDevice,
        /// What is missing, with what to do.
        missing: String,
    },
    /// No folder for what TensorRT builds.
    #[error(
        "can't make {path} for TensorRT's engines: {source}; point teacher.gpu.tensorrt-cache at a folder that can be written, or at \"\" to keep none"
    )]
    Engines {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No model at the place that the pipeline names.
    #[error(
        "no teacher at {path}: {found}; point teacher.model at a model.onnx or its folder, or export one with `make teacher PIPELINE=...`"
    )]
    NoModel {
        /// What the pipeline names.
        path: PathBuf,
        /// What was found there.
        found: String,
    },
    /// An embedded teacher that this program does not hold.
    #[error("there is no embedded teacher {name:?}, only {}", super::embedded::NAME)]
    NoEmbedded {
        /// What the pipeline names.
        name: String,
    },
    /// A file of the teacher can't be read.
    #[error("can't read the model's {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the teacher is not what its name says.
    #[error("{path} is damaged or no file of an ONNX classifier: {reason}; fetch or export it again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The model's inputs or outputs are not a classifier's.
    #[error("{path} is no image classifier as this program runs them: expected {expected}, found {found}")]
    Signature {
        /// The model.
        path: PathBuf,
        /// What a classifier has.
        expected: String,
        /// What this one has.
        found: String,
    },
    /// `preprocessor_config.json` makes another size than the model takes.
    #[error(
        "{path} takes images of {expected}, but its preprocessor_config.json makes {found} (height x width); correct one of them"
    )]
    ImageSize {
        /// The model.
        path: PathBuf,
        /// What the model takes.
        expected: String,
        /// What preprocessing makes.
        found: String,
    },
    /// The preprocessing is none that this program knows.
    #[error(transparent)]
    Preprocess(#[from] crate::view::Error),
    /// Teacher and dataset know different classes.
    #[error("the teacher's classes are not the dataset's, {problem}: the teacher knows {} ({}), the dataset has {} ({}); use a teacher that was trained on these classes, or correct id2label in its config.json", .teacher.len(), .teacher.join(", "), .dataset.len(), .dataset.join(", "))]
    Classes {
        /// The first difference.
        problem: String,
        /// The teacher's classes.
        teacher: Vec<String>,
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
        /// What ONNX Runtime said, or what is wrong with its logits.
        reason: String,
    },
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}
