//! From samples to batches of the teacher's input, ahead of the teacher, on every core.

use crossbeam_channel::{Receiver, Sender};
use rayon::prelude::*;

use super::{Error, Settings};
use crate::dataset::{Dataset, SplitName};
use crate::store::{Row, ShardSpec};
use crate::support::hash::Digest;
use crate::view::{self, Policy, Preprocess};

/// One batch of the teacher's input, with what the rows say of it.
#[derive(Default)]
pub(super) struct Batch {
    pub rows: Vec<Seen>,
    /// `[rows, 3, height, width]`, normalised.
    pub pixels: Vec<f32>,
}

/// One view of one sample as the teacher sees it: a row without its logits.
pub(super) struct Seen {
    sample: u64,
    image_hash: [u8; 16],
    label: i32,
    view: u16,
    crop: [f32; 4],
    flip: bool,
    input_hash: [u8; 8],
}

impl Seen {
    pub fn as_row(&self) -> Row<'static> {
        let &Self { sample, image_hash, label, view, crop, flip, input_hash } = self;
        Row { sample, image_hash, label, view, crop, flip, input_hash, logits: &[] }
    }
}

/// How a (sample, view) becomes pixels.
pub(super) struct Recipe<'a> {
    dataset: &'a Dataset,
    preprocess: Preprocess,
    policy: Policy,
    seed: u64,
    batch_size: usize,
}

impl<'a> Recipe<'a> {
    pub fn new(dataset: &'a Dataset, preprocess: &Preprocess, settings: &Settings) -> Self {
        Self {
            dataset,
            preprocess: preprocess.clone(),
            policy: Policy::from(&settings.cache.view),
            seed: settings.cache.seed,
            batch_size: settings.batch_size,
        }
    }

    /// Prepares every batch of every shard in order, until nobody wants them any more; buffers come back through `used`.
    pub fn prepare_all(
        &self,
        shards: &[ShardSpec],
        ready: &Sender<Result<Batch, Error>>,
        used: &Receiver<Batch>,
    ) {
        for spec in shards {
            for first in (0..spec.rows).step_by(self.batch_size) {
                let rows = first..(first + self.batch_size as u64).min(spec.rows);
                let identities: Vec<(u64, u16)> = rows.map(|row| spec.identity(row)).collect();
                let batch = self.batch(&spec.split, &identities, used.try_recv().unwrap_or_default());
                let failed = batch.is_err();
                if ready.send(batch).is_err() || failed {
                    return;
                }
            }
        }
    }

    fn batch(&self, split: &str, identities: &[(u64, u16)], mut batch: Batch) -> Result<Batch, Error> {
        let split: SplitName = split.parse().expect("the manifest's splits are the dataset's");
        let (height, width) = self.preprocess.size();
        let image = 3 * height as usize * width as usize;
        batch.pixels.resize(identities.len() * image, 0.0);

        // The views of one sample stand together: it is decoded once for all of them.
        let mut rest = &mut batch.pixels[..];
        let mut samples = Vec::new();
        for views in identities.chunk_by(|a, b| a.0 == b.0) {
            let (pixels, after) = rest.split_at_mut(views.len() * image);
            samples.push((views, pixels));
            rest = after;
        }
        let seen: Result<Vec<Vec<Seen>>, Error> =
            samples.into_par_iter().map(|(views, pixels)| self.sample(split, views, pixels, image)).collect();
        batch.rows.clear();
        batch.rows.extend(seen?.into_iter().flatten());
        Ok(batch)
    }

    /// The pixels of some views of one sample, each `image` values long.
    fn sample(
        &self,
        split: SplitName,
        views: &[(u64, u16)],
        pixels: &mut [f32],
        image: usize,
    ) -> Result<Vec<Seen>, Error> {
        let sample = views[0].0;
        let index = sample as usize;
        let name = || self.dataset.sample_name(split, index);
        let bad = |source: view::Error| Error::Image { name: name(), source };
        let known =
            &self.dataset.split(split).expect("the manifest's splits are the dataset's").samples[index];
        let decoded = view::decode(&self.dataset.read(split, index)?).map_err(bad)?;

        let mut seen = Vec::with_capacity(views.len());
        for (&(_, view), out) in views.iter().zip(pixels.chunks_exact_mut(image)) {
            let (width, height) = decoded.dimensions();
            let geometry = view::geometry(&self.policy, self.seed, sample, view, width, height);
            let resized = self.preprocess.pixels(&decoded, &geometry).map_err(bad)?;
            self.preprocess.normalise(&resized, out);
            seen.push(Seen {
                sample,
                image_hash: first_bytes(known.content),
                label: known.label,
                view,
                crop: geometry.crop,
                flip: geometry.flip,
                input_hash: first_bytes(Digest::of(resized.as_raw())),
            });
        }
        Ok(seen)
    }
}

fn first_bytes<const N: usize>(digest: Digest) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&digest.0[..N]);
    bytes
}
