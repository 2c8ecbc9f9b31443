//! Class names as the `config.json` of a `transformers` or `timm` model states them.

use std::collections::BTreeMap;

use serde_json::Value;

type Names = BTreeMap<usize, String>;

/// The class names of a `config.json` in the order of their ids; none where it states none.
///
/// They are read from `id2label`, else `label2id` (whose ids may be strings, as the Hugging Face guide writes them), else timm's
/// `label_names`, at the root or in `pretrained_cfg`. Names that `transformers` makes up, `LABEL_0` and so on, give way to real ones.
///
/// # Errors
/// Ids that are not 0, 1, 2 and so on, and lists that contradict each other; the text says which.
pub(crate) fn class_names(config: &Value) -> Result<Option<Vec<String>>, String> {
    let given = |key: &str| config.get(key).filter(|value| !value.is_null());
    let id2label = given("id2label").map(|value| names_by_id("id2label", value)).transpose()?;
    let label2id = given("label2id").map(ids_by_name).transpose()?;
    let of_timm = || {
        let inner = config.get("pretrained_cfg");
        let value =
            given("label_names").or_else(|| inner?.get("label_names")).filter(|value| !value.is_null());
        value.map(|value| names_by_id("label_names", value)).transpose()
    };
    let named = match (id2label, label2id) {
        (Some(names), Some(ids)) => reconciled(names, ids)?,
        (Some(names), None) => names,
        (None, Some(ids)) => inverted(ids)?,
        (None, None) => of_timm()?.unwrap_or_default(),
    };
    if named.is_empty() {
        return Ok(None);
    }
    if !named.keys().copied().eq(0..named.len()) {
        let ids: Vec<String> = named.keys().map(ToString::to_string).collect();
        return Err(format!("the class ids are {}, expected 0 to {}", ids.join(", "), named.len() - 1));
    }
    Ok(Some(named.into_values().collect()))
}

/// Whether `names` are those that `transformers` makes up for classes without names.
pub(crate) fn are_placeholders(names: &[String]) -> bool {
    names.iter().enumerate().all(|(id, name)| is_placeholder(name, id))
}

fn is_placeholder(name: &str, id: usize) -> bool {
    name.strip_prefix("LABEL_").is_some_and(|number| number == id.to_string())
}

/// `{"0": "cat", ...}` or `["cat", ...]`.
fn names_by_id(key: &str, value: &Value) -> Result<Names, String> {
    let name = |value: &Value| match value {
        Value::String(name) => Ok(name.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("{key} has the name {other}, expected a string")),
    };
    match value {
        Value::Array(names) => names.iter().enumerate().map(|(id, value)| Ok((id, name(value)?))).collect(),
        Value::Object(names) => {
            let id = |id: &str| {
                id.trim().parse::<usize>().map_err(|_| format!("{key} has the id {id:?}, expected a number"))
            };
            names.iter().map(|(key, value)| Ok((id(key)?, name(value)?))).collect()
        }
        other => Err(format!("{key} is {other}, expected an object of ids and names")),
    }
}

/// `{"cat": 0, ...}` or `{"cat": "0", ...}`.
fn ids_by_name(value: &Value) -> Result<Vec<(String, usize)>, String> {
    let Value::Object(ids) = value else {
        return Err(format!("label2id is {value}, expected an object of names and ids"));
    };
    let id = |name: &str, value: &Value| {
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number.as_u64().or_else(|| {
                number
                    .as_f64()
                    .filter(|float| float.fract() == 0.0 && *float >= 0.0)
                    .map(|float| float as u64)
            }),
            _ => None,
        };
        number
            .map(|number| number as usize)
            .ok_or_else(|| format!("label2id gives {name:?} the id {value}, expected a number"))
    };
    ids.iter().map(|(name, value)| Ok((name.clone(), id(name, value)?))).collect()
}

fn inverted(ids: Vec<(String, usize)>) -> Result<Names, String> {
    let mut names = Names::new();
    for (name, id) in ids {
        if let Some(other) = names.insert(id, name.clone()) {
            return Err(format!("label2id gives {other:?} and {name:?} the id {id}"));
        }
    }
    Ok(names)
}

/// `id2label`, unless its names are made up and those of `label2id` are not. Names that occur twice in `id2label` are once in `label2id`.
fn reconciled(names: Names, ids: Vec<(String, usize)>) -> Result<Names, String> {
    if ids.iter().all(|(name, id)| is_placeholder(name, *id)) {
        return Ok(names);
    }
    if names.iter().all(|(id, name)| is_placeholder(name, *id)) {
        return inverted(ids);
    }
    for (name, id) in ids {
        match names.get(&id) {
            Some(known) if *known == name => {}
            Some(known) => {
                return Err(format!("class {id} is {known:?} in id2label and {name:?} in label2id"));
            }
            None => return Err(format!("label2id has class {id}, id2label has not")),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Option<Vec<String>>, String> {
        class_names(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn every_spelling_of_the_ecosystem_is_read() {
        for text in [
            r#"{"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}"#,
            r#"{"id2label": {"0": "a", "1": "b"}, "label2id": {"a": "0", "b": "1"}}"#,
            r#"{"id2label": {"1": "b", "0": "a"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}"#,
            r#"{"id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "label2id": {"b": "1", "a": "0"}}"#,
            r#"{"id2label": ["a", "b"], "label2id": null}"#,
            r#"{"label2id": {"b": 1, "a": 0}}"#,
            r#"{"label2id": {"b": "1", "a": "0"}}"#,
            r#"{"label_names": ["a", "b"], "num_classes": 2}"#,
            r#"{"label_names": {"0": "a", "1": "b"}}"#,
            r#"{"pretrained_cfg": {"label_names": ["a", "b"]}}"#,
        ] {
            assert_eq!(names(text), Ok(Some(vec!["a".to_owned(), "b".to_owned()])), "{text}");
        }
        assert_eq!(names(r#"{"num_classes": 3, "id2label": null}"#), Ok(None));
        let ids: Vec<String> = (0..12).map(|id| format!(r#""{id}": "c{id}""#)).collect();
        let expected: Vec<String> = (0..12).map(|id| format!("c{id}")).collect();
        assert_eq!(names(&format!(r#"{{"id2label": {{{}}}}}"#, ids.join(", "))), Ok(Some(expected)));
    }

    #[test]
    fn a_name_that_occurs_twice_is_no_contradiction() {
        let text = r#"{"id2label": {"0": "crane", "1": "crane"}, "label2id": {"crane": 1}}"#;
        assert_eq!(names(text), Ok(Some(vec!["crane".to_owned(), "crane".to_owned()])));
    }

    #[test]
    fn what_can_not_be_followed_is_named() {
        for (text, reason) in [
            (r#"{"id2label": {"a": "b"}}"#, r#"id2label has the id "a", expected a number"#),
            (r#"{"id2label": {"1": "b"}}"#, "expected 0 to 0"),
            (r#"{"id2label": {"0": "a"}, "label2id": {"b": 0}}"#, r#""a" in id2label and "b" in label2id"#),
            (r#"{"id2label": {"0": "a"}, "label2id": {"b": 1}}"#, "id2label has not"),
            (r#"{"label2id": {"a": 0, "b": 0}}"#, "the id 0"),
            (r#"{"label2id": {"0": "a"}}"#, r#"label2id gives "0" the id "a""#),
            (r#"{"id2label": "a"}"#, "expected an object"),
        ] {
            let message = names(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }
}
