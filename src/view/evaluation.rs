//! The transform that timm and torchvision evaluate a classifier with: resize, central crop, normalise.

use serde_json::Value;

use super::resize::Size;
use super::settings::Settings;
use super::{Error, Filter, Preprocess};

/// An evaluation transform.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EvaluationTransform {
    /// Height and width of the model's input.
    pub size: (u32, u32),
    /// The share of the resized image's side that the central crop keeps; nothing resizes to `size` itself, without a crop.
    pub crop_pct: Option<f64>,
    /// Whether both sides are resized before the crop, so that the aspect ratio changes; else the shorter side is.
    pub squash: bool,
    /// How pixels are resampled.
    pub filter: Filter,
    /// Mean of red, green and blue.
    pub mean: [f32; 3],
    /// Standard deviation of red, green and blue.
    pub std: [f32; 3],
}

const SIZE: &str = "[3, height, width] of at most 4096 pixels a side";
const CROP_PCT: &str = "a number above 0 and at most 1";
const CROP_MODE: &str =
    "\"center\" or \"squash\"; write the preprocessing of this model into a preprocessor_config.json";
const SQUARE: &str = "a square, where the shorter side is resized and the centre is cropped";
const INTERPOLATION: &str = "nearest, lanczos, bilinear, bicubic, box or hamming";
const CHANNELS: &str = "one number for each of red, green and blue";

impl EvaluationTransform {
    /// Reads timm's `pretrained_cfg`, with the defaults of `timm.data.resolve_data_config`; `path` stands for its file in messages.
    ///
    /// # Errors
    /// Values that can't be followed to the pixel.
    pub(crate) fn from_timm(path: &str, pretrained_cfg: &Value) -> Result<Self, Error> {
        let given = |key: &str| pretrained_cfg.get(key).filter(|value| !value.is_null());
        let bad = |key: &'static str, value: &Value, expected: &'static str| Error::Value {
            path: path.to_owned(),
            key,
            found: value.to_string(),
            expected,
        };
        let size = match given("input_size") {
            None => (224, 224),
            Some(value) => {
                let side = |index: usize| value.get(index)?.as_u64().filter(|side| (1..=4096).contains(side));
                let channels = value.get(0).and_then(Value::as_u64);
                let size = side(1).zip(side(2)).filter(|_| channels == Some(3));
                let (height, width) = size.ok_or_else(|| bad("pretrained_cfg.input_size", value, SIZE))?;
                (height as u32, width as u32)
            }
        };
        let filter = match given("interpolation") {
            None => Filter::Bicubic,
            Some(value) => value
                .as_str()
                .and_then(Filter::from_name)
                .ok_or_else(|| bad("pretrained_cfg.interpolation", value, INTERPOLATION))?,
        };
        let crop_pct = match given("crop_pct") {
            None => 0.875,
            Some(value) => value
                .as_f64()
                .filter(|share| *share > 0.0 && *share <= 1.0)
                .ok_or_else(|| bad("pretrained_cfg.crop_pct", value, CROP_PCT))?,
        };
        let squash = match given("crop_mode").map(|value| (value, value.as_str())) {
            None | Some((_, Some("center"))) => false,
            Some((_, Some("squash"))) => true,
            Some((value, _)) => return Err(bad("pretrained_cfg.crop_mode", value, CROP_MODE)),
        };
        let channels = |key: &str, name: &'static str, default: [f32; 3]| match given(key) {
            None => Ok(default),
            Some(value) => {
                let number = |index: usize| value.get(index)?.as_f64().map(|number| number as f32);
                match (number(0), number(1), number(2), number(3)) {
                    (Some(red), Some(green), Some(blue), None) => Ok([red, green, blue]),
                    _ => Err(bad(name, value, CHANNELS)),
                }
            }
        };
        let mean = channels("mean", "pretrained_cfg.mean", [0.485, 0.456, 0.406])?;
        let std = channels("std", "pretrained_cfg.std", [0.229, 0.224, 0.225])?;
        if std.iter().any(|&value| value <= 0.0) {
            return Err(bad("pretrained_cfg.std", &serde_json::json!(std), "numbers above 0"));
        }
        let transform = Self { size, crop_pct: Some(crop_pct), squash, filter, mean, std };
        if transform.needs_a_square() {
            return Err(bad("pretrained_cfg.input_size", &serde_json::json!([3, size.0, size.1]), SQUARE));
        }
        Ok(transform)
    }

    /// Whether the shorter side is resized for a crop that is not square, which this program does not do.
    pub(crate) fn needs_a_square(&self) -> bool {
        self.crop_pct.is_some() && !self.squash && self.size.0 != self.size.1
    }

    /// The preprocessing.
    pub(crate) fn preprocess(&self) -> Preprocess {
        let (height, width) = self.size;
        let exact = |height, width| Size::Exact { height, width };
        let (size, center_crop) = match self.crop_pct {
            None => (exact(height, width), None),
            Some(share) => {
                let scaled = |side: u32| (f64::from(side) / share).floor() as u32;
                let size = if self.squash {
                    exact(scaled(height), scaled(width))
                } else {
                    Size::ShortestEdge(scaled(height))
                };
                (size, Some(self.size))
            }
        };
        Preprocess::new(Settings {
            resize: true,
            size,
            filter: self.filter,
            center_crop,
            crop_rounds: center_crop.is_some(),
            rescale: Some(1.0 / 255.0),
            normalise: Some((self.mean, self.std)),
        })
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};
    use serde_json::json;

    use super::*;
    use crate::view::Geometry;

    fn of_timm(config: &Value) -> Result<EvaluationTransform, String> {
        EvaluationTransform::from_timm("config.json", config).map_err(|error| error.to_string())
    }

    #[test]
    fn timms_configuration_is_read_with_its_defaults() {
        let transform = of_timm(&json!({})).unwrap();
        assert_eq!(
            transform.preprocess().resize().to_string(),
            "resized to shortest edge 256 bicubic, center crop 224 x 224 rounded"
        );
        let transform = of_timm(&json!({
            "input_size": [3, 384, 384], "interpolation": "bilinear", "crop_pct": 1.0, "crop_mode": "squash",
            "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "num_classes": 3, "pool_size": null,
        }));
        let transform = transform.unwrap();
        assert_eq!((transform.mean, transform.std), ([0.5; 3], [0.5; 3]));
        assert_eq!(
            transform.preprocess().resize().to_string(),
            "resized to 384 x 384 bilinear, center crop 384 x 384 rounded"
        );
    }

    #[test]
    fn what_can_not_be_followed_is_named() {
        for (config, reason) in [
            (json!({"input_size": [1, 28, 28]}), "pretrained_cfg.input_size = [1,28,28]"),
            (json!({"input_size": [3, 224, 448]}), "a square"),
            (json!({"interpolation": "random"}), "bicubic"),
            (json!({"crop_pct": 1.2}), "at most 1"),
            (json!({"crop_mode": "border"}), "preprocessor_config.json"),
            (json!({"mean": [0.5]}), "red, green and blue"),
            (json!({"std": [0.0, 1.0, 1.0]}), "above 0"),
        ] {
            let message = of_timm(&config).unwrap_err();
            assert!(message.contains(reason), "{config}: {message}");
        }
    }

    /// torchvision's `CenterCrop` is `int(round((side - crop) / 2.0))`, which rounds halves to even numbers.
    #[test]
    fn the_central_crop_begins_where_torchvisions_does() {
        let transform = EvaluationTransform {
            size: (4, 4),
            crop_pct: Some(1.0),
            squash: false,
            filter: Filter::Nearest,
            mean: [0.0; 3],
            std: [1.0; 3],
        };
        for (width, left) in [(4, 0), (5, 0), (6, 1), (7, 2), (8, 2), (9, 2), (10, 3), (11, 4)] {
            let image = RgbImage::from_fn(width, 4, |x, _| Rgb([x as u8; 3]));
            let pixels = transform.preprocess().pixels(&image, &Geometry::whole(width, 4)).unwrap();
            assert_eq!(pixels.get_pixel(0, 0).0[0], left, "width {width}");
        }
    }
}
