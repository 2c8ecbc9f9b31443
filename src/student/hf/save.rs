//! Writing a folder that `transformers` opens.

use std::{collections::BTreeMap, collections::HashMap, path::Path};

use burn::module::Module;
use safetensors::{Dtype, View, serialize};
use serde::Serialize;
use serde_json::Value;

use super::{
    BATCH_COUNTER, Error,
    config::{ModelConfig, PreprocessorConfig},
};
use crate::{
    student::{Student, StudentShape, visit_parameters},
    support::atomic,
};

/// The file that holds a student's weights.
pub const WEIGHTS: &str = "model.safetensors";

/// The description of a student in its folder, beside its weights.
#[derive(Clone, Copy, Debug)]
pub struct Card<'a> {
    /// Class names in the order of the logits.
    pub classes: &'a [String],
    /// Mean of each channel, of pixels scaled to 0..1.
    pub image_mean: [f32; 3],
    /// Standard deviation of each channel, of pixels scaled to 0..1.
    pub image_std: [f32; 3],
    /// Training steps so far, for batch normalisation's counter.
    pub steps: u64,
}

/// Writes `model.safetensors`, `config.json` and `preprocessor_config.json` to `dir`, each atomically, so that
/// `AutoModelForImageClassification.from_pretrained(dir)` and `AutoImageProcessor.from_pretrained(dir)` open it.
/// The same student gives the same bytes.
///
/// # Errors
/// A file that can't be written.
pub fn save_folder(dir: &Path, model: &Student, card: Card) -> Result<(), Error> {
    write(&dir.join(WEIGHTS), &weights(model, card.steps))?;
    save_configs(dir, model.shape(), &card)?;
    Ok(())
}

/// Writes `config.json` and `preprocessor_config.json` to `dir`, and gives their names and bytes.
///
/// # Errors
/// A file that can't be written.
pub(crate) fn save_configs(
    dir: &Path,
    shape: &StudentShape,
    card: &Card,
) -> Result<[(&'static str, Vec<u8>); 2], Error> {
    let preprocessor = PreprocessorConfig::new(shape.image_size, card.image_mean, card.image_std);
    let configs = [
        ("config.json", pretty(&ModelConfig::new(shape, card.classes))),
        ("preprocessor_config.json", pretty(&preprocessor)),
    ];
    configs.iter().try_for_each(|(name, bytes)| write(&dir.join(name), bytes))?;
    Ok(configs)
}

/// `id2label` and the keys of `preprocessor_config.json`, each with its value as JSON (a string as it is): what a file that
/// stands by itself says of its student.
pub(crate) fn metadata(shape: &StudentShape, card: &Card) -> Vec<(String, String)> {
    let id2label = &ModelConfig::new(shape, card.classes).id2label;
    let id2label = serde_json::to_string(id2label).expect("a map of strings has a JSON form");
    let preprocessor = PreprocessorConfig::new(shape.image_size, card.image_mean, card.image_std);
    let Ok(Value::Object(keys)) = serde_json::to_value(&preprocessor) else { unreachable!("it is a struct") };
    let text = |value: Value| match value {
        Value::String(text) => text,
        value => value.to_string(),
    };
    let keys = keys.into_iter().map(|(key, value)| (key, text(value)));
    std::iter::once(("id2label".to_owned(), id2label)).chain(keys).collect()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    atomic::write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("numbers, strings and maps have a JSON form");
    text.push(b'\n');
    text
}

/// The bytes of `model.safetensors`.
fn weights<M: Module>(model: &M, steps: u64) -> Vec<u8> {
    let mut tensors = BTreeMap::new();
    visit_parameters(model, |name, data| {
        if let Some(normalization) = name.strip_suffix("running_var") {
            let counter = Stored { dtype: Dtype::I64, shape: vec![], bytes: steps.to_le_bytes().to_vec() };
            tensors.insert(format!("{normalization}{BATCH_COUNTER}"), counter);
        }
        let shape = data.shape().to_vec();
        let bytes = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
        tensors.insert(name.to_owned(), Stored { dtype: Dtype::F32, shape, bytes });
    });
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    serialize(tensors, Some(format)).expect("each tensor's bytes are as long as its shape says")
}

struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        (&self.bytes).into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
