//! `[sweep]` as axes, fixed values and lists of keys: what is there, before it is multiplied out.

use toml::{Table, Value};

use super::Error;
use super::value::{SEED, Values, same};
use crate::config::{Assignment, Pipeline, Source};

/// A key and the values that it takes.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub key: String,
    pub values: Vec<Value>,
    pub place: String,
}

impl Axis {
    /// One of its values.
    pub(crate) fn at(&self, index: usize) -> Assignment {
        Assignment { key: self.key.clone(), value: self.values[index].clone(), place: self.place.clone() }
    }
}

/// The grid: values that hold for every run, then axes, the seed last.
#[derive(Debug, Default)]
pub(super) struct Grid {
    pub fixed: Vec<Assignment>,
    pub axes: Vec<Axis>,
}

impl Grid {
    /// Reads the axes and fixed values of `[sweep]`.
    pub(crate) fn read(source: &Source, base: &Pipeline) -> Result<Self, Error> {
        let values = Values::of(base);
        let mut grid = Self::default();
        for (section, table) in [("student", &base.sweep.student), ("train", &base.sweep.train)] {
            for given in flatten(section, table, &|key| source.place(&format!("sweep.{key}"))) {
                refuse_common(&given)?;
                let is_list_by_itself = matches!(values.get(&given.key), Some(Value::Array(_)));
                let Assignment { key, value, place } = given;
                match value {
                    Value::Array(list) if !is_list_by_itself || list.first().is_some_and(Value::is_array) => {
                        grid.axes.push(axis(key, list, place)?);
                    }
                    value => grid.fixed.push(Assignment { key, value, place }),
                }
            }
        }
        grid.axes.sort_by_key(|axis| axis.key == SEED);
        Ok(grid)
    }
}

fn axis(key: String, values: Vec<Value>, place: String) -> Result<Axis, Error> {
    let shown = || Value::Array(values.clone()).to_string();
    let repeated = (1..values.len()).any(|at| values[..at].iter().any(|before| same(before, &values[at])));
    if values.is_empty() || repeated {
        let expected = "a list of one value at least, each listed once";
        return Err(Error::Axis { place, key, value: shown(), expected });
    }
    Ok(Axis { key, values, place })
}

/// A list of tables, `[[sweep.runs]]` or `[[sweep.exclude]]`, as keys and values.
pub(super) fn tables(source: &Source, name: &str, list: &[Table]) -> Result<Vec<Vec<Assignment>>, Error> {
    let place = source.place(&format!("sweep.{name}"));
    let read = |table: &Table| {
        let mut values = Vec::new();
        for (section, inner) in table {
            match inner {
                Value::Table(inner) => values.extend(flatten(section, inner, &|_| place.clone())),
                // A quoted key, "train.lr".
                value => {
                    values.push(Assignment {
                        key: section.clone(),
                        value: value.clone(),
                        place: place.clone(),
                    });
                }
            }
        }
        for given in &values {
            refuse_common(given)?;
        }
        Ok(values)
    };
    list.iter().map(read).collect()
}

/// Every value of a section by its dotted key, in the order of the keys.
pub(super) fn flatten(section: &str, table: &Table, place: &dyn Fn(&str) -> String) -> Vec<Assignment> {
    let mut values = Vec::new();
    for (name, value) in table {
        let key = format!("{section}.{name}");
        match value {
            Value::Table(inner) if !is_range(inner) => values.extend(flatten(&key, inner, place)),
            value => values.push(Assignment { place: place(&key), key, value: value.clone() }),
        }
    }
    values
}

/// Whether a table is what `[sweep.search]` calls a range.
fn is_range(table: &Table) -> bool {
    table.contains_key("uniform") || table.contains_key("log")
}

/// Refuses what no run of a sweep may have for itself.
pub(super) fn refuse_common(given: &Assignment) -> Result<(), Error> {
    let reason = match given.key.as_str() {
        "train.dir" => "their folders stand side by side",
        "train.device" => "the device that trains is part of what a run is",
        "train.name" | "train.tags" => "it is no part of what a run is",
        "train.tensorboard" => "it changes nothing that a run learns",
        key if !key.starts_with("train.") && !key.starts_with("student.") => {
            "they share one dataset and one teacher; only train.* and student.* keys can"
        }
        _ => return Ok(()),
    };
    Err(Error::NoAxis { place: given.place.clone(), key: given.key.clone(), reason })
}
