//! What `dataset.on-bad-image` asks for.

use std::sync::Mutex;

use rayon::prelude::*;

use super::decode;
use crate::config::OnBadImage;
use crate::dataset::{Dataset, Error, SplitName};
use crate::support::progress::Progress;

/// The dataset that both stages work on: with [`OnBadImage::Skip`] every image is decoded once, here, and those that
/// can't be are left out, each named in the dataset's notes and so in the manifest.
///
/// With [`OnBadImage::Error`] nothing is decoded here: stage one names the first image that it can't decode.
///
/// # Errors
/// An image that can't be read at all, and a split of which nothing is left.
pub fn without_bad_images(dataset: Dataset, policy: OnBadImage) -> Result<Dataset, Error> {
    if policy == OnBadImage::Error {
        return Ok(dataset);
    }
    let samples: Vec<(SplitName, usize)> = dataset
        .splits
        .iter()
        .flat_map(|split| (0..split.samples.len()).map(|index| (split.name, index)))
        .collect();
    let progress = Mutex::new(Progress::new("checking", samples.len() as u64, "images"));
    let bad: Result<Vec<Option<(SplitName, usize)>>, Error> = samples
        .into_par_iter()
        .map(|(split, index)| {
            let decoded = decode(&dataset.read(split, index)?);
            if let Ok(mut progress) = progress.lock() {
                progress.advance(1);
            }
            Ok(decoded.is_err().then_some((split, index)))
        })
        .collect();
    let bad: Vec<(SplitName, usize)> = bad?.into_iter().flatten().collect();
    if bad.is_empty() { Ok(dataset) } else { Ok(dataset.without(&bad)?) }
}
