//! The results of a sweep: a row a run, written as parquet and CSV, and the times apart.

use std::path::Path;

use toml::Value;

use super::points::label;
use super::value::{EPOCHS, LAMBDA, SEED, TEMPERATURE, Values, text};
use super::{Error, parquet};
use crate::runs::{Configuration, Configurations, Entry, Recipe};
use crate::support::atomic;
use crate::train::metrics::Metrics;
use crate::train::{RunResult, Setup, Timing};

/// Columns that results have whether they are axes or not.
const ALWAYS: [&str; 4] = [TEMPERATURE, LAMBDA, EPOCHS, SEED];

/// One number of many.
type Measure = fn(&Metrics) -> Option<f64>;

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// It is done.
    Done(Box<RunResult>),
    /// It failed, with this error.
    Failed(String),
    /// It has not been trained, or not to its end.
    Missing,
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Row {
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
    /// The keys that decide it.
    pub(super) recipe: Recipe,
    /// Its seed.
    pub seed: u64,
    /// How far it is.
    pub state: State,
}

impl Row {
    /// The row of a run with these values of the axes.
    pub(super) fn new(setup: &Setup, rung: usize, values: &[Option<Value>], state: State) -> Self {
        let folder = setup.folder.file_name().unwrap_or_default();
        let own = Values::of(&setup.pipeline);
        let is_taught = setup.pipeline.train.is_taught();
        let always = ALWAYS.iter().map(|key| own.get(key).filter(|_| is_taught || *key != TEMPERATURE));
        Self {
            key: setup.key.to_string(),
            run: folder.to_string_lossy().into_owned(),
            rung,
            values: values.to_vec(),
            always: always.collect(),
            recipe: Recipe::of(&setup.pipeline, setup.init),
            seed: setup.pipeline.train.seed,
            state,
        }
    }

    fn entry(&self) -> Entry<'_> {
        Entry { recipe: self.recipe.clone(), seed: self.seed, result: self.result() }
    }

    /// Its result, if it is done.
    pub(crate) fn result(&self) -> Option<&RunResult> {
        match &self.state {
            State::Done(result) => Some(result),
            _ => None,
        }
    }
}

/// Every run of a sweep.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    /// The sweep's name.
    pub name: String,
    /// The keys in which the runs differ, the seed last.
    pub axes: Vec<String>,
    /// How many rungs there are; 1 where nothing is halved.
    pub rungs: usize,
    /// The runs, rung by rung in the plan's order.
    pub rows: Vec<Row>,
}

/// The runs of one rung, by configuration.
pub(crate) struct Rung<'a> {
    results: &'a Results,
    rows: Vec<&'a Row>,
    /// The configurations, the best first; their members count the rung's rows.
    pub configurations: Configurations,
}

impl Rung<'_> {
    /// The name of a configuration in lines.
    pub(crate) fn label(&self, configuration: &Configuration) -> String {
        let row = self.rows[configuration.members[0]];
        let named = self.results.axes.iter().zip(&row.values).filter(|(axis, _)| *axis != SEED);
        let (axes, values): (Vec<String>, Vec<Option<Value>>) =
            named.map(|(axis, value)| (axis.clone(), value.clone())).unzip();
        label(&axes, &values)
    }

    /// The results of a configuration's finished runs, by seed.
    pub(crate) fn finished(&self, configuration: &Configuration) -> impl Iterator<Item = &RunResult> {
        configuration.finished.iter().filter_map(|&index| self.rows[index].result())
    }

    /// The configurations in the plan's order.
    pub(crate) fn in_order(&self) -> Vec<&Configuration> {
        let mut all: Vec<&Configuration> = self.configurations.configurations.iter().collect();
        all.sort_by_key(|configuration| configuration.members.iter().min());
        all
    }

    /// The run of the best configuration to take: its best seed on validation.
    pub(crate) fn run_to_take(&self) -> Option<&Row> {
        self.configurations.run_to_take(&self.entries()).map(|index| self.rows[index])
    }

    /// The rows of the configurations that are promoted to the next rung, one configuration in `factor` and at least one, as indices into the
    /// rung's rows. One with a run that failed comes last.
    pub(crate) fn promoted(&self, factor: usize) -> Vec<usize> {
        let mut all: Vec<&Configuration> = self.configurations.configurations.iter().collect();
        let failed = |configuration: &Configuration| {
            configuration.members.iter().any(|&index| matches!(self.rows[index].state, State::Failed(_)))
        };
        all.sort_by_key(|configuration| failed(configuration));
        all.truncate((all.len() / factor).max(1));
        let mut rows: Vec<usize> =
            all.into_iter().flat_map(|configuration| configuration.members.clone()).collect();
        rows.sort_unstable();
        rows
    }

    fn entries(&self) -> Vec<Entry<'_>> {
        self.rows.iter().map(|row| row.entry()).collect()
    }
}

impl Results {
    /// The runs of a rung, from 0, by configuration.
    pub(crate) fn rung(&self, rung: usize) -> Rung<'_> {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.rung == rung).collect();
        let entries: Vec<Entry<'_>> = rows.iter().map(|row| row.entry()).collect();
        Rung { results: self, configurations: Configurations::of(&entries), rows }
    }

    /// The runs that were trained to the end.
    pub(crate) fn last_rung(&self) -> Rung<'_> {
        self.rung(self.rungs - 1)
    }

    /// Runs that failed, with their errors.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&Row, &str)> {
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
    pub(crate) fn write(&self, folder: &Path, runs: &Path) -> Result<(), Error> {
        let columns = self.columns();
        parquet::write(&folder.join("results.parquet"), &columns)?;
        put(&folder.join("results.csv"), &csv(&columns))?;
        let mut times = csv::Writer::from_writer(Vec::new());
        let head = ["run", "seconds", "train_seconds", "images_per_second", "device"];
        times.write_record(head).expect("memory takes any record");
        for row in self.rows.iter().filter(|row| row.result().is_some()) {
            let timing = Timing::read_or_default(&runs.join(&row.run));
            let rate = timing.images_per_second();
            let Timing { seconds, train_seconds, device, .. } = timing;
            let record = [
                row.run.clone(),
                format!("{seconds:.2}"),
                format!("{train_seconds:.2}"),
                format!("{rate:.1}"),
                device.to_string(),
            ];
            times.write_record(record).expect("memory takes any record");
        }
        put(&folder.join("timing.csv"), &finished(times))
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
            ("teacher_agreement", |metrics| Some(metrics.teacher_agreement)),
            ("teacher_kl", |metrics| Some(metrics.teacher_kl)),
        ];
        for (name, of) in measures {
            add(&format!("validation_{name}"), &|row| of(&row.result()?.validation).map(Value::Float));
        }
        for (name, of) in measures {
            add(&format!("test_{name}"), &|row| of(row.result()?.test.as_ref()?).map(Value::Float));
        }
        add("weights", &|row| string(&row.result()?.weights));
        columns
    }
}

pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    atomic::write(path, bytes).map_err(Error::write(path))
}

/// CSV as RFC 4180 has it but for its line ends, with an empty field for what is not there.
fn csv(columns: &[(String, Vec<Option<Value>>)]) -> Vec<u8> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(columns.iter().map(|(name, _)| name)).expect("memory takes any record");
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    for row in 0..rows {
        let cell = |values: &[Option<Value>]| values[row].as_ref().map_or(String::new(), text);
        let record = columns.iter().map(|(_, values)| cell(values));
        table.write_record(record).expect("columns of equal length");
    }
    finished(table)
}

fn finished(table: csv::Writer<Vec<u8>>) -> Vec<u8> {
    table.into_inner().expect("memory takes any record")
}
