//! From a sample to the teacher's input.

use image::RgbImage;

use super::{Error, Settings};
use crate::dataset::{self, Dataset, SplitName};
use crate::store::Row;
use crate::view::operation::Operation;
use crate::view::{self, Policy, Preprocess};

/// A maker of pixels, on any number of threads.
pub(super) trait Prepare: Sync {
    /// Values of one image `[3, height, width]`.
    fn values(&self) -> usize;

    /// Reads and decodes a sample.
    fn decode(&self, split: SplitName, sample: u64) -> Result<RgbImage, Error>;

    /// Writes one view of a decoded sample as the teacher takes it, normalised.
    fn view(
        &self,
        split: SplitName,
        identity: (u64, u16),
        image: &RgbImage,
        out: &mut [f32],
    ) -> Result<ViewRow, Error>;
}

/// One view of one sample as the teacher sees it: a row without its logits.
#[derive(Clone, Default)]
pub(super) struct ViewRow {
    pub sample: u64,
    pub image_hash: [u8; 16],
    pub label: i32,
    pub view: u16,
    pub crop: [f32; 4],
    pub flip: bool,
    pub operations: Vec<Operation>,
    pub input_hash: [u8; 8],
}

impl ViewRow {
    /// The row of a sample that lies at `path` and has these logits.
    pub(crate) fn row<'a>(&'a self, path: &'a str, logits: &'a [f32]) -> Row<'a> {
        let &Self { sample, image_hash, label, view, crop, flip, ref operations, input_hash } = self;
        Row { sample, path, image_hash, label, view, crop, flip, operations, input_hash, logits }
    }
}

/// How a (sample, view) of a dataset becomes pixels.
pub(super) struct Recipe<'a> {
    dataset: &'a Dataset,
    preprocess: Preprocess,
    policy: Policy,
    seed: u64,
}

impl<'a> Recipe<'a> {
    pub(crate) fn new(dataset: &'a Dataset, preprocess: &Preprocess, settings: &Settings) -> Self {
        let policy = Policy::from(&settings.cache.view);
        Self { dataset, preprocess: preprocess.clone(), policy, seed: settings.cache.seed }
    }

    fn bad_image(&self, split: SplitName, sample: u64) -> impl Fn(view::Error) -> Error {
        move |source| {
            let name = self.dataset.sample_name(split, sample as usize);
            match source {
                view::Error::NoMemory { .. } => dataset::Error::NoMemory { name, source }.into(),
                source => Error::Image { name, source },
            }
        }
    }
}

impl Prepare for Recipe<'_> {
    fn values(&self) -> usize {
        let (height, width) = self.preprocess.size();
        3 * height as usize * width as usize
    }

    fn decode(&self, split: SplitName, sample: u64) -> Result<RgbImage, Error> {
        let bytes = self.dataset.read(split, sample as usize)?;
        view::decode(&bytes).map_err(self.bad_image(split, sample))
    }

    fn view(
        &self,
        split: SplitName,
        (sample, view): (u64, u16),
        image: &RgbImage,
        out: &mut [f32],
    ) -> Result<ViewRow, Error> {
        let samples = &self.dataset.split(split).expect("the manifest's splits are the dataset's").samples;
        let known = &samples[sample as usize];
        let (width, height) = image.dimensions();
        let image_hash: [u8; 16] = known.content.0.first_chunk().copied().expect("a digest has 32 bytes");
        let key = image_key(&image_hash);
        let (geometry, operations) = view::draw(&self.policy, self.seed, key, view, width, height);
        let rendered = view::render_view(image, geometry, &operations, &self.preprocess)
            .map_err(self.bad_image(split, sample))?;
        self.preprocess.normalise(&rendered.pixels, out);
        Ok(ViewRow {
            sample,
            image_hash,
            label: known.label,
            view,
            crop: geometry.crop,
            flip: geometry.flip,
            operations,
            input_hash: rendered.hash(),
        })
    }
}

/// The key that the views of an image are drawn from, beside the seed: its content, so that they stay when images are added.
fn image_key(image_hash: &[u8; 16]) -> u64 {
    u64::from_le_bytes(*image_hash.first_chunk().expect("16 bytes"))
}
