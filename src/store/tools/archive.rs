//! A cache as one `.tar.zst` and back, streaming both ways.
//!
//! The archive holds the cache's folder: `manifest.json`, `complete.json`, then each shard and its record in the
//! manifest's order, with no times or owners, so that the same cache packs to the same bytes.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

use crate::store::error::Error;
use crate::store::format::checksummed_json;
use crate::store::format::complete::COMPLETE_FILE;
use crate::store::format::manifest::{MANIFEST_FILE, Manifest};
use crate::store::format::plan::ShardSpec;
use crate::store::format::record::ShardRecord;
use crate::store::read::reader::Cache;
use crate::store::read::resume;
use crate::store::tools::verify::verify;
use crate::support::atomic::{self, AtomicFile, TEMPORARY_SUFFIX};
use crate::support::hash::Digest;

const COMPRESSION_LEVEL: i32 = 3;
/// A manifest or `complete.json` that is longer is no such thing.
const MAX_JSON_BYTES: u64 = 256 << 20;

/// Packs the complete cache in `dir` into `archive`, written atomically.
///
/// # Errors
/// What [`Cache::check_content`] finds, and [`Error::Io`].
pub fn pack(dir: &Path, archive: &Path) -> Result<(), Error> {
    let cache = Cache::open(dir)?;
    cache.check_content()?;
    write_archive(&cache, archive).map_err(Error::io("written", archive))
}

fn write_archive(cache: &Cache, archive: &Path) -> io::Result<()> {
    let file = BufWriter::new(AtomicFile::create(archive)?);
    let mut encoder = zstd::stream::write::Encoder::new(file, COMPRESSION_LEVEL)?;
    encoder.include_checksum(true)?;
    let mut builder = tar::Builder::new(encoder);
    let name = cache.manifest().folder_name();
    let mut append = |relative: &Path| -> io::Result<()> {
        let file = File::open(cache.dir().join(relative))?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(file.metadata()?.len());
        builder.append_data(&mut header, Path::new(&name).join(relative), file)
    };
    append(Path::new(MANIFEST_FILE))?;
    append(Path::new(COMPLETE_FILE))?;
    for spec in cache.manifest().shards() {
        append(&spec.path)?;
        append(&spec.record_path())?;
    }
    let encoder = builder.into_inner()?;
    let file = encoder.finish()?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.commit()
}

/// Unpacks `archive` into a folder under `root` and returns it. Nothing appears there before all of it was verified.
///
/// # Errors
/// [`Error::AlreadyThere`]; [`Error::Archive`] when it holds anything but one cache; whatever is damaged.
pub fn unpack(archive: &Path, root: &Path) -> Result<PathBuf, Error> {
    let file = File::open(archive).map_err(Error::io("opened", archive))?;
    let decoder = zstd::stream::read::Decoder::new(BufReader::new(file)).map_err(unreadable(archive))?;
    let mut tar = tar::Archive::new(decoder);
    let entries = tar.entries().map_err(unreadable(archive))?;
    let mut unpacking = Unpacking { archive, entries, folder: PathBuf::new() };

    let manifest_bytes = unpacking.json(MANIFEST_FILE)?;
    let manifest = Manifest::parse(&unpacking.shown(MANIFEST_FILE), &manifest_bytes)?;
    let name = manifest.folder_name();
    if unpacking.folder != Path::new(&name) {
        return Err(
            unpacking.refuse(format!("its folder is {}, expected {name}", unpacking.folder.display()))
        );
    }
    let target = root.join(&name);
    if target.exists() {
        return Err(Error::AlreadyThere { path: target });
    }
    let temporary = root.join(format!(".{name}.{}{TEMPORARY_SUFFIX}", std::process::id()));
    let temporary = TemporaryFolder(temporary);
    let write = |relative: &Path, bytes: &[u8]| {
        let path = temporary.0.join(relative);
        atomic::write(&path, bytes).map_err(Error::io("written", &path))
    };
    write(Path::new(MANIFEST_FILE), &manifest_bytes)?;
    let complete_bytes = unpacking.json(COMPLETE_FILE)?;
    write(Path::new(COMPLETE_FILE), &complete_bytes)?;
    let complete = resume::complete(&temporary.0, &manifest)?;
    for (spec, record) in manifest.shards().iter().zip(&complete.shards) {
        unpacking.shard(spec, record, &temporary.0)?;
        let expected = checksummed_json::to_bytes(record);
        let found = unpacking.entry(&spec.record_path(), Some(expected.len() as u64))?;
        if read_all(archive, found)? != expected {
            return Err(
                unpacking.refuse(format!("the record of {} contradicts complete.json", spec.path.display()))
            );
        }
        write(&spec.record_path(), &expected)?;
    }
    unpacking.end()?;
    if let Some(damage) = verify(&temporary.0)?.damage.into_iter().next() {
        return Err(damage);
    }
    fs::rename(&temporary.0, &target).map_err(Error::io("renamed", &temporary.0))?;
    Ok(target)
}

/// An archive that is read entry by entry, each of which must be the expected one.
struct Unpacking<'a, R: Read> {
    archive: &'a Path,
    entries: tar::Entries<'a, R>,
    folder: PathBuf,
}

impl<'a, R: Read> Unpacking<'a, R> {
    /// The next entry, once it is the regular file `relative` of `bytes` bytes.
    fn entry(&mut self, relative: &Path, bytes: Option<u64>) -> Result<tar::Entry<'a, R>, Error> {
        let entry = match self.entries.next() {
            Some(entry) => entry.map_err(unreadable(self.archive))?,
            None => return Err(self.refuse(format!("it ends before {}", relative.display()))),
        };
        let path = entry.path().map_err(unreadable(self.archive))?.into_owned();
        if self.folder.as_os_str().is_empty() {
            self.folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        }
        if entry.header().entry_type() != EntryType::Regular || path != self.folder.join(relative) {
            let reason = format!("it has {} where {} belongs", path.display(), relative.display());
            return Err(self.refuse(reason));
        }
        let limit = bytes.unwrap_or(MAX_JSON_BYTES);
        if entry.size() > limit || bytes.is_some_and(|bytes| bytes != entry.size()) {
            let reason = format!("{} has {} bytes, expected {limit}", path.display(), entry.size());
            return Err(self.refuse(reason));
        }
        Ok(entry)
    }

    fn json(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        let entry = self.entry(Path::new(name), None)?;
        read_all(self.archive, entry)
    }

    /// Writes a shard to `dir`, once its bytes are the recorded ones.
    fn shard(&mut self, spec: &ShardSpec, record: &ShardRecord, dir: &Path) -> Result<(), Error> {
        let mut entry = self.entry(&spec.path, Some(record.bytes))?;
        let path = dir.join(&spec.path);
        let file = AtomicFile::create(&path).map_err(Error::io("written", &path))?;
        let mut writer = BufWriter::new(file);
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let length = entry.read(&mut buffer).map_err(unreadable(self.archive))?;
            if length == 0 {
                break;
            }
            hasher.update(&buffer[..length]);
            writer.write_all(&buffer[..length]).map_err(Error::io("written", &path))?;
        }
        let found = Digest(*hasher.finalize().as_bytes());
        if found != record.blake3 {
            let path = self.archive.join(&spec.path);
            return Err(Error::Content { path, part: "content", expected: record.blake3, found });
        }
        let file = writer.into_inner().map_err(|error| Error::io("written", &path)(error.into_error()))?;
        file.commit().map_err(Error::io("written", &path))
    }

    fn end(&mut self) -> Result<(), Error> {
        match self.entries.next() {
            None => Ok(()),
            Some(_) => Err(self.refuse("it goes on after the last shard".to_owned())),
        }
    }

    fn refuse(&self, reason: String) -> Error {
        Error::Archive { path: self.archive.to_path_buf(), reason }
    }

    fn shown(&self, name: &str) -> PathBuf {
        self.archive.join(name)
    }
}

/// Tells a disk that can't be read from a stream that can't be decoded.
fn unreadable(archive: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = archive.to_path_buf();
    move |error| match error.raw_os_error() {
        Some(_) => Error::Io { action: "read", path, source: error },
        None => Error::ArchiveDamaged { path, reason: error.to_string() },
    }
}

fn read_all(archive: &Path, mut entry: impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(unreadable(archive))?;
    Ok(bytes)
}

/// A folder that is gone when this is dropped, unless it was renamed before.
struct TemporaryFolder(PathBuf);

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
