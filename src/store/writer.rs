//! Writing one shard: rows in, soft targets derived, a parquet file and its record out.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, FixedSizeBinaryArray, Float32Array, Int32Array, RecordBatch, UInt16Array,
    UInt64Array,
};
use half::f16;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding as PageEncoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

use super::encoding::{Element, Encoding};
use super::error::Error;
use super::manifest::Manifest;
use super::plan::ShardSpec;
use super::record::ShardRecord;
use super::schema::{self, CROP_WIDTH, IMAGE_HASH_BYTES, INPUT_HASH_BYTES};
use super::{encode, sealed};
use crate::support::atomic::AtomicFile;
use crate::support::hash::Digest;

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

/// A shard being filled, in memory: `rows * classes * 4` bytes for the logits, and its columns once it is committed.
///
/// Nothing is on disk until [`ShardWriter::commit`].
pub struct ShardWriter {
    dir: PathBuf,
    manifest: Manifest,
    spec: ShardSpec,
    samples: Vec<u64>,
    image_hashes: Vec<u8>,
    labels: Vec<i32>,
    views: Vec<u16>,
    crops: Vec<f32>,
    flips: Vec<bool>,
    input_hashes: Vec<u8>,
    logits: Vec<f32>,
}

impl ShardWriter {
    /// Starts the shard `spec` of the cache in `dir`.
    pub fn create(dir: &Path, manifest: &Manifest, spec: &ShardSpec) -> Self {
        let rows = spec.rows as usize;
        Self {
            dir: dir.to_path_buf(),
            manifest: manifest.clone(),
            spec: spec.clone(),
            samples: Vec::with_capacity(rows),
            image_hashes: Vec::with_capacity(rows * IMAGE_HASH_BYTES),
            labels: Vec::with_capacity(rows),
            views: Vec::with_capacity(rows),
            crops: Vec::with_capacity(rows * CROP_WIDTH),
            flips: Vec::with_capacity(rows),
            input_hashes: Vec::with_capacity(rows * INPUT_HASH_BYTES),
            logits: Vec::with_capacity(rows * manifest.classes()),
        }
    }

    /// Adds the next row; rows come in the order of [`ShardSpec::identity`].
    ///
    /// # Errors
    /// Names the row that is out of order, of another length, out of range or not finite; the shard is as before.
    pub fn push(&mut self, row: Row<'_>) -> Result<(), Error> {
        self.check(&row)?;
        self.samples.push(row.sample);
        self.image_hashes.extend_from_slice(&row.image_hash);
        self.labels.push(row.label);
        self.views.push(row.view);
        self.crops.extend_from_slice(&row.crop);
        self.flips.push(row.flip);
        self.input_hashes.extend_from_slice(&row.input_hash);
        self.logits.extend_from_slice(row.logits);
        Ok(())
    }

    fn check(&self, row: &Row<'_>) -> Result<(), Error> {
        let &Row { sample, view, label, crop, .. } = row;
        let (path, split) = (|| self.dir.join(&self.spec.path), || self.spec.split.clone());
        let position = self.samples.len() as u64;
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
    /// The bytes depend on the manifest and the rows alone, so two processes that write the same shard do no harm.
    ///
    /// # Errors
    /// [`Error::ShardNotFull`] when rows are missing; [`Error::Io`] when the disk is full or not writable.
    pub fn commit(self) -> Result<ShardRecord, Error> {
        let path = self.dir.join(&self.spec.path);
        let found = self.samples.len() as u64;
        if found != self.spec.rows {
            return Err(Error::ShardNotFull { path, expected: self.spec.rows, found });
        }
        let Self { dir, manifest, spec, .. } = &self;
        let (dir, manifest, spec) = (dir.clone(), manifest.clone(), spec.clone());
        let batch = self.into_batch();
        let (bytes, blake3, footer_blake3) =
            write_parquet(&path, &manifest, &spec, &batch).map_err(Error::io("written", &path))?;
        let rows = spec.rows;
        let record = ShardRecord {
            key: manifest.key,
            split: spec.split.clone(),
            index: spec.index,
            rows,
            bytes,
            blake3,
            footer_blake3,
        };
        sealed::write(&dir.join(spec.record_path()), &record)?;
        Ok(record)
    }

    fn into_batch(self) -> RecordBatch {
        let rows = self.samples.len();
        let fixed = |bytes: Vec<u8>, width: usize| -> ArrayRef {
            let array = FixedSizeBinaryArray::try_new(width as i32, bytes.into(), None);
            Arc::new(array.expect("a hash a row"))
        };
        let crops = Arc::new(Float32Array::from(self.crops));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(self.samples)),
            fixed(self.image_hashes, IMAGE_HASH_BYTES),
            Arc::new(Int32Array::from(self.labels)),
            Arc::new(UInt16Array::from(self.views)),
            encode::list(crops, Element::Float32, CROP_WIDTH, rows),
            Arc::new(BooleanArray::from(self.flips)),
            fixed(self.input_hashes, INPUT_HASH_BYTES),
        ];
        columns.extend(encode::value_columns(&self.manifest, self.logits));
        RecordBatch::try_new(schema::arrow_schema(&self.manifest), columns)
            .expect("the columns follow the schema")
    }
}

/// A crop that a view can be cut from.
pub(super) fn is_rectangle([left, top, width, height]: [f32; CROP_WIDTH]) -> bool {
    [left, top, width, height].iter().all(|value| value.is_finite()) && width > 0.0 && height > 0.0
}

/// Writes the file and returns its length, its digest and its footer's digest.
fn write_parquet(
    path: &Path,
    manifest: &Manifest,
    spec: &ShardSpec,
    batch: &RecordBatch,
) -> io::Result<(u64, Digest, Digest)> {
    let inner = AtomicFile::create(path)?;
    let hashing = HashingWriter { inner, bytes: 0, all: blake3::Hasher::new(), footer: None };
    let options = ArrowWriterOptions::new()
        .with_properties(properties(manifest, spec))
        .with_skip_arrow_metadata(true)
        .with_parquet_schema(schema::parquet_schema(manifest));
    let mut writer = ArrowWriter::try_new_with_options(hashing, batch.schema(), options).map_err(into_io)?;
    writer.write(batch).map_err(into_io)?;
    writer.flush().map_err(into_io)?;
    writer.sync()?;
    // What is written from here on is the footer.
    writer.inner_mut().footer = Some(blake3::Hasher::new());
    let HashingWriter { inner, bytes, all, footer } = writer.into_inner().map_err(into_io)?;
    inner.commit()?;
    let footer = footer.expect("set above");
    Ok((bytes, Digest(*all.finalize().as_bytes()), Digest(*footer.finalize().as_bytes())))
}

/// One row group, one page a column, plain: uncompressed, each column's values are one block of the file.
fn properties(manifest: &Manifest, spec: &ShardSpec) -> WriterProperties {
    let compression = match manifest.zstd {
        0 => Compression::UNCOMPRESSED,
        level => {
            Compression::ZSTD(ZstdLevel::try_new(level.into()).expect("the manifest has a level of zstd"))
        }
    };
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(manifest.writer.clone())
        .set_key_value_metadata(Some(schema::key_values(manifest, spec)))
        .set_encoding(PageEncoding::PLAIN)
        .set_compression(compression)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(Some(spec.rows as usize))
        .set_data_page_row_count_limit(usize::MAX)
        .set_data_page_size_limit(usize::MAX)
        .set_write_batch_size(1 << 16)
        .build()
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

/// Digests what passes through: all of it, and the footer once that begins.
struct HashingWriter<W> {
    inner: W,
    bytes: u64,
    all: blake3::Hasher,
    footer: Option<blake3::Hasher>,
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        self.all.update(&bytes[..written]);
        if let Some(footer) = &mut self.footer {
            footer.update(&bytes[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
