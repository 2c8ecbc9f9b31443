//! Reading a cache: rows by (sample, view), gathered straight from the memory map.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use crate::store::error::{Error, Mismatch};
use crate::store::format::complete::Complete;
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::format::record::ShardRecord;
use crate::store::format::schema::{CROP_WIDTH, IMAGE_HASH_BYTES, INPUT_HASH_BYTES};
use crate::store::read::resume;
use crate::store::read::scalars::Scalars;
use crate::store::read::shard::{Opener, Shard};
use crate::support::hash::Digest;
use crate::view::operation::Operation;

/// A complete cache, open for reading.
///
/// The checks, and when each is made:
/// - [`Cache::open`] reads the manifest, `complete.json` and each shard's footer, all against their digests, and each
///   shard's length. It touches no row.
/// - [`Cache::split`], the first time for a split, checks that each row is the (sample, view) that belongs there and
///   that labels are classes.
/// - A gather checks the layout of each column that it is the first to touch.
/// - [`Cache::check_content`] reads everything: each shard's digest, every value finite. Training does this before
///   its first step.
/// - [`crate::store::verify()`] also softens the logits again and looks for files that don't belong.
pub struct Cache {
    dir: PathBuf,
    manifest: Arc<Manifest>,
    complete: Complete,
    splits: Vec<Split>,
}

struct Split {
    rows: Arc<SplitRows>,
    checked: OnceLock<()>,
}

impl Cache {
    /// Opens the complete cache in `dir`.
    ///
    /// # Errors
    /// [`Mismatch::NotComplete`] while stage one has shards to do, and whatever is damaged.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let mut manifest = Manifest::read(dir)?;
        let complete = resume::complete(dir, &manifest)?;
        manifest.temperatures.clone_from(&complete.temperatures);
        let manifest = Arc::new(manifest);
        let splits = open_splits(dir, &manifest, &complete.shards)?
            .into_iter()
            .map(|rows| Split { rows: Arc::new(rows), checked: OnceLock::new() })
            .collect();
        Ok(Self { dir: dir.to_path_buf(), manifest, complete, splits })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its description.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The content of `complete.json`: content hash, records, the teacher's quality.
    pub fn complete(&self) -> &Complete {
        &self.complete
    }

    /// The rows of a split, which may be kept and sent to other threads.
    ///
    /// # Errors
    /// [`Mismatch::NoSuchSplit`], and a row that stands where another belongs.
    pub fn split(&self, name: &str) -> Result<Arc<SplitRows>, Error> {
        let Some(split) = self.splits.iter().find(|split| split.rows.name == name) else {
            let names: Vec<&str> = self.splits.iter().map(|split| split.rows.name.as_str()).collect();
            let (dir, available) = (self.dir.clone(), names.join(", "));
            return Err(Error::Mismatch(Mismatch::NoSuchSplit { dir, split: name.to_owned(), available }));
        };
        if split.checked.get().is_none() {
            split.rows.check_rows()?;
            split.checked.get_or_init(|| ());
        }
        Ok(Arc::clone(&split.rows))
    }

    /// Refuses a dataset that the cache was not made from; `classes` are its names in label order.
    ///
    /// # Errors
    /// [`Mismatch::OtherClasses`] names the first class that differs, [`Mismatch::OtherDataset`] both fingerprints.
    pub fn check_dataset(&self, fingerprint: Digest, classes: &[String]) -> Result<(), Error> {
        let ours = &self.manifest.dataset;
        if let Some(index) =
            (0..classes.len().max(ours.classes.len())).find(|&at| classes.get(at) != ours.classes.get(at))
        {
            let name =
                |classes: &[String]| classes.get(index).map_or("none".to_owned(), |name| format!("{name:?}"));
            let (dir, expected, found) = (self.dir.clone(), name(classes), name(&ours.classes));
            return Err(Error::Mismatch(Mismatch::OtherClasses { dir, index, expected, found }));
        }
        if fingerprint != ours.fingerprint {
            return Err(Error::Mismatch(Mismatch::OtherDataset {
                dir: self.dir.clone(),
                expected: fingerprint,
                found: ours.fingerprint,
            }));
        }
        Ok(())
    }

    /// Reads every byte of every shard: digests, layout, identities, and that every value is finite.
    ///
    /// # Errors
    /// The first damage, in row order.
    pub fn check_content(&self) -> Result<(), Error> {
        self.splits.iter().try_for_each(|split| split.rows.check_content())
    }
}

impl Cache {
    /// Looks again at every mapped file: a map shows what is written into its file after it was checked. Files are compared by length and
    /// time, and those that were written to by their digest.
    ///
    /// # Errors
    /// [`Damage::Size`](crate::store::Damage::Size) or [`Damage::Content`](crate::store::Damage::Content) of the first shard that changed.
    pub(crate) fn recheck(&self) -> Result<(), Error> {
        self.splits.iter().try_for_each(|split| first_error(&split.rows.shards, Shard::recheck))
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cache").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Maps every shard, on every core.
pub(in crate::store) fn open_splits(
    dir: &Path,
    manifest: &Arc<Manifest>,
    records: &[ShardRecord],
) -> Result<Vec<SplitRows>, Error> {
    let specs = manifest.shards();
    let work: Vec<(&ShardSpec, &ShardRecord)> = specs.iter().zip(records).collect();
    let opener = Opener::new(dir, manifest)?;
    let opened: Vec<Result<Shard, Error>> =
        work.par_iter().map(|(spec, record)| opener.open(spec, record)).collect();
    let mut shards: Vec<Shard> = opened.into_iter().collect::<Result<_, _>>()?;
    let splits = manifest.dataset.splits.iter().map(|size| {
        let rest = shards.iter().position(|shard| shard.spec.split != size.name).unwrap_or(shards.len());
        let others = shards.split_off(rest);
        SplitRows {
            name: size.name.clone(),
            manifest: Arc::clone(manifest),
            rows: manifest.rows(size) as usize,
            samples: size.samples,
            views: manifest.views(size),
            shards: std::mem::replace(&mut shards, others),
        }
    });
    Ok(splits.collect())
}

/// The rows of one split. A row is addressed by its index, which [`SplitRows::row`] finds.
pub struct SplitRows {
    name: String,
    pub(in crate::store) manifest: Arc<Manifest>,
    rows: usize,
    samples: u64,
    views: u16,
    pub(in crate::store) shards: Vec<Shard>,
}

impl fmt::Debug for SplitRows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut split = formatter.debug_struct("SplitRows");
        split.field("name", &self.name).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl SplitRows {
    /// The split's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many rows: samples times views.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether the split has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How many samples.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Views of each sample.
    pub fn views(&self) -> u16 {
        self.views
    }

    /// How many classes.
    pub fn classes(&self) -> usize {
        self.manifest.classes()
    }

    /// The temperatures of the soft targets, ascending.
    pub fn temperatures(&self) -> &[f32] {
        &self.manifest.temperatures
    }

    /// The row of a (sample, view); `None` when the split has no such one.
    ///
    /// That each row holds the (sample, view) that this says was checked when the split was opened.
    pub fn row(&self, sample: u64, view: u16) -> Option<usize> {
        (sample < self.samples && view < self.views())
            .then(|| (sample * u64::from(self.views()) + u64::from(view)) as usize)
    }

    /// The row of each sample's plain view.
    pub fn plain(&self) -> impl Iterator<Item = usize> {
        (0..self.samples).filter_map(|sample| self.row(sample, 0))
    }

    /// The (sample, view) of a row.
    ///
    /// # Panics
    /// When there is no such row, as all methods that take one row do.
    pub fn identity(&self, row: usize) -> (u64, u16) {
        let (scalars, row) = self.scalars(row);
        (scalars.sample(row), scalars.view(row) as u16)
    }

    /// The class index, -1 when unlabelled.
    pub fn label(&self, row: usize) -> i32 {
        let (scalars, row) = self.scalars(row);
        scalars.label(row)
    }

    /// The file's path below the source, or the parquet file and row; empty where the cache was made by format 1.
    pub fn path(&self, row: usize) -> &str {
        let (scalars, row) = self.scalars(row);
        scalars.path(row)
    }

    /// The first 128 bits of BLAKE3 of the encoded image.
    pub fn image_hash(&self, row: usize) -> [u8; IMAGE_HASH_BYTES] {
        let (scalars, row) = self.scalars(row);
        scalars.image_hash(row)
    }

    /// The hash of the 8-bit pixels that the teacher was given.
    pub fn input_hash(&self, row: usize) -> [u8; INPUT_HASH_BYTES] {
        let (scalars, row) = self.scalars(row);
        scalars.input_hash(row)
    }

    /// Left, top, width and height of what the teacher saw, in the source's pixels.
    pub fn crop(&self, row: usize) -> [f32; CROP_WIDTH] {
        let (scalars, row) = self.scalars(row);
        scalars.crop(row)
    }

    /// Whether the teacher saw it mirrored.
    pub fn flip(&self, row: usize) -> bool {
        let (scalars, row) = self.scalars(row);
        scalars.flip(row)
    }

    /// What was done to the pixels that the teacher saw, in this order, after crop, resizing and flip.
    pub fn operations(&self, row: usize) -> Vec<Operation> {
        let (scalars, row) = self.scalars(row);
        scalars.operations(row).filter_map(|(_, operation)| operation).collect()
    }

    pub(in crate::store) fn locate(&self, row: usize) -> (&Shard, usize) {
        let step = self.manifest.shard_rows as usize;
        (&self.shards[row / step], row % step)
    }

    fn scalars(&self, row: usize) -> (&Scalars, usize) {
        let (shard, row) = self.locate(row);
        (shard.scalars().expect("checked when the split was opened"), row)
    }

    /// Checks that every row is the one that belongs there.
    pub(in crate::store) fn check_rows(&self) -> Result<(), Error> {
        first_error(&self.shards, |shard| shard.scalars().map(|_| ()))
    }

    /// Reads every byte.
    pub(in crate::store) fn check_content(&self) -> Result<(), Error> {
        first_error(&self.shards, |shard| shard.check_content(self.manifest.encoding))
    }
}

/// Runs `check` over every shard on every core; of several errors, the one of the first shard comes back.
fn first_error(shards: &[Shard], check: impl Fn(&Shard) -> Result<(), Error> + Sync) -> Result<(), Error> {
    let results: Vec<Result<(), Error>> = shards.par_iter().map(&check).collect();
    results.into_iter().collect()
}
