//! One cache in an object store, as it is made: uploads, and the conditional writes that commit them.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::cache::{RemoteCache, object_name, shard_object};
use crate::objects::Created;
use crate::store::error::{Damage, Error, Mismatch};
use crate::store::format::checksummed_json;
use crate::store::format::complete::{COMPLETE_FILE, Complete};
use crate::store::format::manifest::{MANIFEST_FILE, Manifest};
use crate::store::format::plan::ShardSpec;
use crate::store::format::record::ShardRecord;
use crate::store::read::resume;
use crate::store::write::close::complete;
use crate::support::atomic;
use crate::support::files::{TEXT_LIMIT, read_regular};
use crate::support::hash::Digest;

impl RemoteCache {
    /// Commits the manifest unless the cache has one, and brings here what it has.
    pub(crate) fn begin(&self, manifest: &Manifest) -> Result<(), Error> {
        self.bucket.create(MANIFEST_FILE, &manifest.to_bytes())?;
        match self.refresh()? {
            Some(_) => Ok(()),
            None => Err(Error::Mismatch(Mismatch::NoCache { dir: self.bucket.url("").as_str().into() })),
        }
    }

    /// The shards that are not committed. Those that lie finished in the local copy, from a process that ended between making
    /// and uploading them, are committed first.
    pub(crate) fn missing_shards(&self, manifest: &Manifest) -> Result<Vec<ShardSpec>, Error> {
        self.refresh_records(manifest)?;
        let mut missing = Vec::new();
        for spec in manifest.shards() {
            if self.record(&spec).is_some() {
                continue;
            }
            match resume::finished(&self.dir, manifest, &spec)? {
                Some(record) => self.commit(manifest, &spec, &record)?,
                None => missing.push(spec),
            }
        }
        Ok(missing)
    }

    /// Uploads a finished shard of the local copy and commits its record. The same bytes committed by another process will do.
    pub(crate) fn commit(
        &self,
        manifest: &Manifest,
        spec: &ShardSpec,
        record: &ShardRecord,
    ) -> Result<(), Error> {
        let file = self.dir.join(&spec.path);
        let found = Digest::of_file(&file).map_err(Error::io("read", &file))?;
        if found != record.blake3 {
            let (path, part, expected) = (file, "file", record.blake3);
            return Err(Error::Damage(Damage::Content { path, part, expected, found }));
        }
        let object = shard_object(spec, record.blake3);
        self.bucket.upload(&file, &object)?;
        let name = object_name(&spec.record_path());
        if self.bucket.create(&name, &checksummed_json::to_bytes(record))? == Created::New {
            self.records().insert(spec.path.clone(), record.clone());
            return Ok(());
        }
        let committed = self.read_record(manifest, spec)?;
        let found = committed.map_or(record.blake3, |committed| committed.blake3);
        if found == record.blake3 {
            return Ok(());
        }
        self.bucket.delete(&object)?;
        for path in [self.dir.join(spec.record_path()), file] {
            fs::remove_file(&path).map_err(Error::io("removed", &path))?;
        }
        let url = self.bucket.url(&shard_object(spec, found)).to_string();
        Err(Error::Mismatch(Mismatch::OtherBytes { url, made: record.blake3, found }))
    }

    /// Commits `complete.json` once every shard is committed, and removes what no record names.
    ///
    /// Every shard is downloaded first, since `complete.json` states the teacher's quality on all of them.
    pub(crate) fn complete(&self, manifest: &Manifest) -> Result<Complete, Error> {
        if let Some((_, Some(complete))) = self.refresh()? {
            return Ok(complete);
        }
        self.pull()?;
        let made = complete(&self.dir)?;
        let path = self.dir.join(COMPLETE_FILE);
        let bytes = read_regular(&path, TEXT_LIMIT).map_err(Error::io("read", &path))?;
        let complete = match self.bucket.create(COMPLETE_FILE, &bytes)? {
            Created::New => made,
            Created::There(there) => {
                let url = self.bucket.url(COMPLETE_FILE).to_string();
                let committed: Complete = checksummed_json::parse(Path::new(&url), &there)?;
                if committed.content != made.content {
                    return Err(Error::Mismatch(Mismatch::OtherBytes {
                        url,
                        made: made.content,
                        found: committed.content,
                    }));
                }
                atomic::write(&path, &there).map_err(Error::io("written", &path))?;
                committed
            }
        };
        self.sweep(manifest)?;
        Ok(complete)
    }

    /// Removes the shards that were uploaded and never committed: no record can name them any more.
    fn sweep(&self, manifest: &Manifest) -> Result<(), Error> {
        let specs = manifest.shards();
        let named: HashSet<String> =
            specs.iter().filter_map(|spec| Some(shard_object(spec, self.record(spec)?.blake3))).collect();
        for object in self.bucket.list()? {
            if object.name.ends_with(".parquet") && !named.contains(&object.name) {
                self.bucket.delete(&object.name)?;
            }
        }
        Ok(())
    }
}
