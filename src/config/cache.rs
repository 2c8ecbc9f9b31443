//! `[cache]`: what of the teacher is kept, and where.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rule::{Invalid, is_temperature, list, within};

/// `[cache]`: what of the teacher is kept, and where.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
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
    /// Fixes the crops and flips of the views.
    pub seed: u64,
    /// Rows in one shard at most.
    pub shard_rows: usize,
    /// How logits and soft targets are stored.
    pub encoding: Encoding,
    /// How many of the largest logits are kept, with `encoding = "top-k"` and only there.
    pub top_k: Option<u32>,
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
            views: 1,
            seed: 0,
            shard_rows: 4096,
            encoding: Encoding::Float32,
            top_k: None,
            zstd: 0,
            view: View::default(),
        }
    }
}

impl Cache {
    /// Checks every value that a type alone does not bound.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        within("cache.views", self.views, self.views >= 1, "1 or more")?;
        let View { scale: [least, most], ratio: [narrowest, widest], flip } = self.view;
        let scale = format!("[{least}, {most}]");
        within(
            "cache.view.scale",
            scale,
            0.0 < least && least <= most && most <= 1.0,
            "[min, max] above 0, at most 1",
        )?;
        let ratio = format!("[{narrowest}, {widest}]");
        let fits = 0.01 <= narrowest && narrowest <= widest && widest <= 100.0;
        within("cache.view.ratio", ratio, fits, "[min, max] from 0.01 to 100")?;
        within("cache.view.flip", flip, (0.0..=1.0).contains(&flip), "0 to 1")?;
        within("cache.zstd", self.zstd, self.zstd <= 22, "0 (none) to 22")?;
        let kept = self.top_k.map_or("nothing".to_owned(), |kept| kept.to_string());
        match self.encoding {
            Encoding::TopK => {
                let some = self.top_k.is_some_and(|kept| kept > 0);
                within("cache.top-k", kept, some, "1 or more, and fewer than there are classes")?;
            }
            Encoding::Float32 | Encoding::Float16 => {
                within(
                    "cache.top-k",
                    kept,
                    self.top_k.is_none(),
                    "left out unless cache.encoding = \"top-k\"",
                )?;
            }
        }
        within(
            "cache.shard-rows",
            self.shard_rows,
            (1..=1 << 20).contains(&self.shard_rows),
            "1 to 1048576",
        )?;
        within(
            "cache.temperatures",
            list(&self.temperatures),
            !self.temperatures.is_empty(),
            "a list of one temperature at least",
        )?;
        for (index, &temperature) in self.temperatures.iter().enumerate() {
            within("cache.temperatures", temperature, is_temperature(temperature), "from 0.01 to 1000")?;
            within(
                "cache.temperatures",
                temperature,
                !self.temperatures[..index].contains(&temperature),
                "listed once",
            )?;
        }
        Ok(())
    }
}

/// How a cache stores logits and soft targets; `cache/README.md` has the columns of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Every logit, as the teacher gave it.
    Float32,
    /// Every logit, rounded to 11 bits.
    Float16,
    /// The largest logits, and the mass of all others at each temperature.
    TopK,
}

/// `[cache.view]`: how views other than view 0 are drawn. The defaults are those of torchvision's `RandomResizedCrop`
/// and `RandomHorizontalFlip`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct View {
    /// The least and the largest share of the image's area.
    pub scale: [f64; 2],
    /// The least and the largest ratio of width to height.
    pub ratio: [f64; 2],
    /// The probability of a mirrored view.
    pub flip: f64,
}

impl Default for View {
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0], flip: 0.5 }
    }
}
