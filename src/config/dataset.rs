//! `[dataset]`: where the images come from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rule::{Invalid, within};

/// `[dataset]`: where the images come from.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Dataset {
    /// `leaves` (generated), a folder of images or parquet files, its URL in an object store (`s3://`, `gs://`, `az://`, `file://`),
    /// or `hub:ORG/NAME`.
    pub source: String,
    /// The share of train that becomes validation (or test) where the source has none.
    pub validation_share: f64,
    /// Fixes which samples that share takes.
    pub seed: u64,
    /// What an image that can't be decoded does.
    pub on_bad_image: OnBadImage,
    /// The column that holds the class: of parquet files, or of the table of labels beside images (`metadata.csv`). Left out, it is found by
    /// its type or its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// The column of parquet files that holds the image. Left out, it is found by its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_column: Option<String>,
    /// The configuration of a dataset whose parquet files are those of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// The branch, tag or commit of a dataset on the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Which folder's name is the class of an image that lies deeper than `<split>/<class>/<image>`.
    #[serde(skip_serializing_if = "ClassFolder::is_top")]
    pub class_folder: ClassFolder,
    /// Other names for classes, such as the teacher's. Classes of one name become one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub class_map: BTreeMap<String, String>,
    /// Folders of images without labels, which join train: only the teacher teaches them. A folder `unlabelled` beside the splits does
    /// so without this key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlabelled: Vec<PathBuf>,
    /// Sizes of the generated leaves, read only with `source = "leaves"`.
    pub leaves: Leaves,
}

impl Default for Dataset {
    fn default() -> Self {
        Self {
            source: "leaves".to_owned(),
            validation_share: 0.1,
            seed: 0,
            on_bad_image: OnBadImage::Error,
            label_column: None,
            image_column: None,
            config: None,
            revision: None,
            class_folder: ClassFolder::Top,
            class_map: BTreeMap::new(),
            unlabelled: Vec::new(),
            leaves: Leaves::default(),
        }
    }
}

impl Dataset {
    /// Checks every value that a type alone does not bound.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let leaves = &self.leaves;
        within(
            "dataset.validation-share",
            self.validation_share,
            0.0 < self.validation_share && self.validation_share < 1.0,
            "between 0 and 1",
        )?;
        let largest_split = 1_000_000;
        for (key, images) in [
            ("dataset.leaves.train", leaves.train),
            ("dataset.leaves.validation", leaves.validation),
            ("dataset.leaves.test", leaves.test),
        ] {
            within(
                key,
                images,
                (3..=largest_split).contains(&images),
                "3 to 1000000, one image a class at least",
            )?;
        }

        if let Some(revision) = &self.revision {
            let is_hub = self.source.starts_with("hub:");
            within("dataset.revision", revision, is_hub, "left out unless dataset.source is hub:ORG/NAME")?;
        }
        for (key, value) in [
            ("dataset.label-column", &self.label_column),
            ("dataset.image-column", &self.image_column),
            ("dataset.config", &self.config),
        ] {
            if let Some(value) = value {
                let is_read = self.source != "leaves";
                within(key, value, is_read, "left out with dataset.source = \"leaves\"")?;
            }
        }
        within("dataset.leaves.severity", leaves.severity, (0.0..=1.0).contains(&leaves.severity), "0 to 1")?;
        Ok(())
    }
}

/// What to do about an image that can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnBadImage {
    /// Stop, naming it.
    Error,
    /// Leave it out and list it in the cache's manifest.
    Skip,
}

/// Which folder names an image's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassFolder {
    /// The folder below the split, as in torchvision's `ImageFolder`.
    Top,
    /// The folder that the image lies in, as in Hugging Face's `imagefolder`.
    Leaf,
}

impl ClassFolder {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    fn is_top(&self) -> bool {
        *self == Self::Top
    }
}

/// `[dataset.leaves]`: how many leaves are generated. The defaults are the published sizes of `beans`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Leaves {
    /// Same seed, same images.
    pub seed: u64,
    /// Images in the train split.
    pub train: usize,
    /// Images in the validation split.
    pub validation: usize,
    /// Images in the test split.
    pub test: usize,
    /// How ill an ill leaf is at least: 0 draws the mildest cases as well, which are hard to see, 1 the severest alone.
    pub severity: f32,
}

impl Default for Leaves {
    fn default() -> Self {
        Self { seed: 0, train: 1034, validation: 133, test: 128, severity: 0.0 }
    }
}
