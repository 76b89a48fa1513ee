//! The one place where a Rust error becomes a Python exception. The classes are those of `beurs.errors`.

use beurs_node::decimal::DecimalError;
use beurs_node::wire::WireError;
use beurs_node::{JournalError, NodeError};
use beurs_replay::ReplayError;
use pyo3::exceptions::PyOSError;
use pyo3::PyErr;

/// The Python classes. They are imported when the first of them is raised.
mod class {
    use pyo3::import_exception;

    import_exception!(beurs.errors, CommandInvalid);
    import_exception!(beurs.errors, DecimalError);
    import_exception!(beurs.errors, InputError);
    import_exception!(beurs.errors, JournalDamaged);
    import_exception!(beurs.errors, JournalFailed);
    import_exception!(beurs.errors, JournalLocked);
    import_exception!(beurs.errors, JournalTrimmed);
    import_exception!(beurs.errors, Lagged);
    import_exception!(beurs.errors, NodeStopped);
    import_exception!(beurs.errors, QueueFull);
}

/// Everything that can go wrong in this crate.
#[derive(Debug)]
pub enum Error {
    /// A decimal text or a step that is not one. Which field it was, only the caller knows.
    Decimal(DecimalError),
    /// Bytes that are not commands or events.
    Wire(WireError),
    /// An argument that no command can hold.
    Input(&'static str, &'static str),
    /// What the node says.
    Node(NodeError),
    /// Why a market day could not be replayed.
    Replay(ReplayError),
    /// A socket cannot be opened.
    Io(std::io::Error),
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Decimal(error) => class::DecimalError::new_err(("", error.rule(), error.as_str())),
            Error::Wire(error) => class::CommandInvalid::new_err((error.field, error.rule, error.index)),
            Error::Input(field, rule) => class::InputError::new_err((field, rule)),
            Error::Node(error) => match error {
                NodeError::Journal(JournalError::Locked { .. }) => class::JournalLocked::new_err((error.to_string(),)),
                NodeError::Journal(JournalError::Damaged { .. }) => {
                    class::JournalDamaged::new_err((error.to_string(),))
                }
                NodeError::Journal(JournalError::Trimmed { first_sequence, .. }) => {
                    class::JournalTrimmed::new_err((error.to_string(), first_sequence))
                }
                NodeError::Journal(JournalError::Io { .. }) => class::JournalFailed::new_err((error.to_string(),)),
                NodeError::Stopped(_) => class::NodeStopped::new_err((error.to_string(),)),
                NodeError::QueueFull { .. } => class::QueueFull::new_err((error.to_string(),)),
                NodeError::Lagged { oldest_sequence } => class::Lagged::new_err((error.to_string(), oldest_sequence)),
                NodeError::Wire(error) => Error::Wire(error).into(),
                NodeError::InMemory => class::InputError::new_err(("path", "the node has no journal")),
                NodeError::Config { setting, rule } => class::InputError::new_err((setting, rule)),
            },
            Error::Io(error) => PyOSError::new_err((error.to_string(),)),
            Error::Replay(error) => match error {
                ReplayError::Io { .. } => PyOSError::new_err((error.to_string(),)),
                ReplayError::Malformed { .. } | ReplayError::RowCounts { .. } | ReplayError::Refused(_) => {
                    class::InputError::new_err(("", error.to_string()))
                }
            },
        }
    }
}

impl From<DecimalError> for Error {
    fn from(error: DecimalError) -> Self {
        Self::Decimal(error)
    }
}

impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<NodeError> for Error {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

impl From<ReplayError> for Error {
    fn from(error: ReplayError) -> Self {
        Self::Replay(error)
    }
}
