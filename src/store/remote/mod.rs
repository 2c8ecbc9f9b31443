//! Caches in an object store, and their local copies.
//!
//! A cache at `s3://bucket/prefix/leaves-0123456789ab` has the files of `cache/README.md` as objects, but for the names of its shards:
//! `train/part-00000-<16 hexadecimal digits of its BLAKE3>.parquet`, so that a process that makes other bytes overwrites nothing. What a shard
//! is, its record says, and a record is written only where there is none: that is a shard's commit. Reading goes through a local
//! copy with the names of a plain cache, checked against records and `complete.json` before a file has its name.

mod cache;
mod publish;

use std::path::{Path, PathBuf};

use crate::objects::{Bucket, Mirror, Url};
use crate::store::error::{Error, Mismatch};
use crate::store::folder::is_called;
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::read::reader::Cache;
use crate::store::read::resume;
use crate::store::tools::summary::Summary;
use crate::support::context::Context;

pub(super) use cache::RemoteCache;

/// The folder in which the caches under `root` are found: `root` itself, or where an object store's are mirrored, with manifest and
/// `complete.json` of each cache that is called `name`.
///
/// # Errors
/// A store that can't be reached, a manifest that is damaged.
pub(crate) fn index(root: &Path, name: Option<&str>, context: &Context) -> Result<PathBuf, Error> {
    let Some(url) = Url::of(root) else { return Ok(root.to_path_buf()) };
    let bucket = Bucket::open(&url, context)?;
    for folder in bucket.folders()? {
        if name.is_none_or(|name| is_called(&folder, name)) {
            RemoteCache::new(&bucket, &folder)?.refresh()?;
        }
    }
    Ok(Mirror::from_env()?.folder(&url)?)
}

/// The cache in `folder` as a folder that can be opened: itself, or the local copy of the cache in an object store that it names or
/// mirrors, with every shard that is committed, downloaded and checked where it is not here.
///
/// # Errors
/// [`Mismatch::NoCache`]; a store that can't be reached; an object that is not what its record says; no room.
pub(crate) fn pull(folder: &Path, context: &Context) -> Result<PathBuf, Error> {
    let Some(url) = origin(folder) else { return Ok(folder.to_path_buf()) };
    let Some((root, name)) = url.split() else {
        return Err(Error::Mismatch(Mismatch::NoCache { dir: folder.to_path_buf() }));
    };
    let cache = RemoteCache::held(&Bucket::open(&root, context)?, name)?;
    if cache.refresh()?.is_none() {
        // A cache that was softened from a copy is only here.
        if cache.dir().join(crate::store::MANIFEST_FILE).is_file() {
            return Ok(cache.dir().to_path_buf());
        }
        return Err(Error::Mismatch(Mismatch::NoCache { dir: folder.to_path_buf() }));
    }
    cache.pull()?;
    Ok(cache.dir().to_path_buf())
}

/// The shards of `manifest` that the cache in `folder`, a folder or a URL, lacks; with none, whether it is closed.
///
/// # Errors
/// A file that can't be read; a store that can't be reached; what makes a cache unusable.
pub(crate) fn left(
    folder: &Path,
    manifest: &Manifest,
    context: &Context,
) -> Result<(Vec<ShardSpec>, bool), Error> {
    let Some(url) = Url::of(folder) else {
        let missing = resume::missing_shards(folder, manifest)?;
        let complete = missing.is_empty()
            && match Cache::open(folder) {
                Ok(_) => true,
                Err(Error::Mismatch(Mismatch::NotComplete { .. } | Mismatch::NoCache { .. })) => false,
                Err(error) => return Err(error),
            };
        return Ok((missing, complete));
    };
    let Some((root, name)) = url.split() else { return Ok((manifest.shards(), false)) };
    let cache = RemoteCache::new(&Bucket::open(&root, context)?, name)?;
    let Some((_, complete)) = cache.refresh()? else { return Ok((manifest.shards(), false)) };
    cache.refresh_records(manifest)?;
    let missing = manifest.shards().into_iter().filter(|spec| cache.record(spec).is_none()).collect();
    Ok((missing, complete.is_some()))
}

/// Where a cache is: the URL that its folder is, or mirrors; none for a plain folder.
pub(crate) fn origin(folder: &Path) -> Option<Url> {
    let mirrored = || Some(Mirror::origin(folder.parent()?)?.join(folder.file_name()?.to_str()?));
    Url::of(folder).or_else(mirrored)
}

/// Where a cache is, for people and records: its URL, or its folder.
pub(crate) fn place(folder: &Path) -> PathBuf {
    origin(folder).map_or_else(|| folder.to_path_buf(), |url| PathBuf::from(url.as_str()))
}

/// A cache's URL, and its summary or what is wrong with it.
pub(crate) type Listed = (PathBuf, Result<Summary, Error>);

/// Each cache in the object store at `root`, without downloading a shard.
///
/// # Errors
/// A store that can't be reached.
pub(crate) fn summaries(root: &Url, context: &Context) -> Result<Vec<Listed>, Error> {
    let bucket = Bucket::open(root, context)?;
    let mut found = Vec::new();
    for folder in bucket.folders()? {
        let cache = RemoteCache::new(&bucket, &folder)?;
        let dir = PathBuf::from(root.join(&folder).as_str());
        if let Some(summary) = cache.summary(&dir).transpose() {
            found.push((dir, summary));
        }
    }
    Ok(found)
}

/// Refuses a cache in an object store, where an action is possible only on a folder.
///
/// # Errors
/// [`Mismatch::OnlyLocal`] with the `remedy`.
pub(crate) fn only_local(folder: &Path, action: &'static str, remedy: &str) -> Result<(), Error> {
    match Url::of(folder) {
        Some(url) => Err(Error::Mismatch(Mismatch::OnlyLocal {
            url: url.to_string(),
            action,
            remedy: remedy.to_owned(),
        })),
        None => Ok(()),
    }
}
