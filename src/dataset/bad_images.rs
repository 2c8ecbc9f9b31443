//! Images that can't be decoded.

use std::sync::Mutex;

use rayon::prelude::*;

use super::{Dataset, Error, SplitName};
use crate::support::context::Context;
use crate::view;

/// One image that can't be decoded.
#[derive(Debug)]
pub(crate) struct BadImage {
    /// The split that it is in.
    pub split: SplitName,
    /// Its index in the split.
    pub index: usize,
    /// The fault.
    pub reason: view::Error,
}

impl Dataset {
    /// Decodes every image, and gives those that can't be decoded, in the order of the splits; when it is cancelled, those found so far.
    ///
    /// # Errors
    /// An image that can't be read at all, or for which there is no memory.
    pub(crate) fn bad_images(&self, context: &Context) -> Result<Vec<BadImage>, Error> {
        let samples: Vec<(SplitName, usize)> = self
            .splits
            .iter()
            .flat_map(|split| (0..split.samples.len()).map(|index| (split.name, index)))
            .collect();
        let progress = Mutex::new(context.progress("checking", samples.len() as u64, "images"));
        let bad: Result<Vec<Option<BadImage>>, Error> = samples
            .into_par_iter()
            .map(|(split, index)| {
                if context.is_cancelled() {
                    return Ok(None);
                }
                let decoded = view::decode(&self.read(split, index)?);
                if let Ok(mut progress) = progress.lock() {
                    progress.advance(1);
                }
                match decoded {
                    Ok(_) => Ok(None),
                    Err(source @ view::Error::NoMemory { .. }) => {
                        Err(Error::NoMemory { name: self.sample_name(split, index), source })
                    }
                    Err(reason) => Ok(Some(BadImage { split, index, reason })),
                }
            })
            .collect();
        Ok(bad?.into_iter().flatten().collect())
    }

    /// The dataset without the images that can't be decoded, each named in the notes.
    ///
    /// # Errors
    /// An image that can't be read at all, and a split that would be left without a sample.
    pub(super) fn without_bad_images(self, context: &Context) -> Result<Self, Error> {
        let bad: Vec<(SplitName, usize)> =
            self.bad_images(context)?.into_iter().map(|bad| (bad.split, bad.index)).collect();
        if bad.is_empty() { Ok(self) } else { self.without(&bad) }
    }
}
