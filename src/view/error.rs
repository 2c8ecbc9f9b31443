//! Errors of an image or a `preprocessor_config.json`.

use super::limits::{MAX_PIXELS, MAX_SIDE};

/// An error of an image or its preprocessing. The messages about an image leave its name to the caller, who knows it:
/// `format!("{name} {error}")` reads as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are none of the formats that are read.
    #[error("is not a JPEG, PNG, WebP, GIF, BMP or TIFF image: {found}; convert it or take it out")]
    Format {
        /// The kind of the bytes, as in "it is text".
        found: String,
    },
    /// The header states a size that is refused before anything is allocated.
    #[error(
        "is {width} x {height} pixels, and at most {MAX_SIDE} a side and {MAX_PIXELS} in all are read; scale it down"
    )]
    TooLarge {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The system has no room for the pixels.
    #[error(
        "is {width} x {height} pixels, and the system gives no {megabytes} MB for them; scale it down or raise the limit of memory"
    )]
    NoMemory {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// The memory that decoding takes.
        megabytes: usize,
    },
    /// The file ends before its last pixel.
    #[error("is a {format} image that ends early; copy it again or take it out")]
    Truncated {
        /// `JPEG`, `PNG`, ...
        format: &'static str,
    },
    /// A variant of a format that is not read.
    #[error("is a {format} image {what}, which is not supported; convert it or take it out")]
    Unsupported {
        /// `JPEG`, `TIFF`, ...
        format: &'static str,
        /// The unusual property, as in "of 12 bits".
        what: String,
    },
    /// The decoder gave up.
    #[error("is a damaged {format} image ({reason}); copy it again or take it out")]
    Damaged {
        /// `JPEG`, `PNG`, ...
        format: &'static str,
        /// The decoder's error.
        reason: String,
    },
    /// A crop that does not lie in the image.
    #[error(
        "is {width} x {height} pixels, which does not hold the crop at left {}, top {}, {} wide and {} high: this is \
         another image than the crop was made for", crop[0], crop[1], crop[2], crop[3]
    )]
    Crop {
        /// Left, top, width, height.
        crop: [f32; 4],
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// Preprocessing does not resize, and the image has another size than the model takes.
    #[error(
        "is {width} x {height} pixels where the model takes {expected_width} x {expected_height} and its \
         preprocessing says do_resize = false; resize the image or set do_resize to true"
    )]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Pixels.
        expected_width: u32,
        /// Pixels.
        expected_height: u32,
    },
    /// `preprocessor_config.json` can't be read.
    #[error("can't read {path}: {source}; the teacher's folder must hold its preprocessor_config.json")]
    Read {
        /// The file.
        path: String,
        /// The system's error.
        r#source: std::io::Error,
    },
    /// `preprocessor_config.json` is not JSON, or a key has the wrong type.
    #[error("{path} is not an image processor's configuration: {reason}")]
    Syntax {
        /// The file.
        path: String,
        /// The parser's message, with line and column.
        reason: String,
    },
    /// A value that decant does not support.
    #[error("{path} says {key} = {found}, expected {expected}")]
    Value {
        /// The file.
        path: String,
        /// The key.
        key: &'static str,
        /// Its value as JSON.
        found: String,
        /// The values that fit.
        expected: &'static str,
    },
    /// A processor other than `ViTImageProcessor` that leaves out what it means.
    #[error(
        "{path} is for {processor}, whose default for {key} is not known here; write {key} into the file \
         (processor.to_dict() in transformers shows it)"
    )]
    UnknownDefault {
        /// The file.
        path: String,
        /// `image_processor_type`.
        processor: String,
        /// The key that is missing.
        key: &'static str,
    },
}
