//! The values of a pipeline file by their dotted keys: each known, of its type, in its range and in its one form.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::error::Error;
use super::keys::{canonical, find, hint, is_section, keys, nearest};
use super::kind::{Kind, Wrong};

/// Values by the dotted names of their keys.
pub(super) type Values = BTreeMap<String, Value>;

/// Where a key was given, by its dotted name.
pub(super) type Place<'a> = &'a dyn Fn(&str) -> String;

/// Adds the values of `table`, which is the section of this name, to `values`.
pub(super) fn read_section(
    section: &str,
    table: Table,
    place: Place,
    values: &mut Values,
) -> Result<(), Error> {
    if table.is_empty() && !section.is_empty() {
        // Such as an empty [sweep.halving], which asks for it with its defaults.
        values.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
    }
    for (name, value) in table {
        let key = join(section, &canonical(&name));
        if values.contains_key(&key) {
            return Err(Error::Twice { place: place(&key), key });
        }
        read(&key, &name, value, place, values)?;
    }
    Ok(())
}

/// Adds the value of `key`, which was written as `written`, or those of the section of this name.
pub(super) fn read(
    key: &str,
    written: &str,
    value: Value,
    place: Place,
    values: &mut Values,
) -> Result<(), Error> {
    if let Some(known) = find(key) {
        let value = match (known.kind, value) {
            (Kind::Axes(section), Value::Table(table)) => {
                let in_sweep = |axis: &str| place(&format!("{}{axis}", before(key, section)));
                Value::Table(axes(section, table, &in_sweep)?)
            }
            (Kind::Runs, Value::Array(runs)) => Value::Array(
                runs.into_iter().map(|run| a_run(run, &|_| place(key))).collect::<Result<_, _>>()?,
            ),
            (_, value) => value,
        };
        let value = read_value(known.name, &known.kind, value, &|| place(key))?;
        merge(values, known.name, value);
        return Ok(());
    }
    if is_section(key) {
        return match value {
            Value::Table(table) => read_section(key, table, place, values),
            value => Err(Error::Value {
                place: place(key),
                key: key.to_owned(),
                expected: format!("a section: write [{key}] and its keys below it"),
                found: value.to_string(),
            }),
        };
    }
    // A key of a table of the user's own: sweep.train.lr, dataset.class-map.NAME.
    let inside = keys().iter().find(|known| {
        matches!(known.kind, Kind::Axes(_) | Kind::Map)
            && key.strip_prefix(known.name).is_some_and(|rest| rest.starts_with('.'))
    });
    if let Some(known) = inside {
        let rest = match known.kind {
            Kind::Map => written.rsplit('.').next().unwrap_or(written),
            _ => &key[known.name.len() + 1..],
        };
        let value = rest
            .rsplit('.')
            .fold(value, |value, name| Value::Table(Table::from_iter([(name.to_owned(), value)])));
        return read(known.name, known.name, value, place, values);
    }
    Err(unknown_key(key, written, place(key)))
}

/// A value as `kind` has it.
pub(super) fn read_value(
    key: &'static str,
    kind: &Kind,
    value: Value,
    place: &dyn Fn() -> String,
) -> Result<Value, Error> {
    let found = value.to_string();
    kind.read(value).map_err(|wrong| match wrong {
        Wrong::Expected(expected) => Error::Value { place: place(), key: key.to_owned(), expected, found },
        Wrong::Unknown(names) => {
            let near = nearest(&canonical(found.trim_matches('"')), names.iter().copied());
            let hint = near.map_or_else(
                || format!("expected one of: {}", names.join(", ")),
                |near| format!("did you mean \"{near}\"?"),
            );
            Error::UnknownName { place: place(), key, found, hint }
        }
        Wrong::Said(message) => Error::Refused { place: place(), message },
    })
}

/// A table of axes with its keys in their one form; `sweep.train` has those of `train`.
fn axes(section: &str, table: Table, place: Place) -> Result<Table, Error> {
    let mut found = Table::new();
    for (name, value) in table {
        let short = canonical(&name);
        let key = join(section, &short);
        let value = match value {
            value if find(&key).is_some() => value,
            Value::Table(inner) if is_section(&key) => Value::Table(axes(&key, inner, place)?),
            _ => return Err(unknown_key(&key, &name, place(&key))),
        };
        if found.insert(short, value).is_some() {
            return Err(Error::Twice { place: place(&key), key });
        }
    }
    Ok(found)
}

/// An explicit run with its keys in their one form.
fn a_run(run: Value, place: Place) -> Result<Value, Error> {
    let Value::Table(table) = run else { return Ok(run) };
    let mut found = Table::new();
    for (name, value) in table {
        let key = canonical(&name);
        let value = match value {
            Value::Table(inner) if is_section(&key) => Value::Table(axes(&key, inner, place)?),
            value if find(&key).is_some() => value,
            _ => return Err(unknown_key(&key, &name, place(&key))),
        };
        found.insert(key, value);
    }
    Ok(Value::Table(found))
}

/// The error of a key that is not there.
pub(super) fn unknown_key(key: &str, written: &str, place: String) -> Error {
    let (mut section, mut name) = key.rsplit_once('.').unwrap_or(("", key));
    // The first part that is unknown is what is wrong.
    while !section.is_empty() && !is_section(section) {
        (section, name) = section.rsplit_once('.').unwrap_or(("", section));
    }
    let is_last = key.ends_with(name);
    let key = if is_last { written.rsplit('.').next().unwrap_or(written) } else { name };
    if matches!(name, "mixup" | "cutmix" | "mixup-alpha" | "cutmix-alpha") {
        return Error::Mixed { place, key: key.to_owned() };
    }
    let hint = hint(section, name);
    let section = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
    Error::UnknownKey { place, key: key.to_owned(), section, hint }
}

/// Sets a value; a table of the user's own is joined with the one before.
pub(super) fn merge(values: &mut Values, key: &str, value: Value) {
    fn join(into: &mut Table, from: Table) {
        for (name, value) in from {
            match (into.get_mut(&name), value) {
                (Some(Value::Table(into)), Value::Table(from)) => join(into, from),
                (_, value) => {
                    into.insert(name, value);
                }
            }
        }
    }
    match (values.get_mut(key), value) {
        (Some(Value::Table(into)), Value::Table(from)) => join(into, from),
        (_, value) => {
            values.insert(key.to_owned(), value);
        }
    }
}

/// The tables that the values stand in.
pub(super) fn nested(values: &Values) -> Table {
    let mut table = Table::new();
    for (key, value) in values {
        let mut parts: Vec<&str> = key.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        let mut inner = &mut table;
        for part in parts {
            let next = inner.entry(part).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(next) = next else { unreachable!("a section is a table") };
            inner = next;
        }
        inner.insert(last.to_owned(), value.clone());
    }
    table
}

/// The line of each key and section of a file, by its dotted name.
pub(super) fn lines(path: &Path, text: &str) -> Result<BTreeMap<String, usize>, Error> {
    fn collect(section: &str, table: &DeTable<'_>, text: &str, lines: &mut BTreeMap<String, usize>) {
        for (name, value) in table {
            let key = join(section, &canonical(name.get_ref()));
            lines.entry(key.clone()).or_insert_with(|| line_of(text, name.span().start));
            if let DeValue::Table(inner) = value.get_ref() {
                collect(&key, inner, text, lines);
            }
        }
    }
    let document = DeTable::parse(text).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        Error::Syntax { place: format!("{}:{line}", path.display()), message }
    })?;
    let mut lines = BTreeMap::new();
    collect("", document.get_ref(), text, &mut lines);
    Ok(lines)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or_default().matches('\n').count() + 1
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// `sweep.search.` of `sweep.search.train`, whose axes are keys of `train`.
fn before<'a>(key: &'a str, section: &str) -> &'a str {
    key.strip_suffix(section).unwrap_or(key)
}
