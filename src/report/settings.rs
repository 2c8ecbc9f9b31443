//! The settings of runs that are compared: in which they differ, which they share, and how a page calls them.

use std::collections::{BTreeMap, BTreeSet};

use crate::runs::keys::{Role, role};
use crate::runs::{Recipe, shown};

/// Key of the temperature.
pub(super) const TEMPERATURE: &str = "train.temperature";
/// Key of the weight of the teacher's term.
pub(super) const LAMBDA: &str = "train.lambda";

/// The name of a key in charts and tables: without its section, where that is `[train]`.
pub(crate) fn short(key: &str) -> &str {
    match key {
        TEMPERATURE => "T",
        key => key.strip_prefix("train.").unwrap_or(key),
    }
}

/// The keys that a reader wants to know even where all runs share them.
const TOLD: [&str; 11] = [
    "student.architecture",
    "student.width",
    "student.image-size",
    "train.loss",
    TEMPERATURE,
    LAMBDA,
    "train.epochs",
    "train.batch-size",
    "train.optimizer",
    "train.lr",
    "train.schedule",
];

/// The settings that every run that depends on them has in common, as `lr = 0.001`; `lambda = 0.5 (with the teacher)` where others
/// learn from the labels only.
pub(super) fn shared(recipes: &[&Recipe], axes: &[String]) -> Vec<String> {
    let told = TOLD.into_iter().filter(|key| axes.iter().all(|axis| axis != key));
    told.filter_map(|key| {
        let value = recipes.iter().find_map(|recipe| recipe.get(key)).filter(|value| *value != "null")?;
        let is_of_some =
            role(key) == Some(Role::TeacherTerm) && recipes.iter().any(|recipe| !recipe.is_taught());
        let of_which = if is_of_some { " (with the teacher)" } else { "" };
        Some(format!("{} = {}{of_which}", short(key), shown(value)))
    })
    .collect()
}

/// The keys with more than one value. A key of the teacher's term counts among the runs that hear the teacher.
pub(super) fn axes(recipes: &[&Recipe]) -> Vec<String> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for recipe in recipes {
        for key in recipe.keys() {
            values.entry(key).or_default().extend(recipe.get(key));
        }
    }
    values.into_iter().filter(|(_, values)| values.len() > 1).map(|(key, _)| key.to_owned()).collect()
}
