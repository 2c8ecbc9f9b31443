//! One parquet file of a dataset.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::schema::types::SchemaDescPtr;
use rayon::prelude::*;

use super::super::{Error, ParquetError, SplitName};
use super::columns::Columns;
use super::labels::Labels;
use super::row_groups::{self, Recent, RowGroups};
use crate::config;
use crate::support::context::Context;
use crate::support::hash::Digest;
use crate::support::progress::Progress;

/// A parquet file, its columns known and its rows not yet read.
pub(super) struct File {
    pub path: PathBuf,
    pub columns: Columns,
    pub rows: usize,
    /// The bytes of its images, encoded.
    pub image_bytes: u64,
    pub groups: RowGroups,
    schema: SchemaDescPtr,
    group_count: usize,
}

impl File {
    /// Opens the file at `path`, below the dataset's folder `root`.
    pub(crate) fn open(
        root: &Path,
        path: &Path,
        config: &config::Dataset,
        recent: &Arc<Recent>,
    ) -> Result<Self, Error> {
        let builder = row_groups::open(path)?;
        let columns =
            Columns::find(path, builder.parquet_schema(), builder.metadata().file_metadata(), config)?;
        let groups = builder.metadata().row_groups();
        let is_read = |leaf: usize| {
            let root = builder.parquet_schema().get_column_root_idx(leaf);
            root == columns.image || columns.label.as_ref().is_some_and(|label| root == label.index)
        };
        let read = || {
            groups
                .iter()
                .flat_map(|group| group.columns().iter().enumerate())
                .filter(|&(leaf, _)| is_read(leaf))
        };
        let codecs = read().map(|(_, chunk)| chunk.compression());
        if let Some(codec) =
            codecs.into_iter().find(|codec| matches!(codec, Compression::BROTLI(_) | Compression::LZO))
        {
            let codec = if codec == Compression::LZO { "LZO" } else { "brotli" };
            return Err(Error::Parquet(ParquetError::Codec {
                path: path.to_path_buf(),
                codec: codec.to_owned(),
            }));
        }
        let is_image = |leaf: usize| builder.parquet_schema().get_column_root_idx(leaf) == columns.image;
        let image_bytes = read()
            .filter(|&(leaf, _)| is_image(leaf))
            .map(|(_, chunk)| u64::try_from(chunk.uncompressed_size()).unwrap_or(0))
            .sum();
        let rows: Vec<usize> = groups.iter().map(|g| usize::try_from(g.num_rows()).unwrap_or(0)).collect();
        Ok(Self {
            path: path.to_path_buf(),
            rows: rows.iter().sum(),
            image_bytes,
            groups: RowGroups::new(root, path, columns.clone(), &rows, recent),
            schema: builder.metadata().file_metadata().schema_descr_ptr(),
            group_count: rows.len(),
            columns,
        })
    }

    /// The error of a file that should have labels.
    pub(crate) fn lacks_label(&self) -> Error {
        Columns::lack_label(&self.path, &self.schema)
    }

    /// The column of labels as it stands there; empty where the file has none.
    pub(crate) fn label_values(&self) -> Result<Labels<'_>, Error> {
        Ok(Labels::new(&self.path, self.groups.labels()?.unwrap_or_default()))
    }

    /// The label of every row, -1 where the file or the row has none.
    pub(crate) fn labels(&self, classes: &[String]) -> Result<Vec<i32>, Error> {
        match &self.columns.label {
            None => Ok(vec![-1; self.rows]),
            Some(label) if label.names.is_some() => self.label_values()?.by_number(classes.len()),
            Some(_) => self.label_values()?.by_name(classes),
        }
    }

    /// The digest of every image; keeps them in memory if `keep`.
    pub(crate) fn hash(
        &mut self,
        split: SplitName,
        keep: bool,
        progress: &mut Progress,
        context: &Context,
    ) -> Result<Vec<Digest>, Error> {
        let mut found = Vec::with_capacity(self.rows);
        for group in 0..self.group_count {
            let batches = self.groups.batches(group)?;
            for images in &batches {
                if context.is_cancelled() {
                    return Err(Error::Interrupted { split });
                }
                let first = found.len();
                let hash = |at: usize| {
                    let row = first + at;
                    let bytes = images
                        .image(at)
                        .ok_or(Error::Parquet(ParquetError::NoBytes { path: self.path.clone(), row }))?;
                    Ok(Digest::of(bytes))
                };
                let batch: Result<Vec<_>, Error> = (0..images.len()).into_par_iter().map(hash).collect();
                found.extend(batch?);
                progress.advance(images.len() as u64);
            }
            if keep {
                self.groups.keep(&batches);
            }
        }
        Ok(found)
    }
}
