//! Digests of a dataset's images, cached so that a large one is not read from end to end each time it is opened.
//!
//! The cache of a dataset is a parquet file in the user's cache folder, `decant/digests/<digest of the dataset's folder>.parquet`, with a row
//! for each image: `path` (binary, relative to the folder), `bytes`, `modified` and `changed` (the file's `mtime` and `ctime` in
//! nanoseconds since 1970), `digest` (BLAKE3). A digest counts while all three of its file's numbers are the same, as in git's
//! index. A file that was touched just before it was read is not cached, for its next change might have the same times. A
//! digest that is wrong all the same is noticed where its image is used: [`Dataset::read`](super::Dataset::read) compares what it
//! reads.

use std::fs::{self, Metadata};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, FixedSizeBinaryArray, Int64Array, RecordBatch, UInt64Array};

use crate::support::atomic::AtomicFile;
use crate::support::files::open_regular;
use crate::support::hash::Digest;
use crate::support::user_cache;

/// Hashing that takes less is done again rather than cached.
pub(super) const WORTH_CACHING: Duration = Duration::from_secs(1);

/// Some file systems know the time to two seconds.
const COARSEST_CLOCK_NS: i64 = 2_000_000_000;

/// The properties of a file that change when the file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    bytes: u64,
    modified_ns: i64,
    changed_ns: i64,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        let file = fs::metadata(path)?;
        let modified_ns = file.modified().map_or(i64::MAX, since_1970);
        Ok(Self { bytes: file.len(), modified_ns, changed_ns: changed(&file).unwrap_or(modified_ns) })
    }

    /// Whether a later change is sure to have other times.
    fn is_settled(self, now_ns: i64) -> bool {
        self.modified_ns.max(self.changed_ns) < now_ns - COARSEST_CLOCK_NS
    }
}

#[cfg(unix)]
fn changed(file: &Metadata) -> Option<i64> {
    use std::os::unix::fs::MetadataExt;
    file.ctime().checked_mul(1_000_000_000)?.checked_add(file.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> Option<i64> {
    None
}

fn since_1970(time: SystemTime) -> i64 {
    let nanoseconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

/// A file of images, how it was when they were hashed, and the digest of each of them.
pub(super) struct Hashed<'a> {
    pub path: &'a Path,
    pub stamp: Stamp,
    pub digests: Vec<Digest>,
}

/// The file that caches the digests of a dataset's folder.
pub(super) struct DigestCache(PathBuf);

impl DigestCache {
    /// The cache of the dataset in `folder`.
    pub(crate) fn of(folder: &Path) -> Self {
        Self::within(&user_cache::folder(), folder)
    }

    /// As [`DigestCache::of`], in another folder than the user's cache.
    pub(crate) fn within(cache: &Path, folder: &Path) -> Self {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        let name = Digest::of(folder.as_os_str().as_encoded_bytes()).short(16);
        Self(cache.join("digests").join(format!("{name}.parquet")))
    }

    /// The cached digests: none where the file is absent or can't be read.
    pub(crate) fn read(&self) -> CachedDigests {
        self.columns().unwrap_or_default()
    }

    fn columns(&self) -> Option<CachedDigests> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(open_regular(&self.0).ok()?).ok()?;
        // In one piece, whose memory goes back to the system as one.
        let count = usize::try_from(reader.metadata().file_metadata().num_rows()).ok()?.max(1);
        let rows = reader
            .with_batch_size(count)
            .build()
            .ok()?
            .next()?
            .ok()
            .filter(|rows| rows.num_rows() == count)?;
        let column = |name: &str| rows.column_by_name(name);
        Some(CachedDigests {
            paths: column("path")?.as_binary_opt::<i32>()?.clone(),
            bytes: column("bytes")?.as_primitive_opt::<UInt64Type>()?.clone(),
            modified: column("modified")?.as_primitive_opt::<Int64Type>()?.clone(),
            changed: column("changed")?.as_primitive_opt::<Int64Type>()?.clone(),
            digests: column("digest")?.as_fixed_size_binary_opt().filter(|d| d.value_length() == 32)?.clone(),
        })
    }

    /// Caches what was hashed, from `started` on, in place of what stands there. A file that can't be written costs the next run some
    /// time and is not an error.
    pub(crate) fn write(&self, mut hashed: Vec<Hashed>, started: SystemTime) {
        hashed.retain(|file| file.stamp.is_settled(since_1970(started)));
        hashed.sort_by_key(|file| file.path.as_os_str().as_encoded_bytes());
        let _ = self.put(&hashed);
    }

    fn put(&self, hashed: &[Hashed]) -> Result<(), Box<dyn std::error::Error>> {
        let rows = || hashed.iter().flat_map(|file| file.digests.iter().map(move |digest| (file, digest)));
        let paths: BinaryArray =
            rows().map(|(file, _)| Some(file.path.as_os_str().as_encoded_bytes())).collect();
        let columns: [(&str, ArrayRef); 5] = [
            ("path", Arc::new(paths)),
            ("bytes", Arc::new(rows().map(|(file, _)| file.stamp.bytes).collect::<UInt64Array>())),
            ("modified", Arc::new(rows().map(|(file, _)| file.stamp.modified_ns).collect::<Int64Array>())),
            ("changed", Arc::new(rows().map(|(file, _)| file.stamp.changed_ns).collect::<Int64Array>())),
            ("digest", Arc::new(FixedSizeBinaryArray::try_from_iter(rows().map(|(_, digest)| digest.0))?)),
        ];
        let batch = RecordBatch::try_from_iter(columns)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(None)
            .set_column_dictionary_enabled("digest".into(), false);
        let file = AtomicFile::create(&self.0)?;
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build()))?;
        writer.write(&batch)?;
        writer.into_inner()?.commit()?;
        Ok(())
    }

    /// Deletes it, once something in it has turned out wrong.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Cached digests, a row an image, sorted by the bytes of the paths.
pub(super) struct CachedDigests {
    paths: BinaryArray,
    bytes: UInt64Array,
    modified: Int64Array,
    changed: Int64Array,
    digests: FixedSizeBinaryArray,
}

impl Default for CachedDigests {
    fn default() -> Self {
        Self {
            paths: BinaryArray::from_iter_values(<[&[u8]; 0]>::default()),
            bytes: UInt64Array::new_null(0),
            modified: Int64Array::new_null(0),
            changed: Int64Array::new_null(0),
            digests: FixedSizeBinaryArray::new_null(32, 0),
        }
    }
}

impl CachedDigests {
    /// The digests of the images in the file at `path`, relative to the folder, if it is still as it was.
    pub(crate) fn digests(&self, path: &Path, stamp: Stamp) -> Option<Vec<Digest>> {
        let rows = self.rows(path.as_os_str().as_encoded_bytes());
        let cached = |row: usize| Stamp {
            bytes: self.bytes.value(row),
            modified_ns: self.modified.value(row),
            changed_ns: self.changed.value(row),
        };
        if rows.is_empty() || cached(rows.start) != stamp {
            return None;
        }
        rows.map(|row| Some(Digest(self.digests.value(row).try_into().ok()?))).collect()
    }

    fn rows(&self, path: &[u8]) -> Range<usize> {
        let first_that = |is_before: &dyn Fn(&[u8]) -> bool| {
            let (mut low, mut high) = (0, self.paths.len());
            while low < high {
                let middle = low.midpoint(high);
                if is_before(self.paths.value(middle)) { low = middle + 1 } else { high = middle }
            }
            low
        };
        first_that(&|other| other < path)..first_that(&|other| other <= path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(10)
    }

    #[test]
    fn a_file_is_known_until_its_length_or_its_times_change() {
        let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let names = ["b.png", "a/z.png", "a.png"].map(Path::new);
        fs::create_dir(folder.path().join("a")).unwrap();
        let stamp = |name: &Path| Stamp::of(&folder.path().join(name)).unwrap();
        let mut hashed = Vec::new();
        for (index, path) in names.into_iter().enumerate() {
            fs::write(folder.path().join(path), path.as_os_str().as_encoded_bytes()).unwrap();
            // The second one has several images, as a parquet file has.
            let digests = (0..=index % 2).map(|row| Digest::of(&[index as u8, row as u8])).collect();
            hashed.push(Hashed { path, stamp: stamp(path), digests });
        }
        let digests = DigestCache::within(cache.path(), folder.path());
        digests.write(hashed, later());

        let cached = digests.read();
        assert_eq!(cached.digests(names[0], stamp(names[0])), Some(vec![Digest::of(&[0, 0])]));
        let two = vec![Digest::of(&[1, 0]), Digest::of(&[1, 1])];
        assert_eq!(cached.digests(names[1], stamp(names[1])), Some(two));
        assert_eq!(cached.digests(Path::new("c.png"), stamp(names[0])), None);
        let (at, before) = (folder.path().join(names[0]), stamp(names[0]));
        // Longer than a tick of the coarsest clock that file systems' times are taken from.
        std::thread::sleep(Duration::from_millis(25));
        fs::write(&at, b"other").unwrap();
        let file = fs::File::options().write(true).open(&at).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_nanos(before.modified_ns as u64)).unwrap();
        assert_eq!((stamp(names[0]).bytes, stamp(names[0]).modified_ns), (5, before.modified_ns));
        assert_eq!(cached.digests(names[0], stamp(names[0])), None, "only its ctime tells");

        digests.forget();
        assert_eq!(digests.read().digests(names[1], stamp(names[1])), None);
    }

    #[test]
    fn what_was_touched_just_now_is_not_cached() {
        let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = folder.path().join("a.png");
        fs::write(&at, b"a").unwrap();
        let stamp = Stamp::of(&at).unwrap();
        let digests = DigestCache::within(cache.path(), folder.path());
        let hashed = || vec![Hashed { path: Path::new("a.png"), stamp, digests: vec![Digest::of(b"a")] }];
        digests.write(hashed(), SystemTime::now());
        assert_eq!(digests.read().digests(Path::new("a.png"), stamp), None);
        digests.write(hashed(), later());
        assert!(digests.read().digests(Path::new("a.png"), stamp).is_some());
    }

    #[test]
    fn a_damaged_cache_holds_nothing() {
        let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let digests = DigestCache::within(cache.path(), folder.path());
        fs::create_dir_all(digests.0.parent().unwrap()).unwrap();
        fs::write(&digests.0, b"PAR1 and no more").unwrap();
        assert_eq!(digests.read().paths.len(), 0);
    }
}
