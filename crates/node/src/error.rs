//! Everything that can go wrong, as one tree.
//!
//! ```text
//! NodeError
//! ├── Journal(JournalError)       opening: the directory, its files, what they hold
//! │   ├── Locked                  another process has the directory
//! │   ├── Damaged                 a file and an offset; nothing is skipped
//! │   ├── Trimmed                 what was asked for was archived or dropped; says what is the first there is
//! │   └── Io
//! ├── Stopped                     the node has ended; says why
//! ├── QueueFull                   try again later
//! ├── Lagged                      the feed ring no longer has the events; read them from the journal
//! ├── Wire(WireError)             bytes that are no command
//! ├── InMemory                    asked of a node without a journal
//! └── Config                      a setting outside its range
//! AppendError                     of the log: Conflict | Full | Unknown | Poisoned | TooLarge
//! ```

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::wire::WireError;

/// The journal's directory or files cannot be used.
#[derive(Clone, Debug)]
pub enum JournalError {
    /// Another process holds the lock.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A file does not hold what was made durable. Nothing is skipped; an operator must decide.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// What was asked for is no longer in the journal: it was archived or dropped, as configured.
    Trimmed {
        /// The journal's directory.
        path: PathBuf,
        /// The first sequence that can be had.
        first_sequence: u64,
    },
    /// The operating system refused.
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why it failed.
        source: Arc<io::Error>,
    },
}

impl JournalError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn damaged(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), offset, what: what.into() }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path } => write!(f, "{}: another process has this directory open", path.display()),
            Self::Damaged { path, offset, what } => {
                write!(f, "{}: damaged at byte {offset}: {what}", path.display())
            }
            Self::Trimmed { path, first_sequence } => write!(
                f,
                "{}: the first sequence there is is {first_sequence}; those before it were archived or dropped",
                path.display()
            ),
            Self::Io { action, path, source } => write!(f, "{}: cannot {action}: {source}", path.display()),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

/// Why a batch was not appended to the log.
#[derive(Clone, Debug)]
pub enum AppendError {
    /// The batch does not continue the log; nothing was written.
    Conflict {
        /// The sequence of the batch's first command.
        expected_sequence: u64,
        /// The sequence that the log takes next.
        next_sequence: u64,
    },
    /// There is no room on the disk for another segment; nothing was written, the log goes on as it was.
    Full {
        /// The operating system's word.
        source: Arc<io::Error>,
    },
    /// A write or a sync failed: nobody can know what is on the disk. The log takes nothing any more.
    Unknown {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The operating system's word.
        source: Arc<io::Error>,
    },
    /// An earlier append ended [`Self::Unknown`].
    Poisoned,
    /// The batch has more commands than one write may have; nothing was written.
    TooLarge {
        /// How many it has.
        commands: usize,
    },
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { expected_sequence, next_sequence } => {
                write!(f, "the batch begins with sequence {expected_sequence}, the log goes on with {next_sequence}")
            }
            Self::Full { source } => write!(f, "no room for another segment: {source}"),
            Self::Unknown { action, path, source } => {
                write!(f, "{}: cannot {action}, the outcome is unknown: {source}", path.display())
            }
            Self::Poisoned => f.write_str("an earlier append had an unknown outcome"),
            Self::TooLarge { commands } => write!(f, "a batch of {commands} commands is too large"),
        }
    }
}

impl std::error::Error for AppendError {}

/// Why a node ended.
#[derive(Clone, Debug)]
pub enum StopReason {
    /// It was asked to.
    Closed,
    /// The journal did not take a batch. What was not acknowledged may or may not be in it.
    Journal(AppendError),
    /// The engine broke an invariant. The state is not to be trusted.
    Panicked {
        /// The command in which it happened.
        sequence: u64,
        /// The message.
        message: String,
    },
    /// The process that has the engine does not answer any more.
    LinkLost {
        /// What is known of it.
        why: String,
    },
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("it was closed"),
            Self::Journal(error) => write!(f, "the journal failed: {error}"),
            Self::Panicked { sequence, message } => write!(f, "command {sequence} broke an invariant: {message}"),
            Self::LinkLost { why } => write!(f, "the engine's process does not answer: {why}"),
        }
    }
}

/// Everything that a node answers instead of a result.
#[derive(Clone, Debug)]
pub enum NodeError {
    /// The journal cannot be opened or read.
    Journal(JournalError),
    /// The node has ended.
    Stopped(StopReason),
    /// As many submitted commands are under way as are allowed.
    QueueFull {
        /// How many that is.
        capacity: usize,
    },
    /// The feed ring no longer has the events asked for.
    Lagged {
        /// The lowest sequence that may be asked from now.
        oldest_sequence: u64,
    },
    /// Bytes that are no command.
    Wire(WireError),
    /// The node has no journal.
    InMemory,
    /// A setting is outside its range.
    Config {
        /// Which one.
        setting: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(error) => error.fmt(f),
            Self::Stopped(reason) => write!(f, "the node has stopped: {reason}"),
            Self::QueueFull { capacity } => write!(f, "{capacity} commands are under way, which is all that may be"),
            Self::Lagged { oldest_sequence } => {
                write!(f, "the feed ring has only the events after sequence {oldest_sequence}")
            }
            Self::Wire(error) => error.fmt(f),
            Self::InMemory => f.write_str("the node has no journal"),
            Self::Config { setting, rule } => write!(f, "{setting}: {rule}"),
        }
    }
}

impl std::error::Error for NodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Journal(error) => Some(error),
            Self::Wire(error) => Some(error),
            _ => None,
        }
    }
}

impl From<JournalError> for NodeError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<WireError> for NodeError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}
