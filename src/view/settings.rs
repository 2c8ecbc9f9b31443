//! The preprocessing of an image before a model sees it.

use super::filter::Filter;
use super::resize::Size;

/// The steps of a processor, each as `transformers` orders them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub resize: bool,
    pub size: Size,
    pub filter: Filter,
    /// Height and width.
    pub center_crop: Option<(u32, u32)>,
    /// Whether half a pixel before the crop is rounded to an even number, as torchvision does, or cut off, as `transformers` does.
    pub crop_rounds: bool,
    pub rescale: Option<f64>,
    /// Mean and standard deviation of red, green and blue.
    pub normalise: Option<([f32; 3], [f32; 3])>,
}
