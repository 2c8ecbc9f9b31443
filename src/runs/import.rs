//! Runs that another tool trained: a small JSON becomes a run's folder, which `runs ls`, `compare` and `report` read like any other.
//!
//! The file is checked against the cache that it names: how many images a split has, and their labels.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::lock::RunLock;
use super::record::Run;
use crate::config::{self, Pipeline};
use crate::dataset::SplitName;
use crate::store::{self, Cache, SplitRows};
use crate::support::confusion::Confusion;
use crate::support::exit::{ExitKind, Kind};
use crate::support::files;
use crate::support::hash::FieldHasher;
use crate::train::metrics::{Criterion, Meter, Metrics, argmax};
use crate::train::{
    self, Description, Imported, RESULT_FILE, RUN_FILE, RunResult, TIMING_FILE, Timing, write_json,
};

/// The largest file that is read, in bytes: logits of a test split of ImageNet's size.
const LIMIT: u64 = 1 << 30;
/// The keys of a run in the file.
const KEYS: [&str; 9] =
    ["name", "tool", "student", "seed", "cache", "settings", "parameters", "seconds", "splits"];
/// The keys of a split, of which exactly one is given.
const ANSWERS: [&str; 3] = ["accuracy", "predictions", "logits"];
const LAMBDA: &str = "train.lambda";
const TEMPERATURE: &str = "train.temperature";

/// Why a file is not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file can't be read.
    #[error("{} can't be read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The file says something that it must not, or lacks something.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// The run was imported before, with other results.
    #[error(
        "{} was imported before with other results; delete it with decant runs rm, or give this run another name, seed or setting",
        folder.display()
    )]
    Other {
        /// The run's folder.
        folder: PathBuf,
    },
    /// The cache that the file names.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The run's folder.
    #[error(transparent)]
    Train(#[from] train::Error),
}

impl ExitKind for ImportError {
    fn kind(&self) -> Kind {
        match self {
            Self::Read { .. } | Self::Malformed { .. } | Self::Other { .. } => Kind::Usage,
            Self::Store(error) => error.kind(),
            Self::Train(error) => error.kind(),
        }
    }
}

/// Imports the run, or the runs of a list, that `file` describes, and gives their folders under `runs_dir`. A path in the file is taken
/// from the working directory. Nothing is written unless every run of the file is sound; what is there already stays.
///
/// # Errors
/// A file that says something unknown, lacks something or does not fit its cache; a cache that can't be read.
pub fn import(file: &Path, runs_dir: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let malformed = |reason: String| ImportError::Malformed { path: file.to_owned(), reason };
    let bytes = files::read_regular(file, LIMIT)
        .map_err(|reason| ImportError::Read { path: file.to_owned(), reason })?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| malformed(format!("it is not JSON: {error}")))?;
    let runs = match &value {
        Value::Array(runs) if !runs.is_empty() => runs.iter().collect(),
        Value::Object(_) => vec![&value],
        _ => return Err(malformed("expected a run, as {\"name\": ...}, or a list of runs".to_owned())),
    };
    let mut read = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let at = |reason: String| {
            malformed(if runs.len() > 1 { format!("run {}: {reason}", index + 1) } else { reason })
        };
        let wanted = Wanted::read(run).map_err(at)?;
        let cache = Cache::open(&wanted.cache)?;
        let (description, result) = wanted.described(&cache).map_err(at)?;
        let timing = Timing { seconds: wanted.seconds, ..Timing::default() };
        read.push((description, result, timing));
    }
    read.into_iter()
        .map(|(description, result, timing)| write(runs_dir, &description, &result, &timing))
        .collect()
}

fn write(
    runs_dir: &Path,
    description: &Description,
    result: &RunResult,
    timing: &Timing,
) -> Result<PathBuf, ImportError> {
    let folder = runs_dir.join(format!("{}-{}", description.pipeline.name, description.key.short(12)));
    if folder.join(RESULT_FILE).exists() {
        let there = Run::read(&folder)?.result;
        // A measure that is not known differs from itself.
        let text = |result: &RunResult| serde_json::to_string(result).expect("a result is plain data");
        return match there {
            Some(there) if text(&there) == text(result) => Ok(folder),
            _ => Err(ImportError::Other { folder }),
        };
    }
    let failed = |source| train::Error::file("create", &folder)(source);
    fs::create_dir_all(&folder).map_err(failed)?;
    let lock = RunLock::take(&folder)?;
    write_json(&folder, RUN_FILE, description)?;
    write_json(&folder, TIMING_FILE, timing)?;
    write_json(&folder, RESULT_FILE, result)?;
    drop(lock);
    Ok(folder)
}

/// One run of the file.
struct Wanted<'a> {
    name: String,
    tool: String,
    student: String,
    seed: u64,
    cache: PathBuf,
    settings: BTreeMap<String, Value>,
    parameters: usize,
    seconds: f64,
    validation: &'a Map<String, Value>,
    test: Option<&'a Map<String, Value>>,
}

impl<'a> Wanted<'a> {
    fn read(value: &'a Value) -> Result<Self, String> {
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
    fn described(&self, cache: &Cache) -> Result<(Description, RunResult), String> {
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

/// The measures of one split, from whichever of the three forms the file has.
fn measured(
    cache: &Cache,
    split: SplitName,
    answers: &Map<String, Value>,
    temperature: f32,
) -> Result<Metrics, String> {
    known(answers, &ANSWERS)?;
    let split = CachedSplit::read(cache, split)?;
    match answers.iter().next().filter(|_| answers.len() == 1) {
        Some((key, Value::Array(all))) if key == "logits" => split.by_logits(all, temperature),
        Some((key, Value::Array(all))) if key == "predictions" => split.by_predictions(all),
        Some((key, accuracy)) if key == "accuracy" => split.by_accuracy(accuracy),
        _ => Err(format!("{} must have one of `accuracy`, `predictions` and `logits`", split.name)),
    }
}

/// The facts of a cache's split that a student's answers are held against.
struct CachedSplit {
    name: SplitName,
    rows: Arc<SplitRows>,
    classes: usize,
    /// Of each image, -1 where there is none.
    labels: Vec<i32>,
}

impl CachedSplit {
    fn read(cache: &Cache, name: SplitName) -> Result<Self, String> {
        let rows = cache.split(name.as_str()).map_err(|error| error.to_string())?;
        let labels = rows.plain().map(|row| rows.label(row)).collect();
        Ok(Self { name, classes: rows.classes(), labels, rows })
    }

    /// The teacher's logits, `[images, classes]`.
    fn teacher(&self) -> Result<Vec<f32>, String> {
        let plain: Vec<usize> = self.rows.plain().collect();
        let mut logits = vec![0.0; plain.len() * self.classes];
        self.rows.gather_logits(&plain, &mut logits).map_err(|error| error.to_string())?;
        Ok(logits)
    }

    fn labelled(&self) -> usize {
        self.labels.iter().filter(|label| **label >= 0).count()
    }

    fn check_count(&self, key: &str, found: usize) -> Result<(), String> {
        let (split, samples) = (self.name, self.labels.len());
        if found == samples {
            return Ok(());
        }
        Err(format!(
            "`{key}` of {split} has {found} images, and the cache has {samples}; give one for each, in the cache's order"
        ))
    }

    fn by_logits(&self, all: &[Value], temperature: f32) -> Result<Metrics, String> {
        self.check_count("logits", all.len())?;
        let row = |row: &Value| -> Option<Vec<f32>> {
            let row: Option<Vec<f32>> =
                row.as_array()?.iter().map(|logit| logit.as_f64().map(|logit| logit as f32)).collect();
            row.filter(|row| row.len() == self.classes && row.iter().all(|logit| logit.is_finite()))
        };
        let logits: Option<Vec<Vec<f32>>> = all.iter().map(row).collect();
        let logits = logits.ok_or_else(|| {
            format!("`logits` of {} must be a list of {} numbers for each image", self.name, self.classes)
        })?;
        let mut meter = Meter::new(self.classes, temperature);
        meter.add(&logits.concat(), &self.teacher()?, &self.labels);
        Ok(meter.finish())
    }

    fn by_predictions(&self, all: &[Value]) -> Result<Metrics, String> {
        self.check_count("predictions", all.len())?;
        let class = |class: &Value| {
            class.as_u64().and_then(|class| usize::try_from(class).ok()).filter(|class| *class < self.classes)
        };
        let predicted: Option<Vec<usize>> = all.iter().map(class).collect();
        let predicted = predicted.ok_or_else(|| {
            format!("`predictions` of {} must be class indices from 0 to {}", self.name, self.classes - 1)
        })?;
        let mut confusion = Confusion::new(self.classes);
        for (&label, &predicted) in self.labels.iter().zip(&predicted) {
            if let Ok(label) = usize::try_from(label) {
                confusion.add(label, predicted);
            }
        }
        let (samples, labelled) = (self.labels.len(), self.labelled());
        let teacher = self.teacher()?;
        let answers = teacher.chunks_exact(self.classes).zip(&predicted);
        let agreed = answers.filter(|(row, class)| argmax(row) == **class).count();
        Ok(Metrics {
            samples,
            accuracy: (labelled > 0).then(|| confusion.correct() as f64 / labelled as f64),
            macro_f1: confusion.macro_f1(),
            teacher_agreement: agreed as f64 / samples.max(1) as f64,
            confusion,
            ..unknown()
        })
    }

    fn by_accuracy(&self, accuracy: &Value) -> Result<Metrics, String> {
        let accuracy = accuracy.as_f64().filter(|share| (0.0..=1.0).contains(share));
        let accuracy =
            accuracy.ok_or_else(|| format!("`accuracy` of {} must be a number from 0 to 1", self.name))?;
        match self.labelled() {
            0 => Err(format!("`accuracy` of {}: no image of the cache has a label there", self.name)),
            samples => Ok(Metrics { samples, accuracy: Some(accuracy), ..unknown() }),
        }
    }
}

/// Measures of which the file says nothing.
fn unknown() -> Metrics {
    Metrics { teacher_agreement: f64::NAN, teacher_kl: f64::NAN, ..Metrics::default() }
}

/// The settings by full key: `lr` is `train.lr`, as in a pipeline file.
fn settings(given: &Map<String, Value>) -> Result<BTreeMap<String, Value>, String> {
    let defaults = super::flatten(&Pipeline::default());
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

fn known(object: &Map<String, Value>, keys: &[&str]) -> Result<(), String> {
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown key `{key}`; the keys are {}", keys.join(", "))),
        None => Ok(()),
    }
}

fn text(run: &Map<String, Value>, key: &str) -> Result<String, String> {
    let text = run.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    text.map(str::to_owned).ok_or_else(|| format!("`{key}` must be given, as a text in quotes"))
}

fn whole(run: &Map<String, Value>, key: &str) -> Result<u64, String> {
    run.get(key).and_then(Value::as_u64).ok_or_else(|| format!("`{key}` must be given, as a whole number"))
}

fn object<'a>(run: &'a Map<String, Value>, key: &str) -> Result<&'a Map<String, Value>, String> {
    run.get(key).and_then(Value::as_object).ok_or_else(|| format!("`{key}` must be given, as {{...}}"))
}
