//! The content of a shard's columns: each is one page, whose layout is checked before anything of it is used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding as PageEncoding};
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::store::error::Error;
use crate::store::format::levels;
use crate::store::read::column_values::Block;
use crate::store::read::footer::layout;
use crate::support::hash::Digest;

/// The columns of one memory-mapped file.
pub(in crate::store::read) struct Pages {
    path: PathBuf,
    map: Bytes,
    metadata: ParquetMetaData,
    is_compressed: bool,
    rows: usize,
}

impl Pages {
    /// `map` holds the whole file, whose metadata was checked against the schema.
    pub(super) fn new(
        path: PathBuf,
        map: Bytes,
        metadata: ParquetMetaData,
        is_compressed: bool,
        rows: usize,
    ) -> Self {
        Self { path, map, metadata, is_compressed, rows }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// BLAKE3 of the file.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.map)
    }

    /// The name of a column, by position in the schema.
    pub(super) fn name(&self, column: usize) -> &str {
        &self.chunk(column).column_path().parts()[0]
    }

    /// A column of `width` bytes a row.
    pub(super) fn fixed_column(&self, column: usize, width: usize) -> Result<Block, Error> {
        let bytes = self.page(column, self.rows)?;
        self.block(column, bytes, width)
    }

    /// A column of text, each after its length.
    pub(super) fn strings(&self, column: usize) -> Result<Vec<Box<str>>, Error> {
        let page = self.page(column, self.rows)?;
        let (mut rest, mut strings) = (&page[..], Vec::with_capacity(self.rows));
        while let Some((length, text)) = rest.split_first_chunk()
            && let Some((text, after)) = text.split_at_checked(u32::from_le_bytes(*length) as usize)
            && let Ok(text) = std::str::from_utf8(text)
        {
            strings.push(text.into());
            rest = after;
        }
        if rest.is_empty() && strings.len() == self.rows {
            return Ok(strings);
        }
        Err(self.layout(format!("column {} is not {} texts in UTF-8", self.name(column), self.rows)))
    }

    /// A list column of `element` bytes a number: the page holds repetition levels, definition levels, then the values.
    pub(super) fn list_column(&self, column: usize, width: usize, element: usize) -> Result<Block, Error> {
        let page = self.page(column, self.rows * width)?;
        let irregular = || {
            let name = self.name(column);
            self.layout(format!("column {name} is not lists of {width} numbers each, none of them null"))
        };
        let (repetition, rest) = levels_of(&page).ok_or_else(irregular)?;
        let (definition, values) = levels_of(&rest).ok_or_else(irregular)?;
        if !levels::are_regular(&repetition, &definition, self.rows, width) {
            return Err(irregular());
        }
        self.block(column, values, width * element)
    }

    fn block(&self, column: usize, bytes: Bytes, width: usize) -> Result<Block, Error> {
        if bytes.len() == self.rows * width {
            return Ok(Block::new(bytes, width));
        }
        let expected = self.rows * width;
        Err(self.layout(format!(
            "column {} has {} bytes of values, expected {expected}",
            self.name(column),
            bytes.len()
        )))
    }

    /// The content of a column's only page: a slice of the map, or what is decompressed from it.
    pub(super) fn page(&self, column: usize, values: usize) -> Result<Bytes, Error> {
        let chunk = self.chunk(column);
        let refuse = |what: &str| self.layout(format!("column {} {what}", self.name(column)));
        let unreadable = |error| refuse(&format!("has an unreadable page, {error}"));
        match (chunk.compression(), self.is_compressed) {
            (Compression::UNCOMPRESSED, false) | (Compression::ZSTD(_), true) => {}
            (Compression::UNCOMPRESSED, true) => return Err(refuse("is not compressed")),
            _ => return Err(refuse("is compressed otherwise than the manifest says")),
        }
        let total = i64::try_from(self.map.len()).unwrap_or(i64::MAX);
        let (start, length) = (chunk.data_page_offset(), chunk.compressed_size());
        let in_file = start >= 0 && length >= 0 && start.checked_add(length).is_some_and(|end| end <= total);
        if !in_file || chunk.dictionary_page_offset().is_some() || chunk.num_values() != values as i64 {
            return Err(refuse("is not one plain page inside the file"));
        }
        let reader = Arc::new(self.map.clone());
        let mut pages = SerializedPageReader::new(reader, chunk, self.rows, None).map_err(unreadable)?;
        let page = pages.get_next_page().map_err(unreadable)?;
        let Some(Page::DataPage {
            buf, num_values, encoding, def_level_encoding, rep_level_encoding, ..
        }) = page
        else {
            return Err(refuse("does not start with a data page"));
        };
        let rle = [def_level_encoding, rep_level_encoding] == [PageEncoding::RLE; 2];
        if encoding != PageEncoding::PLAIN || !rle || num_values as usize != values {
            return Err(refuse(&format!("has a page of {num_values} values encoded as {encoding}")));
        }
        if pages.get_next_page().map_err(unreadable)?.is_some() {
            return Err(refuse("has more than one page"));
        }
        Ok(buf)
    }

    /// An error about the file's layout.
    pub(super) fn layout(&self, reason: String) -> Error {
        layout(&self.path, reason)
    }

    fn chunk(&self, column: usize) -> &ColumnChunkMetaData {
        self.metadata.row_group(0).column(column)
    }
}

/// Cuts levels off a page: four bytes of length, then the runs.
fn levels_of(page: &Bytes) -> Option<(Bytes, Bytes)> {
    let length = u32::from_le_bytes(page.get(..4)?.try_into().ok()?) as usize;
    let end = length.checked_add(4).filter(|&end| end <= page.len())?;
    Some((page.slice(4..end), page.slice(end..)))
}
