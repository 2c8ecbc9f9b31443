//! How a command fails: a sentence and an exit code.

use std::fmt;
use std::process::ExitCode;

use super::output::errln;
use crate::support::exit::{ExitKind, Kind};

/// The error of a command.
#[derive(Debug)]
pub struct Failure {
    message: String,
    kind: Kind,
}

impl Failure {
    /// The run failed.
    pub(crate) fn run(message: impl fmt::Display) -> Self {
        Self::new(message, Kind::Failed)
    }

    /// Bad usage, configuration or input that does not match.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(message, Kind::Usage)
    }

    /// Stored data is damaged.
    pub(crate) fn damage(message: impl fmt::Display) -> Self {
        Self::new(message, Kind::Damaged)
    }

    /// Stopped by the user; `message` says how to go on.
    pub(crate) fn interrupted(message: impl fmt::Display) -> Self {
        Self::new(message, Kind::Interrupted)
    }

    /// Prints it to standard error.
    pub fn show(&self) {
        errln!("decant: {self}");
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.code())
    }

    fn new(message: impl fmt::Display, kind: Kind) -> Self {
        Self { message: message.to_string(), kind }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl<E: ExitKind> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(&error, error.kind())
    }
}
