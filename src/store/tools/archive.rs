//! A cache as one `.tar.zst` and back, streaming both ways.
//!
//! The archive holds the cache's folder: `manifest.json`, `complete.json`, then each shard and its record in the
//! manifest's order, with no times or owners, so that the same cache packs to the same bytes.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

use crate::store::error::{Damage, Error, Mismatch};
use crate::store::format::checksummed_json;
use crate::store::format::complete::COMPLETE_FILE;
use crate::store::format::manifest::{MANIFEST_FILE, Manifest};
use crate::store::format::plan::ShardSpec;
use crate::store::format::record::ShardRecord;
use crate::store::read::reader::Cache;
use crate::store::read::resume;
use crate::store::tools::temporary_folder::{self, TemporaryFolder};
use crate::store::tools::verify::verify;
use crate::support::atomic::{self, AtomicFile};
use crate::support::files;
use crate::support::hash::Digest;

const COMPRESSION_LEVEL: i32 = 3;
/// The most bytes of a manifest or `complete.json`.
const MAX_JSON_BYTES: u64 = checksummed_json::LIMIT;
/// The most bytes of a long name, which tar keeps in an entry of its own.
const MAX_NAME_BYTES: u64 = 1 << 12;
/// The most zeros after the last entry: tar fills up its last record.
const MAX_PADDING: u64 = 1 << 20;

/// Packs the complete cache in `dir` into `archive`, written atomically.
///
/// The bytes of every shard are compared with their record as they are packed, and records are written from `complete.json`:
/// [`unpack`] accepts what this makes.
///
/// # Errors
/// The errors of [`Cache::check_content`], and [`Error::Io`].
pub fn pack(dir: &Path, archive: &Path) -> Result<(), Error> {
    temporary_folder::clean_siblings(archive)?;
    let cache = Cache::open(dir)?;
    cache.check_content()?;
    let written = || Error::io("written", archive);
    let file = BufWriter::new(AtomicFile::create(archive).map_err(written())?);
    let mut encoder = zstd::stream::write::Encoder::new(file, COMPRESSION_LEVEL).map_err(written())?;
    encoder.include_checksum(true).map_err(written())?;
    let mut packing =
        Packing { builder: tar::Builder::new(encoder), archive, name: cache.manifest().folder_name() };
    packing.manifest(&cache)?;
    packing.bytes(Path::new(COMPLETE_FILE), &checksummed_json::to_bytes(cache.complete()))?;
    for (spec, record) in cache.manifest().shards().iter().zip(&cache.complete().shards) {
        packing.shard(cache.dir(), spec, record)?;
        packing.bytes(&spec.record_path(), &checksummed_json::to_bytes(record))?;
    }
    let encoder = packing.builder.into_inner().map_err(written())?;
    let file = encoder.finish().map_err(written())?;
    let file = file.into_inner().map_err(|error| written()(error.into_error()))?;
    file.commit().map_err(written())
}

/// An archive that is being written.
struct Packing<'a, W: Write> {
    builder: tar::Builder<W>,
    archive: &'a Path,
    /// The folder of the cache in the archive.
    name: String,
}

impl<W: Write> Packing<'_, W> {
    /// The manifest as it is in the folder, once it is the one that `complete.json` is about.
    fn manifest(&mut self, cache: &Cache) -> Result<(), Error> {
        let path = cache.dir().join(MANIFEST_FILE);
        let bytes = files::read_regular(&path, MAX_JSON_BYTES).map_err(Error::io("read", &path))?;
        let (expected, found) = (cache.complete().manifest_blake3, Digest::of(&bytes));
        if found != expected {
            return Err(Error::Damage(Damage::Content { path, part: "content", expected, found }));
        }
        self.bytes(Path::new(MANIFEST_FILE), &bytes)
    }

    fn bytes(&mut self, relative: &Path, bytes: &[u8]) -> Result<(), Error> {
        self.append(relative, bytes.len() as u64, bytes).map_err(Error::io("written", self.archive))
    }

    /// A shard, whose bytes must be the recorded ones.
    fn shard(&mut self, dir: &Path, spec: &ShardSpec, record: &ShardRecord) -> Result<(), Error> {
        let path = dir.join(&spec.path);
        let file = files::open_regular(&path).map_err(Error::io("opened", &path))?;
        let mut reader = HashingReader { inner: file, hasher: blake3::Hasher::new(), failed: None };
        let appended = self.append(&spec.path, record.bytes, (&mut reader).take(record.bytes));
        if let Some(error) = reader.failed {
            return Err(Error::io("read", &path)(error));
        }
        appended.map_err(Error::io("written", self.archive))?;
        let (expected, found) = (record.blake3, Digest(*reader.hasher.finalize().as_bytes()));
        if found == expected {
            Ok(())
        } else {
            Err(Error::Damage(Damage::Content { path, part: "content", expected, found }))
        }
    }

    fn append(&mut self, relative: &Path, bytes: u64, content: impl Read) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes);
        self.builder.append_data(&mut header, Path::new(&self.name).join(relative), content)
    }
}

/// Digests what is read, and keeps the error that a read ended with.
struct HashingReader<R> {
    inner: R,
    hasher: blake3::Hasher,
    failed: Option<io::Error>,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(length) => {
                self.hasher.update(&buffer[..length]);
                Ok(length)
            }
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// Unpacks `archive` into a folder under `root` and returns it. Nothing appears there before all of it was verified.
///
/// # Errors
/// [`Mismatch::AlreadyThere`]; [`Mismatch::Archive`] for what is not an archive of a cache; whatever is damaged.
pub fn unpack(archive: &Path, root: &Path) -> Result<PathBuf, Error> {
    temporary_folder::clean(root)?;
    let file = files::open_regular(archive).map_err(not_regular(archive))?;
    let decoder = zstd::stream::read::Decoder::new(file).map_err(unreadable(archive))?.single_frame();
    let mut tar = tar::Archive::new(decoder);
    // Raw: tar would read a long name of any length into memory.
    let entries = tar.entries().map_err(unreadable(archive))?.raw(true);
    let mut unpacking = Unpacking { archive, entries, folder: PathBuf::new() };

    let manifest_bytes = unpacking.json(MANIFEST_FILE)?;
    let manifest = Manifest::parse(&archive.join(MANIFEST_FILE), &manifest_bytes)?;
    let name = manifest.folder_name();
    if unpacking.folder != Path::new(&name) {
        let found = unpacking.folder.display().to_string();
        return Err(unpacking.damaged(format!("its folder is {found}, expected {name}")));
    }
    let target = root.join(&name);
    if fs::symlink_metadata(&target).is_ok() {
        return Err(Error::Mismatch(Mismatch::AlreadyThere { path: target }));
    }
    let temporary = TemporaryFolder::create(root, &name)?;
    let write = |relative: &Path, bytes: &[u8]| {
        let path = temporary.path().join(relative);
        atomic::write(&path, bytes).map_err(Error::io("written", &path))
    };
    write(Path::new(MANIFEST_FILE), &manifest_bytes)?;
    let complete_bytes = unpacking.json(COMPLETE_FILE)?;
    write(Path::new(COMPLETE_FILE), &complete_bytes)?;
    let complete = resume::complete(temporary.path(), &manifest)?;
    for (spec, record) in manifest.shards().iter().zip(&complete.shards) {
        unpacking.shard(spec, record, temporary.path())?;
        let expected = checksummed_json::to_bytes(record);
        let found = unpacking.entry(&spec.record_path(), Some(expected.len() as u64))?;
        if read_all(archive, found)? != expected {
            let reason = format!("the record of {} contradicts complete.json", spec.path.display());
            return Err(unpacking.damaged(reason));
        }
        write(&spec.record_path(), &expected)?;
    }
    unpacking.end()?;
    drop(unpacking);
    nothing_follows(archive, tar.into_inner())?;
    if let Some(damage) = verify(temporary.path())?.damage.into_iter().next() {
        return Err(damage);
    }
    temporary.rename(&target)?;
    Ok(target)
}

/// An archive that is read entry by entry; each entry must be the expected one.
struct Unpacking<'a, R: Read> {
    archive: &'a Path,
    entries: tar::Entries<'a, R>,
    folder: PathBuf,
}

impl<'a, R: Read> Unpacking<'a, R> {
    /// The next entry, once it is the regular file `relative` of `bytes` bytes.
    fn entry(&mut self, relative: &Path, bytes: Option<u64>) -> Result<tar::Entry<'a, R>, Error> {
        let Some((path, entry)) = self.next()? else {
            return Err(self.unexpected(format!("it ends before {}", relative.display())));
        };
        let first = self.folder.as_os_str().is_empty();
        let folder = if first { path.parent().unwrap_or(Path::new("")) } else { &self.folder }.to_path_buf();
        if entry.header().entry_type() != EntryType::Regular || path != folder.join(relative) {
            let reason = format!("it has {} where {} belongs", path.display(), relative.display());
            return Err(self.unexpected(reason));
        }
        let limit = bytes.unwrap_or(MAX_JSON_BYTES);
        if entry.size() > limit || bytes.is_some_and(|bytes| bytes != entry.size()) {
            let reason = format!("{} has {} bytes, expected {limit}", path.display(), entry.size());
            return Err(self.unexpected(reason));
        }
        self.folder = folder;
        Ok(entry)
    }

    /// The next entry and its path. One long name may stand before it.
    fn next(&mut self) -> Result<Option<(PathBuf, tar::Entry<'a, R>)>, Error> {
        let unreadable = || unreadable(self.archive);
        let Some(entry) = self.entries.next() else { return Ok(None) };
        let entry = entry.map_err(unreadable())?;
        if !entry.header().entry_type().is_gnu_longname() {
            let path = entry.path().map_err(unreadable())?.into_owned();
            return Ok(Some((path, entry)));
        }
        if entry.size() > MAX_NAME_BYTES {
            let reason = format!("it has a file name of {} bytes", entry.size());
            return Err(self.unexpected(reason));
        }
        let name = read_all(self.archive, entry)?;
        let Ok(name) = String::from_utf8(name) else {
            return Err(self.unexpected("it has a file name that is not text".to_owned()));
        };
        let Some(entry) = self.entries.next() else { return Ok(None) };
        Ok(Some((name.trim_end_matches('\0').into(), entry.map_err(unreadable())?)))
    }

    fn json(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        let entry = self.entry(Path::new(name), None)?;
        read_all(self.archive, entry)
    }

    /// Writes a shard to `dir`, once its bytes are the recorded ones.
    fn shard(&mut self, spec: &ShardSpec, record: &ShardRecord, dir: &Path) -> Result<(), Error> {
        let entry = self.entry(&spec.path, Some(record.bytes))?;
        let mut reader = HashingReader { inner: entry, hasher: blake3::Hasher::new(), failed: None };
        let path = dir.join(&spec.path);
        let mut file = AtomicFile::create(&path).map_err(Error::io("written", &path))?;
        let copied = io::copy(&mut reader, &mut file);
        if let Some(error) = reader.failed {
            return Err(unreadable(self.archive)(error));
        }
        copied.map_err(Error::io("written", &path))?;
        let (expected, found) = (record.blake3, Digest(*reader.hasher.finalize().as_bytes()));
        if found != expected {
            let path = self.archive.join(&spec.path);
            return Err(Error::Damage(Damage::Content { path, part: "content", expected, found }));
        }
        file.commit().map_err(Error::io("written", &path))
    }

    fn end(&mut self) -> Result<(), Error> {
        match self.entries.next() {
            None => Ok(()),
            Some(_) => Err(self.damaged("it has more entries after the last shard".to_owned())),
        }
    }

    /// An archive that does not begin with a manifest is not one of a cache; later it is damaged.
    fn unexpected(&self, reason: String) -> Error {
        if self.folder.as_os_str().is_empty() {
            return Error::Mismatch(Mismatch::Archive { path: self.archive.to_path_buf(), reason });
        }
        self.damaged(reason)
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Damage(Damage::ArchiveDamaged { path: self.archive.to_path_buf(), reason })
    }
}

/// Refuses an archive that goes on after the cache: only zeros may fill up tar's last record.
fn nothing_follows(
    archive: &Path,
    mut decoder: zstd::stream::read::Decoder<'_, BufReader<File>>,
) -> Result<(), Error> {
    let damaged = |reason: &str| {
        Error::Damage(Damage::ArchiveDamaged { path: archive.to_path_buf(), reason: reason.to_owned() })
    };
    let mut padding = Vec::new();
    let padded = decoder.by_ref().take(MAX_PADDING + 1).read_to_end(&mut padding);
    padded.map_err(unreadable(archive))?;
    if padding.len() as u64 > MAX_PADDING || padding.iter().any(|&byte| byte != 0) {
        return Err(damaged("it goes on after the last shard"));
    }
    let mut next = [0];
    match decoder.finish().read(&mut next).map_err(unreadable(archive))? {
        0 => Ok(()),
        _ => Err(damaged("other bytes follow it")),
    }
}

/// Tells a disk that can't be read from a stream that can't be decoded.
fn unreadable(archive: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = archive.to_path_buf();
    move |error| match error.raw_os_error() {
        Some(_) => Error::Io { action: "read", path, source: error },
        None => Error::Damage(Damage::ArchiveDamaged { path, reason: error.to_string() }),
    }
}

/// A pipe, a device or a folder is not an archive.
fn not_regular(archive: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = archive.to_path_buf();
    move |error| match error.kind() {
        io::ErrorKind::InvalidInput => Error::Mismatch(Mismatch::Archive { path, reason: error.to_string() }),
        _ => Error::Io { action: "opened", path, source: error },
    }
}

fn read_all(archive: &Path, mut entry: impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(unreadable(archive))?;
    Ok(bytes)
}
