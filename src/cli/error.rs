//! How a command fails: a sentence and an exit code.

use std::fmt;
use std::process::ExitCode;

use crate::{config, dataset, objects, planning, stage_one, store, sweep, teacher, train};

/// The error of a command.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The run failed.
    pub fn run(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code: 1 }
    }

    /// Bad usage, configuration or input that does not match.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code: 2 }
    }

    /// Stored data is damaged.
    pub fn damage(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code: 3 }
    }

    /// Stopped by the user; `message` says how to go on.
    pub fn interrupted(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code: 130 }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    fn of(error: &dyn fmt::Display, damage: bool, usage: bool) -> Self {
        match (damage, usage) {
            (true, _) => Self::damage(error),
            (_, true) => Self::usage(error),
            _ => Self::run(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::usage(error)
    }
}

impl From<dataset::Error> for Failure {
    fn from(error: dataset::Error) -> Self {
        match error {
            dataset::Error::Interrupted { .. } => Self::interrupted(error),
            dataset::Error::Leaves(error) => error.into(),
            dataset::Error::Objects(error) => error.into(),
            error => Self::usage(error),
        }
    }
}

impl From<objects::Error> for Failure {
    fn from(error: objects::Error) -> Self {
        if error.is_interrupted() {
            return Self::interrupted(error);
        }
        Self::of(&error, error.is_damage(), error.is_usage())
    }
}

impl From<dataset::leaves::Error> for Failure {
    fn from(error: dataset::leaves::Error) -> Self {
        use dataset::leaves::Error;
        match error {
            Error::NotEmpty(_) => Self::usage(error),
            Error::Interrupted(_) => Self::interrupted(error),
            Error::Write { .. } => Self::run(error),
        }
    }
}

impl From<teacher::Error> for Failure {
    fn from(error: teacher::Error) -> Self {
        Self::usage(error)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        if let store::Error::Objects(error) = error {
            return error.into();
        }
        Self::of(&error, error.is_damage(), error.kind() == store::ErrorKind::Mismatch)
    }
}

impl From<stage_one::Error> for Failure {
    fn from(error: stage_one::Error) -> Self {
        match error {
            stage_one::Error::Store(error) => error.into(),
            stage_one::Error::Dataset(error) => error.into(),
            error => Self::usage(error),
        }
    }
}

impl From<train::Error> for Failure {
    fn from(error: train::Error) -> Self {
        match error {
            train::Error::Store(error) => error.into(),
            train::Error::Dataset(error) => error.into(),
            error => Self::of(&error, error.is_damage(), error.is_usage()),
        }
    }
}

impl From<sweep::Error> for Failure {
    fn from(error: sweep::Error) -> Self {
        match error {
            sweep::Error::Config(error) => error.into(),
            sweep::Error::Train(error) => error.into(),
            sweep::Error::Store(error) => error.into(),
            sweep::Error::Interrupted => Self::interrupted(error),
            sweep::Error::Write { .. } | sweep::Error::NotDone { .. } => Self::run(error),
            error => Self::usage(error),
        }
    }
}

impl From<planning::Error> for Failure {
    fn from(error: planning::Error) -> Self {
        match error {
            planning::Error::Caching(error) => error.into(),
            planning::Error::Teacher(error) => error.into(),
            planning::Error::Store(error) => error.into(),
            planning::Error::Interrupted => Self::interrupted(error),
            planning::Error::Scratch { .. } => Self::run(error),
        }
    }
}
