//! The fields of a JSON object, each with an error that says what was expected.

use serde_json::{Map, Value};

/// Refuses a key that is not among `keys`.
pub(crate) fn known(object: &Map<String, Value>, keys: &[&str]) -> Result<(), String> {
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown key `{key}`; the keys are {}", keys.join(", "))),
        None => Ok(()),
    }
}

/// A text that must be given.
pub(crate) fn text(run: &Map<String, Value>, key: &str) -> Result<String, String> {
    let text = run.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    text.map(str::to_owned).ok_or_else(|| format!("`{key}` must be given, as a text in quotes"))
}

/// A whole number that must be given.
pub(crate) fn whole(run: &Map<String, Value>, key: &str) -> Result<u64, String> {
    run.get(key).and_then(Value::as_u64).ok_or_else(|| format!("`{key}` must be given, as a whole number"))
}

/// An object that must be given.
pub(crate) fn object<'a>(run: &'a Map<String, Value>, key: &str) -> Result<&'a Map<String, Value>, String> {
    run.get(key).and_then(Value::as_object).ok_or_else(|| format!("`{key}` must be given, as {{...}}"))
}
