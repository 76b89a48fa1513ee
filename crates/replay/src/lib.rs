//! Recorded trading days, replayed through the engine and compared with the recorded book after every message.
//!
//! * [`lobster`] replays a LOBSTER pair of files: a message file and the order book after each message.
//! * [`stream`] replays a prepared stream of plain orders with the execution that each must give.
//!
//! Both drive the whole engine (accounts, money, instrument) through its public commands, and read what they compare
//! from the engine's own `depth`. Invariants: a file is read once, in order, a row at a time, and nothing of a row is
//! known before its message has been applied; what is not a well-formed file is an error that names file and line.
//!
//! Bounds: a line has at most 1 MiB, a book at most 1,000 levels a side; the messages or operations of a day are kept
//! in memory, at most 48 bytes each and at most 2^32 - 2 of them.

mod book_file;
mod error;
mod input;
pub mod lobster;
#[cfg(test)]
mod naive;
pub mod stream;
mod venue;

pub use book_file::{Difference, Level, Levels};
pub use error::ReplayError;
