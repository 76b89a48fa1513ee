//! Seeded simulation of the exchange: a naive model of the engine's rules, a workload that reaches all of them, and
//! the comparison of the two after every command; and a disk in memory that crashes, tears, forgets and fills up.

pub mod differential;
pub mod disk;
pub mod fuzz;
pub mod naive;
pub mod workload;
