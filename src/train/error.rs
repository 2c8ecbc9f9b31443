//! Errors of stage two.

use std::path::{Path, PathBuf};

use super::layout::{BEST, TIMING_FILE};
use crate::support::exit::{ExitKind, Kind};
use crate::{dataset, store, student, view};

/// An error of stage two, as one sentence that names the thing, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The dataset can't be opened or read.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// The cache can't be opened or is damaged.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The student can't be built, loaded or saved.
    #[error(transparent)]
    Student(#[from] student::hf::Error),
    /// An image that can't be decoded.
    #[error(
        "{image} can't be decoded: {source}; fix or remove it, or set dataset.on-bad-image = \"skip\" and make the cache again"
    )]
    Decode {
        /// Its file, or file and row.
        image: String,
        /// Why.
        r#source: view::Error,
    },
    /// The pixels are not those that the teacher saw.
    #[error(
        "the pixels of {image} differ from those that the teacher saw, so its targets can't be trusted; run decant cache verify, or make the cache again with this version"
    )]
    Drift {
        /// The image's file, or file and row.
        image: String,
    },
    /// No cache fits the pipeline.
    #[error(
        "no cache under {root} fits this pipeline{nearest}; make it with decant teacher-cache -p {pipeline}, or name one with --cache"
    )]
    NoCache {
        /// Where it was looked for.
        root: PathBuf,
        /// The difference of the nearest one.
        nearest: String,
        /// The pipeline file.
        pipeline: String,
    },
    /// More than one cache fits.
    #[error("{} caches fit this pipeline ({}), made by different teachers or with different views; name one with --cache", paths.len(), list(paths))]
    ManyCaches {
        /// Their folders.
        paths: Vec<PathBuf>,
    },
    /// The cache named with `--cache` is not one of this pipeline.
    #[error(
        "the cache {path} does not fit this pipeline: {difference}; make one with decant teacher-cache, or give the pipeline file it was made from"
    )]
    OtherCache {
        /// Its folder.
        path: PathBuf,
        /// The difference, with the expected and the found value.
        difference: String,
    },
    /// The cache lacks a split.
    #[error(
        "the cache {path} has no {split} rows, which training needs; the dataset must have that split, or a train split large enough to make it from"
    )]
    NoSplit {
        /// The cache's folder.
        path: PathBuf,
        /// The split's name.
        split: &'static str,
    },
    /// No sample has another one whose targets it could be given.
    #[error(
        "the train split of {dataset} has a single image, and permuted targets need another one to come from; leave out --control"
    )]
    NothingToPermute {
        /// The dataset's name.
        dataset: String,
    },
    /// Weights for another number of classes.
    #[error("train.class-weights has {weights} weights for {} classes; give one for each, in this order: {}", classes.len(), classes.join(", "))]
    ClassWeights {
        /// How many were given.
        weights: usize,
        /// The dataset's classes.
        classes: Vec<String>,
    },
    /// No full step in an epoch.
    #[error(
        "the train split has {samples} images, fewer than the {step} of one step, which train.drop-last leaves out; set train.drop-last = false or a smaller train.batch-size or train.accumulate"
    )]
    NoStep {
        /// Images of the train split.
        samples: usize,
        /// Images of a step.
        step: usize,
    },
    /// A run that another tool trained.
    #[error(
        "{path} was imported from another tool and has no weights here; give --model with the student's ONNX file in its place"
    )]
    NoWeights {
        /// Its folder.
        path: PathBuf,
    },
    /// A folder that holds no finished run.
    #[error(
        "{path} holds no finished run (run.json and result.json); train one with decant train-student, or resume one that was interrupted"
    )]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that is not a run's.
    #[error("{path} is not a run's folder (it has no run.json); decant runs ls lists the runs")]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// No run of this name.
    #[error("there is no run {path}{}", did_you_mean(nearest))]
    NoSuchRun {
        /// The named path.
        path: PathBuf,
        /// The runs whose names are nearest, each with its own name.
        nearest: Vec<String>,
    },
    /// Several runs fit what was named.
    #[error("{path} is the name or the beginning of the name of {} runs: {}; name one of them", runs.len(), runs.join(", "))]
    SeveralRuns {
        /// The named path.
        path: PathBuf,
        /// The runs, each with its own name.
        runs: Vec<String>,
    },
    /// A path that JSON can't hold.
    #[error("{path:?} is not valid UTF-8, and a run's files can't hold such a path; rename the folder")]
    NotUnicode {
        /// The path.
        path: PathBuf,
    },
    /// A finished run's weights are not those that it ended with.
    #[error(
        "{path} is not the file that the run wrote ({reason}); restore it, or delete the run's folder to train it again"
    )]
    Weights {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// The device is not available.
    #[error("the device {device} is not available: {reason}")]
    Device {
        /// As it was asked for.
        device: crate::config::StudentDevice,
        /// Why, and what to do.
        reason: String,
    },
    /// The device does not compute in bfloat16.
    #[error(
        "the device {device} does not compute in bfloat16; set train.precision = \"float32\", or choose a GPU that does with train.device"
    )]
    NoBfloat16 {
        /// Which.
        device: crate::config::StudentDevice,
    },
    /// The device failed on the way.
    #[error(
        "the device {device} failed: {reason}; see decant doctor, and run the same command again to resume"
    )]
    DeviceFailed {
        /// Which.
        device: crate::config::StudentDevice,
        /// burn's reason.
        reason: String,
    },
    /// A weight or loss that is not a number any more.
    #[error(
        "{what} became {value} at step {step} of {steps}, so training stopped; {}; try a smaller train.lr or a train.max-grad-norm",
        if *is_kept { format!("the last good checkpoint is kept in {}", run.display()) } else { "there is no checkpoint yet".to_owned() }
    )]
    Diverged {
        /// The loss, or the gradient's norm, or a weight.
        what: &'static str,
        /// As printed.
        value: f32,
        /// Counted from 1.
        step: usize,
        /// Steps of the whole run.
        steps: usize,
        /// The run's folder.
        run: PathBuf,
        /// Whether there is a checkpoint.
        is_kept: bool,
    },
    /// Initial weights that are not numbers.
    #[error(
        "{path}: the weights have a value that is {value}; export the weights again, or leave out student.init"
    )]
    BadInit {
        /// The file that `student.init` names.
        path: PathBuf,
        /// The value.
        value: f32,
    },
    /// Stopped by the user, with nothing to keep.
    #[error("interrupted")]
    Interrupted,
    /// Another process trains the run.
    #[error(
        "the run {run} is being trained by another process; wait for it, or stop it and run this command again to resume"
    )]
    Busy {
        /// Its folder.
        run: PathBuf,
    },
    /// The run was begun before, and `--resume never` starts new runs only.
    #[error(
        "the run {run} was begun before, and --resume never starts new runs only; move or delete that folder, or leave out --resume to resume it"
    )]
    Begun {
        /// Its folder.
        run: PathBuf,
    },
    /// A folder of another run.
    #[error("{path} belongs to another run: {}; give that run's own pipeline file, or move the folder away", differences.join("; "))]
    OtherRun {
        /// The folder, or the checkpoint.
        path: PathBuf,
        /// Each value that differs, with both.
        differences: Vec<String>,
    },
    /// No checkpoint where `--resume` says.
    #[error("{path} is not a checkpoint; this run has {}", if there.is_empty() { "none".to_owned() } else { list(there) })]
    NoCheckpoint {
        /// The named path.
        path: PathBuf,
        /// The run's checkpoints.
        there: Vec<PathBuf>,
    },
    /// A checkpoint of this run in another folder.
    #[error(
        "{path} is a checkpoint of this run, but not in its folder {run}; move it there, or name its runs with --runs-dir"
    )]
    Elsewhere {
        /// The named path.
        path: PathBuf,
        /// The run's folder.
        run: PathBuf,
    },
    /// A checkpoint that is not what was written.
    #[error(
        "the checkpoint {path} is damaged ({reason}); delete it to resume from the one before it, or from the start if there is none"
    )]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A file of the run can't be read or written.
    #[error(
        "can't {action} {path}: {source}; check free space and permissions, and run the same command again to resume"
    )]
    File {
        /// The action that failed.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        r#source: std::io::Error,
    },
    /// A file of the run is not what was written there.
    #[error("{path} is damaged ({reason}); {}", remedy(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
}

impl Error {
    /// An error from reading a whole file of a run: damage where what is there is not a regular file, or too large for one.
    pub fn read(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let path = path.into();
        match source.kind() {
            ErrorKind::InvalidInput
            | ErrorKind::InvalidData
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::FileTooLarge => Self::Damaged { path, reason: source.to_string() },
            _ if !path.is_file() && path.exists() => Self::Damaged { path, reason: source.to_string() },
            _ => Self::File { action: "read", path, source },
        }
    }

    /// Wraps an I/O error with what was tried on which file.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// Whether stored data is damaged, as against a run that failed or input that does not match.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Checkpoint { .. } | Self::Drift { .. } | Self::Weights { .. } => {
                true
            }
            Self::Store(error) => error.is_damage(),
            _ => false,
        }
    }

    /// Whether the input or configuration does not match.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NoCache { .. }
            | Self::ManyCaches { .. }
            | Self::OtherCache { .. }
            | Self::NoSplit { .. }
            | Self::NothingToPermute { .. }
            | Self::ClassWeights { .. }
            | Self::Begun { .. }
            | Self::OtherRun { .. }
            | Self::NoCheckpoint { .. }
            | Self::Elsewhere { .. }
            | Self::NoStep { .. }
            | Self::NoRun { .. }
            | Self::NoWeights { .. }
            | Self::NotARun { .. }
            | Self::NoSuchRun { .. }
            | Self::SeveralRuns { .. }
            | Self::NotUnicode { .. }
            | Self::BadInit { .. }
            | Self::Device { .. }
            | Self::NoBfloat16 { .. }
            | Self::Decode { .. }
            | Self::Dataset(_) => true,
            Self::Student(error) => !matches!(error, student::hf::Error::Write { .. }),
            Self::Store(error) => error.kind() == Kind::Usage,
            _ => false,
        }
    }
}

/// Advice about a damaged file of a run.
fn remedy(path: &Path) -> String {
    if path.file_name().is_some_and(|name| name == TIMING_FILE) {
        return "delete it: it holds only times".to_owned();
    }
    let mut run = path.parent().unwrap_or(path);
    if run.ends_with(BEST) {
        run = run.parent().unwrap_or(run);
    }
    format!("restore it, or delete the folder {} to train this run again", run.display())
}

fn did_you_mean(runs: &[String]) -> String {
    if runs.is_empty() { String::new() } else { format!("; did you mean {}?", runs.join(", ")) }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Dataset(error) => error.kind(),
            Self::Interrupted => Kind::Interrupted,
            _ if self.is_damage() => Kind::Damaged,
            _ if self.is_usage() => Kind::Usage,
            _ => Kind::Failed,
        }
    }
}
