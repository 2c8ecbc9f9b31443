//! Which keys two runs' pipelines differ in.

use serde_json::Value;

use crate::config::Pipeline;

/// Keys that are no part of a recipe: names and places, the seed, and what is listed to be run.
const APART: [&str; 5] = ["name", "cache.name", "cache.dir", "train.seed", "sweep"];

/// The keys, dotted, that differ between two recipes and decide what comes out, each with both values as JSON.
pub fn differences(a: &Pipeline, b: &Pipeline) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    collect("", &value(a), &value(b), &mut found);
    found
}

/// By way of text, where a float32 is as short as it was written.
fn value(pipeline: &Pipeline) -> Value {
    let deciding = Pipeline { train: pipeline.train.deciding(), ..pipeline.clone() };
    let text = serde_json::to_string(&deciding).expect("a configuration is plain data");
    serde_json::from_str(&text).expect("it was just written")
}

fn collect(key: &str, a: &Value, b: &Value, found: &mut Vec<(String, String, String)>) {
    if a == b || APART.contains(&key) {
        return;
    }
    let (Value::Object(first), Value::Object(second)) = (a, b) else {
        found.push((key.to_owned(), a.to_string(), b.to_string()));
        return;
    };
    let others = second.keys().filter(|name| !first.contains_key(*name));
    for name in first.keys().chain(others) {
        let dotted = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        let of = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or(Value::Null);
        collect(&dotted, &of(first), &of(second), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_differ_in_what_they_train_with_and_not_in_name_or_seed() {
        let a = Pipeline::default();
        let mut b = a.clone();
        b.name = "other".to_owned();
        b.train.seed = 7;
        b.train.dir = "elsewhere".into();
        b.train.keep_checkpoints = 3;
        assert_eq!(differences(&a, &b), []);
        b.train.dkd.beta = 0.9;
        b.student.init = Some("weights".into());
        let changed = |key: &str, a: &str, b: &str| (key.to_owned(), a.to_owned(), b.to_owned());
        assert_eq!(
            differences(&a, &b),
            [changed("student.init", "null", "\"weights\""), changed("train.dkd.beta", "8.0", "0.9")]
        );
    }
}
