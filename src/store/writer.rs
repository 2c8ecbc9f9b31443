//! Writing one shard: rows in, soft targets derived, a parquet file and its record out.

use std::path::{Path, PathBuf};

use half::f16;

use super::columns::{Columns, Rows};
use super::encoding::Encoding;
use super::encoding_loss::Lost;
use super::error::Error;
use super::manifest::Manifest;
use super::plan::ShardSpec;
use super::reader::SplitRows;
use super::record::ShardRecord;
use super::schema::{CROP_WIDTH, IMAGE_HASH_BYTES, INPUT_HASH_BYTES};
use super::{checksummed_json, resume, shard_file};

/// One view of one sample, as stage one hands it over; the soft targets are derived from `logits`.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Index in its split.
    pub sample: u64,
    /// First 128 bits of BLAKE3 of the encoded image.
    pub image_hash: [u8; IMAGE_HASH_BYTES],
    /// Class index, -1 when unlabelled.
    pub label: i32,
    /// 0 is the plain evaluation view.
    pub view: u16,
    /// Left, top, width, height in the source's pixels.
    pub crop: [f32; CROP_WIDTH],
    /// Mirrored.
    pub flip: bool,
    /// Hash of the 8-bit pixels that the teacher was given.
    pub input_hash: [u8; INPUT_HASH_BYTES],
    /// The teacher's raw output, `[classes]`.
    pub logits: &'a [f32],
}

/// A shard being filled, in memory: `rows * classes * 4` bytes for the logits. While it is committed, two of its
/// columns are in memory as well; where columns are compressed, one a core and one.
///
/// Nothing is on disk until [`ShardWriter::commit`].
pub struct ShardWriter {
    dir: PathBuf,
    manifest: Manifest,
    spec: ShardSpec,
    rows: Rows,
    lost: Option<Vec<Lost>>,
}

impl ShardWriter {
    /// Starts the shard `spec` of the cache in `dir`.
    pub fn create(dir: &Path, manifest: &Manifest, spec: &ShardSpec) -> Self {
        let rows = Rows::with_capacity(spec.rows as usize, manifest.classes());
        Self { dir: dir.to_path_buf(), manifest: manifest.clone(), spec: spec.clone(), rows, lost: None }
    }

    /// Which shard it is.
    pub(super) fn spec(&self) -> &ShardSpec {
        &self.spec
    }

    /// For rows that come from a shard which says what its encoding lost of the teacher's own logits; from the stored
    /// ones that can't be told.
    pub(super) fn with_lost(mut self, lost: Vec<Lost>) -> Self {
        self.lost = Some(lost);
        self
    }

    /// Adds all rows of this shard as another cache of the same samples and views has them.
    ///
    /// # Errors
    /// As [`ShardWriter::push`], and whatever is damaged in `rows`.
    pub fn push_from(&mut self, rows: &SplitRows) -> Result<(), Error> {
        let mut logits = vec![0.0; rows.classes()];
        for row in (self.spec.first_row as usize..).take(self.spec.rows as usize) {
            rows.gather_logits(&[row], &mut logits)?;
            let (sample, view) = rows.identity(row);
            self.push(Row {
                sample,
                image_hash: rows.image_hash(row),
                label: rows.label(row),
                view,
                crop: rows.crop(row),
                flip: rows.flip(row),
                input_hash: rows.input_hash(row),
                logits: &logits,
            })?;
        }
        Ok(())
    }

    /// Adds the next row; rows come in the order of [`ShardSpec::identity`].
    ///
    /// # Errors
    /// Names the row that is out of order, of another length, out of range or not finite; the shard is as before.
    pub fn push(&mut self, row: Row<'_>) -> Result<(), Error> {
        self.check(&row)?;
        self.rows.push(&row);
        Ok(())
    }

    fn check(&self, row: &Row<'_>) -> Result<(), Error> {
        let &Row { sample, view, label, crop, .. } = row;
        let (path, split) = (|| self.dir.join(&self.spec.path), || self.spec.split.clone());
        let position = self.rows.len() as u64;
        if position == self.spec.rows {
            return Err(Error::ShardFull { path: path(), rows: position, sample, view });
        }
        let (expected_sample, expected_view) = self.spec.identity(position);
        if (sample, view) != (expected_sample, expected_view) {
            return Err(Error::RowOrder { path: path(), expected_sample, expected_view, sample, view });
        }
        let classes = self.manifest.classes();
        if row.logits.len() != classes {
            return Err(Error::LogitsLength {
                split: split(),
                sample,
                expected: classes,
                found: row.logits.len(),
            });
        }
        if let Some(class) = row.logits.iter().position(|logit| !logit.is_finite()) {
            return Err(Error::LogitNotFinite {
                split: split(),
                sample,
                view,
                class,
                value: row.logits[class],
            });
        }
        if self.manifest.encoding == Encoding::Float16
            && let Some(class) = row.logits.iter().position(|&logit| !f16::from_f32(logit).is_finite())
        {
            return Err(Error::LogitTooLarge {
                split: split(),
                sample,
                view,
                class,
                value: row.logits[class],
            });
        }
        if label < -1 || label >= classes as i32 {
            return Err(Error::LabelRange { split: split(), sample, label, last: classes - 1 });
        }
        if !is_rectangle(crop) {
            return Err(Error::Crop { split: split(), sample, view, crop });
        }
        Ok(())
    }

    /// Derives the soft targets, writes the shard and then its record, each synced and renamed into place.
    ///
    /// The bytes depend on the manifest and the rows alone, so two processes that write the same shard do no harm. One that
    /// somebody else has finished meanwhile is left as it is: machines may round differently.
    ///
    /// # Errors
    /// [`Error::ShardNotFull`] when rows are missing; [`Error::Io`] when the disk is full or not writable.
    pub fn commit(self) -> Result<ShardRecord, Error> {
        let Self { dir, manifest, spec, rows, lost } = self;
        let path = dir.join(&spec.path);
        let found = rows.len() as u64;
        if found != spec.rows {
            return Err(Error::ShardNotFull { path, expected: spec.rows, found });
        }
        if let Some(record) = resume::finished(&dir, &manifest, &spec)? {
            return Ok(record);
        }
        let columns = Columns::new(&manifest, rows);
        let written =
            shard_file::write(&path, &manifest, &spec, &columns).map_err(Error::io("written", &path))?;
        let record = ShardRecord {
            key: manifest.key,
            split: spec.split.clone(),
            index: spec.index,
            rows: spec.rows,
            bytes: written.bytes,
            blake3: written.blake3,
            footer_blake3: written.footer_blake3,
            lost: lost.unwrap_or_else(|| columns.lost()),
        };
        checksummed_json::write(&dir.join(spec.record_path()), &record)?;
        Ok(record)
    }
}

/// A crop that a view can be cut from.
pub(super) fn is_rectangle([left, top, width, height]: [f32; CROP_WIDTH]) -> bool {
    [left, top, width, height].iter().all(|value| value.is_finite()) && width > 0.0 && height > 0.0
}
