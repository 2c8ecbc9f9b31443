//! The parts of a manifest: which samples, which teacher, which views.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::{self, Provider};
use crate::support::hash::Digest;
use crate::view::Resize;
use crate::view::operation::RandomOperations;

/// The dataset that a cache was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetIdentity {
    /// Its name, for people.
    pub name: String,
    /// Digest over every sample's content, its label and the class names in order.
    pub fingerprint: Digest,
    /// Class names, in label order.
    pub classes: Vec<String>,
    /// Its splits, in the order in which they are cached.
    pub splits: Vec<SplitSize>,
    /// Other facts worth knowing: how a validation split was made, images that were skipped.
    pub notes: Vec<String>,
    /// The contents of images that were left out because the teacher fails on them, as BLAKE3 of their files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Digest>,
}

/// One split's size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSize {
    /// `train`, `validation` or `test`.
    pub name: String,
    /// How many samples it has.
    pub samples: u64,
}

/// The teacher that a cache was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherIdentity {
    /// Its name, for people.
    pub name: String,
    /// Digest over the model's bytes and its preprocessing.
    pub fingerprint: Digest,
    /// The execution provider that ran it.
    pub provider: Provider,
    /// The element type of its input: `fp32` or `fp16`.
    pub precision: String,
    /// The runtime and its version.
    pub runtime: String,
    /// Images of one call. Another size may round the last bit of a logit differently.
    pub batch_size: u32,
}

/// The views that a cache holds of each sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewIdentity {
    /// Views of each sample of train; the other splits have view 0 only.
    pub views: u16,
    /// How an image, or the part of it that a view shows, gets the teacher's size.
    pub resize: Resize,
    /// How the views after view 0 are drawn; none where there is view 0 only, which is the whole image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crops: Option<RandomCrops>,
    /// What is done to the pixels of the views after view 0, once they are cropped, resized and mirrored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<RandomOperations>,
}

/// How views are drawn: torchvision's `RandomResizedCrop` and `RandomHorizontalFlip`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomCrops {
    /// The seed that they are drawn from.
    pub seed: u64,
    /// The least and the largest share of the image's area.
    pub scale: [f64; 2],
    /// The least and the largest ratio of width to height.
    pub ratio: [f64; 2],
    /// The probability of a mirrored view.
    pub flip: f64,
}

impl ViewIdentity {
    /// The identity of `views` views, each resized by `resize`; `crops` decides nothing where there is one view.
    pub fn new(views: u16, resize: Resize, crops: RandomCrops) -> Self {
        Self { views, resize, crops: (views > 1).then_some(crops), operations: None }
    }

    /// The views that a pipeline asks for, of images that are resized so.
    pub(crate) fn of(cache: &config::Cache, resize: Resize) -> Self {
        let &config::View { scale, ratio, flip, .. } = &cache.view;
        let operations = RandomOperations::of(&cache.view).filter(|_| cache.views > 1);
        Self {
            operations,
            ..Self::new(cache.views, resize, RandomCrops { seed: cache.seed, scale, ratio, flip })
        }
    }

    /// How many operations a row has.
    pub fn operation_count(&self) -> usize {
        self.operations.as_ref().map_or(0, RandomOperations::count)
    }

    /// Whether the views after view 0 are drawn alike.
    pub(crate) fn draws_as(&self, other: &Self) -> bool {
        self.crops.is_some() && self.crops == other.crops && self.operations == other.operations
    }
}

impl fmt::Display for ViewIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { views, resize, crops, operations } = self;
        match crops {
            None => write!(formatter, "the whole image, {resize}")?,
            Some(RandomCrops { seed, scale: [least, most], ratio: [narrow, wide], flip }) => write!(
                formatter,
                "{views} views of seed {seed}, crops of {least} to {most} of the area and ratio {narrow} to {wide}, \
                 flipped with probability {flip}, {resize}"
            )?,
        }
        operations.as_ref().map_or(Ok(()), |operations| write!(formatter, ", {operations}"))
    }
}
