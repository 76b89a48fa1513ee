//! A clock that says what it is told. It may jump, also backwards, as clocks of machines do.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;

use beurs_node::io::Clock;

/// The time of the simulation, and how far the node's clock is off it.
#[derive(Clone, Debug, Default)]
pub struct SimClock(Arc<Times>);

#[derive(Debug, Default)]
struct Times {
    now_ns: AtomicI64,
    off_ns: AtomicI64,
}

impl SimClock {
    /// A clock that stands at this time.
    pub fn new(now_ns: i64) -> Self {
        let clock = Self::default();
        clock.set(now_ns);
        clock
    }

    /// Sets the true time.
    pub fn set(&self, now_ns: i64) {
        self.0.now_ns.store(now_ns, Ordering::Relaxed);
    }

    /// The true time.
    pub fn true_ns(&self) -> i64 {
        self.0.now_ns.load(Ordering::Relaxed)
    }

    /// Sets how far what the clock says is off the true time.
    pub fn jump(&self, off_ns: i64) {
        self.0.off_ns.store(off_ns, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now_ns(&self) -> i64 {
        self.true_ns() + self.0.off_ns.load(Ordering::Relaxed)
    }
}
