//! What both benchmarks need: a small random generator and a clock.

use std::time::{Duration, Instant};

/// SplitMix64 (S. Vigna, public domain reference).
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end`, exclusive.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// From 0 to 1, exclusive.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How long something took.
#[allow(clippy::disallowed_methods)] // A benchmark is the one place here that reads a clock.
pub fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Now.
#[allow(dead_code, clippy::disallowed_methods)] // As above; only one of the benchmarks asks.
pub fn now() -> Instant {
    Instant::now()
}

/// The median of some runs of `work`, each of which returns its own measure.
pub fn median(runs: usize, mut work: impl FnMut() -> f64) -> f64 {
    let mut results: Vec<f64> = (0..runs).map(|_| work()).collect();
    results.sort_by(f64::total_cmp);
    results[results.len() / 2]
}
