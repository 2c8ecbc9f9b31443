//! The images of one parquet file, a row group at a time.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray};

use super::super::digest_cache::DigestCache;
use super::super::files::below;
use super::super::source::Source;
use super::super::{Error, ParquetError};
use super::columns::Columns;
use crate::support::files::open_regular;

/// Rows decoded at once: bounds the memory that a row group's arrays add to it.
const BATCH_ROWS: usize = 128;
/// Readers on several threads may straddle two row groups.
const RECENT_GROUPS: usize = 3;

/// Opens a file with the types of parquet itself, not those that the writer had in memory: bytes are always `Binary`.
pub(super) fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, Error> {
    let file = open_regular(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .map_err(|error| damaged(path, &error))
}

fn damaged(path: &Path, reason: &dyn fmt::Display) -> Error {
    Error::Parquet(ParquetError::Parquet { path: path.to_path_buf(), reason: reason.to_string() })
}

/// The encoded images of a batch of rows.
pub(super) struct Images {
    bytes: BinaryArray,
    /// The struct around them, where it is null.
    outer: Option<ArrayRef>,
}

impl Images {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// None where the row holds no bytes.
    pub(crate) fn image(&self, row: usize) -> Option<&[u8]> {
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

/// Gives any image of a file: from memory where all are kept, else keeping the row groups that were read last.
pub(super) struct RowGroups {
    /// The dataset's folder.
    root: PathBuf,
    path: PathBuf,
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
pub(super) struct Recent(Mutex<VecDeque<ReadGroup>>);

/// A file, one of its groups, and what is in it.
type ReadGroup = (PathBuf, usize, Arc<Vec<Images>>);

/// The images of a group, one after another.
struct Kept {
    ends: Box<[usize]>,
    bytes: Box<[u8]>,
}

impl RowGroups {
    /// The file at `path`, below the dataset's folder `root`, with these numbers of rows in its groups.
    pub(crate) fn new(
        root: &Path,
        path: &Path,
        columns: Columns,
        groups: &[usize],
        recent: &Arc<Recent>,
    ) -> Self {
        let starts = groups.iter().scan(0, |next, rows| {
            let start = *next;
            *next += rows;
            Some(start)
        });
        Self {
            root: root.to_path_buf(),
            path: path.to_path_buf(),
            columns,
            starts: starts.collect(),
            kept: Vec::new(),
            recent: Arc::clone(recent),
        }
    }

    /// The column of labels, without a look at an image; none where the file has no such column.
    pub(crate) fn labels(&self) -> Result<Option<Vec<ArrayRef>>, Error> {
        let Some(label) = &self.columns.label else { return Ok(None) };
        let reader = self.open()?;
        let mask = ProjectionMask::roots(reader.parquet_schema(), [label.index]);
        let reader = reader.with_projection(mask).build().map_err(|error| self.damaged(&error))?;
        let column = |batch: Result<arrow_array::RecordBatch, _>| match batch {
            Ok(batch) => Ok(Arc::clone(batch.column(0))),
            Err(error) => Err(self.damaged(&error)),
        };
        reader.map(column).collect::<Result<_, _>>().map(Some)
    }

    fn open(&self) -> Result<ParquetRecordBatchReaderBuilder<File>, Error> {
        open(&self.path)
    }

    /// Keeps the next group, in which no row lacks its image.
    pub(crate) fn keep(&mut self, batches: &[Images]) {
        let images =
            || batches.iter().flat_map(|images| (0..images.len()).filter_map(|row| images.image(row)));
        let mut bytes = Vec::with_capacity(images().map(<[u8]>::len).sum());
        let mut ends = Vec::with_capacity(batches.iter().map(Images::len).sum());
        for image in images() {
            bytes.extend_from_slice(image);
            ends.push(bytes.len());
        }
        self.kept.push(Kept { ends: ends.into(), bytes: bytes.into() });
    }

    /// Reads the images of a row group, in batches of at most [`BATCH_ROWS`].
    pub(crate) fn batches(&self, group: usize) -> Result<Vec<Images>, Error> {
        let builder = self.open()?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), [self.columns.image]);
        let reader = builder
            .with_projection(mask)
            .with_row_groups(vec![group])
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| self.damaged(&error))?;
        let read = |batch: Result<arrow_array::RecordBatch, _>| {
            let batch = batch.map_err(|error| self.damaged(&error))?;
            Images::of(batch.column(0))
                .ok_or_else(|| self.damaged(&format!("its images are {}", batch.column(0).data_type())))
        };
        reader.map(read).collect()
    }

    /// One image's bytes, by its row in the file.
    fn image(&self, file_row: usize) -> Result<Cow<'_, [u8]>, Error> {
        let missing = || Error::Parquet(ParquetError::NoBytes { path: self.path.clone(), row: file_row });
        let group =
            self.starts.partition_point(|&start| start <= file_row).checked_sub(1).ok_or_else(missing)?;
        let row = file_row - self.starts[group];
        if let Some(Kept { ends, bytes }) = self.kept.get(group) {
            let start = if row == 0 { 0 } else { ends[row - 1] };
            return Ok(Cow::Borrowed(&bytes[start..ends[row]]));
        }
        let batches = self.recent_or_read(group)?;
        let batch = batches.get(row / BATCH_ROWS).filter(|images| row % BATCH_ROWS < images.len());
        match batch.and_then(|images| images.image(row % BATCH_ROWS)) {
            Some(bytes) => Ok(Cow::Owned(bytes.to_vec())),
            None => Err(missing()),
        }
    }

    /// The lock is held while a group is read, so that threads that want the same one read it once.
    fn recent_or_read(&self, group: usize) -> Result<Arc<Vec<Images>>, Error> {
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
        damaged(&self.path, reason)
    }
}

impl Source for RowGroups {
    fn read(&self, index: usize) -> Result<Cow<'_, [u8]>, Error> {
        self.image(index)
    }

    fn name(&self, index: usize) -> String {
        format!("{} row {index}", below(&self.root, &self.path))
    }

    fn place(&self, index: usize) -> String {
        self.name(index)
    }

    fn forget_digests(&self) {
        DigestCache::of(&self.root).forget();
    }

    #[cfg(test)]
    fn is_kept(&self) -> bool {
        self.kept.len() == self.starts.len()
    }
}
