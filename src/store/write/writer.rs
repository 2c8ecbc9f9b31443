//! Writing one shard: rows in, soft targets derived, a parquet file and its record out.

use std::path::{Path, PathBuf};

use crate::store::error::{Error, Mismatch};
use crate::store::format::checksummed_json;
use crate::store::format::encoding_loss::Lost;
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::format::record::ShardRecord;
use crate::store::format::row_losses::{Measured, RowLosses};
use crate::store::format::schema::is_rectangle;
use crate::store::read::reader::SplitRows;
use crate::store::read::resume;
use crate::store::read::stored_values::StoredValues;
use crate::store::write::columns::{Columns, Rows};
use crate::store::write::row::Row;
use crate::store::write::shard_file::{self, MakePage};

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
        let rows = Rows::with_capacity(spec.rows as usize, manifest);
        Self { dir: dir.to_path_buf(), manifest: manifest.clone(), spec: spec.clone(), rows, lost: None }
    }

    /// Which shard it is.
    pub(in crate::store) fn spec(&self) -> &ShardSpec {
        &self.spec
    }

    /// For rows that come from a shard which says what its encoding lost of the teacher's own logits; from the stored
    /// ones that can't be told.
    pub(in crate::store) fn with_lost(mut self, lost: Vec<Lost>) -> Self {
        self.lost = Some(lost);
        self
    }

    /// Adds all rows of this shard as another cache of the same samples and views has them.
    ///
    /// # Errors
    /// As [`ShardWriter::push`], and whatever is damaged in `rows`.
    pub(crate) fn push_from(&mut self, rows: &SplitRows) -> Result<(), Error> {
        let mut logits = vec![0.0; rows.classes()];
        for row in (self.spec.first_row as usize..).take(self.spec.rows as usize) {
            rows.gather_logits(&[row], &mut logits)?;
            let (sample, view) = rows.identity(row);
            self.push(Row {
                sample,
                path: rows.path(row),
                image_hash: rows.image_hash(row),
                label: rows.label(row),
                view,
                crop: rows.crop(row),
                flip: rows.flip(row),
                operations: &rows.operations(row),
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

    /// As [`ShardWriter::push`], of a row as another cache of the same encoding stores it: `row` has its logits as they are read.
    ///
    /// # Errors
    /// As [`ShardWriter::push`].
    pub(crate) fn push_stored(&mut self, row: Row<'_>, values: StoredValues) -> Result<(), Error> {
        self.check(&row)?;
        self.rows.push_stored(&row, values);
        Ok(())
    }

    fn check(&self, row: &Row<'_>) -> Result<(), Error> {
        let &Row { sample, view, label, crop, .. } = row;
        let (path, split) = (|| self.dir.join(&self.spec.path), || self.spec.split.clone());
        let position = self.rows.len() as u64;
        if position == self.spec.rows {
            return Err(Error::Mismatch(Mismatch::ShardFull { path: path(), rows: position, sample, view }));
        }
        let (expected_sample, expected_view) = self.spec.identity(position);
        if (sample, view) != (expected_sample, expected_view) {
            return Err(Error::Mismatch(Mismatch::RowOrder {
                path: path(),
                expected_sample,
                expected_view,
                sample,
                view,
            }));
        }
        let classes = self.manifest.classes();
        if row.logits.len() != classes {
            return Err(Error::Mismatch(Mismatch::LogitsLength {
                split: split(),
                sample,
                expected: classes,
                found: row.logits.len(),
            }));
        }
        if let Some(class) = row.logits.iter().position(|logit| !logit.is_finite()) {
            return Err(Error::Mismatch(Mismatch::LogitNotFinite {
                split: split(),
                sample,
                view,
                class,
                value: row.logits[class],
            }));
        }
        if let Some((class, limit)) = self.manifest.encoding.codec().unstorable(row.logits) {
            return Err(Error::Mismatch(Mismatch::LogitTooLarge {
                split: split(),
                sample,
                view,
                class,
                value: row.logits[class],
                limit,
            }));
        }
        if label < -1 || label >= classes as i32 {
            return Err(Error::Mismatch(Mismatch::LabelRange {
                split: split(),
                sample,
                label,
                last: classes - 1,
            }));
        }
        let expected = self.manifest.view.operation_count();
        if row.operations.len() > expected {
            return Err(Error::Mismatch(Mismatch::Operations {
                split: split(),
                sample,
                view,
                expected,
                found: row.operations.len(),
            }));
        }
        if !is_rectangle(crop) {
            return Err(Error::Mismatch(Mismatch::Crop { split: split(), sample, view, crop }));
        }
        Ok(())
    }

    /// Derives the soft targets, writes the shard and then its record, each synced and renamed into place.
    ///
    /// The bytes depend on the manifest and the rows only, so two processes that write the same shard do no harm. One that
    /// another process has finished meanwhile is left as it is: machines may round differently.
    ///
    /// # Errors
    /// [`Mismatch::ShardNotFull`] when rows are missing; [`Error::Io`] when the disk is full or not writable.
    pub fn commit(self) -> Result<ShardRecord, Error> {
        if let Some(record) = resume::finished(&self.dir, &self.manifest, &self.spec)? {
            self.check_full()?;
            return Ok(record);
        }
        self.replace()
    }

    /// As [`ShardWriter::commit`], in place of a shard that is there. The record comes first: until the shard has its name, the one
    /// in `complete.json` is right.
    pub(in crate::store) fn replace(self) -> Result<ShardRecord, Error> {
        self.check_full()?;
        let Self { dir, manifest, spec, rows, lost } = self;
        let columns = Columns::new(&manifest, rows);
        let measured = || match lost {
            Some(lost) => Measured { lost, rows: RowLosses::default() },
            None => columns.measured(),
        };
        write_shard(&dir, &manifest, &spec, &|column| columns.page(column), measured)
    }

    fn check_full(&self) -> Result<(), Error> {
        let (expected, found) = (self.spec.rows, self.rows.len() as u64);
        if found == expected {
            return Ok(());
        }
        Err(Error::Mismatch(Mismatch::ShardNotFull { path: self.dir.join(&self.spec.path), expected, found }))
    }
}

/// Writes a shard of these pages and its record.
pub(in crate::store) fn write_shard(
    dir: &Path,
    manifest: &Manifest,
    spec: &ShardSpec,
    pages: &MakePage<'_>,
    measured: impl FnOnce() -> Measured,
) -> Result<ShardRecord, Error> {
    let path = dir.join(&spec.path);
    let file = shard_file::write(&path, manifest, spec, pages).map_err(Error::io("written", &path))?;
    let is_there = path.exists();
    let measured = measured();
    measured.rows.write(&path, file.rows_blake3).map_err(Error::io("written", &path))?;
    let record = ShardRecord {
        key: manifest.key,
        split: spec.split.clone(),
        index: spec.index,
        rows: spec.rows,
        bytes: file.bytes,
        blake3: file.blake3,
        rows_blake3: file.rows_blake3,
        temperatures: manifest.temperatures.clone(),
        footer_blake3: file.footer_blake3,
        lost: measured.lost,
    };
    let write_record = || checksummed_json::write(&dir.join(spec.record_path()), &record);
    if is_there {
        write_record()?;
    }
    file.file.commit().map_err(Error::io("written", &path))?;
    if !is_there {
        write_record()?;
    }
    Ok(record)
}
