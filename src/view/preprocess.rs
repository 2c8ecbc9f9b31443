//! Preprocessing equal to `transformers`' `ViTImageProcessor` (its Pillow backend), from `preprocessor_config.json`.

use std::borrow::Cow;
use std::path::Path;

use image::{RgbImage, imageops};

use super::filter::Filter;
use super::resample::resize;
use super::resize::{Resize, Size};
use super::settings::Settings;
use super::{Error, Geometry, MAX_PIXELS, processor_config};
use crate::support::files::read_text;
use crate::support::hash::{Digest, FieldHasher};

/// A model's preprocessing: images of any size in, pixels of one size out.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    settings: Settings,
    /// `[channel][level]`: what each 8-bit level becomes.
    levels: Box<[[f32; 256]; 3]>,
}

impl Preprocess {
    pub(super) fn new(settings: Settings) -> Self {
        let mut levels = Box::new([[0.0; 256]; 3]);
        for (channel, levels) in levels.iter_mut().enumerate() {
            for (level, value) in levels.iter_mut().enumerate() {
                // numpy rescales in float64 and rounds to float32, then subtracts and divides in float32.
                *value = settings.rescale.map_or(level as f32, |factor| (level as f64 * factor) as f32);
                if let Some((mean, std)) = settings.normalise {
                    *value = (*value - mean[channel]) / std[channel];
                }
            }
        }
        Self { settings, levels }
    }

    /// Reads a `preprocessor_config.json`. Keys that are left out take `ViTImageProcessor`'s defaults.
    ///
    /// # Errors
    /// A file that can't be read, and values that can't be followed to the pixel.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        match read_text(path) {
            Ok(text) => Self::from_json(&name, &text),
            Err(source) => Err(Error::Read { path: name, source }),
        }
    }

    /// Reads the text of a `preprocessor_config.json`; `name` stands for it in messages.
    ///
    /// # Errors
    /// Values that can't be followed to the pixel.
    pub fn from_json(name: &str, text: &str) -> Result<Self, Error> {
        processor_config::parse(name, text).map(Self::new)
    }

    /// A student's preprocessing: bilinear to `size` x `size`, scaled to 0..1, then normalised.
    pub fn for_student(size: u32, mean: [f32; 3], std: [f32; 3]) -> Self {
        Self::new(Settings {
            resize: true,
            size: Size::Exact { height: size, width: size },
            filter: Filter::Bilinear,
            center_crop: None,
            crop_rounds: false,
            rescale: Some(1.0 / 255.0),
            normalise: Some((mean, std)),
        })
    }

    /// Height and width of what the model sees, in pixels.
    pub fn size(&self) -> (u32, u32) {
        match (self.settings.center_crop, self.settings.size) {
            (Some(crop), _) => crop,
            (None, Size::Exact { height, width }) => (height, width),
            (None, Size::ShortestEdge(edge)) => (edge, edge),
        }
    }

    /// How an image gets its size: two preprocessings that resize alike give the same 8-bit pixels.
    pub fn resize(&self) -> Resize {
        let Settings { resize, size, filter, center_crop, crop_rounds, .. } = self.settings;
        Resize {
            size: resize.then_some(size),
            filter: resize.then_some(filter),
            center_crop: center_crop.map(|(height, width)| [height, width]),
            center_crop_rounds: center_crop.is_some() && crop_rounds,
        }
    }

    /// The 8-bit pixels that the model is given for one view of an image, `[height, width]` as [`Preprocess::size`] says.
    ///
    /// The crop is resized as Pillow's `resize(size, resample, box)` does, then mirrored.
    ///
    /// # Errors
    /// A crop outside the image, an image of another size where preprocessing does not resize, and one so narrow that its
    /// longer side would be absurd where the shorter side is given.
    pub fn pixels(&self, image: &RgbImage, geometry: &Geometry) -> Result<RgbImage, Error> {
        let (width, height) = image.dimensions();
        let [left, top, crop_width, crop_height] = geometry.crop;
        let inside = left >= 0.0
            && top >= 0.0
            && crop_width > 0.0
            && crop_height > 0.0
            && left + crop_width <= width as f32
            && top + crop_height <= height as f32;
        if !inside {
            return Err(Error::Crop { crop: geometry.crop, width, height });
        }
        let resized = if self.settings.resize {
            let (target_width, target_height) = self.resized_size(crop_width, crop_height);
            if u64::from(target_width) * u64::from(target_height) > MAX_PIXELS {
                return Err(Error::TooLarge { width: target_width, height: target_height });
            }
            Cow::Owned(resize(image, geometry.crop, target_width, target_height, self.settings.filter))
        } else if (Geometry { flip: false, ..*geometry }) == Geometry::whole(width, height) {
            Cow::Borrowed(image)
        } else {
            let (w, h) = (crop_width.round().max(1.0), crop_height.round().max(1.0));
            Cow::Owned(resize(image, geometry.crop, w as u32, h as u32, self.settings.filter))
        };
        let mut pixels = self.cropped(resized)?;
        if geometry.flip {
            imageops::flip_horizontal_in_place(&mut pixels);
        }
        Ok(pixels)
    }

    fn resized_size(&self, width: f32, height: f32) -> (u32, u32) {
        match self.settings.size {
            Size::Exact { height, width } => (width, height),
            Size::ShortestEdge(edge) => {
                let longer =
                    |long: f32, short: f32| (f64::from(edge) * f64::from(long) / f64::from(short)) as u32;
                if width <= height { (edge, longer(height, width)) } else { (longer(width, height), edge) }
            }
        }
    }

    /// The central crop, where there is one; the pixels as they are otherwise.
    fn cropped(&self, pixels: Cow<'_, RgbImage>) -> Result<RgbImage, Error> {
        let (expected_height, expected_width) = self.size();
        let (width, height) = pixels.dimensions();
        if (width, height) == (expected_width, expected_height) {
            return Ok(pixels.into_owned());
        }
        if self.settings.center_crop.is_none() || width < expected_width || height < expected_height {
            return Err(Error::Size { width, height, expected_width, expected_height });
        }
        let half = |pixels: u32| {
            let rounds = self.settings.crop_rounds;
            if rounds { (f64::from(pixels) / 2.0).round_ties_even() as u32 } else { pixels / 2 }
        };
        let (left, top) = (half(width - expected_width), half(height - expected_height));
        Ok(imageops::crop_imm(&*pixels, left, top, expected_width, expected_height).to_image())
    }

    /// Writes pixels as the model's input `[channels = 3, height, width]`: `(level * rescale_factor - mean) / std`.
    ///
    /// # Panics
    /// `out` must have `3 * height * width` values.
    pub fn normalise(&self, pixels: &RgbImage, out: &mut [f32]) {
        let (pixels, _) = pixels.as_raw().as_chunks::<3>();
        assert_eq!(out.len(), pixels.len() * 3, "one value for each channel of each pixel");
        for (channel, (plane, levels)) in out.chunks_exact_mut(pixels.len()).zip(&*self.levels).enumerate() {
            for (value, pixel) in plane.iter_mut().zip(pixels) {
                *value = levels[usize::from(pixel[channel])];
            }
        }
    }

    /// Writes pixels as bytes in the order of the model's input, `[channels = 3, height, width]`: what [`Preprocess::normalise`]
    /// writes, before [`Preprocess::levels`] gives each level its value.
    ///
    /// # Panics
    /// `out` must have `3 * height * width` values.
    pub(crate) fn planes(pixels: &RgbImage, out: &mut [u8]) {
        let (pixels, _) = pixels.as_raw().as_chunks::<3>();
        assert_eq!(out.len(), pixels.len() * 3, "one byte for each channel of each pixel");
        for (channel, plane) in out.chunks_exact_mut(pixels.len()).enumerate() {
            for (value, pixel) in plane.iter_mut().zip(pixels) {
                *value = pixel[channel];
            }
        }
    }

    /// The value of each 8-bit level, `[channel][level]`.
    pub(crate) fn levels(&self) -> &[[f32; 256]; 3] {
        &self.levels
    }

    /// Changes with anything that changes what the model sees.
    pub fn fingerprint(&self) -> Digest {
        let Settings { resize, size, filter, center_crop, crop_rounds, .. } = &self.settings;
        let mut hasher = FieldHasher::new("preprocess");
        hasher.field("steps", format!("{resize} {size} {filter:?} {center_crop:?}"));
        if *crop_rounds {
            hasher.field("crop", "rounded");
        }
        for levels in &*self.levels {
            let bytes: Vec<u8> = levels.iter().flat_map(|value| value.to_le_bytes()).collect();
            hasher.field("levels", bytes);
        }
        hasher.finish()
    }
}
