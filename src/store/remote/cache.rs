//! One cache in an object store, as it is read.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::objects::{Bucket, Mirror, Object, Wanted};
use crate::store::error::Error;
use crate::store::format::checksummed_json;
use crate::store::format::complete::{COMPLETE_FILE, Complete};
use crate::store::format::manifest::{MANIFEST_FILE, Manifest};
use crate::store::format::plan::ShardSpec;
use crate::store::format::record::ShardRecord;
use crate::store::read::resume;
use crate::store::tools::summary::Summary;
use crate::support::atomic;
use crate::support::files;
use crate::support::hash::Digest;

/// A sealed file that came damaged is asked for so often: the second time it may come whole.
const ATTEMPTS: usize = 3;
/// Digits of a shard's digest in its object's name.
const DIGITS: usize = 16;

/// A cache at a prefix, and the local copy of it.
#[derive(Debug)]
pub(in crate::store) struct RemoteCache {
    pub(super) bucket: Bucket,
    pub(super) dir: PathBuf,
    /// Records that are known to be committed, by the shard's path.
    records: Mutex<HashMap<PathBuf, ShardRecord>>,
}

impl RemoteCache {
    /// The cache in `folder` of the prefix `root`, to be looked at.
    pub(crate) fn new(root: &Bucket, folder: &str) -> Result<Self, Error> {
        let dir = Mirror::from_env()?.folder(&root.url(""))?.join(folder);
        Mirror::register(&dir)?;
        Ok(Self { bucket: root.within(folder), dir, records: Mutex::default() })
    }

    /// The same, to be used: its local copy stays until this process ends.
    pub(crate) fn held(root: &Bucket, folder: &str) -> Result<Self, Error> {
        let cache = Self::new(root, folder)?;
        Mirror::hold(&cache.dir)?;
        Ok(cache)
    }

    /// The local copy.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Brings manifest and `complete.json` here; none when there is no such cache.
    pub(crate) fn refresh(&self) -> Result<Option<(Manifest, Option<Complete>)>, Error> {
        let Some((manifest, bytes)) = self.sealed(MANIFEST_FILE, Manifest::parse)? else { return Ok(None) };
        let path = self.dir.join(MANIFEST_FILE);
        let here = files::read_regular(&path, checksummed_json::LIMIT).ok();
        if here.as_ref() != Some(&bytes) {
            let _filling = Mirror::fill_lock(&self.dir, self.bucket.context())?;
            if here.is_some() {
                // Somebody deleted the cache and made it again: what is here was written under another manifest.
                fs::remove_dir_all(&self.dir).map_err(Error::io("removed", &self.dir))?;
            }
            atomic::write(&path, &bytes).map_err(Error::io("written", &path))?;
        }
        let complete = self.refresh_complete(&manifest)?;
        if let Some(complete) = &complete {
            let specs = manifest.shards().into_iter().map(|spec| spec.path);
            self.records().extend(specs.zip(complete.shards.iter().cloned()));
        }
        Ok(Some((manifest, complete)))
    }

    fn refresh_complete(&self, manifest: &Manifest) -> Result<Option<Complete>, Error> {
        let path = self.dir.join(COMPLETE_FILE);
        let Some((_, bytes)) = self.sealed(COMPLETE_FILE, checksummed_json::parse::<Complete>)? else {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::io("removed", &path)(error))
                }
                _ => Ok(None),
            };
        };
        if files::read_regular(&path, checksummed_json::LIMIT).ok().as_ref() != Some(&bytes) {
            atomic::write(&path, &bytes).map_err(Error::io("written", &path))?;
        }
        Complete::find(&self.dir, manifest)
    }

    /// A sealed object, parsed, with its bytes.
    pub(super) fn sealed<T>(
        &self,
        name: &str,
        parse: impl Fn(&Path, &[u8]) -> Result<T, Error>,
    ) -> Result<Option<(T, Vec<u8>)>, Error> {
        let path = PathBuf::from(self.bucket.url(name).as_str());
        let mut attempt = 1;
        loop {
            let Some(bytes) = self.bucket.read(name)? else { return Ok(None) };
            match parse(&path, &bytes) {
                Ok(value) => return Ok(Some((value, bytes))),
                Err(error) if !error.is_damage() || attempt == ATTEMPTS => return Err(error),
                Err(_) => attempt += 1,
            }
        }
    }

    /// Asks which shards are committed and reads the records that are not known yet.
    pub(super) fn refresh_records(&self, manifest: &Manifest) -> Result<(), Error> {
        let specs = manifest.shards();
        if self.records().len() == specs.len() {
            return Ok(());
        }
        let listed: Vec<Object> = self.bucket.list()?;
        let names: std::collections::HashSet<&str> =
            listed.iter().map(|object| object.name.as_str()).collect();
        for spec in specs {
            let name = object_name(&spec.record_path());
            if names.contains(name.as_str()) && !self.records().contains_key(&spec.path) {
                self.read_record(manifest, &spec)?;
            }
        }
        Ok(())
    }

    /// The record that is committed for `spec`.
    pub(super) fn read_record(
        &self,
        manifest: &Manifest,
        spec: &ShardSpec,
    ) -> Result<Option<ShardRecord>, Error> {
        let name = object_name(&spec.record_path());
        let Some((record, _)) = self.sealed(&name, checksummed_json::parse::<ShardRecord>)? else {
            return Ok(None);
        };
        record.check(Path::new(self.bucket.url(&name).as_str()), manifest, spec)?;
        self.records().insert(spec.path.clone(), record.clone());
        Ok(Some(record))
    }

    /// The record of `spec`, where it is known to be committed.
    pub(super) fn record(&self, spec: &ShardSpec) -> Option<ShardRecord> {
        self.records().get(&spec.path).cloned()
    }

    /// Downloads every committed shard that is not here. Once one is, its record is written, and says that it was checked.
    pub(crate) fn pull(&self) -> Result<(), Error> {
        let manifest = Manifest::read(&self.dir)?;
        self.refresh_records(&manifest)?;
        let _filling = Mirror::fill_lock(&self.dir, self.bucket.context())?;
        let mut missing = Vec::new();
        for spec in manifest.shards() {
            let Some(record) = self.record(&spec) else { continue };
            if resume::finished(&self.dir, &manifest, &spec)?.as_ref() != Some(&record) {
                missing.push((spec, record));
            }
        }
        Mirror::from_env()?.make_room(missing.iter().map(|(_, record)| record.bytes).sum())?;
        let wanted: Vec<(Wanted, PathBuf)> = missing
            .iter()
            .map(|(spec, record)| {
                let object =
                    Object { name: shard_object(spec, record.blake3), bytes: record.bytes, tag: None };
                (Wanted { object, blake3: Some(record.blake3) }, self.dir.join(&spec.path))
            })
            .collect();
        self.bucket.download("download", &wanted, &|index, _| {
            let (spec, record) = &missing[index];
            checksummed_json::write(&self.dir.join(spec.record_path()), record)
        })
    }

    /// The cache in a page, as it is in the store; none when there is no cache. `dir` is what the page calls it.
    pub(crate) fn summary(&self, dir: &Path) -> Result<Option<Summary>, Error> {
        let Some((manifest, complete)) = self.refresh()? else { return Ok(None) };
        self.refresh_records(&manifest)?;
        let records: Vec<ShardRecord> = self.records().values().cloned().collect();
        Ok(Some(Summary::new(dir, manifest, complete, &records)))
    }

    pub(super) fn records(&self) -> MutexGuard<'_, HashMap<PathBuf, ShardRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A path below the cache as an object's name.
pub(super) fn object_name(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// The object that holds the shard `spec` with the bytes of that digest.
pub(super) fn shard_object(spec: &ShardSpec, blake3: Digest) -> String {
    let plain = object_name(&spec.path.with_extension(""));
    format!("{plain}-{}.parquet", blake3.short(DIGITS))
}
