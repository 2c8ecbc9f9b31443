//! How an image gets the size that a model sees, as a cache's manifest says it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::filter::Filter;

/// The size of an image before any central crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Size {
    /// Both sides.
    Exact {
        /// In pixels.
        height: u32,
        /// In pixels.
        width: u32,
    },
    /// The shorter side in pixels, the other one following the aspect ratio.
    ShortestEdge(u32),
}

/// How an image gets its size. Equal values give equal 8-bit pixels.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Resize {
    /// The size; none where images are not resized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Pillow's resampling filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Height and width in pixels of the central crop that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub center_crop: Option<[u32; 2]>,
    /// Whether half a pixel before that crop is rounded to an even number, as torchvision does, or cut off, as `transformers` does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub center_crop_rounds: bool,
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact { height, width } => write!(formatter, "{height} x {width}"),
            Self::ShortestEdge(edge) => write!(formatter, "shortest edge {edge}"),
        }
    }
}

impl fmt::Display for Resize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.size, self.filter) {
            (Some(size), Some(filter)) => {
                write!(formatter, "resized to {size} {}", format!("{filter:?}").to_lowercase())?;
            }
            _ => formatter.write_str("not resized")?,
        }
        if let Some([height, width]) = self.center_crop {
            write!(formatter, ", center crop {height} x {width}")?;
        }
        if self.center_crop_rounds { formatter.write_str(" rounded") } else { Ok(()) }
    }
}
