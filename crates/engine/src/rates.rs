//! How many orders may come in a stretch of the engine's own time.
//!
//! Time is cut into windows of one length that start at its multiples, before 1970 too. Each admits up to the limit, and
//! what was admitted in an earlier one does not count. That is exact, needs two numbers, and is the same in every engine
//! that applies the same commands; the price is that around a boundary up to twice the limit may come in less than the
//! length of a window.
//!
//! Invariant: what a window admits depends on nothing but its own commands, so an engine restored from
//! [`RateWindow::used`] goes on as the one that wrote it.

/// A limit and how much of it is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RateWindow {
    /// How many a window admits. It may be changed at any time, below what is used already too.
    pub limit: u32,
    /// At least 1.
    window_ns: i64,
    /// The number of the window that `used` counts in: its start divided by the length.
    window: i64,
    used: u32,
}

impl RateWindow {
    /// A limit of which nothing is used; `None` if a window has no length.
    pub const fn new(limit: u32, window_ns: i64) -> Option<Self> {
        if window_ns < 1 {
            return None;
        }
        Some(Self { limit, window_ns, window: 0, used: 0 })
    }

    /// The limit of which `used` are used in the window of this time; `None` if a window has no length.
    pub const fn restore(limit: u32, window_ns: i64, event_time_ns: i64, used: u32) -> Option<Self> {
        match Self::new(limit, window_ns) {
            Some(empty) => Some(Self { window: empty.window_at(event_time_ns), used, ..empty }),
            None => None,
        }
    }

    /// Admits one and counts it, or refuses it, which counts nothing.
    #[inline]
    pub fn admit(&mut self, event_time_ns: i64) -> bool {
        *self = self.canonical(event_time_ns);
        let admitted = self.used < self.limit;
        self.used += u32::from(admitted);
        admitted
    }

    /// Whether [`Self::admit`] would admit one.
    #[inline]
    pub const fn would_admit(&self, event_time_ns: i64) -> bool {
        self.used(event_time_ns) < self.limit
    }

    /// How many the window of this time has admitted. With the time this is all there is to save.
    #[inline]
    pub const fn used(&self, event_time_ns: i64) -> u32 {
        if self.window_at(event_time_ns) == self.window {
            self.used
        } else {
            0
        }
    }

    /// The same without memory of windows that have passed: at one time, those that go on alike are equal.
    #[inline]
    pub const fn canonical(&self, event_time_ns: i64) -> Self {
        Self { window: self.window_at(event_time_ns), used: self.used(event_time_ns), ..*self }
    }

    /// The length of a window.
    pub const fn window_ns(&self) -> i64 {
        self.window_ns
    }

    #[inline]
    const fn window_at(&self, event_time_ns: i64) -> i64 {
        event_time_ns.div_euclid(self.window_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(seed: &mut u64) -> u64 {
        // SplitMix64 (S. Vigna, public domain reference).
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    const WINDOWS: [i64; 7] = [1, 2, 7, 1_000, 1_000_000_000, i64::MAX - 1, i64::MAX];
    const STARTS: [i64; 6] = [i64::MIN, -1_000_000_007, -3, 0, 1_700_000_000_000_000_000, i64::MAX - 5_000];

    fn rate(limit: u32, window_ns: i64) -> RateWindow {
        RateWindow::new(limit, window_ns).expect("the window has a length")
    }

    /// Where the window of this time starts, in numbers that hold everything.
    fn start_of_window(event_time_ns: i64, window_ns: i64) -> i128 {
        let (time, window) = (i128::from(event_time_ns), i128::from(window_ns));
        time - ((time % window) + window) % window
    }

    #[test]
    fn agrees_with_a_list_of_what_was_admitted() {
        for start in 0..300_u64 {
            let mut seed = start;
            let window_ns = WINDOWS[(next(&mut seed) % 7) as usize];
            let mut time = STARTS[(next(&mut seed) % 6) as usize];
            let mut rate = rate((next(&mut seed) % 6) as u32, window_ns);
            let mut admitted = Vec::<i64>::new();
            for step in 0..300 {
                let stride = [0, 1, 2, (window_ns / 4).max(1), window_ns][(next(&mut seed) % 5) as usize];
                time = time.saturating_add(stride);
                if next(&mut seed) % 50 == 0 {
                    rate.limit = (next(&mut seed) % 6) as u32;
                }
                let first = start_of_window(time, window_ns);
                let used = admitted.iter().filter(|&&at| i128::from(at) >= first).count() as u32;
                let at = format!("seed {start}, step {step}");
                assert_eq!(rate.used(time), used, "{at}");
                assert_eq!(rate.would_admit(time), used < rate.limit, "{at}");

                let restored = RateWindow::restore(rate.limit, window_ns, time, used);
                assert_eq!(restored, Some(rate.canonical(time)), "{at}");
                if next(&mut seed) % 8 == 0 {
                    rate = rate.canonical(time);
                }
                if next(&mut seed) % 4 != 0 {
                    let admits = rate.admit(time);
                    assert_eq!(admits, used < rate.limit, "{at}");
                    if admits {
                        admitted.push(time);
                    }
                }
            }
        }
    }

    #[test]
    fn a_new_window_starts_at_a_multiple_of_its_length() {
        let mut rate = rate(2, 1_000);
        assert!(rate.admit(-1_001) && rate.admit(-1_001) && !rate.admit(-1_001));
        assert!(rate.admit(-1_000) && rate.admit(-1) && !rate.would_admit(-1) && !rate.admit(-1));
        assert!(rate.admit(0) && rate.admit(999) && !rate.admit(999));
        assert!(rate.would_admit(1_000) && rate.used(1_000) == 0 && rate.used(999) == 2);
    }

    #[test]
    fn asking_counts_nothing_and_neither_does_refusing() {
        let mut rate = rate(1, 10);
        assert!(rate.would_admit(5) && rate.would_admit(5) && rate.admit(5));
        assert!(!rate.admit(6) && !rate.admit(9));
        assert_eq!(rate.used(9), 1);
        assert!(rate.admit(10));
    }

    #[test]
    fn windows_that_have_passed_leave_no_trace() {
        let (mut busy, idle) = (rate(3, 10), rate(3, 10));
        assert!(busy.admit(-25) && busy.admit(4) && busy.admit(5));
        assert_ne!(busy.canonical(9), idle.canonical(9));
        assert_ne!(busy, idle);
        assert_eq!(busy.canonical(10), idle.canonical(10));
        assert_eq!(busy.canonical(i64::MAX), idle.canonical(i64::MAX));
    }

    #[test]
    fn limits_at_their_ends() {
        assert!(!rate(0, 1).admit(0));
        let full = RateWindow::restore(u32::MAX, 1, i64::MIN, u32::MAX).expect("the window has a length");
        assert!(!full.would_admit(i64::MIN) && full.would_admit(i64::MIN + 1));
        for window_ns in [0, -1, i64::MIN] {
            assert_eq!(RateWindow::new(1, window_ns), None);
            assert_eq!(RateWindow::restore(1, window_ns, 0, 0), None);
        }
    }
}
