//! A run's folder, opened once under its lock.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::label::Label;
use super::lock::RunLock;
use super::recipe::flatten;
use super::record::{Run, read_description};
use super::resume::Resume;
use crate::config::{Student, Train};
use crate::support::context::Context;
use crate::support::hash::Digest;
use crate::train::{
    self, Description, Error, Event, METRICS_FILE, Outcome, RESULT_FILE, RUN_FILE, Setup, checkpoint,
};

/// The state of a run's folder.
pub(crate) enum State {
    /// Nothing of any run.
    Fresh,
    /// The run was begun; these are its checkpoints, oldest first.
    Begun(Vec<PathBuf>),
    /// The run is finished.
    Done(Box<Run>),
    /// Another run, which differs in these values.
    Others(Vec<String>),
}

/// A run's folder, and the right to write into it.
pub(crate) struct RunFolder {
    /// Its state.
    pub state: State,
    /// None where another process has it.
    lock: Option<RunLock>,
}

impl RunFolder {
    /// Opens the folder of `setup`'s run, whether it exists or not.
    ///
    /// # Errors
    /// A file that can't be read or is damaged; another process that trains the run.
    pub(crate) fn open(setup: &Setup) -> Result<Self, Error> {
        let (lock, busy) = match RunLock::take(&setup.folder) {
            Ok(lock) => (Some(lock), None),
            Err(busy) => (None, Some(busy)),
        };
        let state = State::read(setup)?;
        match (busy, &state) {
            // It may be finished, and another process at its last files.
            (None, _) | (Some(_), State::Done(_) | State::Others(_)) => Ok(Self { state, lock }),
            (Some(busy), _) => Err(busy),
        }
    }

    /// Opens the folder after making it, if it is not there.
    fn create(setup: &Setup) -> Result<Self, Error> {
        fs::create_dir_all(&setup.folder).map_err(Error::file("create", &setup.folder))?;
        Self::open(setup)
    }
}

impl State {
    fn read(setup: &Setup) -> Result<Self, Error> {
        let folder = &setup.folder;
        let is_there = |name: &str| fs::symlink_metadata(folder.join(name)).is_ok();
        let Some((found, _)) = read_description(folder)? else {
            if is_there(RESULT_FILE) {
                return Err(Error::Damaged {
                    path: folder.join(RUN_FILE),
                    reason: "it is missing".to_owned(),
                });
            }
            return Self::begun(folder, is_there(METRICS_FILE));
        };
        if found.key != setup.key {
            return Ok(Self::Others(differences(&setup.description(), &found)));
        }
        if is_there(RESULT_FILE) {
            return Ok(Self::Done(Box::new(Run::read(folder)?)));
        }
        Self::begun(folder, is_there(METRICS_FILE))
    }

    fn begun(folder: &Path, has_epochs: bool) -> Result<Self, Error> {
        let checkpoints = checkpoint::folders(folder)?;
        Ok(if has_epochs || !checkpoints.is_empty() { Self::Begun(checkpoints) } else { Self::Fresh })
    }
}

/// Trains a prepared run to its end, from its newest checkpoint if it has one. `watch` sees what happens on the way.
///
/// # Errors
/// A dataset or cache that is damaged, a device that fails, a loss that is not a number, a file that can't be written; a folder
/// that another process trains in, or that belongs to another run.
pub fn train(setup: &Setup, context: &Context, watch: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, Error> {
    resume(setup, &Resume::Auto, context, watch)
}

/// [`train()`], from the checkpoint that `from` chooses.
///
/// # Errors
/// As [`train()`]; a checkpoint that is not there, or a run that was begun before where `from` forbids it.
pub(crate) fn resume(
    setup: &Setup,
    from: &Resume,
    context: &Context,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, Error> {
    let mut folder = RunFolder::open(setup)?;
    let mut checkpoints = choose(setup, &folder.state, from)?;
    if matches!(folder.state, State::Fresh) {
        // A lock that this process holds would be in its own way.
        drop(folder);
        folder = RunFolder::create(setup)?;
        // Another process may have begun it in between.
        checkpoints = choose(setup, &folder.state, from)?;
    }
    if folder.lock.is_some() {
        label(setup)?;
    }
    if let State::Done(run) = &folder.state {
        if folder.lock.is_some() {
            // What is kept is what was asked for when it was trained.
            train::clear(&setup.folder, run.pipeline().train.keep_checkpoints)?;
        }
        let result = run.result.clone().expect("a finished run has a result");
        return Ok(Outcome::Done { result: Box::new(result), timing: run.timing.clone(), already: true });
    }
    train::run(setup, context, &checkpoints, watch)
}

/// Writes the name and the tags that the pipeline asks for, beside those that the run has.
fn label(setup: &Setup) -> Result<(), Error> {
    let asked = Label::of(&setup.pipeline.train);
    if asked.is_empty() {
        return Ok(());
    }
    let label = Label::read(&setup.folder)?.joined(asked);
    label.write(&setup.folder)
}

/// The checkpoints to resume from, oldest first.
fn choose(setup: &Setup, state: &State, from: &Resume) -> Result<Vec<PathBuf>, Error> {
    let run = &setup.folder;
    match (state, from) {
        (State::Others(differences), _) => {
            Err(Error::OtherRun { path: run.clone(), differences: differences.clone() })
        }
        (_, Resume::From(path)) => Ok(vec![named(setup, path)?]),
        (State::Begun(_) | State::Done(_), Resume::Never) => Err(Error::Begun { run: run.clone() }),
        (State::Begun(checkpoints), Resume::Auto) => Ok(checkpoints.clone()),
        (State::Fresh | State::Done(_), _) => Ok(Vec::new()),
    }
}

/// The checkpoint that was named, which must be one of the run's.
fn named(setup: &Setup, path: &Path) -> Result<PathBuf, Error> {
    let folder = fs::canonicalize(path).ok().filter(|folder| folder.join(checkpoint::STATE).exists());
    let Some((folder, owner)) = folder.and_then(|folder| Some((folder.clone(), folder.parent()?.to_owned())))
    else {
        let there = checkpoint::folders(&setup.folder)?;
        return Err(Error::NoCheckpoint { path: path.to_owned(), there });
    };
    if let Some((found, _)) = read_description(&owner)?
        && found.key != setup.key
    {
        let differences = differences(&setup.description(), &found);
        return Err(Error::OtherRun { path: owner, differences });
    }
    if fs::canonicalize(&setup.folder).is_ok_and(|run| run == owner) {
        return Ok(folder);
    }
    Err(Error::Elsewhere { path: path.to_owned(), run: setup.folder.clone() })
}

/// Every value that decides a run's bytes and differs, each as `key is A there and B here`.
fn differences(here: &Description, there: &Description) -> Vec<String> {
    let (known, other) = (flatten(&deciding(here)), flatten(&deciding(there)));
    let mut found = Vec::new();
    for (key, value) in &known {
        let theirs = other.get(key).map_or("nothing", String::as_str);
        if theirs != value {
            found.push(format!("{key} is {theirs} there and {value} here"));
        }
    }
    let only_there = other.iter().filter(|(key, _)| !known.contains_key(*key));
    found.extend(only_there.map(|(key, value)| format!("{key} is {value} there and nothing here")));
    if found.is_empty() {
        found.push(format!("its key is {} there and {} here", there.key, here.key));
    }
    found
}

/// The settings that make the key of a run.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Deciding {
    revision: u32,
    cache_content: Digest,
    init_content: Option<Digest>,
    device: &'static str,
    student: Student,
    train: Train,
}

fn deciding(run: &Description) -> Deciding {
    Deciding {
        revision: run.revision,
        cache_content: run.cache_content,
        init_content: run.init,
        device: run.device.family(),
        student: Student { init: None, ..run.pipeline.student.clone() },
        train: run.pipeline.train.deciding(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Pipeline, StudentDevice};

    fn description(change: impl FnOnce(&mut Description)) -> Description {
        let mut description = Description {
            format: Description::FORMAT,
            revision: 2,
            decant: "1.0".to_owned(),
            key: Digest::of(b"one"),
            cache: "cache/a".into(),
            cache_content: Digest::of(b"content"),
            init: None,
            imported: None,
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
            run.pipeline.student.width = Some(0.35);
            run.revision = 1;
        });
        assert_eq!(
            differences(&here, &there),
            [
                "revision is 1 there and 2 here",
                "train.lr is 0.5 there and 0.0 here",
                "student.width is 0.35 there and nothing here"
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
            run.decant = "2.0".to_owned();
        });
        let found = differences(&description(|_| {}), &there);
        assert!(found.len() == 1 && found[0].starts_with("its key"), "{found:?}");
    }
}
