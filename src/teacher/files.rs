//! A teacher's files in `optimum`'s layout: `model.onnx` with its external data, `config.json`, `preprocessor_config.json`.
//! A model whose metadata says what those two would say needs neither.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::external::{external_files, metadata};
use super::{Error, embedded};
use crate::support::hash::{Digest, FieldHasher};
use crate::support::labels::class_names;
use crate::view::Preprocess;

/// A teacher that was read and checked, and not yet run.
#[derive(Clone)]
pub(super) struct Files {
    pub model: Model,
    /// In the order of the logits.
    pub classes: Vec<String>,
    /// Height and width, where `config.json` states them.
    pub image_size: Option<(u32, u32)>,
    pub preprocess: Preprocess,
    /// Over the model's bytes, its external data, the classes and the preprocessing.
    pub fingerprint: Digest,
}

/// Where the model's bytes are.
#[derive(Clone)]
pub(super) enum Model {
    File(PathBuf),
    Embedded(&'static [u8]),
}

impl Model {
    /// How messages name it.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Embedded(_) => PathBuf::from(embedded::NAME),
        }
    }
}

impl Files {
    /// Reads what a pipeline's `teacher.model` names: `embedded:leaves`, a `model.onnx` or its folder.
    pub fn read(name: &str) -> Result<Self, Error> {
        if name == embedded::NAME {
            return Self::embedded();
        }
        if name.starts_with(embedded::PREFIX) {
            return Err(Error::NoEmbedded { name: name.to_owned() });
        }
        let path = locate(Path::new(name))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let bytes = read(&path)?;
        let malformed = |reason: String| Error::Malformed { path: path.clone(), reason };
        let stated = Stated::read(&bytes).map_err(malformed)?;

        let config_path = folder.join("config.json");
        let config = match stated.config {
            Some(text) if !config_path.exists() => Config::parse(&path, &text)?,
            _ => Config::parse(&config_path, &String::from_utf8_lossy(&read(&config_path)?))?,
        };
        let preprocessor_path = folder.join("preprocessor_config.json");
        let preprocess = match stated.preprocessor {
            Some(text) if !preprocessor_path.exists() => {
                Preprocess::from_json(&path.display().to_string(), &text)?
            }
            _ => Preprocess::from_file(&preprocessor_path)?,
        };
        let files = external_files(&bytes)
            .map_err(malformed)?
            .into_iter()
            .map(|file| hash_external(&path, &folder, file))
            .collect::<Result<Vec<_>, _>>()?;
        let fingerprint = fingerprint(Digest::of(&bytes), &files, &config.classes, &preprocess);
        let Config { classes, image_size } = config;
        Ok(Self { model: Model::File(path), classes, image_size, preprocess, fingerprint })
    }

    fn embedded() -> Result<Self, Error> {
        let named = |file: &str| format!("{}/{file}", embedded::NAME);
        let Config { classes, image_size } =
            Config::parse(Path::new(&named("config.json")), embedded::CONFIG)?;
        let preprocess = Preprocess::from_json(&named("preprocessor_config.json"), embedded::PREPROCESSOR)?;
        let fingerprint = fingerprint(Digest::of(embedded::MODEL), &[], &classes, &preprocess);
        Ok(Self { model: Model::Embedded(embedded::MODEL), classes, image_size, preprocess, fingerprint })
    }
}

/// The model's file: what was named, or `model.onnx` in the folder that was named.
fn locate(path: &Path) -> Result<PathBuf, Error> {
    let missing = |found: String| Error::NoModel { path: path.to_path_buf(), found };
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    if !path.is_dir() {
        return Err(missing("there is no such file or folder".to_owned()));
    }
    let model = path.join("model.onnx");
    if model.is_file() {
        return Ok(model);
    }
    let entries = fs::read_dir(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Err(missing(match names.len() {
        0 => "the folder is empty".to_owned(),
        1..=10 => format!("the folder holds no model.onnx, only {}", names.join(", ")),
        more => format!("the folder holds no model.onnx among its {more} entries"),
    }))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })
}

/// The name and digest of a file that the model's tensors refer to.
fn hash_external(model: &Path, folder: &Path, file: String) -> Result<(String, Digest), Error> {
    let within =
        Path::new(&file).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !within || file.is_empty() {
        let reason = format!("its weights are in {file:?}, which does not lie in its folder");
        return Err(Error::Malformed { path: model.to_path_buf(), reason });
    }
    let path = folder.join(&file);
    let digest = Digest::of_file(&path).map_err(|source| Error::Read { path, source })?;
    Ok((file, digest))
}

fn fingerprint(
    model: Digest,
    external: &[(String, Digest)],
    classes: &[String],
    preprocess: &Preprocess,
) -> Digest {
    let mut hasher = FieldHasher::new("teacher");
    hasher.field("model", model.0);
    for (name, digest) in external {
        hasher.field("external name", name).field("external data", digest.0);
    }
    for class in classes {
        hasher.field("class", class);
    }
    hasher.field("preprocessing", preprocess.fingerprint().0).finish()
}

/// What a model's metadata says in place of the files beside it, as `decant export` writes it: `id2label` and the keys of a
/// `preprocessor_config.json`, each with its value as JSON.
struct Stated {
    config: Option<String>,
    preprocessor: Option<String>,
}

impl Stated {
    fn read(model: &[u8]) -> Result<Self, String> {
        let metadata = metadata(model)?;
        let config = metadata.get("id2label").map(|classes| format!("{{\"id2label\": {classes}}}"));
        let value = |text: &String| {
            serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.clone()))
        };
        let keys: serde_json::Map<_, _> =
            metadata.iter().map(|(key, text)| (key.clone(), value(text))).collect();
        let preprocessor = keys.contains_key("image_processor_type");
        Ok(Self { config, preprocessor: preprocessor.then(|| serde_json::Value::from(keys).to_string()) })
    }
}

/// What this program needs of a `config.json`.
#[derive(Debug)]
struct Config {
    classes: Vec<String>,
    image_size: Option<(u32, u32)>,
}

#[derive(Deserialize)]
struct RawConfig {
    id2label: Option<BTreeMap<String, String>>,
    label2id: Option<BTreeMap<String, usize>>,
    image_size: Option<ImageSize>,
    num_channels: Option<u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ImageSize {
    Square(u32),
    Rectangle(u32, u32),
}

impl Config {
    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let malformed = |reason: String| Error::Malformed { path: path.to_path_buf(), reason };
        let raw: RawConfig = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        if let Some(channels) = raw.num_channels.filter(|&channels| channels != 3) {
            return Err(malformed(format!("num_channels is {channels}, expected 3 (red, green, blue)")));
        }
        let classes = class_names(raw.id2label, raw.label2id).map_err(malformed)?;
        let image_size = raw.image_size.map(|size| match size {
            ImageSize::Square(side) => (side, side),
            ImageSize::Rectangle(height, width) => (height, width),
        });
        Ok(Self { classes, image_size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("config.json"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn classes_come_in_the_order_of_their_numbers() {
        let ids: Vec<String> = (0..12).map(|id| format!(r#""{id}": "c{id}""#)).collect();
        let config = parse(&format!(r#"{{"id2label": {{{}}}, "image_size": 224}}"#, ids.join(", "))).unwrap();
        assert_eq!(config.classes, (0..12).map(|id| format!("c{id}")).collect::<Vec<_>>());
        assert_eq!(config.image_size, Some((224, 224)));
        let config = parse(r#"{"label2id": {"b": 1, "a": 0}, "image_size": [8, 16]}"#).unwrap();
        assert_eq!(config.classes, ["a", "b"]);
        assert_eq!(config.image_size, Some((8, 16)));
    }

    #[test]
    fn a_config_that_does_not_name_the_classes_is_refused() {
        for (text, reason) in [
            ("{}", "neither id2label nor label2id"),
            ("{", "EOF"),
            (r#"{"id2label": {"a": "b"}}"#, "expected a number"),
            (r#"{"id2label": {"1": "b"}}"#, "expected 0 to 0"),
            (r#"{"id2label": {"0": "a"}, "label2id": {"b": 0}}"#, r#""a" in id2label and "b" in label2id"#),
            (r#"{"id2label": {"0": "a"}, "label2id": {"b": 1}}"#, "id2label has not"),
            (r#"{"id2label": {"0": "a"}, "num_channels": 1}"#, "expected 3"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }
}
