//! The errors of stage one.

use std::path::PathBuf;

use crate::dataset::Dataset;
use crate::support::context::Context;
use crate::support::exit::{ExitKind, Kind};
use crate::support::hash::Digest;
use crate::{dataset, store, teacher, view};

/// An error of stage one: the file or image, what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The teacher can't be had, does not fit the dataset, or fails.
    #[error(transparent)]
    Teacher(#[from] teacher::Error),
    /// An image can't be read, or has changed.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// The cache can't be written, or is another one.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An image can't be decoded.
    #[error("{name} {source}; or leave it out with dataset.on-bad-image = \"skip\"")]
    Image {
        /// The file, or the parquet file and row.
        name: String,
        /// The fault.
        r#source: view::Error,
    },
    /// Several images can't be decoded.
    #[error(
        "{count} of {total} images can't be decoded:{}\nrepair or remove them, or leave them out with dataset.on-bad-image = \"skip\"",
        listed(.first, *.count)
    )]
    Images {
        /// The first of them, each as a sentence.
        first: Vec<String>,
        /// How many there are.
        count: usize,
        /// How many images the dataset has.
        total: usize,
    },
    /// The teacher fails on one image, whatever stands beside it.
    #[error(
        "on the image {name} {source}; repair or remove the image, or leave it out with dataset.on-bad-image = \"skip\""
    )]
    OnImage {
        /// The image.
        name: String,
        /// The teacher's error.
        r#source: Box<teacher::Error>,
    },
    /// A row of the teacher's output depends on more than its image.
    #[error(
        "the teacher {model} gives one image other logits when other images are in its batch, or when it is asked again: they differ by \
         {difference:.1e}, with logits of up to {largest:.1e}, where rounding explains {allowed:.1e} on {device}, so they can't be cached; \
         export it with an output of [batch, classes] and \
         without dropout, noise or batch statistics, or set teacher.batch-size = 1 if it is quantised as it runs"
    )]
    RowsDiffer {
        /// The model.
        model: String,
        /// The largest difference.
        difference: f32,
        /// The largest logit.
        largest: f32,
        /// The largest difference that rounding explains there.
        allowed: f32,
        /// Where it runs, and in which precision.
        device: String,
    },
    /// The teacher's output is not logits.
    #[error(
        "the teacher {model} gives probabilities, expected logits: each row of its output is in 0 to 1 and sums to 1; export it without the \
         Softmax at its end, or set teacher.outputs = \"probabilities\", which caches their logarithm"
    )]
    Probabilities {
        /// The model.
        model: String,
    },
    /// A cache is compared with a teacher that did not make it.
    #[error(
        "{} was made by the teacher {}, the pipeline's is {}; give the pipeline file that the cache was made from",
        .cache.display(),
        .expected.short(12),
        .found.short(12)
    )]
    OtherTeacher {
        /// The cache's folder.
        cache: PathBuf,
        /// The fingerprint in its manifest.
        expected: Digest,
        /// The fingerprint of the teacher here.
        found: Digest,
    },
    /// A cache that keeps only the largest logits can't be compared with all of them.
    #[error("{} keeps only the largest logits, so the teacher can't be compared with it; recompute takes float32 and float16", .cache.display())]
    NotAllLogits {
        /// The cache's folder.
        cache: PathBuf,
    },
}

/// How many bad images a message names.
const NAMED: usize = 10;

fn listed(first: &[String], count: usize) -> String {
    let more = (count > first.len()).then(|| format!("and {} more", count - first.len()));
    first.iter().chain(&more).flat_map(|line| ["\n  ", line]).collect()
}

impl Error {
    /// The same error, or where an image can't be decoded, one that names all such images, so that they can be repaired at once.
    #[must_use]
    pub(crate) fn with_all_bad_images(self, dataset: &Dataset, context: &Context) -> Self {
        if !matches!(self, Self::Image { .. }) {
            return self;
        }
        match dataset.bad_images(context) {
            Ok(bad) if bad.len() > 1 => Self::Images {
                first: bad
                    .iter()
                    .take(NAMED)
                    .map(|bad| format!("{} {}", dataset.sample_name(bad.split, bad.index), bad.reason))
                    .collect(),
                count: bad.len(),
                total: dataset.splits.iter().map(|split| split.samples.len()).sum(),
            },
            _ => self,
        }
    }
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Teacher(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Dataset(error) => error.kind(),
            _ => Kind::Usage,
        }
    }
}
