//! The recipe of a run: the values of the keys that decide what its student learns.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::keys::{Role, role};
use crate::config::Pipeline;
use crate::support::hash::Digest;
use crate::train::Description;

/// The keys that can turn the teacher's term off.
const SWITCHES: [&str; 4] = ["train.control", "train.lambda", "train.lambda-end", "train.loss"];

/// The deciding values of a pipeline, as JSON text by dotted key. Runs with equal recipes differ in their seed only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Recipe {
    values: BTreeMap<String, String>,
    /// The setting that turned the teacher's term off, where nothing of it is in `values`.
    off: BTreeMap<String, String>,
    is_taught: bool,
}

impl Recipe {
    /// The recipe of a pipeline. `init` is the digest of the file that `student.init` names, whose place decides nothing.
    pub(crate) fn of(pipeline: &Pipeline, init: Option<Digest>) -> Self {
        let is_taught = pipeline.train.is_taught();
        let mut values = flatten(pipeline);
        if let Some(init) = init {
            values.insert("student.init".to_owned(), format!("\"{}\"", init.short(12)));
        }
        let mut off = BTreeMap::new();
        values.retain(|key, value| match role(key) {
            Some(Role::Seed | Role::Machine | Role::Name) => false,
            Some(Role::TeacherTerm) if !is_taught => {
                if SWITCHES.contains(&key.as_str()) {
                    off.insert(key.clone(), value.clone());
                }
                false
            }
            _ => true,
        });
        Self { values, off, is_taught }
    }

    /// The recipe of a run. Of one that another tool trained, student and settings stand for the pipeline.
    pub(crate) fn of_run(run: &Description) -> Self {
        let Some(imported) = &run.imported else { return Self::of(&run.pipeline, run.init) };
        let is_taught = run.pipeline.train.lambda > 0.0;
        let student = ("student.architecture".to_owned(), Value::from(run.student()).to_string());
        let settings = imported.settings.iter().map(|(key, value)| (key.clone(), value.to_string()));
        let mut values: BTreeMap<String, String> = settings.chain([student]).collect();
        let mut off = BTreeMap::new();
        values.retain(|key, value| {
            let is_off = !is_taught && role(key) == Some(Role::TeacherTerm);
            if is_off && SWITCHES.contains(&key.as_str()) {
                off.insert(key.clone(), value.clone());
            }
            !is_off && !matches!(role(key), Some(Role::Seed | Role::Machine | Role::Name))
        });
        Self { values, off, is_taught }
    }

    /// Whether the student hears the teacher; else it learns from the labels only.
    pub(crate) fn is_taught(&self) -> bool {
        self.is_taught
    }

    /// Whether two runs differ in nothing that decides, the seed left out.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is_taught == other.is_taught && self.values == other.values
    }

    /// Whether it is `other` from the labels only, with all else equal.
    pub(crate) fn is_baseline_of(&self, other: &Self) -> bool {
        let shared = other.values.iter().filter(|(key, _)| role(key) != Some(Role::TeacherTerm));
        !self.is_taught && other.is_taught && self.values.iter().eq(shared)
    }

    /// The value of a key as JSON text; nothing where the run does not depend on it.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Its deciding keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The keys in which two recipes differ, each with both values as JSON text. Keys of the teacher's term are left out where one of the
    /// two does not hear the teacher, but for those that can turn it off.
    pub(crate) fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let all = |recipe: &Self| -> BTreeMap<String, String> {
            let mut values = recipe.values.clone();
            if self.is_taught != other.is_taught {
                values.extend(recipe.off.clone());
                values.retain(|key, _| {
                    role(key) != Some(Role::TeacherTerm) || SWITCHES.contains(&key.as_str())
                });
            }
            values
        };
        let (a, b) = (all(self), all(other));
        let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        let value = |values: &BTreeMap<String, String>, key: &String| {
            values.get(key).map_or("null".to_owned(), Clone::clone)
        };
        keys.into_iter()
            .map(|key| (key.clone(), value(&a, key), value(&b, key)))
            .filter(|(_, a, b)| a != b)
            .collect()
    }
}

/// The dotted keys of a configuration and their values as JSON text.
pub(crate) fn flatten(value: &impl Serialize) -> BTreeMap<String, String> {
    // By way of text, where a float32 is as short as it was written.
    let text = serde_json::to_string(value).expect("a configuration is plain data");
    let value: Value = serde_json::from_str(&text).expect("it was just written");
    let mut flat = BTreeMap::new();
    collect(String::new(), &value, &mut flat);
    flat
}

fn collect(key: String, value: &Value, out: &mut BTreeMap<String, String>) {
    let Value::Object(fields) = value else {
        out.insert(key, value.to_string());
        return;
    };
    for (name, value) in fields {
        let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        collect(key, value, out);
    }
}

/// A value of a recipe as people write it: `5`, `0.9`, `cosine`, `none`.
pub(crate) fn shown(json: &str) -> String {
    match serde_json::from_str(json) {
        Ok(Value::String(text)) => text,
        Ok(Value::Null) => "none".to_owned(),
        Ok(Value::Number(number)) if number.is_f64() => {
            number.as_f64().map_or(json.to_owned(), |it| it.to_string())
        }
        _ => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Control;
    use crate::loss::{Loss, LossParameters};

    fn recipe(change: impl FnOnce(&mut Pipeline)) -> Recipe {
        let mut pipeline = Pipeline::default();
        change(&mut pipeline);
        Recipe::of(&pipeline, None)
    }

    #[test]
    fn recipes_differ_in_what_they_train_with_and_not_in_name_seed_or_machine() {
        let a = recipe(|_| {});
        let same = recipe(|pipeline| {
            pipeline.name = "other".to_owned();
            pipeline.train.seed = 7;
            pipeline.train.dir = "elsewhere".into();
            pipeline.train.keep_checkpoints = 3;
            pipeline.train.checkpoint_steps = 5;
            pipeline.train.checkpoint_minutes = 1.0;
            pipeline.cache.temperatures = vec![5.0];
        });
        assert!(a.is_same(&same) && a.differences(&same).is_empty());
        let b = recipe(|pipeline| {
            pipeline.train.parameters = LossParameters::default().with(Loss::Dkd, &[1.0, 0.9]);
            pipeline.student.init = Some("weights".into());
        });
        let changed = |key: &str, a: &str, b: &str| (key.to_owned(), a.to_owned(), b.to_owned());
        assert_eq!(
            a.differences(&b),
            [changed("student.init", "null", "\"weights\""), changed("train.dkd.beta", "8.0", "0.9")]
        );
    }

    #[test]
    fn students_from_the_labels_only_are_one_recipe_whatever_turned_the_teacher_off() {
        let off = [
            recipe(|pipeline| pipeline.train.lambda = 0.0),
            recipe(|pipeline| (pipeline.train.lambda, pipeline.train.temperature) = (0.0, 1.0)),
            recipe(|pipeline| pipeline.train.loss = Loss::Ce),
            recipe(|pipeline| pipeline.train.control = Control::LabelsOnly),
        ];
        assert!(off.iter().all(|recipe| recipe.is_same(&off[0]) && !recipe.is_taught()));
        let taught = recipe(|pipeline| pipeline.train.temperature = 4.0);
        assert!(off[0].is_baseline_of(&taught) && !taught.is_baseline_of(&off[0]));
        assert!(
            !recipe(|pipeline| (pipeline.train.lambda, pipeline.train.lr) = (0.0, 1.0))
                .is_baseline_of(&taught)
        );
        // The temperature plays no part on one side, so that it is not a difference.
        assert_eq!(
            taught.differences(&off[0]),
            [("train.lambda".to_owned(), "0.9".to_owned(), "0.0".to_owned())]
        );
    }

    #[test]
    fn values_are_shown_as_people_write_them() {
        assert_eq!(
            ["5.0", "0.9", "\"kd\"", "null", "[0.9,0.99]"].map(shown),
            ["5", "0.9", "kd", "none", "[0.9,0.99]"]
        );
    }
}
