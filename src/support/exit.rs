//! The kind of failure that an error is, which decides the exit code of a command.

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The run failed: a disk, a device, a network, a permission. Exit code 1.
    Failed,
    /// Bad usage, configuration, or input that does not match. Exit code 2.
    Usage,
    /// Stored data is damaged. Exit code 3.
    Damaged,
    /// The user stopped it, and the state is saved. Exit code 130.
    Interrupted,
}

impl Kind {
    /// The exit code of a command that fails so.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Damaged => 3,
            Self::Interrupted => 130,
        }
    }
}

/// An error that knows its kind. Implemented beside each error type.
pub trait ExitKind: std::fmt::Display {
    /// The kind of failure that this is.
    fn kind(&self) -> Kind;
}
