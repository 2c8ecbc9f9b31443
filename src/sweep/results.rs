//! What came out: a row a run, written as parquet, CSV and times apart.

use std::fmt::Write;
use std::path::Path;

use toml::Value;

use super::plan::Planned;
use super::points::label;
use super::value::{EPOCHS, LAMBDA, SEED, TEMPERATURE, Values, same, text_or_dash};
use super::{Error, parquet};
use crate::support::atomic;
use crate::support::statistics::mean_and_deviation;
use crate::train::metrics::Metrics;
use crate::train::{RunResult, Timing, read_json};

/// Columns that results have whether they are axes or not.
const ALWAYS: [&str; 4] = [TEMPERATURE, LAMBDA, EPOCHS, SEED];

/// One number of many.
type Measure = fn(&Metrics) -> f64;

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It is done.
    Done(Box<RunResult>),
    /// It failed, with this error.
    Failed(String),
    /// It has not been trained, or not to its end.
    Missing,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Row {
    /// The run's key.
    pub key: String,
    /// Its folder's name under the folder of runs.
    pub run: String,
    /// Rung of successive halving, from 0.
    pub rung: usize,
    /// The value of each of [`Results::axes`].
    pub values: Vec<Option<Value>>,
    /// The value of each of the columns that are always there.
    pub(super) always: Vec<Option<Value>>,
    /// Whether it heard the teacher.
    pub(super) is_taught: bool,
    /// How far it is.
    pub state: State,
}

impl Row {
    /// The row of a run.
    pub(super) fn new(run: &Planned, state: State) -> Self {
        let folder = run.setup.folder.file_name().unwrap_or_default();
        let values = Values::of(&run.setup.pipeline);
        let is_taught = run.setup.pipeline.train.is_taught();
        let always = ALWAYS.iter().map(|key| values.get(key).filter(|_| is_taught || *key != TEMPERATURE));
        Self {
            key: run.setup.key.to_string(),
            run: folder.to_string_lossy().into_owned(),
            rung: run.rung,
            values: run.values.clone(),
            always: always.collect(),
            is_taught,
            state,
        }
    }

    /// What it came to, if it is done.
    pub fn result(&self) -> Option<&RunResult> {
        match &self.state {
            State::Done(result) => Some(result),
            _ => None,
        }
    }
}

/// Every run of a sweep.
#[derive(Clone, Debug)]
pub struct Results {
    /// The sweep's name.
    pub name: String,
    /// The keys in which the runs differ, the seed last.
    pub axes: Vec<String>,
    /// How many rungs there are; 1 where nothing is halved.
    pub rungs: usize,
    /// The runs, rung by rung in the plan's order.
    pub rows: Vec<Row>,
}

/// The runs of one configuration, which differ in their seed.
#[derive(Clone, Debug)]
pub struct Group {
    /// The values of [`Results::axes`] but the seed.
    pub values: Vec<Option<Value>>,
    /// Rows, as indices into [`Results::rows`].
    pub rows: Vec<usize>,
    /// What those came to that are done, with their seed.
    pub done: Vec<(u64, RunResult)>,
    /// Whether one failed.
    pub failed: bool,
    /// Whether they heard the teacher; else they are a baseline, from the labels alone.
    pub is_taught: bool,
}

impl Group {
    /// The mean of a measure over the runs that are done; NaN of none.
    pub fn mean(&self, of: impl Fn(&RunResult) -> f64) -> f64 {
        self.spread(of).0
    }

    /// The mean of a measure over the runs that are done, and the sample standard deviation.
    pub fn spread(&self, of: impl Fn(&RunResult) -> f64) -> (f64, f64) {
        mean_and_deviation(&self.done.iter().map(|(_, run)| of(run)).collect::<Vec<_>>())
    }
}

impl Results {
    /// The axes but the seed.
    pub fn configuration_axes(&self) -> impl Iterator<Item = &String> {
        self.axes.iter().filter(|axis| *axis != SEED)
    }

    /// The configurations of a rung, in the plan's order.
    pub fn groups(&self, rung: usize) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (index, row) in self.rows.iter().enumerate().filter(|(_, row)| row.rung == rung) {
            let values = self.axes.iter().zip(&row.values).filter(|(axis, _)| *axis != SEED);
            let values: Vec<Option<Value>> = values.map(|(_, value)| value.clone()).collect();
            let at = groups.iter().position(|group| all_same(&group.values, &values)).unwrap_or_else(|| {
                let is_taught = row.is_taught;
                groups.push(Group { values, rows: Vec::new(), done: Vec::new(), failed: false, is_taught });
                groups.len() - 1
            });
            groups[at].rows.push(index);
            groups[at].failed |= matches!(row.state, State::Failed(_));
            groups[at].done.extend(row.result().map(|result| (result.seed, result.clone())));
        }
        groups
    }

    /// What lines call a configuration.
    pub fn label(&self, group: &Group) -> String {
        let axes: Vec<String> = self.configuration_axes().cloned().collect();
        label(&axes, &group.values)
    }

    /// The configurations that were trained to the end.
    pub fn last_rung(&self) -> Vec<Group> {
        self.groups(self.rungs - 1)
    }

    /// Runs that failed, with their errors.
    pub fn failures(&self) -> impl Iterator<Item = (&Row, &str)> {
        self.rows.iter().filter_map(|row| match &row.state {
            State::Failed(error) => Some((row, error.as_str())),
            _ => None,
        })
    }

    /// Writes `results.parquet` and `results.csv`, which hold no time and so are the same after every rerun, and the
    /// times as `timing.csv`, read from the runs' folders under `runs`.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, folder: &Path, runs: &Path) -> Result<(), Error> {
        let columns = self.columns();
        parquet::write(&folder.join("results.parquet"), &columns)?;
        put(&folder.join("results.csv"), &csv(&columns))?;
        let mut times = String::from("run,seconds,train_seconds,images_per_second,device\n");
        for row in self.rows.iter().filter(|row| row.result().is_some()) {
            let timing: Timing = read_json(&runs.join(&row.run), "timing.json")?.unwrap_or_default();
            let rate = timing.images_per_second();
            let Timing { seconds, train_seconds, device, .. } = timing;
            let _ = writeln!(times, "{},{seconds:.2},{train_seconds:.2},{rate:.1},{device}", row.run);
        }
        put(&folder.join("timing.csv"), &times)
    }

    /// Every column by its name.
    fn columns(&self) -> Vec<(String, Vec<Option<Value>>)> {
        let mut columns: Vec<(String, Vec<Option<Value>>)> = Vec::new();
        let mut add = |name: &str, of: &dyn Fn(&Row) -> Option<Value>| {
            columns.push((name.to_owned(), self.rows.iter().map(of).collect()));
        };
        let string = |text: &str| Some(Value::String(text.to_owned()));
        add("run", &|row| string(&row.run));
        add("key", &|row| string(&row.key));
        if self.rungs > 1 {
            add("rung", &|row| Some(Value::Integer(row.rung as i64)));
        }
        for (index, axis) in self.axes.iter().enumerate().filter(|(_, axis)| !ALWAYS.contains(&axis.as_str()))
        {
            add(axis, &|row| row.values[index].clone());
        }
        for (index, key) in ALWAYS.iter().enumerate() {
            add(key, &|row| row.always[index].clone());
        }
        add("status", &|row| match row.state {
            State::Done(_) => string("done"),
            State::Failed(_) => string("failed"),
            State::Missing => string("missing"),
        });
        add("error", &|row| match &row.state {
            State::Failed(error) => string(error),
            _ => None,
        });
        let done =
            |of: fn(&RunResult) -> usize| move |row: &Row| Some(Value::Integer(of(row.result()?) as i64));
        add("parameters", &done(|run| run.parameters));
        add("best_epoch", &done(|run| run.best_epoch));
        let measures: [(&str, Measure); 6] = [
            ("accuracy", |metrics| metrics.accuracy),
            ("macro_f1", |metrics| metrics.macro_f1),
            ("negative_log_likelihood", |metrics| metrics.negative_log_likelihood),
            ("calibration_error", |metrics| metrics.calibration_error),
            ("teacher_agreement", |metrics| metrics.teacher_agreement),
            ("teacher_kl", |metrics| metrics.teacher_kl),
        ];
        for (name, of) in measures {
            add(&format!("validation_{name}"), &|row| Some(Value::Float(of(&row.result()?.validation))));
        }
        for (name, of) in measures {
            add(&format!("test_{name}"), &|row| Some(Value::Float(of(row.result()?.test.as_ref()?))));
        }
        add("weights", &|row| string(&row.result()?.weights));
        columns
    }
}

pub(super) fn all_same(a: &[Option<Value>], b: &[Option<Value>]) -> bool {
    a.iter().zip(b).all(|pair| match pair {
        (Some(a), Some(b)) => same(a, b),
        (a, b) => a.is_none() && b.is_none(),
    })
}

pub(super) fn put(path: &Path, text: &str) -> Result<(), Error> {
    atomic::write(path, text.as_bytes()).map_err(Error::write(path))
}

/// RFC 4180, an empty field for what is not there.
fn csv(columns: &[(String, Vec<Option<Value>>)]) -> String {
    let field = |text: String| {
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    let line = |fields: Vec<String>| fields.into_iter().map(field).collect::<Vec<_>>().join(",") + "\n";
    let mut out = line(columns.iter().map(|(name, _)| name.clone()).collect());
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    for row in 0..rows {
        let cell = |values: &Vec<Option<Value>>| match &values[row] {
            None => String::new(),
            value => text_or_dash(value.as_ref()),
        };
        out += &line(columns.iter().map(|(_, values)| cell(values)).collect());
    }
    out
}
