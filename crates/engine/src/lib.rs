//! The deterministic state machine of the exchange.
pub mod command;
pub mod event;
pub mod reject;
pub mod types;
pub mod engine;
