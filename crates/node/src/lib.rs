//! Everything between the engine and the world: records, journal, checkpoints, the node that orders commands.

pub mod checkpoint;
pub mod decimal;
pub mod error;
pub mod io;
pub mod journal;
pub mod wire;
