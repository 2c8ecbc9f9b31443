//! The keys and values that `[sweep]` names.

use toml::{Table, Value};

use super::keys::find;
use super::values::Values;

/// Each value that an axis, a fixed value or an explicit run of `[sweep]` gives a key, one at a time. A range of `[sweep.search]` has
/// none.
pub(super) fn single_values(values: &Values) -> Vec<(String, Value)> {
    let mut axes = Vec::new();
    for (name, value) in values.iter().filter(|(name, _)| name.starts_with("sweep.")) {
        let section = if name.ends_with("train") { "train" } else { "student" };
        match value {
            Value::Table(table) => collect(section, table, &mut axes),
            Value::Array(runs) if name == "sweep.runs" => {
                for run in runs.iter().filter_map(Value::as_table) {
                    for (section, value) in run {
                        match value {
                            Value::Table(table) => collect(section, table, &mut axes),
                            value => axes.push((section.clone(), value.clone())),
                        }
                    }
                }
            }
            _ => {}
        }
    }
    // A list is an axis, or one value of a key that takes lists.
    let each = |(key, value): (String, Value)| match value {
        Value::Array(list) => {
            let whole = (key.clone(), Value::Array(list.clone()));
            list.into_iter().map(|value| (key.clone(), value)).chain([whole]).collect()
        }
        value => vec![(key, value)],
    };
    axes.into_iter().flat_map(each).collect()
}

/// The axes of a table of `[sweep]` by their dotted keys.
fn collect(section: &str, table: &Table, axes: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = format!("{section}.{name}");
        match value {
            Value::Table(inner) if find(&key).is_none() => collect(&key, inner, axes),
            value => axes.push((key, value.clone())),
        }
    }
}
