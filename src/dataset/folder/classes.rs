//! The classes of an image folder: train's, which the other splits share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use super::super::class_map::{self, nearest};
use super::super::files::{entries, last_name, some_of};
use super::super::{Error, SplitName};
use super::split_folder::SplitFolder;
use super::table::Tables;

/// Other names for classes.
type ClassMap = BTreeMap<String, String>;

/// The classes, in the order of their labels.
pub(super) struct Classes<'a> {
    pub names: Vec<String>,
    /// The decisions, a sentence each.
    pub notes: Vec<String>,
    map: &'a ClassMap,
    numbers: bool,
}

impl Classes<'_> {
    /// The label of a class, -1 of none.
    pub(crate) fn label(&self, class: Option<&str>) -> i32 {
        let order = |name: &String, class: &str| {
            if self.numbers { number(name).cmp(&number(class)) } else { name.as_str().cmp(class) }
        };
        let find = |class| self.names.binary_search_by(|name| order(name, class)).ok();
        let class = class.map(|class| class_map::name(self.map, class));
        class.and_then(find).map_or(-1, |index| index as i32)
    }
}

/// The name that a class has from its folder.
pub(super) fn name(folder: &Path) -> Result<String, Error> {
    if let Some(name) = folder.file_name().unwrap_or_default().to_str() {
        return Ok(name.to_owned());
    }
    let beside = folder.parent().and_then(|split| entries(split).ok()).unwrap_or_default().0;
    let bad = beside.iter().filter(|path| path.file_name().is_some_and(|name| name.to_str().is_none()));
    let found: Vec<String> = bad.map(|path| format!("\"{}\"", last_name(path))).collect();
    Err(Error::NotUtf8 {
        path: folder.parent().unwrap_or(folder).to_path_buf(),
        found: some_of(&found).unwrap_or_else(|| format!("\"{}\"", last_name(folder))),
    })
}

/// The classes of train, or of the labelled splits where train has no labels.
pub(super) fn of<'a>(
    root: &Path,
    splits: &[SplitFolder],
    tables: &Tables,
    map: &'a ClassMap,
) -> Result<Classes<'a>, Error> {
    let unmapped: BTreeSet<&str> =
        splits.iter().flat_map(|split| &split.images).filter_map(|image| image.class.as_deref()).collect();
    class_map::check(map, &unmapped.into_iter().map(str::to_owned).collect::<Vec<_>>())?;
    let of_split = |split: &SplitFolder| -> BTreeSet<String> {
        let classes = split.images.iter().filter_map(|image| image.class.as_deref());
        classes.map(|class| class_map::name(map, class).to_owned()).collect()
    };
    let labelled: Vec<(&SplitFolder, BTreeSet<String>)> = splits
        .iter()
        .map(|split| (split, of_split(split)))
        .filter(|(_, classes)| !classes.is_empty())
        .collect();
    let Some((first, _)) = labelled.first() else {
        return Err(Error::Unlabelled { path: root.to_path_buf(), hint: tables.hint() });
    };
    one_spelling(root, labelled.iter().flat_map(|(_, classes)| classes))?;
    let known: BTreeSet<String> = if first.name == SplitName::Train {
        labelled[0].1.clone()
    } else {
        labelled.iter().flat_map(|(_, classes)| classes.iter().cloned()).collect()
    };
    let mut names: Vec<String> = known.iter().cloned().collect();
    // Class folders keep the order that they have always had.
    let from_tables = labelled.iter().all(|(split, _)| split.from_table);
    let numbers = from_tables
        && names.iter().all(|name| number(name).is_some_and(|number| number.to_string() == *name));
    if numbers {
        names.sort_by_key(|name| number(name));
    }
    let mut notes = Vec::new();
    for (split, classes) in &labelled {
        if let Some(class) = classes.difference(&known).next() {
            return Err(Error::UnknownClass {
                split: split.path.clone(),
                class: class.clone(),
                hint: nearest(class, names.iter()),
                classes: some_of(&names).unwrap_or_default(),
            });
        }
        let absent: Vec<String> = known.difference(classes).cloned().collect();
        if let Some(absent) = some_of(&absent) {
            notes.push(format!("{} has no image of {absent}", split.name));
        }
    }
    Ok(Classes { names, notes, map, numbers })
}

fn number(name: &str) -> Option<u64> {
    name.parse().ok()
}

/// Refuses two classes whose names differ only in how Unicode spells them.
fn one_spelling<'a>(root: &Path, names: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    let mut composed: Vec<(String, &str)> =
        names.filter(|name| !name.is_ascii()).map(|name| (name.nfc().collect(), name.as_str())).collect();
    composed.sort_unstable();
    composed.dedup();
    match composed.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(()),
        Some(pair) => Err(Error::TwoSpellings {
            path: root.to_path_buf(),
            first: escaped(pair[0].1),
            second: escaped(pair[1].1),
        }),
    }
}

/// The text with every letter outside ASCII written as its number.
fn escaped(text: &str) -> String {
    let letter = |letter: char| {
        if letter.is_ascii() { letter.to_string() } else { letter.escape_unicode().to_string() }
    };
    text.chars().map(letter).collect()
}
