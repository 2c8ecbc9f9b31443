//! Where samples' encoded bytes are, and the hashing of all that lie in files of their own.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use rayon::prelude::*;

use super::digest_cache::{Hashed, Note, Stamp, WORTH_NOTING};
use super::parquet::RowGroups;
use super::{Error, Sample, SplitName};
use crate::support::context::Context;
use crate::support::hash::Digest;

/// Where the encoded images of many samples are.
#[derive(Debug)]
pub(super) enum Source {
    /// A file each, below a folder.
    Files {
        root: PathBuf,
        /// Relative to the folder: a million of them are in memory at once.
        paths: Vec<Box<Path>>,
    },
    /// The rows of a parquet file.
    Rows(RowGroups),
}

/// One image of a source. It is small, and what is the same for many of them is there once.
#[derive(Clone, Debug)]
pub(super) struct Location {
    source: Arc<Source>,
    index: u32,
}

impl Location {
    /// Image `index` of `source`.
    pub fn new(source: &Arc<Source>, index: u32) -> Self {
        Self { source: Arc::clone(source), index }
    }

    pub fn read(&self) -> Result<Cow<'_, [u8]>, Error> {
        match &*self.source {
            Source::Files { .. } => {
                let path = self.path();
                match std::fs::read(&path) {
                    Ok(bytes) => Ok(Cow::Owned(bytes)),
                    Err(source) => Err(Error::Read { path, source }),
                }
            }
            Source::Rows(groups) => groups.image(self.index as usize),
        }
    }

    /// Its file.
    fn path(&self) -> PathBuf {
        match &*self.source {
            Source::Files { root, paths } => root.join(&paths[self.index as usize]),
            Source::Rows(groups) => groups.path().to_path_buf(),
        }
    }

    /// Its file's path below the dataset's folder.
    fn relative(&self) -> &Path {
        match &*self.source {
            Source::Files { paths, .. } => &paths[self.index as usize],
            Source::Rows(groups) => Path::new(groups.name()),
        }
    }

    /// Its path below the dataset's folder, or its parquet file and row.
    pub fn path_below(&self) -> String {
        match &*self.source {
            Source::Files { .. } => self.relative().to_string_lossy().into_owned(),
            Source::Rows(_) => self.name(),
        }
    }

    /// Deletes what is noted of the digests of its dataset, in which its own is wrong.
    pub fn forget_note(&self) {
        match &*self.source {
            Source::Files { root, .. } => Note::of(root).forget(),
            Source::Rows(groups) => Note::of(groups.root()).forget(),
        }
    }

    /// What messages call it: its file's path, or its parquet file and row.
    pub fn name(&self) -> String {
        match &*self.source {
            Source::Files { .. } => self.path().display().to_string(),
            Source::Rows(groups) => format!("{} row {}", groups.name(), self.index),
        }
    }

    /// Whether its bytes are in memory.
    #[cfg(test)]
    pub fn is_kept(&self) -> bool {
        matches!(&*self.source, Source::Rows(groups) if groups.is_kept())
    }
}

/// The samples of the image files at `paths` below `root`, which have these labels. Those whose digests are not noted are read
/// and hashed, on all cores. The order stays.
pub(super) fn hash_files(
    split: SplitName,
    root: PathBuf,
    paths: Vec<Box<Path>>,
    labels: &[i32],
    context: &Context,
) -> Result<Vec<Sample>, Error> {
    let note = Note::of(&root);
    hash_unless_noted(&note, WORTH_NOTING, split, Source::Files { root, paths }, labels, context)
}

fn hash_unless_noted(
    note: &Note,
    worth_noting: Duration,
    split: SplitName,
    source: Source,
    labels: &[i32],
    context: &Context,
) -> Result<Vec<Sample>, Error> {
    let (noted, clock, started) = (note.read(), Instant::now(), SystemTime::now());
    let hashed_now = AtomicUsize::new(0);
    let progress = Mutex::new(context.progress(split.as_str(), labels.len() as u64, "images"));
    let source = Arc::new(source);
    let hash = |index: usize, label: i32| {
        if context.is_cancelled() {
            return Err(Error::Interrupted { split });
        }
        let location = Location::new(&source, index as u32);
        let path = location.path();
        let stamp = Stamp::of(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let content = if let Some(&[digest]) = noted.digests(location.relative(), stamp).as_deref() {
            digest
        } else {
            hashed_now.fetch_add(1, Ordering::Relaxed);
            Digest::of(&location.read()?)
        };
        if let Ok(mut progress) = progress.lock() {
            progress.advance(1);
        }
        Ok((Sample { label, content, location }, stamp))
    };
    let found = labels.par_iter().enumerate().map(|(index, &label)| hash(index, label));
    let (samples, stamps): (Vec<Sample>, Vec<Stamp>) =
        found.collect::<Result<Vec<_>, Error>>()?.into_iter().unzip();
    if hashed_now.into_inner() > 0 && clock.elapsed() >= worth_noting {
        let hashed = samples.iter().zip(stamps);
        let hashed = hashed.map(|(sample, stamp)| Hashed {
            path: sample.location.relative(),
            stamp,
            digests: vec![sample.content],
        });
        note.write(hashed.collect(), started);
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ALWAYS: Duration = Duration::ZERO;

    #[test]
    fn what_is_noted_is_not_read_again_and_what_has_changed_is() {
        let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let note = Note::within(cache.path(), folder.path());
        let old = SystemTime::now() - Duration::from_secs(100);
        for name in ["a", "b"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let open = || {
            let paths = ["a", "b"].map(|name| Path::new(name).into()).to_vec();
            let source = Source::Files { root: folder.path().to_path_buf(), paths };
            hash_unless_noted(&note, ALWAYS, SplitName::Train, source, &[0, 1], &Context::silent()).unwrap()
        };
        let contents = || open().iter().map(|sample| sample.content).collect::<Vec<_>>();
        assert_eq!(contents(), [Digest::of(b"a"), Digest::of(b"b")]);

        // Digests that are no digests show who was asked.
        let stamp = |name: &str| Stamp::of(&folder.path().join(name)).unwrap();
        let hashed = ["a", "b"].map(|name| Hashed {
            path: Path::new(name),
            stamp: stamp(name),
            digests: vec![Digest::of(b"noted")],
        });
        note.write(hashed.into(), SystemTime::now() + Duration::from_secs(10));
        assert_eq!(contents(), [Digest::of(b"noted"); 2]);
        fs::write(folder.path().join("b"), "longer").unwrap();
        fs::File::options().write(true).open(folder.path().join("b")).unwrap().set_modified(old).unwrap();
        assert_eq!(contents(), [Digest::of(b"noted"), Digest::of(b"longer")]);
    }
}
