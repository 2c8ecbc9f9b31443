//! The description of a model beside its graph: class names and preprocessing.
//!
//! Both are taken from the first of these that has them: `[teacher]` in the pipeline file; the files beside the model, as
//! `transformers`, `optimum` and timm write them (`config.json`, `preprocessor_config.json`); the model's own metadata, as
//! `decant export` writes it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::external::{Shapes, metadata, shapes};
use super::location::{Location, read};
use super::{Error, embedded};
use crate::config;
use crate::support::files::TEXT_LIMIT;
use crate::support::labels::class_names;
use crate::support::python_json;
use crate::view::{EvaluationTransform, Preprocess};

/// The description of a model.
#[derive(Clone, Debug)]
pub(super) struct Described {
    /// In the order of the logits.
    pub classes: Vec<String>,
    /// Height and width, where `config.json` states them.
    pub image_size: Option<(u32, u32)>,
    pub preprocess: Preprocess,
}

impl Described {
    pub(crate) fn embedded() -> Result<Self, Error> {
        let named = |file: &str| PathBuf::from(format!("{}/{file}", embedded::NAME));
        let config = Config::parse(named("config.json"), embedded::CONFIG.as_bytes())?;
        let path = named("preprocessor_config.json").display().to_string();
        Ok(Self {
            classes: config.classes()?.unwrap_or_default(),
            image_size: config.image_size(),
            preprocess: Preprocess::from_json(&path, embedded::PREPROCESSOR)?,
        })
    }

    /// Gathers what is known of the model with these `bytes`.
    ///
    /// # Errors
    /// Files that are damaged or can't be followed; one error that lists all that is missing.
    pub(crate) fn read(location: &Location, bytes: &[u8], teacher: &config::Teacher) -> Result<Self, Error> {
        let malformed = |reason: String| Error::Malformed { path: location.model.clone(), reason };
        let shapes = shapes(bytes).map_err(malformed)?;
        let own = OwnMetadata::read(&location.model, bytes).map_err(malformed)?;
        let config = match location.file("config.json") {
            Some(path) => Some(Config::read(path)?),
            None => own.config,
        };
        let mut missing = Missing { location, shapes: &shapes, parts: Vec::new() };

        let classes = match &teacher.classes {
            Some(classes) => Some(classes.clone()),
            None => match &config {
                Some(config) => config.classes()?,
                None => None,
            },
        };
        if classes.is_none() {
            missing.parts.push(Part::Classes { config: config.as_ref().map(|config| config.path.clone()) });
        }

        let preprocess = match of_pipeline(teacher, &shapes)? {
            Some(transform) => Some(transform),
            None if teacher.mean.is_some() => {
                missing.parts.push(Part::ImageSize);
                None
            }
            None => {
                let found = of_files(location, config.as_ref(), own.preprocessor.as_deref())?;
                if found.is_none() {
                    missing.parts.push(Part::Preprocessing);
                }
                found
            }
        };
        match (classes, preprocess) {
            (Some(classes), Some(preprocess)) => {
                let image_size = config.as_ref().and_then(Config::image_size);
                Ok(Self { classes, image_size, preprocess })
            }
            _ => Err(missing.error()),
        }
    }
}

/// The preprocessing that `[teacher]` describes; nothing where it describes none, or where nothing says the size.
fn of_pipeline(teacher: &config::Teacher, shapes: &Shapes) -> Result<Option<Preprocess>, Error> {
    let size = teacher.image_size.map(config::ImageSize::height_and_width).or(shapes.image_size());
    let (Some(size), Some(filter), Some(mean), Some(std)) =
        (size, teacher.resample, teacher.mean, teacher.std)
    else {
        return Ok(None);
    };
    let transform =
        EvaluationTransform { size, crop_pct: teacher.crop_pct, squash: false, filter, mean, std };
    if transform.needs_a_square() {
        return Err(Error::CropOfRectangle { height: size.0, width: size.1 });
    }
    Ok(Some(transform.preprocess()))
}

/// The preprocessing that the files beside the model describe, or its metadata.
fn of_files(
    location: &Location,
    config: Option<&Config>,
    own: Option<&str>,
) -> Result<Option<Preprocess>, Error> {
    for name in ["preprocessor_config.json", "processor_config.json"] {
        let Some(path) = location.file(name) else { continue };
        let file = path.display().to_string();
        let value = parse(&path, &read(&path, TEXT_LIMIT)?)?;
        // A processor of several parts keeps that of images in a part of its own.
        let value = value.get("image_processor").cloned().unwrap_or(value);
        return Ok(Some(Preprocess::from_json(&file, &value.to_string())?));
    }
    if let Some(text) = own {
        return Ok(Some(Preprocess::from_json(&location.model.display().to_string(), text)?));
    }
    let Some(config) = config else { return Ok(None) };
    let of_timm = config.value.get("pretrained_cfg").filter(|value| value.is_object());
    let path = config.path.display().to_string();
    let transform = of_timm.map(|value| EvaluationTransform::from_timm(&path, value)).transpose()?;
    Ok(transform.map(|transform| transform.preprocess()))
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Value, Error> {
    let bad = |reason: String| Error::Json { path: path.to_path_buf(), reason };
    let value = python_json::parse(bytes).map_err(bad)?;
    if value.is_object() { Ok(value) } else { Err(bad("it is not an object".to_owned())) }
}

/// The description in a model's metadata in place of the files beside it, as `decant export` writes it: `id2label` and the keys of a
/// `preprocessor_config.json`, each with its value as JSON.
struct OwnMetadata {
    config: Option<Config>,
    preprocessor: Option<String>,
}

impl OwnMetadata {
    fn read(path: &Path, model: &[u8]) -> Result<Self, String> {
        let value =
            |text: String| serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()));
        let keys: Map<String, Value> =
            metadata(model)?.into_iter().map(|(key, text)| (key, value(text))).collect();
        let preprocessor = keys.contains_key("image_processor_type");
        let value = Value::from(keys);
        let preprocessor = preprocessor.then(|| value.to_string());
        let has_classes = value.get("id2label").is_some();
        let config = has_classes.then(|| Config { path: path.to_path_buf(), value });
        Ok(Self { config, preprocessor })
    }
}

/// A `config.json` of `transformers` or timm.
#[derive(Debug)]
struct Config {
    path: PathBuf,
    value: Value,
}

impl Config {
    fn read(path: PathBuf) -> Result<Self, Error> {
        let bytes = read(&path, TEXT_LIMIT)?;
        Self::parse(path, &bytes)
    }

    fn parse(path: PathBuf, bytes: &[u8]) -> Result<Self, Error> {
        let value = parse(&path, bytes)?;
        match value.get("num_channels").and_then(Value::as_u64) {
            None | Some(3) => Ok(Self { path, value }),
            Some(channels) => {
                let reason = format!("num_channels is {channels}, expected 3 (red, green, blue)");
                Err(Error::Json { path, reason })
            }
        }
    }

    fn classes(&self) -> Result<Option<Vec<String>>, Error> {
        class_names(&self.value).map_err(|reason| Error::Json { path: self.path.clone(), reason })
    }

    /// Height and width.
    fn image_size(&self) -> Option<(u32, u32)> {
        let side = |value: &Value| value.as_u64().and_then(|side| u32::try_from(side).ok());
        let size = self.value.get("image_size")?;
        match size {
            Value::Array(sides) if sides.len() == 2 => side(&sides[0]).zip(side(&sides[1])),
            Value::Object(sides) => side(sides.get("height")?).zip(side(sides.get("width")?)),
            size => side(size).map(|side| (side, side)),
        }
    }
}

/// The parts of a model's description that nothing gives.
enum Part {
    Classes { config: Option<PathBuf> },
    Preprocessing,
    ImageSize,
}

struct Missing<'a> {
    location: &'a Location,
    shapes: &'a Shapes,
    parts: Vec<Part>,
}

impl Missing<'_> {
    /// One sentence for all parts, and the lines of a pipeline file that would say them.
    fn error(self) -> Error {
        let folder =
            self.location.folders.last().map(|folder| folder.display().to_string()).unwrap_or_default();
        let folder = if folder.is_empty() { ".".to_owned() } else { folder };
        let (mut what, mut lines) = (Vec::new(), String::from("[teacher]\n"));
        for part in &self.parts {
            match part {
                Part::Classes { config } => {
                    what.push(match config {
                        Some(path) => {
                            format!(
                                "the names of its classes ({} has no id2label, label2id or label_names)",
                                path.display()
                            )
                        }
                        None => format!("the names of its classes (there is no config.json in {folder})"),
                    });
                    let count =
                        self.shapes.classes.map_or_else(String::new, |count| format!("{count} names, "));
                    lines.extend([
                        "classes = [\"...\", \"...\"]      # ",
                        count.as_str(),
                        "in the order of the logits\n",
                    ]);
                }
                Part::Preprocessing => {
                    what.push(format!(
                        "its preprocessing (there is no preprocessor_config.json in {folder})"
                    ));
                    let image_size = match self.shapes.image_size() {
                        Some((height, width)) if height == width => {
                            format!("image-size = {height}              # what the model takes\n")
                        }
                        Some((height, width)) => format!("image-size = [{height}, {width}]\n"),
                        None => "image-size = 224              # or [height, width]\n".to_owned(),
                    };
                    lines += &image_size;
                    lines += "mean = [0.485, 0.456, 0.406]  # these are ImageNet's; many ViTs have 0.5, 0.5, 0.5\n\
                              std = [0.229, 0.224, 0.225]\n\
                              resample = \"bilinear\"         # or nearest, lanczos, bicubic, box, hamming\n\
                              crop-pct = 0.875              # leave it out where the whole image is resized\n";
                }
                Part::ImageSize => {
                    what.push("the size of its input, which the model does not fix".to_owned());
                    lines += "image-size = 224              # or [height, width]\n";
                }
            }
        }
        Error::Undescribed { path: self.location.model.clone(), missing: what.join(" and "), folder, lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, String> {
        Config::parse("config.json".into(), text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_size_is_read_as_transformers_writes_it() {
        for (text, size) in [
            (r#"{"image_size": 224}"#, Some((224, 224))),
            (r#"{"image_size": [8, 16]}"#, Some((8, 16))),
            (r#"{"image_size": {"height": 8, "width": 16}}"#, Some((8, 16))),
            ("{}", None),
        ] {
            assert_eq!(config(text).unwrap().image_size(), size);
        }
    }

    #[test]
    fn a_config_that_can_not_be_followed_is_refused() {
        for (text, reason) in [
            ("{", "EOF"),
            ("[]", "not an object"),
            (r#"{"id2label": {"0": "a"}, "num_channels": 1}"#, "expected 3"),
        ] {
            let message = config(text).unwrap_err();
            assert!(message.contains(reason) && message.contains("config.json"), "{text}: {message}");
        }
    }
}
