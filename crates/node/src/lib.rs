//! Everything between the engine and the world: records, journal, checkpoints, and the node that orders commands.
//!
//! ```text
//! NodeHandle::submit ─┐                      ┌─ journal thread: append, fdatasync ─┐
//! NodeHandle::execute ┴─ lock ─ stamp ─ hand over                                  ├─ release ─ feed ring, completions,
//!                                            └─ engine: apply, events ─────────────┘            waiting callers
//! ```
//!
//! Start with [`NodeHandle::open`]. The engine and the disk work at the same time; what a batch gave leaves the node when
//! the batch is durable, never before.

pub mod checkpoint;
mod checkpointer;
pub mod decimal;
pub mod error;
mod feed;
pub mod follower;
pub mod gateway;
pub mod io;
pub mod journal;
pub mod link;
mod node;
mod pipeline;
mod retention;
pub mod sbe;
mod stepped;
pub mod wire;
mod writer;

pub use beurs_engine as engine;
pub use error::{AppendError, JournalError, NodeError, StopReason};
pub use feed::{Completion, EventSlice, Events};
pub use follower::{verify, verify_on, Follower, Progress, Verified};
pub use node::{Node, NodeConfig, Recovery};
pub use pipeline::{NodeHandle, Stats};
pub use retention::Retention;
pub use stepped::SteppedNode;
