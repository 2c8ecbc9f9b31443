//! A run's name and tags: what people call it. They stand beside the run's files and are not part of its key or its bytes.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::Train;
use crate::train::{self, Error, Seal};

/// The file of a run's name and tags in its folder.
pub(crate) const LABEL_FILE: &str = "label.json";

/// The name of a run for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Label {
    /// Its name; several runs may share one.
    pub name: Option<String>,
    /// Its tags, sorted.
    pub tags: Vec<String>,
}

impl Label {
    /// The name and tags that a pipeline asks for.
    pub fn of(train: &Train) -> Self {
        Self { name: train.name.clone(), tags: Vec::new() }.with_tags(&train.tags)
    }

    /// Whether there is neither name nor tag.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The label of the run in `folder`; an empty one where none was given.
    ///
    /// # Errors
    /// A file that can't be read or is damaged.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Ok(train::read_json(folder, LABEL_FILE, Seal::Optional)?.unwrap_or_default())
    }

    /// Writes it beside the run's files.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        train::write_json(folder, LABEL_FILE, self)
    }

    /// The same with these tags as well.
    #[must_use]
    pub(crate) fn with_tags(mut self, tags: &[String]) -> Self {
        self.tags.extend_from_slice(tags);
        self.tags.sort();
        self.tags.dedup();
        self
    }

    /// Adds what `other` says: its name, where it has one, and its tags.
    #[must_use]
    pub(crate) fn joined(self, other: Self) -> Self {
        let tags = other.tags;
        Self { name: other.name.or(self.name), tags: self.tags }.with_tags(&tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_keeps_its_tags_and_takes_the_newer_name() {
        let old = Label { name: Some("old".to_owned()), tags: vec!["b".to_owned()] };
        let new = Label { name: None, tags: vec!["a".to_owned(), "b".to_owned()] };
        let joined = old.clone().joined(new);
        assert_eq!(
            (joined.name.as_deref(), joined.tags.as_slice()),
            (Some("old"), &["a".to_owned(), "b".to_owned()][..])
        );
        let named = Label { name: Some("new".to_owned()), tags: Vec::new() };
        assert_eq!(old.joined(named).name.as_deref(), Some("new"));
    }

    #[test]
    fn a_run_without_a_label_has_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Label::read(folder.path()).unwrap().is_empty());
        let label = Label { name: Some("a".to_owned()), tags: vec!["t".to_owned()] };
        label.write(folder.path()).unwrap();
        assert_eq!(Label::read(folder.path()).unwrap(), label);
    }
}
