//! From where a run that was begun before resumes.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

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
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "never" => Self::Never,
            path => Self::From(path.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_and_never_are_words_and_everything_else_a_path() {
        assert_eq!("auto".parse(), Ok(Resume::Auto));
        assert_eq!("never".parse(), Ok(Resume::Never));
        assert_eq!("runs/a/checkpoint-1".parse(), Ok(Resume::From("runs/a/checkpoint-1".into())));
    }
}
