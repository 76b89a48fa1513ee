//! Seeded simulation of the exchange: a naive model of the engine's rules, a workload that reaches all of them, and
//! the comparison of the two after every command.

pub mod differential;
pub mod naive;
pub mod workload;
