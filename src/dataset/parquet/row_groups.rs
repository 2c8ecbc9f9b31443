//! The images of one parquet file, a row group at a time.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
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

/// Gives any image of a file, keeping the row groups that were read last.
pub(in super::super) struct RowGroups {
    path: PathBuf,
    columns: Columns,
    recent: Mutex<VecDeque<(usize, Arc<Vec<Batch>>)>>,
}

impl fmt::Debug for RowGroups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RowGroups").field("path", &self.path).finish_non_exhaustive()
    }
}

impl RowGroups {
    pub fn new(path: PathBuf, columns: Columns) -> Self {
        Self { path, columns, recent: Mutex::default() }
    }

    /// Reads a row group, in batches of at most [`BATCH_ROWS`].
    pub fn batches(&self, group: usize) -> Result<Vec<Batch>, Error> {
        let file =
            File::open(&self.path).map_err(|source| Error::Read { path: self.path.clone(), source })?;
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options())
            .map_err(|error| self.damaged(&error))?;
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
            let labels = cast(batch.column(label), &DataType::Int64).map_err(|error| self.damaged(&error))?;
            Ok((images, labels.as_primitive::<Int64Type>().iter().collect()))
        };
        reader.map(read).collect()
    }

    /// A copy of one image's bytes.
    pub fn image(&self, group: usize, row: usize) -> Result<Vec<u8>, Error> {
        let batches = self.recent_or_read(group)?;
        let batch = batches.get(row / BATCH_ROWS);
        let bytes = batch.filter(|(_, labels)| row % BATCH_ROWS < labels.len());
        match bytes.and_then(|(images, _)| images.image(row % BATCH_ROWS)) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(Error::NoBytes { path: self.path.clone(), row }),
        }
    }

    /// The lock is held while a group is read, so that threads that want the same one read it once.
    fn recent_or_read(&self, group: usize) -> Result<Arc<Vec<Batch>>, Error> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, batches)) = recent.iter().find(|(kept, _)| *kept == group) {
            return Ok(Arc::clone(batches));
        }
        let batches = Arc::new(self.batches(group)?);
        if recent.len() == RECENT_GROUPS {
            recent.pop_front();
        }
        recent.push_back((group, Arc::clone(&batches)));
        Ok(batches)
    }

    fn damaged(&self, reason: &dyn fmt::Display) -> Error {
        Error::Parquet { path: self.path.clone(), reason: reason.to_string() }
    }
}
