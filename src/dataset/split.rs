//! The three splits and the names that folders, files and users give them.

use std::fmt;
use std::str::FromStr;

/// A split by the name that Hugging Face gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitName {
    /// The split that students learn from.
    Train,
    /// The split that the best checkpoint is chosen by.
    Validation,
    /// The split that is reported at the end.
    Test,
}

impl SplitName {
    /// In the order in which they are stored.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// `train`, `validation` or `test`.
    pub fn as_str(self) -> &'static str {
        self.aliases()[0]
    }

    /// The names that Hugging Face `datasets` takes for it, its own first.
    pub(super) fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Train => &["train", "training"],
            Self::Validation => &["validation", "valid", "val", "dev"],
            Self::Test => &["test", "testing", "eval", "evaluation"],
        }
    }

    /// The split that a folder of this name holds, in any case.
    pub(super) fn of_folder(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Self::ALL.into_iter().find(|split| split.aliases().contains(&name.as_str()))
    }

    /// The split that a word of a file's name tells, the last such word: `beans-train-00000-of-00002` is train.
    pub(super) fn of_words(name: &str) -> Option<Self> {
        name.rsplit(|letter: char| !letter.is_ascii_alphabetic()).find_map(Self::of_folder)
    }
}

impl fmt::Display for SplitName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for SplitName {
    type Err = String;

    /// Any of its aliases: `val`, `valid` and `dev` are validation.
    fn from_str(text: &str) -> Result<Self, String> {
        let known = "expected train, validation (also val, valid or dev) or test";
        Self::of_folder(text).ok_or_else(|| known.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_goes_by_the_names_that_hugging_face_takes() {
        for name in ["validation", "val", "valid", "dev", "Val"] {
            assert_eq!(name.parse(), Ok(SplitName::Validation));
        }
        assert_eq!("eval".parse(), Ok(SplitName::Test));
        insta::assert_snapshot!("vall".parse::<SplitName>().unwrap_err(), @"expected train, validation (also val, valid or dev) or test");
    }
}
