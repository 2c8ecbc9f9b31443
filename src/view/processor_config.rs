//! `preprocessor_config.json` as it stands in the file, before its meaning is checked.

use serde::Deserialize;
use serde_json::Value;

use super::Error;
use super::filter::Filter;
use super::resize::Size;
use super::settings::Settings;

/// The keys that change pixels. Others, such as `return_tensors`, do not matter here.
#[derive(Deserialize)]
struct Processor {
    #[serde(alias = "feature_extractor_type")]
    image_processor_type: Option<String>,
    do_resize: Option<bool>,
    size: Option<Value>,
    resample: Option<Value>,
    do_center_crop: Option<bool>,
    crop_size: Option<Value>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    do_normalize: Option<bool>,
    image_mean: Option<Value>,
    image_std: Option<Value>,
    do_pad: Option<Value>,
    crop_pct: Option<Value>,
    rescale_offset: Option<Value>,
    do_flip_channel_order: Option<Value>,
    do_thumbnail: Option<Value>,
    do_align_long_axis: Option<Value>,
}

/// A configuration and where it came from, for messages.
struct Reader<'a> {
    path: &'a str,
    processor: String,
}

/// Reads the text of a `preprocessor_config.json`, called `path` in messages.
pub(super) fn parse(path: &str, text: &str) -> Result<Settings, Error> {
    let file: Processor = serde_json::from_str(text)
        .map_err(|error| Error::Syntax { path: path.to_owned(), reason: error.to_string() })?;
    let processor = file.image_processor_type.clone().unwrap_or_else(|| "ViTImageProcessor".to_owned());
    let reader = Reader { path, processor };
    reader.refuse_other_steps(&file)?;

    let resize = reader.or_default("do_resize", file.do_resize, true)?;
    let size = match &file.size {
        Some(value) => reader.size("size", value)?,
        None => reader.or_default("size", None, Size::Exact { height: 224, width: 224 })?,
    };
    let filter = match file.resample {
        Some(value) => reader.filter(&value)?,
        None if resize => reader.or_default("resample", None, Filter::Bilinear)?,
        None => Filter::Bilinear,
    };
    // No processor in this family crops unless the file says so, except those whose default is not known here.
    let center_crop = if reader.or_default("do_center_crop", file.do_center_crop, false)? {
        Some(reader.crop_size(&file.crop_size.unwrap_or(Value::Null), &size)?)
    } else {
        None
    };
    if center_crop.is_none() && matches!(size, Size::ShortestEdge(_)) {
        return Err(reader.value("size", &file.size.unwrap_or_default(), ONE_SIZE));
    }
    let rescale = reader.or_default("do_rescale", file.do_rescale, true)?;
    let factor = reader.or_default("rescale_factor", file.rescale_factor, 1.0 / 255.0);
    let normalise = reader.or_default("do_normalize", file.do_normalize, true)?;
    let standard = normalise.then(|| -> Result<_, Error> {
        let mean = reader.channels("image_mean", file.image_mean.as_ref())?;
        let std = reader.channels("image_std", file.image_std.as_ref())?;
        if std.iter().any(|value| value.abs() < LEAST_STD) {
            return Err(reader.value("image_std", &serde_json::json!(std), "0.001 or more for each channel"));
        }
        Ok((mean, std))
    });
    Ok(Settings {
        resize,
        size,
        filter,
        center_crop,
        crop_rounds: false,
        rescale: rescale.then_some(factor).transpose()?,
        normalise: standard.transpose()?,
    })
}

/// Pixels that are divided by less leave the range in which a network computes.
const LEAST_STD: f32 = 1e-3;
const ONE_SIZE: &str =
    "a height and a width, or a shortest_edge with do_center_crop: a batch needs images of one size";
const SIDE: &str =
    "a number of pixels from 1 to 4096, [height, width], {\"height\", \"width\"} or {\"shortest_edge\"}";
const CROP: &str = "a height and a width that the resized image holds";
const CHANNELS: &str = "a number, or one for each of red, green and blue";
const RESAMPLE: &str = "0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box or 5 hamming";
const ABSENT: &str = "it to be absent or false: that step is not known here";

impl Reader<'_> {
    fn value(&self, key: &'static str, found: &Value, expected: &'static str) -> Error {
        Error::Value { path: self.path.to_owned(), key, found: found.to_string(), expected }
    }

    /// `ViTImageProcessor`'s default where the file leaves a key out; other processors have other defaults.
    fn or_default<T>(&self, key: &'static str, value: Option<T>, default: T) -> Result<T, Error> {
        match value {
            Some(value) => Ok(value),
            None if self.processor.starts_with("ViTImage") || self.processor.starts_with("ViTFeature") => {
                Ok(default)
            }
            None => Err(Error::UnknownDefault {
                path: self.path.to_owned(),
                processor: self.processor.clone(),
                key,
            }),
        }
    }

    fn refuse_other_steps(&self, file: &Processor) -> Result<(), Error> {
        let steps = [
            ("do_pad", &file.do_pad),
            ("crop_pct", &file.crop_pct),
            ("rescale_offset", &file.rescale_offset),
            ("do_flip_channel_order", &file.do_flip_channel_order),
            ("do_thumbnail", &file.do_thumbnail),
            ("do_align_long_axis", &file.do_align_long_axis),
        ];
        let active = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
        match steps
            .into_iter()
            .find_map(|(key, value)| value.as_ref().filter(|v| active(v)).map(|v| (key, v)))
        {
            Some((key, value)) => Err(self.value(key, value, ABSENT)),
            None => Ok(()),
        }
    }

    fn side(value: &Value) -> Option<u32> {
        let side = u32::try_from(value.as_u64()?).ok()?;
        (1..=4096).contains(&side).then_some(side)
    }

    fn size(&self, key: &'static str, value: &Value) -> Result<Size, Error> {
        let pair = |height: &Value, width: &Value| {
            Some(Size::Exact { height: Self::side(height)?, width: Self::side(width)? })
        };
        let size = match value {
            Value::Number(_) => Self::side(value).map(|side| Size::Exact { height: side, width: side }),
            Value::Array(sides) if sides.len() == 2 => pair(&sides[0], &sides[1]),
            Value::Object(keys) => match (keys.get("height"), keys.get("width"), keys.get("shortest_edge")) {
                (Some(height), Some(width), _) => pair(height, width),
                (None, None, Some(edge)) if keys.len() == 1 => Self::side(edge).map(Size::ShortestEdge),
                _ => None,
            },
            _ => None,
        };
        size.ok_or_else(|| self.value(key, value, SIDE))
    }

    fn crop_size(&self, value: &Value, resized: &Size) -> Result<(u32, u32), Error> {
        let Size::Exact { height, width } = self.size("crop_size", value)? else {
            return Err(self.value("crop_size", value, CROP));
        };
        let (least_height, least_width) = match *resized {
            Size::Exact { height, width } => (height, width),
            Size::ShortestEdge(edge) => (edge, edge),
        };
        if height > least_height || width > least_width {
            return Err(self.value("crop_size", value, CROP));
        }
        Ok((height, width))
    }

    fn filter(&self, value: &Value) -> Result<Filter, Error> {
        value.as_u64().and_then(Filter::from_pillow).ok_or_else(|| self.value("resample", value, RESAMPLE))
    }

    fn channels(&self, key: &'static str, value: Option<&Value>) -> Result<[f32; 3], Error> {
        let Some(value) = value else { return self.or_default(key, None, [0.5; 3]) };
        // Through f64, as numpy rounds the file's number.
        let number = |value: &Value| value.as_f64().map(|number| number as f32).filter(|n| n.is_finite());
        let channels = match value {
            Value::Array(values) if values.len() == 3 => {
                let [red, green, blue] = [&values[0], &values[1], &values[2]].map(number);
                red.zip(green).zip(blue).map(|((red, green), blue)| [red, green, blue])
            }
            value => number(value).map(|number| [number; 3]),
        };
        channels.ok_or_else(|| self.value(key, value, CHANNELS))
    }
}
