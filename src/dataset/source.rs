//! Where a sample's encoded bytes are, and the hashing of all of them.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use super::parquet::RowGroups;
use super::{Error, Sample, SplitName};
use crate::support::hash::Digest;
use crate::support::interrupt;
use crate::support::progress::Progress;

/// Where one encoded image is.
#[derive(Clone, Debug)]
pub(super) enum Location {
    File(PathBuf),
    Memory(Arc<[u8]>),
    /// A row of a parquet file too large to keep.
    Row {
        groups: Arc<RowGroups>,
        group: usize,
        row: usize,
    },
}

impl Location {
    pub fn read(&self) -> Result<Cow<'_, [u8]>, Error> {
        match self {
            Self::File(path) => match std::fs::read(path) {
                Ok(bytes) => Ok(Cow::Owned(bytes)),
                Err(source) => Err(Error::Read { path: path.clone(), source }),
            },
            Self::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::Row { groups, group, row } => Ok(Cow::Owned(groups.image(*group, *row)?)),
        }
    }
}

/// A sample that is not hashed yet.
pub(super) struct Found {
    pub name: String,
    pub label: i32,
    pub location: Location,
}

/// Reads and hashes every image, on all cores. The order stays.
pub(super) fn hash(split: SplitName, found: Vec<Found>) -> Result<Vec<Sample>, Error> {
    let progress = Mutex::new(Progress::new(split.as_str(), found.len() as u64, "images"));
    found
        .into_par_iter()
        .map(|Found { name, label, location }| {
            if interrupt::requested() {
                return Err(Error::Interrupted { split });
            }
            let content = Digest::of(&location.read()?);
            if let Ok(mut progress) = progress.lock() {
                progress.advance(1);
            }
            Ok(Sample { label, content, name, location })
        })
        .collect()
}
