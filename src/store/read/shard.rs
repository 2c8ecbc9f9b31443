//! One shard, memory-mapped: its footer is read when it is opened, its columns when they are first used.

use std::borrow::Cow;
use std::fmt::Display;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use memmap2::Mmap;
use parquet::file::metadata::ParquetMetaDataReader;

use crate::encoding::ValueColumn;
use crate::store::error::{Damage, Error};
use crate::store::folder;
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::format::record::ShardRecord;
use crate::store::format::row_losses::RowLosses;
use crate::store::format::schema::{self, CROP_WIDTH, IMAGE_HASH_BYTES, INPUT_HASH_BYTES, column};
use crate::store::read::column_values::Values;
use crate::store::read::footer::{check_footer, check_metadata, layout};
use crate::store::read::pages::Pages;
use crate::store::read::scalars::Scalars;
use crate::store::read::stamp::Stamp;

/// A shard that is open: its map, its footer, and its columns once they were used.
pub(in crate::store) struct Shard {
    pub(in crate::store) spec: ShardSpec,
    record: ShardRecord,
    /// The file as it was when it was mapped, or found sound again.
    stamp: Mutex<Stamp>,
    pages: Pages,
    classes: usize,
    /// The position of the first column of a temperature among those of logits and targets.
    first_temperature: usize,
    /// Numbers of `operations` in a row.
    operations_width: usize,
    /// The position of the first column of logits and targets.
    first_value: usize,
    values: Vec<(ValueColumn, OnceLock<Values>)>,
    scalars: OnceLock<Scalars>,
    /// The encoding's loss of each row, where it was kept.
    pub(in crate::store) losses: OnceLock<Option<RowLosses>>,
}

/// Opens the shards of one cache: what they have in common is worked out once.
pub(in crate::store) struct Opener<'a> {
    dir: &'a Path,
    /// `dir` with its links resolved.
    root: PathBuf,
    manifest: &'a Manifest,
}

impl Shard {
    /// The state of the mapped file, where it is not what it was.
    pub(in crate::store) fn stamp_now(&self) -> Option<Stamp> {
        let now = Stamp::of(&fs::metadata(self.path()).ok()?);
        let before = *self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
        now.is_written_since(before).then_some(now)
    }

    /// Notes that the file was found sound in this state.
    pub(in crate::store) fn set_stamp(&self, stamp: Stamp) {
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
    }

    pub(in crate::store) fn path(&self) -> &Path {
        self.pages.path()
    }

    pub(in crate::store) fn record(&self) -> &ShardRecord {
        &self.record
    }
}

impl<'a> Opener<'a> {
    pub(in crate::store) fn new(dir: &'a Path, manifest: &'a Manifest) -> Result<Self, Error> {
        let root = dir.canonicalize().map_err(Error::io("found", dir))?;
        Ok(Self { dir, root, manifest })
    }

    /// Maps the file and checks its length, its footer's digest, its schema, row count and key.
    pub(in crate::store) fn open(&self, spec: &ShardSpec, record: &ShardRecord) -> Result<Shard, Error> {
        let path = folder::inside(self.dir, &self.root, &spec.path)?;
        let file = File::open(&path).map_err(Error::io("opened", &path))?;
        let metadata = file.metadata().map_err(Error::io("opened", &path))?;
        let (bytes, stamp) = (metadata.len(), Mutex::new(Stamp::of(&metadata)));
        let record = &self.current(spec, record, bytes);
        if bytes != record.bytes {
            return Err(Error::Damage(Damage::Size { path, expected: record.bytes, found: bytes }));
        }
        let manifest = if self.manifest.has_temperatures(&record.temperatures) {
            Cow::Borrowed(self.manifest)
        } else {
            Cow::Owned(Manifest { temperatures: record.temperatures.clone(), ..self.manifest.clone() })
        };
        #[expect(
            unsafe_code,
            reason = "a map is as long as the file was; shards are replaced by renaming and never written in place, \
                      so no program that follows the format shortens a mapped one"
        )]
        // SAFETY: see the reason above.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io("memory-mapped", &path))?;
        let map = Bytes::from_owner(map);
        check_footer(&path, &map, record)?;
        let metadata = ParquetMetaDataReader::new()
            .parse_and_finish(&map)
            .map_err(|error| layout(&path, format!("its footer can't be read, {error}")))?;
        check_metadata(&path, &metadata, &schema::parquet_schema(&manifest), &manifest, spec)?;
        Ok(Shard {
            spec: spec.clone(),
            record: record.clone(),
            stamp,
            pages: Pages::new(path, map, metadata, manifest.zstd > 0, spec.rows as usize),
            classes: manifest.classes(),
            first_temperature: manifest.encoding.first_temperature(),
            operations_width: manifest.operations_width(),
            first_value: manifest.first_value(),
            values: manifest.value_columns().into_iter().map(|column| (column, OnceLock::new())).collect(),
            scalars: OnceLock::new(),
            losses: OnceLock::new(),
        })
    }
}

impl Opener<'_> {
    /// The record of a shard whose file has `bytes` bytes: `record`, or the one beside the shard where temperatures were added to the
    /// same rows since.
    fn current(&self, spec: &ShardSpec, record: &ShardRecord, bytes: u64) -> ShardRecord {
        if bytes != record.bytes
            && let Ok(Some(beside)) = ShardRecord::read(self.dir, self.manifest, spec)
            && beside.rows_blake3 == record.rows_blake3
        {
            return beside;
        }
        record.clone()
    }
}

impl Shard {
    /// The position of the soft column at `temperature` among those of logits and targets, where there is one.
    pub(in crate::store) fn soft_index(&self, temperature: f32) -> Option<usize> {
        let index = self.record.temperatures.iter().position(|held| held.total_cmp(&temperature).is_eq())?;
        Some(index + self.first_temperature)
    }

    /// The temperatures of its soft columns.
    pub(in crate::store) fn temperatures(&self) -> &[f32] {
        &self.record.temperatures
    }

    /// How many rows.
    pub(in crate::store) fn rows(&self) -> usize {
        self.pages.rows()
    }

    /// Reads every byte and compares with the recorded digest.
    pub(in crate::store) fn check_digest(&self) -> Result<(), Error> {
        let found = self.pages.digest();
        if found == self.record.blake3 {
            return Ok(());
        }
        Err(Error::Damage(Damage::Content {
            path: self.path().to_owned(),
            part: "content",
            expected: self.record.blake3,
            found,
        }))
    }

    /// A column of logits or targets, by position among those. The first use checks the page's layout and, if it is
    /// compressed, decompresses it: it then stays in memory.
    pub(in crate::store) fn values(&self, index: usize) -> Result<&Values, Error> {
        let cell = &self.values[index].1;
        if let Some(values) = cell.get() {
            return Ok(values);
        }
        let values = self.read_values(index)?;
        Ok(cell.get_or_init(|| values))
    }

    /// As [`Shard::values`], for a column that is looked at once: nothing stays in memory.
    pub(in crate::store) fn read_values(&self, index: usize) -> Result<Values, Error> {
        let (column, _) = &self.values[index];
        let block = match column.list {
            Some(width) => self.pages.list_column(self.first_value + index, width, column.element.bytes())?,
            None => self.pages.fixed_column(self.first_value + index, column.element.bytes())?,
        };
        Ok(Values::new(block, column.element))
    }

    /// The position in the schema of the first column of logits and targets.
    pub(in crate::store) fn first_value(&self) -> usize {
        self.first_value
    }

    /// How many columns of logits and targets there are.
    pub(in crate::store) fn value_columns(&self) -> usize {
        self.values.len()
    }

    /// One of them.
    pub(in crate::store) fn value_column(&self, index: usize) -> &ValueColumn {
        &self.values[index].0
    }

    /// How many classes a row has.
    pub(in crate::store) fn classes(&self) -> usize {
        self.classes
    }

    /// The scalar columns; the first use checks their layout, and that every row is the one that belongs there.
    pub(in crate::store) fn scalars(&self) -> Result<&Scalars, Error> {
        if let Some(scalars) = self.scalars.get() {
            return Ok(scalars);
        }
        let scalars = Scalars {
            sample: self.pages.fixed_column(column::SAMPLE, size_of::<u64>())?,
            paths: self.pages.strings(column::PATH)?,
            image_hash: self.pages.fixed_column(column::IMAGE_HASH, IMAGE_HASH_BYTES)?,
            label: self.pages.fixed_column(column::LABEL, size_of::<i32>())?,
            view: self.pages.fixed_column(column::VIEW, size_of::<u32>())?,
            crop: self.pages.list_column(column::CROP, CROP_WIDTH, size_of::<f32>())?,
            flip: self.pages.page(column::FLIP, self.rows())?,
            input_hash: self.pages.fixed_column(column::INPUT_HASH, INPUT_HASH_BYTES)?,
            operations: match self.operations_width {
                0 => None,
                width => Some(self.pages.list_column(column::OPERATIONS, width, size_of::<f32>())?),
            },
        };
        if scalars.flip.len() != self.rows().div_ceil(8) {
            return Err(self.pages.layout("column flip is not one bit a row".to_owned()));
        }
        self.check_identity(&scalars)?;
        Ok(self.scalars.get_or_init(|| scalars))
    }

    fn check_identity(&self, scalars: &Scalars) -> Result<(), Error> {
        for row in 0..self.rows() {
            let (expected_sample, expected_view) = self.spec.identity(row as u64);
            let (sample, view) = (scalars.sample(row), scalars.view(row));
            if (sample, view) != (expected_sample, u32::from(expected_view)) {
                let path = self.path().to_owned();
                return Err(Error::Damage(Damage::Identity {
                    path,
                    row,
                    expected_sample,
                    expected_view,
                    sample,
                    view,
                }));
            }
            let label = scalars.label(row);
            if label < -1 || label >= self.classes as i32 {
                return Err(self.value(column::LABEL, row, &label, "-1 or a class index"));
            }
            if let Some((numbers, _)) = scalars.operations(row).find(|(_, operation)| operation.is_none()) {
                let numbers = format!("{numbers:?}");
                return Err(self.value(
                    column::OPERATIONS,
                    row,
                    &numbers,
                    "the code and the amount of an operation",
                ));
            }
        }
        Ok(())
    }

    /// An error about the value of one row.
    pub(in crate::store) fn value(
        &self,
        column: usize,
        row: usize,
        value: &dyn Display,
        expected: &'static str,
    ) -> Error {
        let column = self.column_name(column);
        Error::Damage(Damage::Value {
            path: self.path().to_owned(),
            column,
            row,
            value: value.to_string(),
            expected,
        })
    }

    /// The name of a column, by position.
    pub(in crate::store) fn column_name(&self, column: usize) -> String {
        self.pages.name(column).to_owned()
    }

    /// The content of a column's only page, by position in the schema.
    pub(in crate::store) fn page_content(&self, column: usize) -> Result<Bytes, Error> {
        let width = match column {
            column::CROP => CROP_WIDTH,
            column if column >= self.first_value => self.values[column - self.first_value].0.width(),
            column::OPERATIONS => self.operations_width,
            _ => 1,
        };
        self.pages.page(column, self.rows() * width)
    }
}
