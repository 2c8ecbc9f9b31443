//! Images small enough to be inside of the page.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::jpeg::JpegEncoder;

use super::Error;
use crate::dataset::{Dataset, SplitName};
use crate::view::{self, Filter};

/// The longer side, in pixels: twice what the page shows, for fine screens.
const SIDE: f32 = 224.0;
const JPEG_QUALITY: u8 = 80;

/// One image as the page holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// A `data:` address with the whole image, as JPEG.
    pub data: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// The whole image of one sample, made small.
///
/// # Errors
/// An image that can't be read or decoded.
pub fn picture(dataset: &Dataset, split: SplitName, sample: usize) -> Result<Picture, Error> {
    let bytes = dataset.read(split, sample)?;
    let shown = |source| Error::Image { image: dataset.sample_name(split, sample), source };
    let image = view::decode(&bytes).map_err(shown)?;
    let (width, height) = image.dimensions();
    let scale = (SIDE / width.max(height) as f32).min(1.0);
    let size = |side: u32| ((side as f32 * scale).round() as u32).max(1);
    let (small_width, small_height) = (size(width), size(height));
    let whole = [0.0, 0.0, width as f32, height as f32];
    let small = view::resize(&image, whole, small_width, small_height, Filter::Bilinear);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
        .encode_image(&small)
        .expect("encoding into memory does not fail");
    let data = format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg));
    Ok(Picture { data, width: small_width, height: small_height })
}
