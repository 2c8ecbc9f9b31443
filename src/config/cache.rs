//! `[cache]`: what of the teacher is kept, and where.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::key::{Condition, Declared, Role};
use super::kind::{ANY, Kind};
use super::rule::{Invalid, TEMPERATURE, within};
use crate::encoding::{self, Encoding};
use crate::support::range::Range;

/// `[cache]`: what of the teacher is kept, and where.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Cache {
    /// The readable part of the cache's folder name; the pipeline file's own name where it is empty.
    pub name: String,
    /// The folder that holds caches, or its URL in an object store; `--cache-dir` and `DECANT_CACHE` come before it.
    pub dir: PathBuf,
    /// One column of soft targets is written for each.
    pub temperatures: Vec<f32>,
    /// How many views of each train image the teacher sees; view 0 is the plain evaluation view, and the only one of
    /// validation and test.
    pub views: u16,
    /// Fixes the crops, flips and operations of the views.
    pub seed: u64,
    /// Rows in one shard at most.
    pub shard_rows: usize,
    /// How logits and soft targets are stored: `encoding` and the keys of encodings' parameters. An unknown key of `[cache]` ends up here,
    /// and is refused.
    #[serde(flatten, with = "encoding::pipeline")]
    pub encoding: Encoding,
    /// The level at which zstd compresses the cache; 0 leaves it plain, to be read straight from the memory map.
    pub zstd: u8,
    /// How views other than view 0 are drawn.
    pub view: View,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            name: String::new(),
            dir: PathBuf::from("cache"),
            temperatures: vec![1.0, 2.0, 5.0, 10.0],
            views: 4,
            seed: 0,
            shard_rows: 4096,
            encoding: Encoding::FLOAT32,
            zstd: 0,
            view: View::default(),
        }
    }
}

impl Cache {
    /// Checks what one value asks of another.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let View { scale: [least, most], ratio: [narrowest, widest], .. } = self.view;
        let pair = |[from, to]: [f64; 2]| format!("[{from}, {to}]");
        let rule = "[least, largest] in this order";
        within("cache.view.scale", pair(self.view.scale), least <= most, rule)?;
        within("cache.view.ratio", pair(self.view.ratio), narrowest <= widest, rule)?;
        match self.encoding.parameter() {
            Some((parameter, 0)) => {
                let about = parameter.about.split_at(1);
                let about = format!("{}{}", about.0.to_lowercase(), about.1);
                let rule = format!("set with cache.encoding = \"{}\": {about}", self.encoding.name());
                within(parameter.key, "no such key", false, &rule)
            }
            _ => Ok(()),
        }
    }
}

type Key = Declared<Cache>;

const SEVERAL_VIEWS: Condition<Cache> = Condition {
    holds: |cache, _| cache.views > 1,
    text: "with cache.views above 1",
    with: &["cache.views=3"],
    without: &["cache.views=1"],
};

/// The most operations of `RandAugment` that a view has.
pub(crate) const MAX_OPERATIONS: u8 = 8;
/// Their largest magnitude: torchvision's 31 steps from 0.
pub(crate) const MAX_MAGNITUDE: u8 = 30;

const RAND_AUGMENT: Condition<Cache> = Condition {
    holds: |cache, _| cache.view.rand_augment > 0,
    text: "with cache.view.rand-augment above 0",
    with: &["cache.view.rand-augment=2"],
    without: &["cache.view.rand-augment=0"],
};

/// The amounts of colour jitter but for the hue.
const JITTER: Range = Range::closed(0.0, 10.0);

/// The declarations of the section's keys.
pub(super) fn keys() -> Vec<Key> {
    let mut keys = KEYS.to_vec();
    let after = keys.iter().position(|key| key.name == "cache.shard-rows").map_or(keys.len(), |at| at + 1);
    keys.splice(after..after, encoding_keys());
    keys
}

/// The encoding, and the parameters of encodings, each read by its own.
fn encoding_keys() -> Vec<Key> {
    let encoding = Key::new(
        "cache.encoding",
        Kind::OneOf(Encoding::names()),
        Role::Decides,
        "How logits and soft targets are stored; the encodings are listed below",
    )
    .also(&["dtype", "precision", "format"]);
    let parameter = |encoding: Encoding| {
        let (parameter, _) = encoding.parameter()?;
        let read = Condition {
            holds: |cache: &Cache, key| {
                cache.encoding.parameter().is_some_and(|(parameter, _)| parameter.key == key)
            },
            text: parameter.condition,
            with: parameter.with,
            without: &["cache.encoding=float32"],
        };
        let kind = Kind::Whole(1, parameter.most.into());
        Some(Key::new(parameter.key, kind, Role::Decides, parameter.about).read(read).also(parameter.also))
    };
    std::iter::once(encoding).chain(Encoding::all().filter_map(parameter)).collect()
}

const KEYS: &[Key] = &[
    Key::new(
        "cache.name",
        Kind::Text,
        Role::Name,
        "The readable part of the cache's folder name; the pipeline's name unless given",
    ),
    Key::new(
        "cache.dir",
        Kind::Path,
        Role::Name,
        "The folder that holds caches, or its URL in an object store; --cache-dir and DECANT_CACHE come before it",
    ),
    Key::new(
        "cache.temperatures",
        Kind::Numbers(TEMPERATURE),
        Role::Machine,
        "Temperatures of which soft targets are stored; others are softened from the logits",
    )
    .also(&["temperature", "t"]),
    Key::new(
        "cache.views",
        Kind::Whole(1, u16::MAX as u64),
        Role::Decides,
        "Views of each train image that the teacher sees; view 0 is the plain evaluation view",
    )
    .also(&["num-views", "n-views", "augmentations", "num-augmentations"]),
    Key::new(
        "cache.seed",
        Kind::Whole(0, ANY),
        Role::Decides,
        "Fixes crops, flips and operations of the views",
    )
    .read(SEVERAL_VIEWS),
    Key::new("cache.shard-rows", Kind::Whole(1, 1 << 20), Role::Machine, "Rows of a shard at most"),
    Key::new(
        "cache.zstd",
        Kind::Whole(0, 22),
        Role::Machine,
        "The level at which zstd compresses; 0 leaves the cache plain, to be read from the memory map",
    )
    .also(&["compression", "compression-level"]),
    Key::new(
        "cache.view.scale",
        Kind::Array(2, Range::above(0.0, 1.0)),
        Role::Decides,
        "The least and the largest share of the image's area that a view shows",
    )
    .read(SEVERAL_VIEWS),
    Key::new(
        "cache.view.ratio",
        Kind::Array(2, Range::closed(0.01, 100.0)),
        Role::Decides,
        "The least and the largest ratio of a view's width to its height",
    )
    .read(SEVERAL_VIEWS),
    Key::new(
        "cache.view.flip",
        Kind::Number(Range::closed(0.0, 1.0)),
        Role::Decides,
        "The probability of a mirrored view",
    )
    .read(SEVERAL_VIEWS)
    .also(&["hflip", "horizontal-flip"]),
    Key::new(
        "cache.view.brightness",
        Kind::Number(JITTER),
        Role::Decides,
        "Colour jitter: the brightness is multiplied by 1 less this to 1 plus this; 0 leaves it as it is",
    )
    .read(SEVERAL_VIEWS)
    .also(&["color-jitter", "colour-jitter", "jitter"]),
    Key::new(
        "cache.view.contrast",
        Kind::Number(JITTER),
        Role::Decides,
        "Colour jitter: the contrast is multiplied by 1 less this to 1 plus this; 0 leaves it as it is",
    )
    .read(SEVERAL_VIEWS),
    Key::new(
        "cache.view.saturation",
        Kind::Number(JITTER),
        Role::Decides,
        "Colour jitter: the saturation is multiplied by 1 less this to 1 plus this; 0 leaves it as it is",
    )
    .read(SEVERAL_VIEWS),
    Key::new(
        "cache.view.hue",
        Kind::Number(Range::closed(0.0, 0.5)),
        Role::Decides,
        "Colour jitter: the largest shift of the hue, as a part of the colour circle; 0 leaves it as it is",
    )
    .read(SEVERAL_VIEWS),
    Key::new(
        "cache.view.rand-augment",
        Kind::Whole(0, MAX_OPERATIONS as u64),
        Role::Decides,
        "Operations of RandAugment that each view goes through, after colour jitter; 0 for none",
    )
    .read(SEVERAL_VIEWS)
    .also(&["auto-augment", "aa", "num-ops", "ra-num-ops"]),
    Key::new(
        "cache.view.rand-augment-magnitude",
        Kind::Whole(0, MAX_MAGNITUDE as u64),
        Role::Decides,
        "The magnitude of RandAugment's operations, of 30",
    )
    .read(SEVERAL_VIEWS)
    .read(RAND_AUGMENT)
    .also(&["magnitude", "ra-magnitude"]),
];

/// `[cache.view]`: how views other than view 0 are drawn, as torchvision's `RandomResizedCrop`, `RandomHorizontalFlip`, `ColorJitter` and
/// `RandAugment` draw them, one after the other.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct View {
    /// The least and the largest share of the image's area.
    pub scale: [f64; 2],
    /// The least and the largest ratio of width to height.
    pub ratio: [f64; 2],
    /// The probability of a mirrored view.
    pub flip: f64,
    /// The factor of `ColorJitter` is between 1 less this, at least 0, and 1 plus this; 0 leaves the brightness as it is.
    pub brightness: f64,
    /// As `brightness`.
    pub contrast: f64,
    /// As `brightness`.
    pub saturation: f64,
    /// The largest shift of the hue, as a part of the colour circle.
    pub hue: f64,
    /// Operations of `RandAugment`; 0 for none.
    pub rand_augment: u8,
    /// Their magnitude, 0 to 30.
    pub rand_augment_magnitude: u8,
}

impl Default for View {
    fn default() -> Self {
        Self {
            scale: [0.35, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
            flip: 0.5,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            hue: 0.0,
            rand_augment: 0,
            rand_augment_magnitude: 9,
        }
    }
}
