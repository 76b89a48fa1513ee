//! What an instrument does by itself at a time of day, and the generator of the random delays.
//!
//! Invariant: every entry has one due time, after the command that computed it, and one timer for it; none if the time is
//! `i64::MAX`, which is never. A due time holds a random draw, so it is state.

use crate::command::{SetRandomSeed, SetSchedule};
use crate::engine::Engine;
use crate::event::{Event, EventSink, SettingChanged};
use crate::reject::RejectReason;
use crate::timers::Due;
use crate::types::{InstrumentId, Setting, StatusReason, TradingStatus};

const DAY_NS: i64 = 86_400_000_000_000;
/// The longest random delay.
pub(crate) const MAX_RANDOM_NS: i64 = 3_600_000_000_000;
/// How many entries an instrument's schedule has.
const SLOTS: u8 = 16;
/// All days of the week.
const EVERY_DAY: u8 = 0b111_1111;

/// One entry of a schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub slot: u8,
    /// The sum of 1 for Monday to 64 for Sunday; at least one.
    pub weekdays: u8,
    pub time_of_day_ns: i64,
    pub random_ns: i64,
    pub status: TradingStatus,
    /// When it happens next.
    pub due_ns: i64,
}

impl Entry {
    /// Whether it could have been set.
    pub fn is_valid(&self) -> bool {
        self.slot < SLOTS
            && self.weekdays & !EVERY_DAY == 0
            && (0..DAY_NS).contains(&self.time_of_day_ns)
            && (0..=MAX_RANDOM_NS).contains(&self.random_ns)
    }
}

/// The first time after `now_ns` of that time of day (UTC) on one of these days of the week.
fn next_time(weekdays: u8, time_of_day_ns: i64, now_ns: i64) -> i64 {
    let today = now_ns.div_euclid(DAY_NS);
    let passed = now_ns.rem_euclid(DAY_NS) >= time_of_day_ns;
    for day in today + i64::from(passed)..=today + 7 {
        // 1970-01-01 was a Thursday, three days after a Monday.
        let weekday = (day + 3).rem_euclid(7);
        if weekdays & 1 << weekday != 0 {
            return day.saturating_mul(DAY_NS).saturating_add(time_of_day_ns);
        }
    }
    i64::MAX
}

impl Engine {
    /// The next number of the seeded generator: SplitMix64 (G. Steele, D. Lea, C. Flood: Fast Splittable Pseudorandom Number
    /// Generators, OOPSLA 2014; the constants are those of S. Vigna's splitmix64.c).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A random delay from 0 to `most_ns`. Nothing is drawn where there is nothing to choose.
    pub(crate) fn random_delay(&mut self, most_ns: i64) -> i64 {
        if most_ns <= 0 {
            return 0;
        }
        (self.draw() % (most_ns as u64 + 1)) as i64
    }

    pub(crate) fn set_random_seed<S: EventSink>(
        &mut self,
        command: &SetRandomSeed,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        self.random = command.seed;
        events.emit(Event::SettingChanged(SettingChanged::of_instrument(Setting::RandomSeed, InstrumentId::NONE)));
        Ok(())
    }

    pub(crate) fn set_schedule<S: EventSink>(
        &mut self,
        command: &SetSchedule,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let at = self.instrument_index(command.instrument_id)?;
        let SetSchedule { slot, weekdays, time_of_day_ns, random_ns, status, .. } = *command;
        let mut entry = Entry { slot, weekdays, time_of_day_ns, random_ns, status, due_ns: 0 };
        if !entry.is_valid() {
            return Err(RejectReason::InvalidSchedule);
        }
        // After this point the schedule must be set.
        let due = Due::Schedule(at as u32, slot);
        let place = self.listings[at].session.schedule.binary_search_by_key(&slot, |entry| entry.slot);
        if let Ok(old) = place {
            let old = self.listings[at].session.schedule.remove(old);
            self.timers.clear(old.due_ns, due);
        }
        if weekdays != 0 {
            entry.due_ns = self.next_due(&entry);
            self.set_schedule_timer(at, &entry);
            let (Ok(place) | Err(place)) = place;
            self.listings[at].session.schedule.insert(place, entry);
        }
        events.emit(Event::SettingChanged(SettingChanged::of_instrument(Setting::Schedule, command.instrument_id)));
        Ok(())
    }

    fn next_due(&mut self, entry: &Entry) -> i64 {
        let time_ns = next_time(entry.weekdays, entry.time_of_day_ns, self.event_time_ns);
        time_ns.saturating_add(self.random_delay(entry.random_ns))
    }

    /// Sets the timer of an entry, unless its time is beyond all times.
    pub(crate) fn set_schedule_timer(&mut self, at: usize, entry: &Entry) {
        if entry.due_ns != i64::MAX {
            self.timers.set(entry.due_ns, Due::Schedule(at as u32, entry.slot));
        }
    }

    /// The time of an entry of the schedule has come. A quarantine outlasts it.
    pub(crate) fn follow_schedule<S: EventSink>(&mut self, at: usize, slot: u8, events: &mut S) {
        let Ok(place) = self.listings[at].session.schedule.binary_search_by_key(&slot, |entry| entry.slot) else {
            return;
        };
        let mut entry = self.listings[at].session.schedule[place];
        if self.listings[at].instrument.status_reason != StatusReason::Quarantined {
            self.set_status(at, entry.status, StatusReason::Schedule, 0, events);
        }
        entry.due_ns = self.next_due(&entry);
        self.set_schedule_timer(at, &entry);
        self.listings[at].session.schedule[place] = entry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_NS: i64 = 3_600_000_000_000;

    #[test]
    fn the_next_time_is_the_first_after_now_on_a_day_that_fits() {
        // Day 0 was a Thursday.
        let (thursday, friday, monday) = (1 << 3, 1 << 4, 1);
        let nine = 9 * HOUR_NS;
        for (weekdays, now_ns, expected) in [
            (thursday, 0, nine),
            (thursday, nine - 1, nine),
            (thursday, nine, 7 * DAY_NS + nine),
            (thursday | friday, nine, DAY_NS + nine),
            (monday, 0, 4 * DAY_NS + nine),
            (EVERY_DAY, nine, DAY_NS + nine),
            (EVERY_DAY, -DAY_NS, -DAY_NS + nine),
            (monday, 4 * DAY_NS + nine, 11 * DAY_NS + nine),
            // 2024-02-29 00:00 was a Thursday, in a leap year.
            (friday, 1_709_164_800_000_000_000, 1_709_251_200_000_000_000 + nine),
        ] {
            assert_eq!(next_time(weekdays, nine, now_ns), expected, "{weekdays} {now_ns}");
        }
        assert_eq!(next_time(thursday, 0, 0), 7 * DAY_NS, "not now");
        assert_eq!(next_time(EVERY_DAY, 0, i64::MAX), i64::MAX, "time ends");
    }

    #[test]
    fn the_generator_gives_the_published_numbers() {
        // The first outputs of S. Vigna's splitmix64.c for seed 1234567, as in the tests of several of its ports.
        let mut engine = Engine { random: 1_234_567, ..Engine::default() };
        let drawn: Vec<u64> = (0..5).map(|_| engine.draw()).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
        let before = engine.random;
        assert_eq!(engine.random_delay(0), 0);
        assert_eq!(engine.random, before, "nothing to choose, nothing drawn");
        assert!((0..1_000).all(|_| (0..=7).contains(&engine.random_delay(7))));
    }
}
