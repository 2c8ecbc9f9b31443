//! From an image's bytes to what a model is given: the one place where decoding, cropping, resizing, operations and hashing follow each other.

use image::RgbImage;

use super::operation::{self, Operation};
use super::{Error, Filter, Geometry, Preprocess, decode, resize};
use crate::support::hash::Digest;

/// One view of an image at a model's size.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    /// The 8-bit pixels, after crop, resizing, flip and operations.
    pub pixels: RgbImage,
}

impl Rendered {
    /// The hash of the pixels as a cache stores it in `input_hash`.
    pub(crate) fn hash(&self) -> [u8; 8] {
        Digest::of(self.pixels.as_raw()).0.first_chunk().copied().expect("a digest has 32 bytes")
    }
}

/// The whole of an encoded image.
///
/// # Errors
/// The errors of [`decode`] and [`Preprocess::pixels`].
pub(crate) fn render_whole(bytes: &[u8], preprocess: &Preprocess) -> Result<Rendered, Error> {
    let image = decode(bytes)?;
    let whole = Geometry::whole(image.width(), image.height());
    render_view(&image, whole, &[], preprocess)
}

/// One view of a decoded image.
///
/// # Errors
/// The errors of [`Preprocess::pixels`].
pub(crate) fn render_view(
    image: &RgbImage,
    geometry: Geometry,
    operations: &[Operation],
    preprocess: &Preprocess,
) -> Result<Rendered, Error> {
    let mut pixels = preprocess.pixels(image, &geometry)?;
    operation::apply(operations, &mut pixels);
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
