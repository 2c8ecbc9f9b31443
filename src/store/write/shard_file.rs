//! A shard's parquet file: one row group, one plain page a column. The pages are ours, made column by column; their
//! headers and the footer are parquet's own.
//!
//! While one column is digested and written, the next is made on every core, and the disk is busy with those before.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use parquet::basic::{Compression, Encoding as PageEncoding, EncodingMask, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, PageEncodingStats, ParquetMetaData, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::SchemaDescriptor;
use rayon::prelude::*;

use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::format::rows::RowsHasher;
use crate::store::format::schema;
use crate::store::write::columns::Content;
use crate::support::atomic::AtomicFile;
use crate::support::hash::Digest;

/// The first bytes of a parquet file.
const MAGIC: &[u8; 4] = b"PAR1";
/// The version of the format that has data pages of version 1.
const PARQUET_VERSION: i32 = 1;
/// The bytes that are digested and then written at a time, while they are in the processor's cache.
const BLOCK: usize = 1 << 18;
/// Bytes that are given to the disk at a time, before the next column is there.
const SYNC_BYTES: u64 = 8 << 20;

/// A file that is written, synced once it is committed, and has no name before.
pub(in crate::store) struct Written {
    pub(in crate::store) file: AtomicFile,
    /// Over the columns that are not derived.
    pub(in crate::store) rows_blake3: Digest,
    pub(in crate::store) bytes: u64,
    pub(in crate::store) blake3: Digest,
    pub(in crate::store) footer_blake3: Digest,
}

/// Makes the page of a column, by its position in the schema.
pub(in crate::store) type MakePage<'a> = dyn Fn(usize) -> Content + Sync + 'a;

/// Writes a page for each column to a file that gets the name `path` when it is committed.
pub(in crate::store) fn write(
    path: &Path,
    manifest: &Manifest,
    spec: &ShardSpec,
    columns: &MakePage<'_>,
) -> io::Result<Written> {
    let schema = Arc::new(schema::parquet_schema(manifest));
    let file = AtomicFile::create(path)?;
    let handle = file.handle()?;
    let mut sink = HashingWriter { inner: file, bytes: 0, hasher: Some(blake3::Hasher::new()) };
    let (chunks, rows_blake3) = std::thread::scope(|scope| {
        let (ready, pages) = bounded(0);
        let (written, to_sync) = bounded(1);
        let (sink, schema) = (&mut sink, &schema);
        let writer = scope.spawn(move || write_pages(sink, schema, manifest, &pages, &written));
        // The first to sync is told of a disk error.
        let syncer = scope.spawn(move || to_sync.iter().try_for_each(|()| handle.sync_data()));
        let rows_blake3 = make_pages(columns, schema.num_columns(), manifest, &ready);
        drop(ready);
        let chunks = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        syncer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok::<_, io::Error>((chunks?, rows_blake3))
    })?;
    let footer = footer(manifest, spec, &schema, chunks).map_err(into_io)?;
    sink.write_all(&footer)?;
    let hasher = sink.hasher.expect("it was given one");
    let blake3 = Digest(*hasher.finalize().as_bytes());
    Ok(Written {
        file: sink.inner,
        rows_blake3,
        bytes: sink.bytes,
        blake3,
        footer_blake3: Digest::of(&footer),
    })
}

/// Makes every column's page, in order, and digests those that are not derived. Rows are derived on every core; compressing a page
/// takes one core, so there as many pages are made at once as there are cores.
fn make_pages(
    columns: &MakePage<'_>,
    count: usize,
    manifest: &Manifest,
    ready: &Sender<CompressedPage>,
) -> Digest {
    let at_once = if manifest.zstd == 0 { 1 } else { rayon::current_num_threads() };
    let mut rows = RowsHasher::new(manifest.encoding, manifest.first_value());
    for first in (0..count).step_by(at_once) {
        let group = first..count.min(first + at_once);
        let pages: Vec<Content> = group.clone().into_par_iter().map(columns).collect();
        for (column, page) in group.zip(&pages) {
            rows.add(column, &schema::column_name(manifest, column), &page.bytes);
        }
        let pages: Vec<CompressedPage> =
            pages.into_par_iter().map(|page| compressed(page, manifest.zstd)).collect();
        for page in pages {
            if ready.send(page).is_err() {
                // The writer has failed, and says why.
                return rows.finish();
            }
        }
    }
    rows.finish()
}

fn compressed(content: Content, level: u8) -> CompressedPage {
    let length = content.bytes.len();
    let bytes = match level {
        0 => content.bytes,
        level => {
            zstd::bulk::compress(&content.bytes, level.into()).expect("a level of zstd, and room for it")
        }
    };
    let page = Page::DataPage {
        buf: bytes.into(),
        num_values: content.values as u32,
        encoding: PageEncoding::PLAIN,
        def_level_encoding: PageEncoding::RLE,
        rep_level_encoding: PageEncoding::RLE,
        statistics: None,
    };
    CompressedPage::new(page, length)
}

/// Writes the pages that come, each a column, and tells `written` when there is something to sync.
fn write_pages(
    sink: &mut (impl Write + Send),
    schema: &SchemaDescriptor,
    manifest: &Manifest,
    pages: &Receiver<CompressedPage>,
    written: &Sender<()>,
) -> io::Result<Vec<ColumnChunkMetaData>> {
    let compression = match manifest.zstd {
        0 => Compression::UNCOMPRESSED,
        level => {
            Compression::ZSTD(ZstdLevel::try_new(level.into()).expect("the manifest has a level of zstd"))
        }
    };
    let mut synced = 0;
    let mut file = TrackedWrite::new(sink);
    file.write_all(MAGIC)?;
    let mut chunks = Vec::with_capacity(schema.num_columns());
    for (page, column) in pages.iter().zip(schema.columns()) {
        let page = SerializedPageWriter::new(&mut file).write_page(page).map_err(into_io)?;
        let stats =
            PageEncodingStats { page_type: PageType::DATA_PAGE, encoding: PageEncoding::PLAIN, count: 1 };
        let chunk = ColumnChunkMetaData::builder(Arc::clone(column))
            .set_compression(compression)
            .set_encodings_mask(EncodingMask::new_from_encodings(
                [PageEncoding::PLAIN, PageEncoding::RLE].iter(),
            ))
            .set_page_encoding_stats(vec![stats])
            .set_total_compressed_size(page.compressed_size as i64)
            .set_total_uncompressed_size(page.uncompressed_size as i64)
            .set_num_values(page.num_values.into())
            .set_data_page_offset(page.offset as i64)
            .build();
        chunks.push(chunk.map_err(into_io)?);
        let bytes = file.bytes_written() as u64;
        if bytes - synced >= SYNC_BYTES {
            synced = bytes;
            // Where a sync is waiting to begin, it will do for this as well.
            let _ = written.try_send(());
        }
    }
    file.flush()?;
    Ok(chunks)
}

/// The length of the file that [`write`] makes of a shard whose columns are not compressed, whatever its values.
pub(in crate::store) fn plain_bytes(manifest: &Manifest, spec: &ShardSpec, columns: &[Sizes]) -> u64 {
    let schema = Arc::new(schema::parquet_schema(manifest));
    let (ready, pages) = bounded(columns.len());
    for sizes in columns {
        // These bytes are never read, so no memory is touched.
        let content = Content { bytes: vec![0; sizes.bytes], values: sizes.values };
        ready.send(compressed(content, 0)).expect("there is room for every page");
    }
    drop(ready);
    let mut sink = HashingWriter { inner: io::sink(), bytes: 0, hasher: None };
    let (written, _to_sync) = bounded(1);
    let chunks =
        write_pages(&mut sink, &schema, manifest, &pages, &written).expect("a sink takes everything");
    let footer = footer(manifest, spec, &schema, chunks).expect("a footer in memory");
    sink.bytes + footer.len() as u64
}

/// The sizes of a column's only page.
pub(in crate::store) struct Sizes {
    pub(in crate::store) bytes: usize,
    pub(in crate::store) values: usize,
}

/// The metadata, its length and the magic.
fn footer(
    manifest: &Manifest,
    spec: &ShardSpec,
    schema: &Arc<SchemaDescriptor>,
    chunks: Vec<ColumnChunkMetaData>,
) -> Result<Vec<u8>, ParquetError> {
    let group = RowGroupMetaData::builder(Arc::clone(schema))
        .set_total_byte_size(chunks.iter().map(ColumnChunkMetaData::uncompressed_size).sum())
        .set_column_metadata(chunks)
        .set_num_rows(spec.rows as i64)
        .set_ordinal(0)
        .set_file_offset(MAGIC.len() as i64)
        .build()?;
    let file = FileMetaData::new(
        PARQUET_VERSION,
        spec.rows as i64,
        Some(manifest.writer.clone()),
        Some(schema::key_values(manifest, spec)),
        Arc::clone(schema),
        None,
    );
    let mut footer = Vec::new();
    ParquetMetaDataWriter::new(&mut footer, &ParquetMetaData::new(file, vec![group])).finish()?;
    Ok(footer)
}

/// An error of the file system comes back as what it was; parquet itself has nothing to refuse here.
fn into_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    }
}

/// Counts what passes through, and digests it where it has a hasher.
struct HashingWriter<W> {
    inner: W,
    bytes: u64,
    hasher: Option<blake3::Hasher>,
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let block = &bytes[..bytes.len().min(BLOCK)];
        let written = self.inner.write(block)?;
        self.bytes += written as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&block[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
