//! One process with the engine, others beside it that know everything it knows.
//!
//! ```text
//! engine's process                                        another process
//! NodeHandle ── Link ◄── commands, questions ──────────── Replica ◄── commands, reads
//!     │          └────── what is durable by now, answers ──► │
//!     └──► journal ──────── read from the disk ──────────────┘ executes it
//! ```
//!
//! The two talk over a pair of connected Unix sockets, of which the engine's process hands one end to the other when it
//! starts it: nobody else can connect, so there is nothing to authenticate. Events do not cross: the replica executes the
//! journal itself, up to where the engine's process says that it is durable, and so has the state, the events and the
//! answers to its own commands.
//!
//! Invariants:
//! * A replica never reads behind what the engine's process says is durable.
//! * A read of a replica sees everything that anybody had been told before the read began: it asks how far the engine's
//!   process has got, and waits for that.
//! * When either process ends, the other one notices, and says so to whoever waits.
//! * Back-pressure: the engine's process reads no more from a link while its journal is behind or too many answers of
//!   that link are due; the replica refuses commands beyond its `queue_capacity`.

mod engine_side;
mod protocol;
mod replica;

pub use engine_side::Link;
pub use replica::{Replica, ReplicaConfig};
