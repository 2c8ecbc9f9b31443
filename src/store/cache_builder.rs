//! Where a cache is made: a folder, or a prefix of an object store by way of its local copy.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::objects::{Bucket, Url};
use crate::store::error::{Error, Mismatch};
use crate::store::folder;
use crate::store::format::complete::Complete;
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::read::resume;
use crate::store::remote::RemoteCache;
use crate::store::write::close::close;
use crate::store::write::committer::Committer;
use crate::support::context::Context;

/// A cache that is being made.
pub(crate) struct CacheBuilder {
    dir: PathBuf,
    manifest: Arc<Manifest>,
    remote: Option<Arc<RemoteCache>>,
    context: Context,
}

impl CacheBuilder {
    /// The place of `manifest`'s cache under `root`, a folder or the URL of a prefix, made with its manifest if it is not there.
    ///
    /// # Errors
    /// As [`super::create_or_open`]; a store that can't be reached.
    pub(crate) fn create_or_open(root: &Path, manifest: &Manifest, context: &Context) -> Result<Self, Error> {
        let Some(url) = Url::of(root) else {
            let (dir, manifest) = folder::create_or_open(root, manifest)?;
            return Ok(Self { dir, manifest: Arc::new(manifest), remote: None, context: context.clone() });
        };
        let remote = RemoteCache::held(&Bucket::open(&url, context)?, &manifest.folder_name())?;
        remote.begin(manifest)?;
        let mirror = remote.dir().parent().unwrap_or(Path::new("."));
        let (dir, manifest) = folder::create_or_open(mirror, manifest)?;
        Ok(Self {
            dir,
            manifest: Arc::new(manifest),
            remote: Some(Arc::new(remote)),
            context: context.clone(),
        })
    }

    /// The cache that stands in `dir`, a folder or a URL.
    ///
    /// # Errors
    /// [`Mismatch::NoCache`]; a store that can't be reached.
    pub(crate) fn open(dir: &Path, context: &Context) -> Result<Self, Error> {
        let Some((root, name)) =
            Url::of(dir).as_ref().and_then(Url::split).map(|(root, name)| (root, name.to_owned()))
        else {
            return Ok(Self {
                dir: dir.to_path_buf(),
                manifest: Arc::new(with_its_temperatures(dir, Manifest::read(dir)?)?),
                remote: None,
                context: context.clone(),
            });
        };
        let remote = RemoteCache::held(&Bucket::open(&root, context)?, &name)?;
        let Some((manifest, _)) = remote.refresh()? else {
            return Err(Error::Mismatch(Mismatch::NoCache { dir: dir.to_path_buf() }));
        };
        let dir = remote.dir().to_path_buf();
        Ok(Self {
            dir,
            manifest: Arc::new(manifest),
            remote: Some(Arc::new(remote)),
            context: context.clone(),
        })
    }

    /// The folder that shards are written to.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The manifest of the cache; shards are written with it.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The shards that are still to do. In an object store: the shards that are not committed.
    ///
    /// # Errors
    /// A file that can't be read; a store that can't be reached.
    pub(crate) fn missing_shards(&self) -> Result<Vec<ShardSpec>, Error> {
        match &self.remote {
            None => resume::missing_shards(&self.dir, &self.manifest),
            Some(remote) => remote.missing_shards(&self.manifest),
        }
    }

    /// Commits shards beside the filling of the next ones.
    pub(crate) fn committer(&self) -> Committer {
        let remote = self.remote.clone();
        let manifest = Arc::clone(&self.manifest);
        Committer::new(move |spec, record| match &remote {
            None => Ok(()),
            Some(remote) => remote.commit(&manifest, spec, record),
        })
    }

    /// Closes the cache once every shard is there.
    ///
    /// # Errors
    /// As [`crate::store::complete()`]; a store that can't be reached; another `complete.json`.
    pub(crate) fn complete(&self) -> Result<Complete, Error> {
        match &self.remote {
            None => close(&self.dir, &self.manifest, &self.context),
            Some(remote) => remote.complete(&self.manifest),
        }
    }
}

fn with_its_temperatures(dir: &Path, manifest: Manifest) -> Result<Manifest, Error> {
    let temperatures = resume::temperatures(dir, &manifest)?;
    manifest.with_temperatures(&temperatures)
}
