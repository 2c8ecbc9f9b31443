//! What can stop stage two.

use std::path::PathBuf;

use crate::support::exit::{ExitKind, Kind};
use crate::{dataset, store, student, view};

/// Each is one sentence that names the thing, what was expected and what to do.
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
        "{image} can't be decoded: {source}; mend or remove it, or set dataset.on-bad-image = \"skip\" and make the cache again"
    )]
    Decode {
        /// Its file, or file and row.
        image: String,
        /// Why.
        source: view::Error,
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
        /// What the nearest one has different.
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
        /// What differs, with what was expected and found.
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
    /// A folder that holds no finished run.
    #[error(
        "{path} holds no finished run (run.json and result.json); train one with decant train-student, or go on with one that was interrupted"
    )]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A finished run's weights are not those that it ended with.
    #[error(
        "{path} is not the file that the run wrote ({reason}); restore it, or delete the run's folder to train it again"
    )]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The device can't be had.
    #[error("the device {device} can't be had: {reason}")]
    Device {
        /// As it was asked for.
        device: crate::config::StudentDevice,
        /// Why, and what to do.
        reason: String,
    },
    /// What is trained is no number any more.
    #[error(
        "{what} became {value} at step {step} of {steps}, so training stopped; the last good checkpoint is kept in {run}; try a smaller train.lr or a train.max-grad-norm"
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
    },
    /// Another process trains the run.
    #[error(
        "the run {run} is being trained by another process; wait for it, or stop it and run this command again to go on"
    )]
    Busy {
        /// Its folder.
        run: PathBuf,
    },
    /// The run was begun, which `--resume never` does not want.
    #[error(
        "the run {run} was begun before, and --resume never uses nothing of it; move or delete that folder, or leave --resume out to go on"
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
    #[error("{path} is no checkpoint; this run has {}", if there.is_empty() { "none".to_owned() } else { list(there) })]
    NoCheckpoint {
        /// What was named.
        path: PathBuf,
        /// The run's checkpoints.
        there: Vec<PathBuf>,
    },
    /// A checkpoint of this run in another folder.
    #[error(
        "{path} is a checkpoint of this run, but not in its folder {run}; move it there, or name its runs with --runs-dir"
    )]
    Elsewhere {
        /// What was named.
        path: PathBuf,
        /// The run's folder.
        run: PathBuf,
    },
    /// A checkpoint that is not what was written.
    #[error(
        "the checkpoint {path} is damaged ({reason}); delete it to go on from the one before it, or from the start where there is none"
    )]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the run can't be read or written.
    #[error(
        "can't {action} {path}: {source}; free some space or mend its permissions, and run the same command again to go on"
    )]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the run is not what was written there.
    #[error("{path} is damaged ({reason}); delete the folder {} to train this run from its start", path.parent().unwrap_or(path).display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Wraps an I/O error with what was tried on which file.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
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
            | Self::Device { .. }
            | Self::Decode { .. }
            | Self::Dataset(_) => true,
            Self::Student(error) => !matches!(error, student::hf::Error::Write { .. }),
            Self::Store(error) => error.kind() == Kind::Usage,
            _ => false,
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Dataset(error) => error.kind(),
            _ if self.is_damage() => Kind::Damaged,
            _ if self.is_usage() => Kind::Usage,
            _ => Kind::Failed,
        }
    }
}
