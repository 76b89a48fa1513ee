//! The binary door: sessions of clients that speak the messages of [`crate::sbe`] (docs/reference/wire.md).
//!
//! ```text
//! Server   sockets, one epoll thread     bytes in ─┐   ┌─ bytes out
//! Hub      sessions, budgets, routing               ├─ step ─┤        no sockets, no threads, no clock: all of it can be simulated
//! Exchange the node                      commands ──┘   └─ durable events
//! ```
//!
//! A [`Hub`] is driven by three calls: [`Hub::receive`] hands over what came, [`Hub::step`] lets it work, [`Hub::output`] is
//! what to send. [`Server`] does that with sockets; the simulator does it with queues.

mod books;
pub mod client;
mod connection;
mod exchange;
mod hub;
mod keys;
mod server;

use std::time::Duration;

pub use exchange::{Exchange, Gone, NodeExchange, Position, ReplayJob, Replayed};
pub use hub::{ConnectionId, Hub};
pub use keys::{Key, KeyDirectory, Keys};
pub use server::{Address, Server};

/// The bounds of a gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatewayConfig {
    /// Connections at one time.
    pub connections_max: usize,
    /// Connections that have not logged on.
    pub unauthenticated_max: usize,
    /// Sessions of one account at one time.
    pub sessions_per_account_max: usize,
    /// How long a connection may take to log on.
    pub logon_timeout: Duration,
    /// Bytes of a connection that were read and wait to be looked at.
    pub input_bytes_max: usize,
    /// Requests of a session that wait for their end; then its connection is not read.
    pub in_flight_max: u32,
    /// Commands of all sessions that wait to be executed; the next one is refused.
    pub pending_max: usize,
    /// Bytes that a client has not taken yet; then its session ends. Market data stops at a quarter of it.
    pub output_bytes_max: usize,
    /// Instruments that one session may subscribe to.
    pub subscriptions_max: usize,
    /// Requests of a session in a second, cancels left out.
    pub requests_per_second: u32,
    /// Cancels of a session in a second.
    pub cancels_per_second: u32,
    /// How long a client has to take what was sent before its session's end.
    pub linger: Duration,
    /// How often a book is told at the most.
    pub book_interval: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            unauthenticated_max: 128,
            sessions_per_account_max: 16,
            logon_timeout: Duration::from_secs(5),
            input_bytes_max: 64 << 10,
            in_flight_max: 8_192,
            pending_max: 65_536,
            output_bytes_max: 8 << 20,
            subscriptions_max: 256,
            requests_per_second: 1_000_000,
            cancels_per_second: 1_000_000,
            linger: Duration::from_secs(5),
            book_interval: Duration::from_millis(1),
        }
    }
}

/// Numbers about a gateway. Counts are since it was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GatewayStats {
    /// Connections now.
    pub connections: usize,
    /// Of them, sessions.
    pub sessions: usize,
    /// Logons that were accepted.
    pub logons: u64,
    /// Logons that were not.
    pub logons_refused: u64,
    /// Requests that came.
    pub requests: u64,
    /// Of them, refused before they became commands.
    pub requests_refused: u64,
    /// Of them, too fast.
    pub requests_throttled: u64,
    /// Reports sent.
    pub reports: u64,
    /// Sessions ended because their client did not read.
    pub slow_consumers: u64,
}
