//! From where a run that was begun before resumes.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::train::checkpoint;

/// The treatment of a run that was begun before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// Resume from the newest checkpoint; a finished run stays as it is.
    Auto,
    /// Refuse: nothing that is there is used, and nothing of it is deleted.
    Never,
    /// Resume from this checkpoint of the run.
    From(PathBuf),
}

impl FromStr for Resume {
    type Err = String;

    /// A word that is no checkpoint's name is not taken for a path.
    fn from_str(text: &str) -> Result<Self, String> {
        let is_path = text.starts_with(checkpoint::PREFIX) || Path::new(text).components().count() > 1;
        match text {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            path if is_path => Ok(Self::From(path.into())),
            _ => Err("expected auto, never or the path of a checkpoint, such as runs/NAME/checkpoint-000002-000000"
                .to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_and_never_are_words_and_another_word_is_refused() {
        assert_eq!("auto".parse(), Ok(Resume::Auto));
        assert_eq!("never".parse(), Ok(Resume::Never));
        for path in ["runs/a/checkpoint-1", "checkpoint-000002-000000", "./newest"] {
            assert_eq!(path.parse(), Ok(Resume::From(path.into())));
        }
        for word in ["yes", "", "Auto", "newest"] {
            assert!(word.parse::<Resume>().is_err(), "{word}");
        }
    }
}
