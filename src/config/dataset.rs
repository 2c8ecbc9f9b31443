//! `[dataset]`: where the images come from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::key::{Condition, Declared, Role};
use super::kind::{ANY, Kind};
use crate::support::range::Range;

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
    /// The answer to an image that can't be decoded, or on which the teacher fails.
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

type Key = Declared<Dataset>;

const NOT_LEAVES: Condition<Dataset> = Condition {
    holds: |dataset, _| dataset.source != "leaves",
    text: "with a dataset.source other than \"leaves\"",
    with: &["dataset.source=folder"],
    without: &["dataset.source=leaves"],
};

const LEAVES: Condition<Dataset> = Condition {
    holds: |dataset, _| dataset.source == "leaves",
    text: "with dataset.source = \"leaves\"",
    with: &["dataset.source=leaves"],
    without: &["dataset.source=folder"],
};

const ON_THE_HUB: Condition<Dataset> = Condition {
    holds: |dataset, _| dataset.source.starts_with("hub:"),
    text: "with dataset.source = \"hub:ORG/NAME\"",
    with: &["dataset.source=hub:org/name"],
    without: &["dataset.source=folder"],
};

/// Images in a split of leaves: one a class at least.
const LEAVES_IN_SPLIT: Kind = Kind::Whole(3, 1_000_000);

/// The declarations of the section's keys.
pub(super) const KEYS: &[Key] = &[
    Key::new(
        "dataset.source",
        Kind::Text,
        Role::Decides,
        "\"leaves\" (generated images), a folder of images or parquet files, its URL in an object store, or \"hub:ORG/NAME\"",
    )
    .also(&["path", "data", "data-dir", "root", "dir", "folder", "dataset-name", "dataset"]),
    Key::new(
        "dataset.validation-share",
        Kind::Number(Range::between(0.0, 1.0)),
        Role::Decides,
        "Share of train that becomes validation (or test) where the source has none",
    )
    .read(NOT_LEAVES)
    .also(&["val-split", "validation-split", "val-share", "val-size"]),
    Key::new("dataset.seed", Kind::Whole(0, ANY), Role::Decides, "Fixes which samples that share takes")
        .read(NOT_LEAVES),
    Key::new(
        "dataset.on-bad-image",
        Kind::OneOf(&["error", "skip"]),
        Role::Decides,
        "What an image that can't be decoded does: error stops, skip leaves it out and lists it in the manifest",
    )
    .read(NOT_LEAVES),
    Key::new(
        "dataset.label-column",
        Kind::Text,
        Role::Decides,
        "The column that holds the class, of parquet files or of a table of labels beside images; found by its type or name unless given",
    )
    .read(NOT_LEAVES)
    .also(&["label", "labels", "target", "label-key", "target-column", "label-column-name"]),
    Key::new(
        "dataset.image-column",
        Kind::Text,
        Role::Decides,
        "The column of parquet files that holds the image; found by its type unless given",
    )
    .read(NOT_LEAVES)
    .also(&["image", "input-key", "input-column", "image-column-name"]),
    Key::new(
        "dataset.config",
        Kind::Text,
        Role::Decides,
        "The configuration of a dataset whose parquet files are those of several",
    )
    .read(NOT_LEAVES)
    .also(&["config-name", "dataset-config-name", "subset"]),
    Key::new("dataset.revision", Kind::Text, Role::Decides, "The branch, tag or commit of a dataset on the hub")
        .read(ON_THE_HUB)
        .also(&["branch", "commit"]),
    Key::new(
        "dataset.class-folder",
        Kind::OneOf(&["top", "leaf"]),
        Role::Decides,
        "Which folder names the class of an image below <split>/<class>: top, as torchvision has it, or leaf, the image's own",
    )
    .read(NOT_LEAVES),
    Key::new(
        "dataset.class-map",
        Kind::Map,
        Role::Decides,
        "Other names for classes, such as the teacher's; classes of one name become one",
    )
    .read(NOT_LEAVES),
    Key::new(
        "dataset.unlabelled",
        Kind::Texts,
        Role::Decides,
        "Folders of images without labels, which join train: only the teacher teaches them",
    )
    .also(&["unlabeled"]),
    Key::new("dataset.leaves.seed", Kind::Whole(0, ANY), Role::Decides, "Same seed, same images").read(LEAVES),
    Key::new("dataset.leaves.train", LEAVES_IN_SPLIT, Role::Decides, "Images in the train split").read(LEAVES),
    Key::new("dataset.leaves.validation", LEAVES_IN_SPLIT, Role::Decides, "Images in the validation split")
        .read(LEAVES),
    Key::new("dataset.leaves.test", LEAVES_IN_SPLIT, Role::Decides, "Images in the test split").read(LEAVES),
    Key::new(
        "dataset.leaves.unlabelled",
        Kind::Whole(0, 1_000_000),
        Role::Decides,
        "Images without labels, which join train",
    )
    .read(LEAVES),
    Key::new(
        "dataset.leaves.severity",
        Kind::Number(Range::closed(0.0, 1.0)),
        Role::Decides,
        "How ill an ill leaf is at least: 0 draws the mildest cases too, 1 only the severest",
    )
    .read(LEAVES),
];

/// The answer to an image that can't be decoded, or on which the teacher fails.
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
    /// Images without labels, which join the train split.
    pub unlabelled: usize,
    /// How ill an ill leaf is at least: 0 draws the mildest cases as well, which are hard to see, 1 only the severest.
    pub severity: f32,
}

impl Default for Leaves {
    fn default() -> Self {
        Self { seed: 0, train: 1034, validation: 133, test: 128, unlabelled: 0, severity: 0.0 }
    }
}
