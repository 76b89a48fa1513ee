//! Everything between the engine and the world: records, journal, checkpoints, the node that orders commands.

pub mod decimal;
pub mod memory;
pub mod wire;
