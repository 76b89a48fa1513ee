//! Seeded simulation of the exchange. Three things live here:
//!
//! * a naive model of the engine's rules, a workload that reaches all of them, and the comparison of the two after every
//!   command ([`differential`]);
//! * a disk in memory that crashes, tears, forgets and fills up ([`disk`]);
//! * the whole exchange in one thread over that disk and a fake clock and network, with an auditor that holds what it says
//!   against what it promises ([`simulator`]).

pub mod auditor;
pub mod clients;
pub mod clock;
pub mod defects;
pub mod differential;
pub mod disk;
mod door;
pub mod fuzz;
mod machine;
pub mod naive;
pub mod network;
pub mod options;
pub mod simulator;
pub mod workload;
