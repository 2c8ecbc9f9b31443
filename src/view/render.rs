//! From an image's bytes to what a model is given: the one place where decoding, cropping, resizing and hashing follow each other.

use image::RgbImage;

use super::{Error, Filter, Geometry, Preprocess, decode, resize};
use crate::support::hash::Digest;

/// One view of an image at a model's size.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    /// The 8-bit pixels, after crop, resizing and flip.
    pub pixels: RgbImage,
}

impl Rendered {
    /// The hash of the pixels as a cache stores it in `input_hash`.
    pub(crate) fn hash(&self) -> [u8; 8] {
        Digest::of(self.pixels.as_raw()).0.first_chunk().copied().expect("a digest has 32 bytes")
    }
}

/// One view of an encoded image; without a geometry, the whole image.
///
/// # Errors
/// The errors of [`decode`] and [`Preprocess::pixels`].
pub(crate) fn render(
    bytes: &[u8],
    geometry: Option<Geometry>,
    preprocess: &Preprocess,
) -> Result<Rendered, Error> {
    let image = decode(bytes)?;
    let geometry = geometry.unwrap_or_else(|| Geometry::whole(image.width(), image.height()));
    render_decoded(&image, geometry, preprocess)
}

/// One view of a decoded image, for callers that need several.
///
/// # Errors
/// The errors of [`Preprocess::pixels`].
pub(crate) fn render_decoded(
    image: &RgbImage,
    geometry: Geometry,
    preprocess: &Preprocess,
) -> Result<Rendered, Error> {
    let pixels = preprocess.pixels(image, &geometry)?;
    Ok(Rendered { pixels })
}

/// The whole image, made so small that its longer side has `side` pixels; a smaller image stays as it is.
///
/// # Errors
/// The errors of [`decode`].
pub(crate) fn thumbnail(bytes: &[u8], side: u32) -> Result<RgbImage, Error> {
    let image = decode(bytes)?;
    let (width, height) = image.dimensions();
    let scale = (side as f32 / width.max(height) as f32).min(1.0);
    let scaled = |length: u32| ((length as f32 * scale).round() as u32).max(1);
    let whole = [0.0, 0.0, width as f32, height as f32];
    Ok(resize(&image, whole, scaled(width), scaled(height), Filter::Bilinear))
}
