//! The student's pixels: decoded and resized once where they fit into memory, again and again where they don't.

use std::sync::Arc;

use image::RgbImage;
use rayon::prelude::*;

use super::Error;
use super::pixel_cache::{self, Pixels};
use crate::dataset::{Dataset, SplitName};
use crate::store::SplitRows;
use crate::view::{self, Geometry, Preprocess};

/// The images of one split as the student sees them.
pub struct Images<'a> {
    dataset: &'a Dataset,
    split: SplitName,
    rows: Arc<SplitRows>,
    preprocess: Preprocess,
    /// Whether the student is given the very pixels that the teacher was given, so that their hash can be compared.
    same_pixels: bool,
    kept: Option<Arc<Pixels>>,
}

impl<'a> Images<'a> {
    /// The images of `split`, replayed from the crops, flips and operations in `rows`.
    pub fn new(
        dataset: &'a Dataset,
        split: SplitName,
        rows: Arc<SplitRows>,
        preprocess: Preprocess,
        same_pixels: bool,
    ) -> Self {
        let kept = pixel_cache::room(rows.len(), preprocess.size());
        Self { dataset, split, rows, preprocess, same_pixels, kept }
    }

    /// The same images, with their resized pixels kept where other runs find them too; `None` keeps none.
    pub(super) fn keeping(self, kept: Option<Arc<Pixels>>) -> Self {
        Self { kept, ..self }
    }

    /// The cached rows that the images belong to.
    pub fn rows(&self) -> &SplitRows {
        &self.rows
    }

    /// Height and width of every image, in pixels.
    pub fn size(&self) -> (usize, usize) {
        let (height, width) = self.preprocess.size();
        (height as usize, width as usize)
    }

    /// Values of one image: `3 * height * width`.
    pub fn values(&self) -> usize {
        let (height, width) = self.size();
        3 * height * width
    }

    /// Fills `out`, `[rows, 3, height, width]`, with the normalised pixels of these cache rows.
    ///
    /// # Errors
    /// An image that can't be read or decoded, that is not the one the cache was made from, or whose pixels differ from the teacher's.
    pub fn fill(&self, rows: &[usize], out: &mut [f32]) -> Result<(), Error> {
        self.fill_with(rows, out, |pixels, out| self.preprocess.normalise(pixels, out))
    }

    /// Fills `out`, `[rows, 3, height, width]`, with the 8-bit pixels of these cache rows, for a device that normalises them itself.
    ///
    /// # Errors
    /// As [`Images::fill`].
    pub(crate) fn fill_bytes(&self, rows: &[usize], out: &mut [u8]) -> Result<(), Error> {
        self.fill_with(rows, out, Preprocess::planes)
    }

    /// How the pixels are normalised.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    fn fill_with<T: Send>(
        &self,
        rows: &[usize],
        out: &mut [T],
        write: impl Fn(&RgbImage, &mut [T]) + Sync,
    ) -> Result<(), Error> {
        let images = out.par_chunks_exact_mut(self.values()).zip(rows);
        images.try_for_each(|(out, &row)| {
            let Some(kept) = &self.kept else {
                write(&self.resized(row)?, out);
                return Ok(());
            };
            let pixels = if let Some(pixels) = kept[row].get() {
                pixels
            } else {
                let pixels = self.resized(row)?;
                kept[row].get_or_init(|| pixels)
            };
            write(pixels, out);
            Ok(())
        })
    }

    /// The pixels of one cache row at the student's size, before they are normalised.
    ///
    /// # Errors
    /// As [`Images::fill`].
    pub(crate) fn resized(&self, row: usize) -> Result<RgbImage, Error> {
        let (sample, _) = self.rows.identity(row);
        let sample = sample as usize;
        let name = || self.dataset.sample_name(self.split, sample);
        let bytes = self.dataset.read(self.split, sample)?;
        let geometry = Geometry { crop: self.rows.crop(row), flip: self.rows.flip(row) };
        let operations = self.rows.operations(row);
        let rendered = view::decode(&bytes)
            .and_then(|image| view::render_view(&image, geometry, &operations, &self.preprocess))
            .map_err(|source| Error::Decode { image: name(), source })?;
        if self.same_pixels && rendered.hash() != self.rows.input_hash(row) {
            return Err(Error::Drift { image: name() });
        }
        Ok(rendered.pixels)
    }
}
