//! Images in files of their own, and their digests.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use rayon::prelude::*;

use super::digest_cache::{DigestCache, Hashed, Stamp, WORTH_CACHING};
use super::files::plain;
use super::source::{Location, Source};
use super::{Error, Sample, SplitName};
use crate::support::context::Context;
use crate::support::files::{IMAGE_LIMIT, read_regular};
use crate::support::hash::Digest;

/// Image files below a folder.
#[derive(Debug)]
pub(super) struct ImageFiles {
    /// The folder.
    pub root: PathBuf,
    /// The folder's place below the dataset's source; empty where it is the source itself.
    pub place: String,
    /// Paths relative to the folder: a million of them are in memory at once.
    pub paths: Vec<Box<Path>>,
}

impl ImageFiles {
    fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.paths[index])
    }
}

impl Source for ImageFiles {
    fn read(&self, index: usize) -> Result<Cow<'_, [u8]>, Error> {
        let path = self.path(index);
        match read_regular(&path, IMAGE_LIMIT) {
            Ok(bytes) => Ok(Cow::Owned(bytes)),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    fn name(&self, index: usize) -> String {
        self.path(index).display().to_string()
    }

    fn place(&self, index: usize) -> String {
        let parts = self.paths[index].iter().map(plain);
        let folder = Some(self.place.clone()).filter(|place| !place.is_empty());
        folder.into_iter().chain(parts).collect::<Vec<_>>().join("/")
    }

    fn forget_digests(&self) {
        DigestCache::of(&self.root).forget();
    }
}

/// The samples of some image files of a split, which have these labels. Those whose digests are not cached are read and hashed, on
/// all cores. The order stays.
pub(super) fn hash_files(
    split: SplitName,
    files: ImageFiles,
    labels: &[i32],
    context: &Context,
) -> Result<Vec<Sample>, Error> {
    let cache = DigestCache::of(&files.root);
    hash_unless_cached(&cache, WORTH_CACHING, split, files, labels, context)
}

fn hash_unless_cached(
    cache: &DigestCache,
    worth_caching: Duration,
    split: SplitName,
    files: ImageFiles,
    labels: &[i32],
    context: &Context,
) -> Result<Vec<Sample>, Error> {
    let (cached, clock, started) = (cache.read(), Instant::now(), SystemTime::now());
    let hashed_now = AtomicUsize::new(0);
    let progress = Mutex::new(context.progress(split.as_str(), labels.len() as u64, "images"));
    let files = Arc::new(files);
    let source: Arc<dyn Source> = Arc::clone(&files) as Arc<dyn Source>;
    let hash = |index: usize, label: i32| {
        if context.is_cancelled() {
            return Err(Error::Interrupted { split });
        }
        let path = files.path(index);
        let stamp = Stamp::of(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let content = if let Some(&[digest]) = cached.digests(&files.paths[index], stamp).as_deref() {
            digest
        } else {
            hashed_now.fetch_add(1, Ordering::Relaxed);
            Digest::of(&files.read(index)?)
        };
        if let Ok(mut progress) = progress.lock() {
            progress.advance(1);
        }
        Ok((Sample { label, content, location: Location::new(&source, index as u32) }, stamp))
    };
    let found = labels.par_iter().enumerate().map(|(index, &label)| hash(index, label));
    let (samples, stamps): (Vec<Sample>, Vec<Stamp>) =
        found.collect::<Result<Vec<_>, Error>>()?.into_iter().unzip();
    if hashed_now.into_inner() > 0 && clock.elapsed() >= worth_caching {
        let hashed = samples.iter().zip(stamps).enumerate();
        let hashed = hashed.map(|(index, (sample, stamp))| Hashed {
            path: &files.paths[index],
            stamp,
            digests: vec![sample.content],
        });
        cache.write(hashed.collect(), started);
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ALWAYS: Duration = Duration::ZERO;

    fn files(root: &Path) -> ImageFiles {
        let paths = ["a", "b"].map(|name| Path::new(name).into()).to_vec();
        ImageFiles { root: root.to_path_buf(), place: "train".to_owned(), paths }
    }

    #[test]
    fn what_is_noted_is_not_read_again_and_what_has_changed_is() {
        let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cache = DigestCache::within(cache.path(), folder.path());
        let old = SystemTime::now() - Duration::from_secs(100);
        for name in ["a", "b"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let open = || {
            let context = Context::silent();
            hash_unless_cached(&cache, ALWAYS, SplitName::Train, files(folder.path()), &[0, 1], &context)
                .unwrap()
        };
        let contents = || open().iter().map(|sample| sample.content).collect::<Vec<_>>();
        assert_eq!(contents(), [Digest::of(b"a"), Digest::of(b"b")]);
        assert_eq!(open()[1].location.place(), "train/b");

        // Made-up digests show which ones were taken.
        let stamp = |name: &str| Stamp::of(&folder.path().join(name)).unwrap();
        let hashed = ["a", "b"].map(|name| Hashed {
            path: Path::new(name),
            stamp: stamp(name),
            digests: vec![Digest::of(b"cached")],
        });
        cache.write(hashed.into(), SystemTime::now() + Duration::from_secs(10));
        assert_eq!(contents(), [Digest::of(b"cached"); 2]);
        fs::write(folder.path().join("b"), "longer").unwrap();
        fs::File::options().write(true).open(folder.path().join("b")).unwrap().set_modified(old).unwrap();
        assert_eq!(contents(), [Digest::of(b"cached"), Digest::of(b"longer")]);
    }
}
