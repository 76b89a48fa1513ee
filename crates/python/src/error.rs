//! The one place where a Rust error becomes a Python exception. The classes are those of `beurs.errors`.

use beurs_node::decimal::DecimalError;
use beurs_node::memory::Overwritten;
use beurs_node::wire::WireError;
use pyo3::PyErr;

/// The Python classes. They are imported when the first of them is raised.
mod class {
    use pyo3::import_exception;

    import_exception!(beurs.errors, CommandInvalid);
    import_exception!(beurs.errors, DecimalError);
    import_exception!(beurs.errors, InputError);
    import_exception!(beurs.errors, Lagged);
    import_exception!(beurs.errors, NodeStopped);
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
    /// Events that have been overwritten in memory.
    Overwritten(Overwritten),
    /// The node was closed.
    Closed,
    /// The engine broke an invariant in an earlier call.
    Broken,
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Decimal(error) => class::DecimalError::new_err(("", error.rule(), error.as_str())),
            Error::Wire(error) => class::CommandInvalid::new_err((error.field, error.rule, error.index)),
            Error::Input(field, rule) => class::InputError::new_err((field, rule)),
            Error::Overwritten(gone) => class::Lagged::new_err((
                format!(
                    "events up to sequence {} are no longer held in memory",
                    gone.oldest_sequence
                ),
                gone.oldest_sequence,
            )),
            Error::Closed => class::NodeStopped::new_err(("the node was closed",)),
            Error::Broken => {
                class::NodeStopped::new_err(("the engine broke an invariant; its state is not to be trusted",))
            }
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

impl From<Overwritten> for Error {
    fn from(gone: Overwritten) -> Self {
        Self::Overwritten(gone)
    }
}
