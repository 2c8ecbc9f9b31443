//! One run of an imported file: what it says, and the files of a run that follow from it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::answers::measured;
use super::fields::{known, object, text, whole};
use crate::config::{self, Pipeline};
use crate::dataset::SplitName;
use crate::runs::recipe::flatten;
use crate::store::Cache;
use crate::support::hash::FieldHasher;
use crate::train::metrics::Criterion;
use crate::train::{self, Description, Imported, RunResult};

/// The keys of a run in the file.
const KEYS: [&str; 9] =
    ["name", "tool", "student", "seed", "cache", "settings", "parameters", "seconds", "splits"];
const LAMBDA: &str = "train.lambda";
const TEMPERATURE: &str = "train.temperature";

/// One run of the file.
pub(crate) struct Wanted<'a> {
    name: String,
    tool: String,
    student: String,
    seed: u64,
    /// The cache's folder.
    pub cache: PathBuf,
    settings: BTreeMap<String, Value>,
    parameters: usize,
    /// Seconds of training.
    pub seconds: f64,
    validation: &'a Map<String, Value>,
    test: Option<&'a Map<String, Value>>,
}

impl<'a> Wanted<'a> {
    /// Reads a run of the file.
    ///
    /// # Errors
    /// A key that is unknown, missing or out of range, in words.
    pub(crate) fn read(value: &'a Value) -> Result<Self, String> {
        let run = value.as_object().ok_or("a run must be an object, as {\"name\": ...}")?;
        known(run, &KEYS)?;
        let name = text(run, "name")?;
        if !config::is_run_name(&name) {
            return Err(format!("`name` must be {}, found {name:?}", config::RUN_NAME));
        }
        let splits = object(run, "splits")?;
        known(splits, &["validation", "test"])?;
        let seconds = run.get("seconds").map_or(Some(0.0), Value::as_f64).filter(|seconds| *seconds >= 0.0);
        Ok(Self {
            name,
            tool: text(run, "tool")?,
            student: text(run, "student")?,
            seed: whole(run, "seed")?,
            cache: text(run, "cache")?.into(),
            settings: settings(object(run, "settings")?)?,
            parameters: usize::try_from(whole(run, "parameters")?)
                .ok()
                .filter(|count| *count > 0)
                .ok_or("`parameters` must be above 0")?,
            seconds: seconds.ok_or("`seconds` must be a number, 0 or more")?,
            validation: object(splits, "validation")?,
            test: splits.get("test").map(|_| object(splits, "test")).transpose()?,
        })
    }

    fn number(&self, key: &str) -> f32 {
        self.settings.get(key).and_then(Value::as_f64).unwrap_or(0.0) as f32
    }

    /// What the run's files say.
    ///
    /// # Errors
    /// Answers that do not fit the cache, in words.
    pub(crate) fn described(&self, cache: &Cache) -> Result<(Description, RunResult), String> {
        let manifest = cache.manifest();
        let mut pipeline = Pipeline { name: self.name.clone(), ..Pipeline::default() };
        pipeline.dataset.source.clone_from(&manifest.dataset.name);
        let train = &mut pipeline.train;
        (train.seed, train.lambda) = (self.seed, self.number(LAMBDA));
        if self.settings.contains_key(TEMPERATURE) {
            train.temperature = self.number(TEMPERATURE);
        }
        let epochs = self.settings.get("train.epochs").and_then(Value::as_u64);
        train.epochs = epochs.and_then(|epochs| usize::try_from(epochs).ok()).unwrap_or(0);
        let imported = Imported {
            tool: self.tool.clone(),
            student: self.student.clone(),
            settings: self.settings.clone(),
        };
        let content = cache.complete().content;
        let key = FieldHasher::new("decant imported run")
            .field("imported", serde_json::to_vec(&imported).expect("it is plain data"))
            .field("seed", self.seed.to_le_bytes())
            .field("cache", content.0)
            .finish();
        let temperature = pipeline.train.temperature;
        let validation = measured(cache, SplitName::Validation, self.validation, temperature)?;
        let test =
            self.test.map(|answers| measured(cache, SplitName::Test, answers, temperature)).transpose()?;
        let result = RunResult {
            key: key.to_string(),
            name: self.name.clone(),
            temperature,
            lambda: pipeline.train.lambda,
            seed: self.seed,
            parameters: self.parameters,
            best_epoch: pipeline.train.epochs,
            chosen_by: Criterion::of(&validation),
            validation,
            test,
            weights: String::new(),
            configs: BTreeMap::new(),
        };
        let description = Description {
            format: Description::FORMAT,
            revision: train::REVISION,
            decant: env!("CARGO_PKG_VERSION").to_owned(),
            key,
            cache: cache.dir().to_owned(),
            cache_content: content,
            init: None,
            teacher: manifest.teacher.name.clone(),
            device: config::StudentDevice::Cpu,
            pipeline,
            imported: Some(imported),
        };
        Ok((description, result))
    }
}

/// The settings by full key: `lr` is `train.lr`, as in a pipeline file.
fn settings(given: &Map<String, Value>) -> Result<BTreeMap<String, Value>, String> {
    let defaults = flatten(&Pipeline::default());
    let mut settings = BTreeMap::new();
    for (key, value) in given {
        let full = format!("train.{key}");
        let key = if defaults.contains_key(&full) { full } else { key.clone() };
        // A number as a pipeline file has it, so that 5 and 5.0 are one value.
        let is_float = defaults.get(&key).is_some_and(|default| default.contains('.'));
        let value = match value {
            Value::Number(number) if is_float => number.as_f64().map(Value::from),
            Value::Number(_) | Value::String(_) | Value::Bool(_) => Some(value.clone()),
            _ => None,
        };
        let value =
            value.ok_or_else(|| format!("setting `{key}` must be a number, a text, true or false"))?;
        settings.insert(key, value);
    }
    let number = |key: &str| settings.get(key).and_then(Value::as_f64);
    let lambda = number(LAMBDA).filter(|lambda| (0.0..=1.0).contains(lambda)).ok_or(
        "`settings` must have `lambda`, the weight of the distillation term, from 0 (labels only) to 1",
    )?;
    if lambda > 0.0 && number(TEMPERATURE).is_none_or(|temperature| temperature <= 0.0) {
        return Err("`settings` must have `temperature`, above 0, where `lambda` is above 0".to_owned());
    }
    Ok(settings)
}
