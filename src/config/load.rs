//! From a file's text and `--set` overrides to a checked [`Pipeline`], with errors that name the line.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::axes;
use super::key::Role;
use super::keys::{Key, canonical, find, keys};
use super::kind::Kind;
use super::values::{Values, lines, merge, nested, read, read_section, read_value, unknown_key};
use super::{Error, Pipeline, shipped};
use crate::support::files::read_text;

/// Reads the pipeline file at `path` and applies `overrides`, each a `KEY=VALUE` with a dotted key.
///
/// # Errors
/// A file that can't be read or is not TOML, an unknown key, a key that would do nothing, a value of the wrong type or out of range.
pub(crate) fn load(path: &Path, overrides: &[String]) -> Result<Pipeline, Error> {
    Source::read(path, overrides)?.pipeline()
}

/// As [`load`], from the `text` of the file at `path`.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<Pipeline, Error> {
    Source::new(path, text, overrides)?.pipeline()
}

/// A pipeline file's values with their overrides, from which the pipeline and variants of it are made.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    path: PathBuf,
    lines: BTreeMap<String, usize>,
    overrides: Vec<Override>,
    values: Values,
}

/// A `--set`.
#[derive(Clone, Debug)]
struct Override {
    text: String,
    /// The known keys that it sets.
    keys: Vec<String>,
}

/// A dotted key and its value, with the place that it came from: file and line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    /// Such as `train.lr`.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Such as `beans.toml:12`.
    pub place: String,
}

impl Assignment {
    /// The same with a known key and a value of its type, in their one form.
    ///
    /// # Errors
    /// An unknown key, a value of the wrong type or out of range.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        let Self { key: written, value, place } = self;
        let Some(key) = find(&canonical(&written)) else {
            return Err(unknown_key(&canonical(&written), &written, place));
        };
        let value = read_value(key.name, &key.kind, value, &|| place.clone())?;
        Ok(Self { key: key.name.to_owned(), value, place })
    }
}

/// A pipeline with other values than its file's.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    /// The pipeline, checked.
    pub pipeline: Pipeline,
    /// Those of the other values that it does not read: each dotted key, and what would read it.
    pub unread: Vec<(&'static str, &'static str)>,
}

impl Source {
    /// Reads the file at `path`, or one that comes with the program where there is no such file; `overrides` are `KEY=VALUE` with a dotted key.
    ///
    /// # Errors
    /// As [`load`], except for what one value asks of another.
    pub(crate) fn read(path: &Path, overrides: &[String]) -> Result<Self, Error> {
        let text = match (read_text(path), shipped::find(path)) {
            (Ok(text), _) => text,
            (Err(error), Some(text)) if error.kind() == ErrorKind::NotFound => text.to_owned(),
            (Err(source), _) => return Err(Error::Read { path: path.to_owned(), source }),
        };
        Self::new(path, &text, overrides)
    }

    fn new(path: &Path, text: &str, overrides: &[String]) -> Result<Self, Error> {
        let lines = lines(path, text)?;
        let mut source = Self { path: path.to_owned(), lines, overrides: Vec::new(), values: Values::new() };
        let table: Table = toml::from_str(text).map_err(|error| Error::Syntax {
            place: path.display().to_string(),
            message: error.message().to_owned(),
        })?;
        let mut values = Values::new();
        read_section("", table, &|key| source.place(key), &mut values)?;
        source.values = values;
        let pipeline = source.built(&source.values)?;
        for key in keys().iter().filter(|key| source.values.contains_key(key.name)) {
            source.refuse_unread(key, &pipeline, true)?;
        }
        for text in overrides {
            let (written, value) = key_value(text)?;
            let mut given = Values::new();
            read(&canonical(written), written, value, &|_| format!("--set {text}"), &mut given)?;
            let keys = given.keys().cloned().chain([canonical(written)]).collect();
            for (key, value) in given {
                merge(&mut source.values, &key, value);
            }
            source.overrides.push(Override { text: text.clone(), keys });
        }
        Ok(source)
    }

    /// The checked pipeline.
    ///
    /// # Errors
    /// An override that the pipeline does not read, a value that does not fit another one.
    pub(crate) fn pipeline(&self) -> Result<Pipeline, Error> {
        self.base(false)
    }

    /// The pipeline as the base of its sweep: an override may also be read by one of the sweep's runs only.
    ///
    /// # Errors
    /// As [`Source::pipeline`].
    pub(crate) fn sweep_base(&self) -> Result<Pipeline, Error> {
        self.base(true)
    }

    fn base(&self, is_sweep: bool) -> Result<Pipeline, Error> {
        let pipeline = self.built(&self.values)?;
        for key in self.overrides.iter().flat_map(|given| &given.keys).filter_map(|name| find(name)) {
            self.refuse_unread(key, &pipeline, is_sweep)?;
        }
        let mut values = self.values.clone();
        values.retain(|name, _| find(name).is_none_or(|key| is_kept(key, &pipeline)));
        self.checked(self.built(&values)?, &[])
    }

    /// The pipeline without its `[sweep]` and with other values, checked like the file's own. A temperature that
    /// `cache.temperatures` does not list is added to it: whether a cache holds it is known later.
    ///
    /// # Errors
    /// An unknown key, a value of the wrong type or out of range, each with its place.
    pub(crate) fn variant(&self, given: &[Assignment]) -> Result<Variant, Error> {
        let mut values = self.values.clone();
        values.retain(|key, _| key != "sweep" && !key.starts_with("sweep."));
        let given = given.iter().map(|given| given.clone().checked()).collect::<Result<Vec<_>, _>>()?;
        for Assignment { key, value, .. } in &given {
            values.insert(key.clone(), value.clone());
        }
        let mut pipeline = self.built(&values)?;
        let mut unread = Vec::new();
        for Assignment { key, .. } in &given {
            if let Some(key) = find(key)
                && let Some(reader) = key.unread(&pipeline)
                && !unread.contains(&(key.name, reader))
            {
                unread.push((key.name, reader));
            }
        }
        values.retain(|name, _| find(name).is_none_or(|key| is_kept(key, &pipeline)));
        pipeline = self.built(&values)?;
        let read = pipeline.train.cached_temperature();
        if let Some(temperature) = read.filter(|read| !pipeline.cache.temperatures.contains(read)) {
            pipeline.cache.temperatures.push(temperature);
        }
        Ok(Variant { pipeline: self.checked(pipeline, &given)?, unread })
    }

    /// Where `key` was given: the `--set`, else its line in the file, else the file.
    pub(crate) fn place(&self, key: &str) -> String {
        let is_of = |given: &&Override| given.keys.iter().any(|name| name == key);
        if let Some(given) = self.overrides.iter().rev().find(is_of) {
            return format!("--set {}", given.text);
        }
        match self.lines.get(key) {
            Some(line) => format!("{}:{line}", self.path.display()),
            None => self.path.display().to_string(),
        }
    }

    /// Refuses a key that `pipeline` does not read. With `or_sweep` it may also be read by a run of the file's `[sweep]`.
    fn refuse_unread(&self, key: &Key, pipeline: &Pipeline, or_sweep: bool) -> Result<(), Error> {
        match key.unread(pipeline) {
            Some(reader) if !(or_sweep && self.is_read_by_sweep(key, pipeline)) => {
                Err(Error::unread(key, reader, self.place(key.name)))
            }
            _ => Ok(()),
        }
    }

    /// Whether values of `[sweep]` can make a pipeline that reads `key`: each of its conditions holds with one of them, or without.
    fn is_read_by_sweep(&self, key: &Key, pipeline: &Pipeline) -> bool {
        let axes = axes::single_values(&self.values);
        let others: Vec<Pipeline> = axes
            .into_iter()
            .filter_map(|(key, value)| Assignment { key, value, place: String::new() }.checked().ok())
            .filter_map(|given| {
                let mut values = self.values.clone();
                values.insert(given.key, given.value);
                self.built(&values).ok()
            })
            .collect();
        key.can_be_read(std::iter::once(pipeline).chain(&others))
    }

    /// The pipeline of these values, which are of their types.
    fn built(&self, values: &Values) -> Result<Pipeline, Error> {
        Value::Table(nested(values)).try_into().map_err(|error: toml::de::Error| Error::Syntax {
            place: self.path.display().to_string(),
            message: error.message().to_owned(),
        })
    }

    fn blame(&self, key: &str, values: &[Assignment]) -> String {
        let given = values.iter().rev().find(|given| given.key == key);
        given.map_or_else(|| self.place(key), |given| given.place.clone())
    }

    /// Names the pipeline after its file and checks what one value asks of another.
    fn checked(&self, mut pipeline: Pipeline, values: &[Assignment]) -> Result<Pipeline, Error> {
        if pipeline.name.is_empty() {
            let stem = self.path.file_stem();
            pipeline.name = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        }
        if pipeline.cache.name.is_empty() {
            pipeline.cache.name.clone_from(&pipeline.name);
        }
        pipeline.settle();
        pipeline.check_rules().map_err(|invalid| Error::Value {
            place: self.blame(invalid.key, values),
            key: invalid.key.to_owned(),
            expected: invalid.rule,
            found: invalid.value,
        })?;
        Ok(pipeline)
    }
}

/// Whether a key's value stays in a pipeline: one that is not read goes, so that a run says only what it was trained with. The keys
/// of the distillation term stay for a student that learns from the labels only, whose run is the baseline of those that have it.
fn is_kept(key: &Key, pipeline: &Pipeline) -> bool {
    key.unread(pipeline).is_none() || (key.role == Role::TeacherTerm && !pipeline.train.is_taught())
}

/// `train.lr=3e-4` as a key and a TOML value; what is not a TOML value is taken as text.
fn key_value(text: &str) -> Result<(&str, Value), Error> {
    let (key, value) = text.split_once('=').ok_or_else(|| Error::Set { text: text.to_owned() })?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || value.is_empty() {
        return Err(Error::Set { text: text.to_owned() });
    }
    let as_text = || Value::String(value.to_owned());
    let parsed = toml::from_str::<Table>(&format!("value = {value}"));
    let parsed = parsed.ok().filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    let is_text = find(&canonical(key)).is_some_and(|key| matches!(key.kind, Kind::Text | Kind::Path));
    // A name such as 7 needs no quotes.
    let parsed = parsed.filter(|value| value.is_str() || !is_text);
    Ok((key, parsed.unwrap_or_else(as_text)))
}
