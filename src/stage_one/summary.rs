//! The outcome of stage one, as data for what prints it.

use std::path::PathBuf;

use crate::dataset::Dataset;
use crate::store::{Complete, TeacherQuality};
use crate::teacher::Description;

/// How far the cache is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Every shard is there, and what they hold was read back and checked.
    Complete(Complete),
    /// The user asked to stop; the finished shards stay, and a rerun does the others.
    Interrupted,
    /// This part is done, others are not.
    PartDone,
}

/// The outcome of one run of stage one.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The cache's folder.
    pub dir: PathBuf,
    /// How far it is.
    pub state: State,
    /// The teacher and where it ran.
    pub teacher: Description,
    /// Shards of the whole cache.
    pub shards: usize,
    /// Shards that earlier runs had finished.
    pub shards_done_before: usize,
    /// Shards that this run finished.
    pub shards_done_now: usize,
    /// Rows in the shards that this run finished and asked the teacher for, one for each view of each image.
    pub images: u64,
    /// Rows in those shards that were known: from another cache of the teacher, or from a run that did not finish the shard.
    pub reused: u64,
    /// Time that they took, with whatever was given up at an interruption.
    pub seconds: f64,
    /// Views that the teacher was given a second.
    pub images_per_second: f64,
    /// Notes for the user.
    pub notes: Vec<String>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

impl Summary {
    /// The teacher's accuracy and calibration on each split, once the cache is complete.
    pub fn teacher_quality(&self) -> &[TeacherQuality] {
        match &self.state {
            State::Complete(complete) => &complete.teacher_quality,
            State::Interrupted | State::PartDone => &[],
        }
    }

    /// Bytes of the whole cache's shards, once it is complete.
    pub fn bytes(&self) -> Option<u64> {
        match &self.state {
            State::Complete(complete) => Some(complete.bytes()),
            State::Interrupted | State::PartDone => None,
        }
    }

    /// Adds the notes and warnings that dataset, teacher and its accuracy give rise to.
    pub(super) fn judge(&mut self, dataset: &Dataset, teacher_classes: &[String], order: &[usize]) {
        self.notes.extend(self.teacher.notes.iter().cloned());
        for (class, &index) in dataset.classes.iter().zip(order) {
            if *class != teacher_classes[index] {
                self.notes
                    .push(format!("took the teacher's {:?} for the class {class:?}", teacher_classes[index]));
            }
        }
        self.warnings.extend(at_chance(dataset, self.teacher_quality()));
    }
}

/// A warning when the teacher is right no more often than a guess: pooled over the labelled splits, its accuracy is
/// within two standard errors of always answering the commonest class.
pub(crate) fn at_chance(dataset: &Dataset, quality: &[TeacherQuality]) -> Option<String> {
    let labelled: u64 = quality.iter().map(|split| split.labelled).sum();
    if labelled == 0 {
        return None;
    }
    let labels = dataset.splits.iter().flat_map(|split| &split.samples).map(|sample| sample.label);
    let mut counts = vec![0u64; dataset.classes.len()];
    for label in labels.filter_map(|label| usize::try_from(label).ok()) {
        counts[label] += 1;
    }
    let commonest = counts.iter().max().copied().unwrap_or(0) as f64 / labelled as f64;
    let accuracy =
        quality.iter().map(|split| split.accuracy * split.labelled as f64).sum::<f64>() / labelled as f64;
    let error = (commonest * (1.0 - commonest) / labelled as f64).sqrt();
    (accuracy <= commonest + 2.0 * error).then(|| {
        format!(
            "the teacher is no better than a guess: {:.1} % of {labelled} images right, where always answering the commonest class \
             gives {:.1} %. Its head was probably initialised at random: transformers' from_pretrained does that \
             without an error when ignore_mismatched_sizes=True and the checkpoint was made for other classes. Students \
             of this cache will learn noise; use a teacher that was fine-tuned on these classes",
            100.0 * accuracy,
            100.0 * commonest
        )
    })
}
