//! The images of one parquet file, a row group at a time.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use super::super::Error;
use super::columns::Columns;

/// Rows decoded at once: bounds the memory that a row group's arrays add to it.
const BATCH_ROWS: usize = 128;
/// Readers on several threads may straddle two row groups.
const RECENT_GROUPS: usize = 3;

/// The types of parquet itself, not those that the writer had in memory: bytes are always `Binary`.
pub(super) fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

/// The encoded images of a batch of rows.
pub(in super::super) struct Images {
    bytes: BinaryArray,
    /// The struct around them, where it is null.
    outer: Option<ArrayRef>,
}

impl Images {
    /// None where the row holds no bytes.
    pub fn image(&self, row: usize) -> Option<&[u8]> {
        let null = self.outer.as_ref().is_some_and(|outer| outer.is_null(row)) || self.bytes.is_null(row);
        (!null).then(|| self.bytes.value(row))
    }

    fn of(column: &ArrayRef) -> Option<Self> {
        match column.as_struct_opt() {
            Some(outer) => {
                let bytes = outer.column_by_name("bytes")?.as_binary_opt::<i32>()?.clone();
                Some(Self { bytes, outer: Some(Arc::clone(column)) })
            }
            None => Some(Self { bytes: column.as_binary_opt::<i32>()?.clone(), outer: None }),
        }
    }
}

/// Rows of a group: images and labels, null labels as none.
type Batch = (Images, Vec<Option<i64>>);

/// Gives any image of a file: from memory where all are kept, else keeping the row groups that were read last.
pub(in super::super) struct RowGroups {
    path: PathBuf,
    name: String,
    columns: Columns,
    /// The first row of each group.
    starts: Vec<usize>,
    /// Every group, where they are kept.
    kept: Vec<Kept>,
    recent: Arc<Recent>,
}

impl fmt::Debug for RowGroups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RowGroups").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The row groups that were read last, of all files of a dataset: memory does not grow with their number.
#[derive(Default)]
pub(in super::super) struct Recent(Mutex<VecDeque<ReadGroup>>);

/// A file, one of its groups, and what is in it.
type ReadGroup = (PathBuf, usize, Arc<Vec<Batch>>);

/// The images of a group, one after another.
struct Kept {
    ends: Box<[usize]>,
    bytes: Box<[u8]>,
}

impl RowGroups {
    /// The file at `path`, which messages call `name`, with so many rows in each of its groups.
    pub fn new(
        path: PathBuf,
        name: String,
        columns: Columns,
        groups: &[usize],
        recent: &Arc<Recent>,
    ) -> Self {
        let starts = groups.iter().scan(0, |next, rows| {
            let start = *next;
            *next += rows;
            Some(start)
        });
        Self { path, name, columns, starts: starts.collect(), kept: Vec::new(), recent: Arc::clone(recent) }
    }

    /// What messages call the file: its path below the dataset's folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The dataset's folder.
    pub fn root(&self) -> &Path {
        let below = Path::new(&self.name).components().count();
        self.path.ancestors().nth(below).unwrap_or(&self.path)
    }

    /// The label of every row, null ones as none, without a look at an image.
    pub fn labels(&self) -> Result<Vec<Option<i64>>, Error> {
        let reader = self.open()?;
        let mask = ProjectionMask::roots(reader.parquet_schema(), [self.columns.label]);
        let reader = reader.with_projection(mask).build().map_err(|error| self.damaged(&error))?;
        let mut labels = Vec::new();
        for batch in reader {
            let batch = batch.map_err(|error| self.damaged(&error))?;
            labels.extend(self.labels_of(batch.column(0))?);
        }
        Ok(labels)
    }

    fn labels_of(&self, column: &ArrayRef) -> Result<Vec<Option<i64>>, Error> {
        let labels = cast(column, &DataType::Int64).map_err(|error| self.damaged(&error))?;
        Ok(labels.as_primitive::<Int64Type>().iter().collect())
    }

    fn open(&self) -> Result<ParquetRecordBatchReaderBuilder<File>, Error> {
        let file =
            File::open(&self.path).map_err(|source| Error::Read { path: self.path.clone(), source })?;
        ParquetRecordBatchReaderBuilder::try_new_with_options(file, options())
            .map_err(|error| self.damaged(&error))
    }

    /// Keeps the next group, in which no row lacks its image.
    pub fn keep(&mut self, batches: &[Batch]) {
        let images = || {
            batches.iter().flat_map(|(images, labels)| (0..labels.len()).filter_map(|row| images.image(row)))
        };
        let mut bytes = Vec::with_capacity(images().map(<[u8]>::len).sum());
        let mut ends = Vec::with_capacity(batches.iter().map(|(_, labels)| labels.len()).sum());
        for image in images() {
            bytes.extend_from_slice(image);
            ends.push(bytes.len());
        }
        self.kept.push(Kept { ends: ends.into(), bytes: bytes.into() });
    }

    /// Whether every group is kept.
    #[cfg(test)]
    pub fn is_kept(&self) -> bool {
        self.kept.len() == self.starts.len()
    }

    /// Reads a row group, in batches of at most [`BATCH_ROWS`].
    pub fn batches(&self, group: usize) -> Result<Vec<Batch>, Error> {
        let builder = self.open()?;
        let Columns { image, label, .. } = self.columns;
        let mask = ProjectionMask::roots(builder.parquet_schema(), [image, label]);
        let reader = builder
            .with_projection(mask)
            .with_row_groups(vec![group])
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| self.damaged(&error))?;
        // A projection keeps the file's order of columns.
        let (image, label) = if image < label { (0, 1) } else { (1, 0) };
        let read = |batch: Result<arrow::array::RecordBatch, _>| {
            let batch = batch.map_err(|error| self.damaged(&error))?;
            let images = Images::of(batch.column(image)).ok_or_else(|| {
                self.damaged(&format!("its images are {}", batch.column(image).data_type()))
            })?;
            Ok((images, self.labels_of(batch.column(label))?))
        };
        reader.map(read).collect()
    }

    /// One image's bytes, by its row in the file.
    pub fn image(&self, file_row: usize) -> Result<Cow<'_, [u8]>, Error> {
        let missing = || Error::NoBytes { path: self.path.clone(), row: file_row };
        let group =
            self.starts.partition_point(|&start| start <= file_row).checked_sub(1).ok_or_else(missing)?;
        let row = file_row - self.starts[group];
        if let Some(Kept { ends, bytes }) = self.kept.get(group) {
            let start = if row == 0 { 0 } else { ends[row - 1] };
            return Ok(Cow::Borrowed(&bytes[start..ends[row]]));
        }
        let batches = self.recent_or_read(group)?;
        let batch = batches.get(row / BATCH_ROWS);
        let batch = batch.filter(|(_, labels)| row % BATCH_ROWS < labels.len());
        match batch.and_then(|(images, _)| images.image(row % BATCH_ROWS)) {
            Some(bytes) => Ok(Cow::Owned(bytes.to_vec())),
            None => Err(missing()),
        }
    }

    /// The lock is held while a group is read, so that threads that want the same one read it once.
    fn recent_or_read(&self, group: usize) -> Result<Arc<Vec<Batch>>, Error> {
        let mut recent = self.recent.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., batches)) =
            recent.iter().find(|(path, kept, _)| (path, *kept) == (&self.path, group))
        {
            return Ok(Arc::clone(batches));
        }
        let batches = Arc::new(self.batches(group)?);
        if recent.len() == RECENT_GROUPS {
            recent.pop_front();
        }
        recent.push_back((self.path.clone(), group, Arc::clone(&batches)));
        Ok(batches)
    }

    fn damaged(&self, reason: &dyn fmt::Display) -> Error {
        Error::Parquet { path: self.path.clone(), reason: reason.to_string() }
    }
}
