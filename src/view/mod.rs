//! Pixels: an image file's bytes become what a model sees, as a pure function of (bytes, geometry, preprocessing).
//!
//! [`decode`] gives the pixels that Hugging Face `datasets` gives, [`Geometry`] says which part of them is seen and
//! whether it is mirrored, [`Preprocess`] resizes and normalises as `transformers`' `ViTImageProcessor` does, and [`operation`]
//! changes colours and shapes in between.

mod error;
mod evaluation;
mod filter;
mod formats;
mod geometry;
mod limits;
pub mod operation;
mod preprocess;
mod processor_config;
mod render;
mod resample;
#[cfg(target_arch = "x86_64")]
mod resample_avx2;
mod resample_plain;
mod resize;
mod settings;

pub(crate) use error::Error;
pub(crate) use evaluation::EvaluationTransform;
pub use filter::Filter;
pub use formats::decode;
pub use geometry::Geometry;
pub(crate) use geometry::{Policy, draw};
pub(crate) use limits::MAX_PIXELS;
pub use preprocess::Preprocess;
pub(crate) use render::{render_view, render_whole, thumbnail};
pub use resample::resize;
pub(crate) use resize::{Resize, Size};
