//! The error tree of a replay. A row that differs is no error, it is a finding and stands in the report.
//!
//! ```text
//! ReplayError
//! ├── Io          a file cannot be read
//! ├── Malformed   a line is not what its format says
//! ├── RowCounts   the two files do not belong together
//! └── Refused     the engine refused to open the venue
//! ```

use beurs_engine::reject::RejectReason;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a replay could not be carried out.
#[derive(Debug)]
pub enum ReplayError {
    /// A file cannot be opened or read.
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not what its format says.
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The two files do not have one row for each message.
    RowCounts {
        /// Messages in the message file.
        messages: u64,
        /// Rows in the order book file; when there are too many, those up to the first one too many.
        rows: u64,
    },
    /// The engine refused one of the commands that set the venue up.
    Refused(RejectReason),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Malformed { path, line, what } => write!(f, "{}, line {line}: {what}", path.display()),
            Self::RowCounts { messages, rows } if rows > messages => {
                write!(f, "the order book file has more rows than the message file has messages ({messages})")
            }
            Self::RowCounts { messages, rows } => {
                write!(f, "the message file has {messages} messages, the order book file only {rows} rows")
            }
            Self::Refused(reason) => write!(f, "the engine refused to set the venue up: {}", reason.rule()),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
