//! What a `Node` is: the node of this process, or a replica of another process's.

use beurs_node::engine::command::Command;
use beurs_node::engine::Engine;
use beurs_node::link::Replica;
use beurs_node::wire::EventRecord;
use beurs_node::{Completion, Events, NodeError, NodeHandle, Stats};

/// One or the other; both have the same doors.
pub enum Handle {
    /// The engine is in this process.
    Own(NodeHandle),
    /// The engine is in another process.
    Replica(Replica),
}

macro_rules! either {
    ($self:ident, $node:ident => $call:expr) => {
        match $self {
            Handle::Own($node) => $call,
            Handle::Replica($node) => $call,
        }
    };
}

impl Handle {
    pub fn execute(&self, commands: &[Command]) -> Result<Events, NodeError> {
        either!(self, node => node.execute(commands))
    }

    pub fn execute_encoded(&self, bytes: &[u8]) -> Result<Events, NodeError> {
        either!(self, node => node.execute_encoded(bytes))
    }

    pub fn execute_records(&self, bytes: &[u8]) -> Result<Events, NodeError> {
        either!(self, node => node.execute_records(bytes))
    }

    pub fn execute_records_into(&self, bytes: &[u8], out: &mut Vec<EventRecord>) -> Result<(), NodeError> {
        match self {
            Self::Own(node) => node.execute_records_into(bytes, out),
            Self::Replica(node) => {
                out.extend(node.execute_records(bytes)?.iter());
                Ok(())
            }
        }
    }

    pub fn submit_encoded(&self, token: u64, bytes: &[u8]) -> Result<(), NodeError> {
        either!(self, node => node.submit_encoded(token, bytes))
    }

    pub fn fd(&self) -> i32 {
        either!(self, node => node.fd())
    }

    pub fn completions(&self) -> Result<Vec<Completion>, NodeError> {
        either!(self, node => node.completions())
    }

    pub fn events_since(&self, sequence: u64, max_bytes: usize) -> Result<Events, NodeError> {
        either!(self, node => node.events_since(sequence, max_bytes))
    }

    pub fn replay_events(&self, sequence: u64, max_bytes: usize) -> Result<Vec<EventRecord>, NodeError> {
        either!(self, node => node.replay_events(sequence, max_bytes))
    }

    pub fn commands_at(&self, sequences: &[u64]) -> Result<Vec<Option<Command>>, NodeError> {
        either!(self, node => node.commands_at(sequences))
    }

    pub fn with_engine<R>(&self, view: impl FnOnce(&Engine) -> R) -> Result<R, NodeError> {
        either!(self, node => node.with_engine(view))
    }

    pub fn sequence(&self) -> u64 {
        either!(self, node => node.sequence())
    }

    /// The last sequence whose events may be seen anywhere, when they can be seen here.
    pub fn latest(&self) -> Result<u64, NodeError> {
        match self {
            Self::Own(node) => Ok(node.sequence()),
            Self::Replica(node) => node.latest(),
        }
    }

    pub fn set_time(&self, event_time_ns: i64) -> Result<(), NodeError> {
        match self {
            Self::Own(node) => node.set_time(event_time_ns),
            Self::Replica(_) => Err(NodeError::Config { setting: "clock", rule: "belongs to the engine's process" }),
        }
    }

    pub fn set_reader(&self, name: &str, sequence: Option<u64>) -> Result<(), NodeError> {
        match self {
            Self::Own(node) => {
                node.set_reader(name, sequence);
                Ok(())
            }
            Self::Replica(_) => Err(NodeError::Config { setting: "readers", rule: "belong to the engine's process" }),
        }
    }

    pub fn checkpoint(&self) -> Result<u64, NodeError> {
        either!(self, node => node.checkpoint())
    }

    pub fn close(&self) {
        either!(self, node => node.close());
    }

    pub fn stats(&self) -> Result<Stats, NodeError> {
        match self {
            Self::Own(node) => Ok(node.stats()),
            Self::Replica(node) => node.stats(),
        }
    }
}
