//! What an account has traded over the last 30 days, by quote asset: what fee tiers are chosen by.
//!
//! A day is a UTC day, before 1970 too. The sum is that of today and the 29 days before it, so a trade counts in full
//! until the 30th midnight after it.
//!
//! Invariants: of an asset, days ascend, each once, every one with an amount, at most 30 of them; the sum kept is theirs.
//! A day stops counting at [`MAX_OF_A_DAY`], so that 30 of them always fit: 5 × 10^6 trades of the largest notional.
//! Time does not go backwards; if it did, a trade would count to the newest day.

const DAY_NS: i64 = 86_400_000_000_000;
/// How many days count, today included.
const DAYS: i64 = 30;
/// The most that is counted of one day, in the quote asset's smallest unit.
pub(crate) const MAX_OF_A_DAY: i128 = i128::MAX / DAYS as i128;

/// The UTC day of a time, 1970-01-01 being 0. Days are within ±106,752, so that adding to them needs no checks.
#[inline]
const fn day_of(event_time_ns: i64) -> i64 {
    event_time_ns.div_euclid(DAY_NS)
}

/// When a day ends, as far as times go.
const fn end_of(day: i64) -> i64 {
    (day + 1).saturating_mul(DAY_NS)
}

/// The days before the newest one.
#[derive(Clone, Debug, Default)]
struct Earlier {
    /// Of all `days`.
    sum: i128,
    days: Vec<(i64, i128)>,
}

/// The volume in one quote asset. Nearly every trade is on the day of the one before: it touches what is here only.
#[derive(Clone, Debug)]
struct Volume {
    /// Of the newest day, which ends at `until_ns`.
    amount: i128,
    until_ns: i64,
    day: i64,
    /// `None` before the second day.
    earlier: Option<Box<Earlier>>,
    asset: u32,
}

impl Volume {
    /// Without a trade on this day yet.
    fn new(asset: u32, day: i64) -> Self {
        Self { amount: 0, until_ns: end_of(day), day, earlier: None, asset }
    }

    /// How many of the days before the newest no longer count: they are the first ones.
    #[inline]
    fn expired(&self, today: i64) -> usize {
        let days = self.earlier.iter().flat_map(|earlier| &earlier.days);
        days.take_while(|(day, _)| *day <= today - DAYS).count()
    }

    #[inline]
    fn add(&mut self, event_time_ns: i64, notional: i128) {
        if event_time_ns >= self.until_ns {
            self.begin(day_of(event_time_ns));
        }
        self.amount += notional.min(MAX_OF_A_DAY - self.amount);
    }

    /// Begins a day, if it is a new one. Every day is dropped once, and is looked at once while it counts and is the oldest:
    /// O(1) amortised.
    #[cold]
    fn begin(&mut self, today: i64) {
        if today <= self.day {
            return; // The last day there is ends with it, not after it.
        }
        let expired = self.expired(today);
        let earlier = self.earlier.get_or_insert_default();
        earlier.sum -= earlier.days.drain(..expired).map(|(_, amount)| amount).sum::<i128>();
        if self.day > today - DAYS {
            earlier.days.push((self.day, self.amount));
            earlier.sum += self.amount;
        }
        (self.amount, self.day, self.until_ns) = (0, today, end_of(today));
    }

    /// The days that count, ascending.
    fn days(&self, today: i64) -> Vec<(i64, i128)> {
        let days = self.earlier.iter().flat_map(|earlier| &earlier.days).copied();
        let newest = [(self.day, self.amount)];
        days.chain(newest).filter(|(day, _)| *day > today - DAYS).collect()
    }
}

/// One account's volumes, in the order of the quote assets. Nothing is allocated before the first trade.
#[derive(Clone, Debug, Default)]
pub(crate) struct Volumes {
    /// Ascending by asset index, each once.
    entries: Vec<Volume>,
}

impl Volumes {
    /// Counts a trade of this notional, which is at least 1. O(1) amortised, but for finding the asset.
    #[inline]
    pub fn add(&mut self, asset: u32, event_time_ns: i64, notional: i128) {
        debug_assert!(notional >= 1, "a trade has a notional");
        let volume = match self.entries.first_mut() {
            Some(first) if first.asset == asset => first,
            _ => self.find_or_insert(asset, event_time_ns),
        };
        volume.add(event_time_ns, notional);
    }

    #[inline(never)] // Many accounts pay with one asset.
    fn find_or_insert(&mut self, asset: u32, event_time_ns: i64) -> &mut Volume {
        let at = self.find(asset).unwrap_or_else(|at| {
            self.entries.insert(at, Volume::new(asset, day_of(event_time_ns)));
            at
        });
        &mut self.entries[at]
    }

    /// What was traded today and on the 29 days before. It subtracts the days that have passed, at most 30, each time.
    pub fn sum_at(&self, asset: u32, event_time_ns: i64) -> i128 {
        match self.find(asset) {
            Ok(at) => {
                let (volume, today) = (&self.entries[at], day_of(event_time_ns));
                let newest = if volume.day > today - DAYS { volume.amount } else { 0 };
                let earlier = volume.earlier.as_ref().map_or(0, |earlier| {
                    let expired = &earlier.days[..volume.expired(today)];
                    earlier.sum - expired.iter().map(|(_, amount)| amount).sum::<i128>()
                });
                newest + earlier
            }
            Err(_) => 0,
        }
    }

    /// What the snapshot of this time holds: assets ascending, and of each the days that count with their amounts,
    /// ascending; an asset of which no day counts is left out. So those that go on alike are written alike.
    pub fn iter(&self, event_time_ns: i64) -> impl Iterator<Item = (u32, Vec<(i64, i128)>)> + '_ {
        let today = day_of(event_time_ns);
        self.entries.iter().map(move |volume| (volume.asset, volume.days(today))).filter(|(_, days)| !days.is_empty())
    }

    /// Takes the next asset of what [`Self::iter`] gave at this time; `false`, and nothing is taken, if it cannot have.
    #[must_use]
    pub fn restore(&mut self, asset: u32, event_time_ns: i64, days: &[(i64, i128)]) -> bool {
        let today = day_of(event_time_ns);
        let possible = self.entries.last().is_none_or(|last| last.asset < asset)
            && !days.is_empty()
            && days.windows(2).all(|pair| pair[0].0 < pair[1].0)
            && days.iter().all(|(day, _)| (today - DAYS + 1..=today).contains(day))
            && days.iter().all(|(_, amount)| (1..=MAX_OF_A_DAY).contains(amount));
        if let (true, [earlier @ .., (day, amount)]) = (possible, days) {
            let mut volume = Volume { amount: *amount, ..Volume::new(asset, *day) };
            if !earlier.is_empty() {
                let sum = earlier.iter().map(|(_, amount)| amount).sum();
                volume.earlier = Some(Box::new(Earlier { sum, days: earlier.to_vec() }));
            }
            self.entries.push(volume);
        }
        possible
    }

    fn find(&self, asset: u32) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&asset, |volume| volume.asset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn next(seed: &mut u64) -> u64 {
        // SplitMix64 (S. Vigna, public domain reference).
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Every trade there was.
    #[derive(Default)]
    struct Twin {
        trades: Vec<(u32, i64, i128)>,
    }

    impl Twin {
        /// The day, counted from one that is before all times.
        fn day(event_time_ns: i64) -> i64 {
            let before_all = 200_000;
            ((i128::from(event_time_ns) + before_all * i128::from(DAY_NS)) / i128::from(DAY_NS) - before_all) as i64
        }

        fn days(&self, event_time_ns: i64) -> Vec<(u32, Vec<(i64, i128)>)> {
            let today = Self::day(event_time_ns);
            let mut assets = BTreeMap::<u32, BTreeMap<i64, i128>>::new();
            for &(asset, at, notional) in &self.trades {
                let day = Self::day(at);
                if today - day < 30 {
                    let amount = assets.entry(asset).or_default().entry(day).or_default();
                    *amount = amount.saturating_add(notional).min(i128::MAX / 30);
                }
            }
            assets.into_iter().map(|(asset, days)| (asset, days.into_iter().collect())).collect()
        }
    }

    fn days_of(volumes: &Volumes, event_time_ns: i64) -> Vec<(u32, Vec<(i64, i128)>)> {
        volumes.iter(event_time_ns).collect()
    }

    fn restored(days: &[(u32, Vec<(i64, i128)>)], event_time_ns: i64) -> Volumes {
        let mut volumes = Volumes::default();
        for (asset, days) in days {
            assert!(volumes.restore(*asset, event_time_ns, days), "{asset}, {days:?}");
        }
        volumes
    }

    #[test]
    fn agrees_with_a_list_of_all_trades() {
        for start in 0..200_u64 {
            let mut seed = start;
            let mut time = [i64::MIN, -40 * DAY_NS - 1, -1, 0, 1_700_000_000_000_000_000, i64::MAX - 90 * DAY_NS]
                [(next(&mut seed) % 6) as usize];
            let largest = [10, 10_i128.pow(30), i128::MAX / 40, i128::MAX][(next(&mut seed) % 4) as usize];
            let (mut volumes, mut twin) = (Volumes::default(), Twin::default());
            for step in 0..300 {
                let stride = match next(&mut seed) % 40 {
                    0..=19 => 0,
                    20..=27 => 1,
                    28..=33 => DAY_NS / 3,
                    34..=36 => DAY_NS,
                    37 => DAY_NS * (next(&mut seed) % 32) as i64,
                    38 => DAY_NS * 29,
                    // Some step of a third of the runs is decades.
                    _ if next(&mut seed) % 20 == 0 => DAY_NS * 12_345,
                    _ => DAY_NS - 1,
                };
                time = time.saturating_add(stride);
                let asset = [0, 1, 2, u32::MAX][(next(&mut seed) % 4) as usize];
                if next(&mut seed) % 3 != 0 {
                    let notional = 1 + i128::from(next(&mut seed)) * i128::from(next(&mut seed) >> 1) % largest;
                    volumes.add(asset, time, notional);
                    twin.trades.push((asset, time, notional));
                }
                let at = format!("seed {start}, step {step}");
                let days = twin.days(time);
                assert_eq!(days_of(&volumes, time), days, "{at}");
                for asset in [asset, 0, 1, 2, 3, u32::MAX] {
                    let expected = days.iter().filter(|entry| entry.0 == asset).flat_map(|entry| &entry.1);
                    let expected = expected.map(|(_, amount)| amount).sum::<i128>();
                    assert_eq!(volumes.sum_at(asset, time), expected, "{at}");
                }
                if next(&mut seed) % 16 == 0 {
                    volumes = restored(&days, time);
                }
            }
            assert!(volumes.entries.iter().all(|volume| volume.days(i64::MIN / DAY_NS).len() <= 30));
        }
    }

    #[test]
    fn a_trade_counts_until_the_thirtieth_midnight_after_it() {
        for midnight in [0, -7 * DAY_NS, 20_000 * DAY_NS] {
            let mut volumes = Volumes::default();
            volumes.add(1, midnight - 1, 5);
            volumes.add(1, midnight, 7);
            assert_eq!(volumes.sum_at(1, midnight + 29 * DAY_NS - 1), 12);
            assert_eq!(volumes.sum_at(1, midnight + 29 * DAY_NS), 7);
            assert_eq!(volumes.sum_at(1, midnight + 30 * DAY_NS - 1), 7);
            assert_eq!(volumes.sum_at(1, midnight + 30 * DAY_NS), 0);
            assert_eq!(volumes.sum_at(1, midnight + 29 * DAY_NS), 7);
            assert_eq!(volumes.sum_at(1, midnight + 30 * DAY_NS), 0);
            assert_eq!(volumes.sum_at(2, midnight), 0);
        }
    }

    #[test]
    fn what_has_passed_leaves_no_trace_in_the_snapshot() {
        let (mut busy, mut idle) = (Volumes::default(), Volumes::default());
        busy.add(0, i64::MIN, 5);
        busy.add(3, 0, 5);
        busy.add(3, 50 * DAY_NS, 1);
        idle.add(3, 50 * DAY_NS, 1);
        assert_eq!(days_of(&busy, 50 * DAY_NS), days_of(&idle, 50 * DAY_NS));
        assert_eq!(days_of(&busy, 50 * DAY_NS), [(3, vec![(50, 1)])]);
        assert!(days_of(&busy, i64::MAX).is_empty());
    }

    #[test]
    fn thirty_full_days_fit() {
        let mut volumes = Volumes::default();
        for day in 0..60 {
            for notional in [1, MAX_OF_A_DAY, 1, i128::MAX] {
                volumes.add(0, day * DAY_NS, notional);
            }
            let days = i128::from(day + 1).min(30);
            assert_eq!(volumes.sum_at(0, day * DAY_NS), days * MAX_OF_A_DAY);
        }
    }

    #[test]
    fn time_that_goes_backwards_counts_to_the_newest_day() {
        let mut volumes = Volumes::default();
        volumes.add(0, 5 * DAY_NS, 1);
        volumes.add(0, i64::MIN, 2);
        assert_eq!(days_of(&volumes, 5 * DAY_NS), [(0, vec![(5, 3)])]);
    }

    #[test]
    fn what_cannot_have_been_saved_is_refused() {
        let now = 100 * DAY_NS;
        let mut volumes = Volumes::default();
        assert!(volumes.restore(4, now, &[(71, 1), (100, MAX_OF_A_DAY)]));
        let refused: [(u32, &[(i64, i128)]); 10] = [
            (5, &[]),
            (4, &[(100, 1)]),
            (3, &[(100, 1)]),
            (5, &[(70, 1)]),
            (5, &[(101, 1)]),
            (5, &[(i64::MIN, 1), (i64::MAX, 1)]),
            (5, &[(80, 1), (80, 1)]),
            (5, &[(81, 1), (80, 1)]),
            (5, &[(80, 0)]),
            (5, &[(80, MAX_OF_A_DAY + 1)]),
        ];
        for (asset, days) in refused {
            assert!(!volumes.restore(asset, now, days), "{asset}, {days:?}");
        }
        assert_eq!(days_of(&volumes, now), [(4, vec![(71, 1), (100, MAX_OF_A_DAY)])]);
    }

    #[test]
    fn an_account_that_never_traded_holds_no_allocation() {
        let volumes = Volumes::default();
        assert_eq!(volumes.sum_at(0, 0), 0);
        assert_eq!(volumes.entries.capacity(), 0);
    }
}
