//! `dataset.class-map`: other names for classes, and one name for several.

use std::collections::BTreeMap;

use super::Error;
use super::files::some_of;
use super::sample::Opened;

/// The name of a class in `map`.
pub(super) fn name<'a>(map: &'a BTreeMap<String, String>, class: &'a str) -> &'a str {
    map.get(class).map_or(class, String::as_str)
}

/// Refuses a map that renames a class which is not one of `classes`.
pub(super) fn check(map: &BTreeMap<String, String>, classes: &[String]) -> Result<(), Error> {
    match map.keys().find(|name| !classes.contains(name)) {
        None => Ok(()),
        Some(unknown) => Err(Error::ClassMap {
            class: unknown.clone(),
            hint: nearest(unknown, classes.iter()),
            classes: some_of(classes).unwrap_or_default(),
        }),
    }
}

/// Gives every class its name in `map`. Classes of one name become one. The order is that in which the names first occur.
pub(super) fn apply(opened: &mut Opened, map: &BTreeMap<String, String>) -> Result<(), Error> {
    check(map, &opened.classes)?;
    let mut classes: Vec<String> = Vec::new();
    let mut labels = Vec::with_capacity(opened.classes.len());
    for class in &opened.classes {
        let name = name(map, class);
        let label = classes.iter().position(|known| known == name).unwrap_or_else(|| {
            classes.push(name.to_owned());
            classes.len() - 1
        });
        labels.push(label as i32);
    }
    for sample in opened.splits.iter_mut().flat_map(|split| &mut split.samples) {
        if let Ok(label) = usize::try_from(sample.label) {
            sample.label = labels[label];
        }
    }
    opened.classes = classes;
    Ok(())
}

/// ` (did you mean "healthy"?)` where one of `names` is close to `name`, else nothing.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a String>) -> String {
    let lower = name.to_lowercase();
    let distance = |other: &String| strsim::damerau_levenshtein(&lower, &other.to_lowercase());
    let nearest = names.map(|other| (distance(other), other)).min();
    match nearest {
        Some((distance, other)) if distance <= 1 + name.chars().count() / 5 => {
            format!(" (did you mean {other:?}?)")
        }
        _ => String::new(),
    }
}
