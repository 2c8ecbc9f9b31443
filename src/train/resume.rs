//! What a run goes on from, and whose it is.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::Value;

use super::Error;
use super::checkpoint;
use super::record;
use super::setup::{Description, Setup};
use crate::config::Student;

/// What a run that was begun before does with what it finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Goes on from the newest checkpoint; a finished run stays as it is.
    Auto,
    /// Refuses: nothing that is there is used, and nothing of it is deleted.
    Never,
    /// Goes on from this checkpoint of the run.
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

/// Refuses a folder that holds another run, or one that was begun where none may have been; gives the checkpoint to go on from.
///
/// # Errors
/// As said, naming what differs; a checkpoint that there is not, or not in the run's folder; a file that can't be read.
pub fn start(setup: &Setup, resume: &Resume) -> Result<Option<PathBuf>, Error> {
    let run = &setup.folder;
    check_run(setup, run)?;
    match resume {
        Resume::Auto => Ok(checkpoint::folders(run)?.pop()),
        Resume::Never if is_begun(run)? => Err(Error::Begun { run: run.clone() }),
        Resume::Never => Ok(None),
        Resume::From(path) => named(setup, path).map(Some),
    }
}

fn is_begun(run: &Path) -> Result<bool, Error> {
    let left = ["result.json", "metrics.jsonl"].iter().any(|name| run.join(name).exists());
    Ok(left || !checkpoint::folders(run)?.is_empty())
}

fn named(setup: &Setup, path: &Path) -> Result<PathBuf, Error> {
    let folder = fs::canonicalize(path).ok().filter(|folder| folder.join(checkpoint::STATE).is_file());
    let Some((folder, owner)) = folder.and_then(|folder| Some((folder.clone(), folder.parent()?.to_owned())))
    else {
        let there = checkpoint::folders(&setup.folder)?;
        return Err(Error::NoCheckpoint { path: path.to_owned(), there });
    };
    check_run(setup, &owner)?;
    if fs::canonicalize(&setup.folder).is_ok_and(|run| run == owner) {
        return Ok(folder);
    }
    Err(Error::Elsewhere { path: path.to_owned(), run: setup.folder.clone() })
}

/// Refuses a folder that another run has written `run.json` into.
fn check_run(setup: &Setup, folder: &Path) -> Result<(), Error> {
    let Some(found) = record::read_json::<Description>(folder, "run.json")? else { return Ok(()) };
    if found.key == setup.key {
        return Ok(());
    }
    let differences = differences(&setup.description(), &found);
    Err(Error::OtherRun { path: folder.to_owned(), differences })
}

/// Every value that decides a run's bytes and is not the same in both, each as `key = here, there it is there`.
fn differences(here: &Description, there: &Description) -> Vec<String> {
    let (mut found, mut known) = (Vec::new(), Vec::new());
    flatten("", &deciding(here), &mut known);
    let mut other = Vec::new();
    flatten("", &deciding(there), &mut other);
    for (key, value) in &known {
        let theirs =
            other.iter().find(|(name, _)| name == key).map_or("nothing", |(_, value)| value.as_str());
        if theirs != value {
            found.push(format!("{key} is {theirs} there and {value} here"));
        }
    }
    let only_there = other.iter().filter(|(key, _)| !known.iter().any(|(name, _)| name == key));
    found.extend(only_there.map(|(key, value)| format!("{key} is {value} there and nothing here")));
    if found.is_empty() {
        found.push(format!("its key is {} there and {} here", there.key, here.key));
    }
    found
}

fn deciding(run: &Description) -> Value {
    serde_json::json!({
        "decant": run.decant,
        "cache-content": run.cache_content,
        "init-content": run.init,
        "device": run.device.family(),
        "student": Student { init: None, ..run.pipeline.student.clone() },
        "train": run.pipeline.train.deciding(),
    })
}

/// Dotted keys and their values as JSON text.
fn flatten(prefix: &str, value: &Value, out: &mut Vec<(String, String)>) {
    let Value::Object(fields) = value else { return out.push((prefix.to_owned(), value.to_string())) };
    for (name, value) in fields {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        flatten(&key, value, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Pipeline, StudentDevice};
    use crate::support::hash::Digest;

    fn description(change: impl FnOnce(&mut Description)) -> Description {
        let mut description = Description {
            decant: "1.0".to_owned(),
            key: Digest::of(b"one"),
            cache: "cache/a".into(),
            cache_content: Digest::of(b"content"),
            init: None,
            teacher: "vit".to_owned(),
            device: StudentDevice::Cuda(0),
            pipeline: Pipeline::default(),
        };
        change(&mut description);
        description
    }

    #[test]
    fn every_value_that_changed_is_named_with_both() {
        let here = description(|_| {});
        let there = description(|run| {
            run.key = Digest::of(b"two");
            run.pipeline.train.lr = 0.5;
            run.pipeline.student.width = 0.35;
            run.decant = "0.9".to_owned();
        });
        assert_eq!(
            differences(&here, &there),
            [
                "decant is \"0.9\" there and \"1.0\" here",
                "student.width is 0.35 there and 1.0 here",
                "train.lr is 0.5 there and 0.00005 here"
            ]
        );
    }

    #[test]
    fn what_does_not_decide_the_bytes_may_change() {
        let there = description(|run| {
            run.pipeline.train.keep_checkpoints = 7;
            run.pipeline.train.dir = "elsewhere".into();
            run.device = StudentDevice::Cuda(1);
            run.cache = "cache/b".into();
        });
        let found = differences(&description(|_| {}), &there);
        assert!(found.len() == 1 && found[0].starts_with("its key"), "{found:?}");
    }

    #[test]
    fn auto_and_never_are_words_and_everything_else_a_path() {
        assert_eq!("auto".parse(), Ok(Resume::Auto));
        assert_eq!("never".parse(), Ok(Resume::Never));
        assert_eq!("runs/a/checkpoint-1".parse(), Ok(Resume::From("runs/a/checkpoint-1".into())));
    }
}
