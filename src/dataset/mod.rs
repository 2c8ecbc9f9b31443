//! Where samples come from: an image folder or Hugging Face parquet files, here or in an object store, the Hugging Face hub, or
//! generated leaves.
//!
//! Whatever the source, a [`Dataset`] is class names and splits of [`Sample`]s in an order that does not depend on the
//! machine. Every image is known by its hash when the dataset is open, and [`Dataset::read`] gives those very bytes or an
//! error. Hashes that took long are noted, so that the next process only looks at the files' lengths and times.
//!
//! A split that the source lacks is made from train by a seeded share of each class, and [`Dataset::notes`] says so.

mod bad_images;
mod class_map;
mod digest_cache;
mod duplicates;
mod error;
mod files;
mod folder;
mod generated;
mod hub;
mod image_files;
pub mod leaves;
mod parquet;
mod remote;
mod sample;
mod source;
mod split;
mod split_from_train;
mod unlabelled;
mod warnings;

use std::borrow::Cow;
use std::path::Path;

use crate::config;
use crate::objects::Url;
use crate::support::context::Context;
use crate::support::hash::{Digest, FieldHasher};

pub(crate) use bad_images::BadImage;
pub use duplicates::Duplicates;
pub use error::Error;
pub(crate) use error::{HubError, ParquetError};
pub use files::images_below;
pub(crate) use generated::drawing_seconds;
pub(crate) use sample::{Sample, Split};
pub use split::SplitName;

use sample::Opened;

/// Class names, and the samples of each split.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The name for readers: the folder's name, the hub id, `leaves`.
    pub name: String,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// In the order train, validation, test.
    pub splits: Vec<Split>,
    /// The decisions on the way, a sentence each: splits made from train, files that were ignored, images that were skipped.
    pub notes: Vec<String>,
    /// Images that are there more than once.
    pub duplicates: Vec<Duplicates>,
    /// The contents of images on which the teacher fails, which were left out.
    pub left_out: Vec<Digest>,
}

impl Dataset {
    /// Finds every sample of the configured source and hashes its image, unless its hash is cached.
    ///
    /// With [`OnBadImage::Skip`](config::OnBadImage::Skip) every image is decoded once, and those that can't be are left out, each named in
    /// the notes. With [`OnBadImage::Error`](config::OnBadImage::Error) no image is decoded here: stage one names those that it can't decode.
    ///
    /// # Errors
    /// A source that is not there, is empty or contradicts itself; see [`Error`].
    pub fn open(config: &config::Dataset, context: &Context) -> Result<Self, Error> {
        let mut opened = open_source(config, context)?;
        opened.splits.sort_by_key(|split| split.name);
        split_from_train::complete(&mut opened, config)?;
        opened.unlabelled.extend(unlabelled::read(&config.unlabelled, context)?);
        unlabelled::join(&mut opened);
        let dataset = Self::of(opened);
        match config.on_bad_image {
            config::OnBadImage::Error => Ok(dataset),
            config::OnBadImage::Skip => dataset.without_bad_images(context),
        }
    }

    fn of(opened: Opened) -> Self {
        let Opened { name, classes, splits, notes, .. } = opened;
        let duplicates = Duplicates::in_splits(&splits);
        Self { name, classes, splits, notes, duplicates, left_out: Vec::new() }
    }

    /// The split of that name, if the dataset has it.
    pub fn split(&self, name: SplitName) -> Option<&Split> {
        self.splits.iter().find(|split| split.name == name)
    }

    /// Changes with any image, label, class name, or their order.
    pub fn fingerprint(&self) -> Digest {
        let mut hasher = FieldHasher::new("dataset");
        for class in &self.classes {
            hasher.field("class", class);
        }
        for split in &self.splits {
            hasher.field("split", split.name.as_str());
            for sample in &split.samples {
                hasher.field("label", sample.label.to_le_bytes()).field("content", sample.content.0);
            }
        }
        hasher.finish()
    }

    /// The encoded bytes of one image, checked against its hash.
    ///
    /// # Errors
    /// A file that is gone, can't be read, or has changed since.
    pub fn read(&self, split: SplitName, index: usize) -> Result<Cow<'_, [u8]>, Error> {
        let sample = self.sample(split, index)?;
        let bytes = sample.location.read()?;
        let found = Digest::of(&bytes);
        if found != sample.content {
            sample.location.forget_digests();
            let name = self.sample_name(split, index);
            return Err(Error::Changed { name, expected: sample.content.short(12), found: found.short(12) });
        }
        Ok(bytes)
    }

    /// The name of one sample in messages: its file's path, or its parquet file and row.
    pub fn sample_name(&self, split: SplitName, index: usize) -> String {
        match self.sample(split, index) {
            Ok(sample) => sample.location.name(),
            Err(_) => format!("{split} sample {index}"),
        }
    }

    /// A sample's path below the source, the same on every machine, or its parquet file and row, as a cache stores it.
    pub fn path(&self, split: SplitName, index: usize) -> String {
        match self.sample(split, index) {
            Ok(sample) => sample.location.place(),
            Err(_) => format!("{split} sample {index}"),
        }
    }

    /// The dataset without the samples that could not be decoded, each named in the notes.
    ///
    /// # Errors
    /// A split that would be left without a sample.
    pub fn without(&self, bad: &[(SplitName, usize)]) -> Result<Self, Error> {
        self.skipping(bad, "which can't be decoded")
    }

    /// The dataset without the images of these contents, on which the teacher fails, each named in the notes.
    ///
    /// # Errors
    /// A split that would be left without a sample.
    pub(crate) fn leaving_out(&self, contents: &[Digest]) -> Result<Self, Error> {
        let all = self.splits.iter().flat_map(|split| {
            let samples = split.samples.iter().enumerate();
            samples
                .filter(|(_, sample)| contents.contains(&sample.content))
                .map(|(index, _)| (split.name, index))
        });
        let mut kept = self.skipping(&all.collect::<Vec<_>>(), "on which the teacher fails")?;
        kept.left_out.extend_from_slice(contents);
        Ok(kept)
    }

    /// The dataset as a cache has it that left these images out and has this fingerprint, if it is that.
    pub(crate) fn as_cached(&self, left_out: &[Digest], fingerprint: Digest) -> Option<Self> {
        if left_out.is_empty() {
            return None;
        }
        self.leaving_out(left_out).ok().filter(|kept| kept.fingerprint() == fingerprint)
    }

    /// The dataset without these samples, and a note for each with the reason.
    fn skipping(&self, bad: &[(SplitName, usize)], reason: &str) -> Result<Self, Error> {
        let mut bad = bad.to_vec();
        bad.sort_unstable();
        bad.dedup();
        let mut kept = self.clone();
        for split in &mut kept.splits {
            let name = split.name;
            let before = split.samples.len();
            let mut index = 0..before;
            split
                .samples
                .retain(|_| index.next().is_some_and(|index| bad.binary_search(&(name, index)).is_err()));
            if split.samples.is_empty() {
                return Err(Error::NothingLeft { dataset: self.name.clone(), split: name, images: before });
            }
        }
        kept.duplicates = Duplicates::in_splits(&kept.splits);
        for (split, index) in bad {
            kept.notes.push(format!("skipped {}, {reason}", self.sample_name(split, index)));
        }
        Ok(kept)
    }

    fn sample(&self, split: SplitName, index: usize) -> Result<&Sample, Error> {
        let samples = self.split(split).map_or(&[][..], |split| &split.samples);
        samples.get(index).ok_or_else(|| Error::NoSample {
            dataset: self.name.clone(),
            split,
            index,
            samples: samples.len(),
        })
    }
}

/// Reads the source that the configuration names.
fn open_source(config: &config::Dataset, context: &Context) -> Result<Opened, Error> {
    let source = config.source.as_str();
    if source == "leaves" {
        return generated::open(config, context);
    }
    if let Some(id) = source.strip_prefix("hub:") {
        return hub::open(id, config, context);
    }
    match Url::parse(source) {
        Some(url) => open_folder(&remote::folder(&url, context)?, config, context),
        None => open_folder(Path::new(source), config, context),
    }
}

fn open_folder(path: &Path, config: &config::Dataset, context: &Context) -> Result<Opened, Error> {
    if !path.exists() {
        return Err(Error::NoFolder { path: path.to_path_buf() });
    }
    if !path.is_dir() {
        return Err(Error::NotAFolder { path: path.to_path_buf() });
    }
    let name =
        path.canonicalize().map_or_else(|_| path.display().to_string(), |path| files::last_name(&path));
    let parquet = parquet::files_in(path)?;
    if !parquet.is_empty() {
        return parquet::open(name, path, &parquet, config, context);
    }
    if let Some(configuration) = &config.config {
        return Err(Error::NoParquetFor {
            path: path.to_path_buf(),
            key: "config",
            value: configuration.clone(),
        });
    }
    if let Some(column) = &config.image_column {
        return Err(Error::NoParquetFor {
            path: path.to_path_buf(),
            key: "image-column",
            value: column.clone(),
        });
    }
    folder::open(name, path, config, context)
}
