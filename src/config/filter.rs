//! Pillow's resampling filters.

use serde::{Deserialize, Serialize};

/// A resampling filter, named and numbered as Pillow's `Resampling` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// 0: the nearest pixel.
    Nearest,
    /// 1: a windowed sinc over three pixels.
    Lanczos,
    /// 2: a triangle, widened when shrinking.
    Bilinear,
    /// 3: Keys' cubic with a = -0.5.
    Bicubic,
    /// 4: the mean of the pixels under the target.
    Box,
    /// 5: a windowed sinc over one pixel.
    Hamming,
}

impl Filter {
    /// The names in a pipeline file, in Pillow's order.
    pub(crate) const NAMES: &[&str] = &["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];

    /// The filter of a `resample` number in `preprocessor_config.json`.
    pub fn from_pillow(number: u64) -> Option<Self> {
        let filters = [Self::Nearest, Self::Lanczos, Self::Bilinear, Self::Bicubic, Self::Box, Self::Hamming];
        filters.get(usize::try_from(number).ok()?).copied()
    }

    /// The filter of a name in lower case, such as `bicubic`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let number = Self::NAMES.iter().position(|known| *known == name)?;
        Self::from_pillow(number as u64)
    }
}
