//! Where samples' encoded bytes are, and the hashing of all of them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use super::parquet::RowGroups;
use super::{Error, Sample, SplitName};
use crate::support::hash::Digest;
use crate::support::interrupt;
use crate::support::progress::Progress;

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
            Source::Files { root, paths } => {
                let path = root.join(&paths[self.index as usize]);
                match std::fs::read(&path) {
                    Ok(bytes) => Ok(Cow::Owned(bytes)),
                    Err(source) => Err(Error::Read { path, source }),
                }
            }
            Source::Rows(groups) => groups.image(self.index as usize),
        }
    }

    /// What messages call it: its file's path, or its parquet file and row.
    pub fn name(&self) -> String {
        match &*self.source {
            Source::Files { root, paths } => root.join(&paths[self.index as usize]).display().to_string(),
            Source::Rows(groups) => format!("{} row {}", groups.name(), self.index),
        }
    }

    /// Whether its bytes are in memory.
    #[cfg(test)]
    pub fn is_kept(&self) -> bool {
        matches!(&*self.source, Source::Rows(groups) if groups.is_kept())
    }
}

/// Reads and hashes every image of a source, which have these labels, on all cores. The order stays.
pub(super) fn hash(split: SplitName, source: Source, labels: &[i32]) -> Result<Vec<Sample>, Error> {
    let progress = Mutex::new(Progress::new(split.as_str(), labels.len() as u64, "images"));
    let source = Arc::new(source);
    labels
        .par_iter()
        .enumerate()
        .map(|(index, &label)| {
            if interrupt::requested() {
                return Err(Error::Interrupted { split });
            }
            let location = Location::new(&source, index as u32);
            let content = Digest::of(&location.read()?);
            if let Ok(mut progress) = progress.lock() {
                progress.advance(1);
            }
            Ok(Sample { label, content, location })
        })
        .collect()
}
