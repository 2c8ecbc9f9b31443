//! `config.json` and `preprocessor_config.json`.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use super::Error;
use crate::config::Architecture;
use crate::student::{StudentShape, format};
use crate::support::files::{TEXT_LIMIT, read_regular};
use crate::support::labels::class_names;
use crate::support::python_json;

/// The `config.json` of a student.
pub(super) struct ModelConfig<'a> {
    shape: &'a StudentShape,
    pub id2label: BTreeMap<usize, &'a str>,
}

impl<'a> ModelConfig<'a> {
    pub(crate) fn new(shape: &'a StudentShape, classes: &'a [String]) -> Self {
        Self { shape, id2label: classes.iter().map(String::as_str).enumerate().collect() }
    }
}

impl Serialize for ModelConfig<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let format = format(self.shape.architecture);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("architectures", &[format.class])?;
        map.serialize_entry("model_type", format.model_type)?;
        for (key, value) in (format.config)(self.shape) {
            map.serialize_entry(key, &value)?;
        }
        map.serialize_entry("problem_type", "single_label_classification")?;
        map.serialize_entry("id2label", &self.id2label)?;
        let label2id: BTreeMap<&str, usize> = self.id2label.iter().map(|(&id, &label)| (label, id)).collect();
        map.serialize_entry("label2id", &label2id)?;
        map.end()
    }
}

/// A `ViTImageProcessor` that resizes to a square and neither crops nor pads: what students are trained on.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the file's format has them")]
pub(super) struct PreprocessorConfig {
    image_processor_type: &'static str,
    do_convert_rgb: bool,
    do_resize: bool,
    size: Size,
    /// Pillow's number for bilinear.
    resample: u8,
    do_rescale: bool,
    rescale_factor: f64,
    do_normalize: bool,
    image_mean: [f32; 3],
    image_std: [f32; 3],
}

#[derive(Serialize)]
struct Size {
    height: usize,
    width: usize,
}

impl PreprocessorConfig {
    pub(crate) fn new(side: usize, image_mean: [f32; 3], image_std: [f32; 3]) -> Self {
        Self {
            image_processor_type: "ViTImageProcessor",
            do_convert_rgb: true,
            do_resize: true,
            size: Size { height: side, width: side },
            resample: 2,
            do_rescale: true,
            rescale_factor: 1.0 / 255.0,
            do_normalize: true,
            image_mean,
            image_std,
        }
    }
}

/// A `config.json` of a student, as far as it says which one.
#[derive(Deserialize)]
struct Described {
    image_size: Option<usize>,
}

/// The shape and the class names that the `config.json` at `path` describes; what it leaves out is as `transformers` has it.
pub(super) fn read(path: &Path) -> Result<(StudentShape, Vec<String>), Error> {
    let bytes =
        read_regular(path, TEXT_LIMIT).map_err(|source| Error::Open { path: path.to_owned(), source })?;
    let bad = |reason: String| Error::Config { path: path.to_owned(), reason };
    let config = python_json::parse(&bytes).map_err(&bad)?;
    let architecture = architecture(path, &config)?;
    check(path, &config, architecture)?;
    let width = width(&config, architecture).map_err(&bad)?;
    let classes = class_names(&config).map_err(&bad)?;
    let classes = classes.ok_or_else(|| bad("it has neither id2label nor label2id".to_owned()))?;
    let described: Described = serde_json::from_value(config).map_err(|error| bad(error.to_string()))?;
    let size = described.image_size.unwrap_or(224);
    if !(32..=1024).contains(&size) {
        return Err(bad(format!("image_size is {size}, expected 32 to 1024")));
    }
    Ok((StudentShape::new(architecture, classes.len(), size).with_width(width), classes))
}

/// The architecture whose `model_type` a configuration has; that of the first one where it has none.
fn architecture(path: &Path, config: &Value) -> Result<Architecture, Error> {
    let Some(found) = config.get("model_type") else { return Ok(Architecture::default()) };
    let known = |&&architecture: &&Architecture| found == format(architecture).model_type;
    Architecture::ALL.iter().find(known).copied().ok_or_else(|| {
        let known: Vec<String> =
            Architecture::ALL.iter().map(|&known| format(known).model_type.to_owned()).collect();
        let expected = known.join(" or ");
        Error::OtherModel { path: path.to_owned(), expected, found: found.to_string() }
    })
}

/// The width that a configuration describes; 1 where the architecture has none.
fn width(config: &Value, architecture: Architecture) -> Result<f64, String> {
    let Some((key, usual)) = format(architecture).width else { return Ok(1.0) };
    let Some(found) = config.get(key).filter(|found| !found.is_null()) else { return Ok(usual) };
    match found.as_f64() {
        Some(width) if (0.1..=4.0).contains(&width) => Ok(width),
        _ => Err(format!("{key} is {found}, expected 0.1 to 4")),
    }
}

/// Refuses a `config.json`, where there is one beside `weights`, whose network is another one or has the same tensors but
/// computes something else from them.
pub(super) fn check_beside(weights: &Path, architecture: Architecture) -> Result<(), Error> {
    let path = weights.with_file_name("config.json");
    let found =
        read_regular(&path, TEXT_LIMIT).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    found.map_or(Ok(()), |found| check(&path, &found, architecture))
}

fn check(path: &Path, found: &Value, architecture: Architecture) -> Result<(), Error> {
    let format = format(architecture);
    let expected = std::iter::once(("model_type", json!(format.model_type))).chain((format.fixed)());
    let same = |found: &Value, expected: &Value| {
        found == expected || found.as_f64().is_some_and(|number| Some(number) == expected.as_f64())
    };
    for (key, expected) in expected {
        if let Some(found) = found.get(key).filter(|found| !same(found, &expected)) {
            let (expected, found) = (expected.to_string(), found.to_string());
            let network = architecture.traits().title;
            return Err(Error::OtherNetwork { path: path.to_owned(), network, key, expected, found });
        }
    }
    Ok(())
}
