//! Images small enough to be inside of the page.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::jpeg::JpegEncoder;

use super::Error;
use crate::dataset::{Dataset, SplitName};
use crate::view;

/// The longer side, in pixels: twice what the page shows, for fine screens.
const SIDE: u32 = 224;
const JPEG_QUALITY: u8 = 80;

/// One image as the page holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture {
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
pub(crate) fn picture(dataset: &Dataset, split: SplitName, sample: usize) -> Result<Picture, Error> {
    let bytes = dataset.read(split, sample)?;
    let shown = |source| Error::Image { image: dataset.sample_name(split, sample), source };
    let small = view::thumbnail(&bytes, SIDE).map_err(shown)?;
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
        .encode_image(&small)
        .expect("encoding into memory does not fail");
    let data = format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg));
    Ok(Picture { data, width: small.width(), height: small.height() })
}
