//! Rulebook, sections 4.1 and 10.3: what happens at a time. Timers are not kept in an order: each time the first that is
//! due is looked for among all that there are.

use beurs_engine::command::{SetRandomSeed, SetSchedule};
use beurs_engine::event::{Event, SettingChanged, TimeAdvanced};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{Setting, StatusReason, TradingStatus};

use super::status::setting;
use super::{refuse, Naive, DAY_NS};

const HOUR_NS: i64 = 3_600_000_000_000;

/// The 16 entries of an instrument's day, each with its next due time.
#[derive(Clone, Default, Debug)]
pub(crate) struct Schedule {
    pub(crate) entries: [Option<(SetSchedule, i128)>; 16],
}

/// SplitMix64.
#[derive(Clone, Default, Debug)]
pub(super) struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random time from 0 to `most`. Nothing is drawn where there is nothing to choose.
    pub(super) fn delay(&mut self, most: i128) -> i128 {
        if most == 0 {
            return 0;
        }
        i128::from(self.next()) % (most + 1)
    }
}

/// A timer, in the order in which those that are due fire: when, which kind, which id, which slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timer {
    AuctionEnd(usize),
    Schedule(usize, usize),
    LimitState(usize),
}

/// The first time after `now` on one of the days, at the time of day.
fn next_time(now: i128, weekdays: u8, time_of_day_ns: i64) -> i128 {
    let today = now.div_euclid(DAY_NS);
    (today..=today + 7)
        .filter(|day| {
            let weekday = (day + 3).rem_euclid(7); // 1970 began on a Thursday; Monday is 0.
            weekdays & (1 << weekday) != 0
        })
        .map(|day| day * DAY_NS + i128::from(time_of_day_ns))
        .find(|time| *time > now)
        .unwrap_or_else(|| unreachable!("a week has every day"))
}

impl Naive {
    fn first_due(&self) -> Option<Timer> {
        let mut due = Vec::new();
        for (index, instrument) in self.instruments.iter().enumerate() {
            if instrument.session.end_time_ns != 0 {
                due.push((instrument.session.end_time_ns, Timer::AuctionEnd(index)));
            }
            for (slot, entry) in instrument.schedule.entries.iter().enumerate() {
                due.extend(entry.iter().map(|(_, time)| (*time, Timer::Schedule(index, slot))));
            }
            due.extend(instrument.session.limit_due_ns.map(|time| (time, Timer::LimitState(index))));
        }
        due.into_iter().filter(|(time, _)| *time <= i128::from(self.event_time_ns)).min().map(|(_, timer)| timer)
    }

    pub(super) fn advance_time(&mut self, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        let mut count = 0;
        while let Some(timer) = self.first_due() {
            count += 1;
            match timer {
                Timer::AuctionEnd(index) => {
                    self.change_status(index, TradingStatus::Open, StatusReason::AuctionEnd, 0, events);
                }
                Timer::Schedule(index, slot) => {
                    if let Some((entry, _)) = self.instruments[index].schedule.entries[slot] {
                        self.change_status(index, entry.status, StatusReason::Schedule, 0, events);
                        self.enter(index, entry);
                    }
                }
                Timer::LimitState(index) => self.volatility_auction(index, StatusReason::LimitState, events),
            }
        }
        events.push(Event::TimeAdvanced(TimeAdvanced { count }));
        Ok(())
    }

    /// Puts an entry of the schedule in its slot, with its next due time.
    fn enter(&mut self, index: usize, entry: SetSchedule) {
        let time = next_time(i128::from(self.event_time_ns), entry.weekdays, entry.time_of_day_ns)
            + self.generator.delay(i128::from(entry.random_ns));
        self.instruments[index].schedule.entries[usize::from(entry.slot)] = Some((entry, time));
    }

    pub(super) fn set_schedule(&mut self, c: &SetSchedule, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(!self.has_instrument(c.instrument_id), R::UnknownInstrument)?;
        let valid = c.slot < 16
            && c.weekdays < 128
            && (0..24 * HOUR_NS).contains(&c.time_of_day_ns)
            && (0..=HOUR_NS).contains(&c.random_ns);
        refuse(!valid, R::InvalidSchedule)?;
        let index = c.instrument_id.0 as usize - 1;
        if c.weekdays == 0 {
            self.instruments[index].schedule.entries[usize::from(c.slot)] = None;
        } else {
            self.enter(index, *c);
        }
        let instrument_id = c.instrument_id;
        events.push(Event::SettingChanged(SettingChanged { instrument_id, ..setting(Setting::Schedule) }));
        Ok(())
    }

    pub(super) fn set_random_seed(&mut self, c: &SetRandomSeed, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        self.generator = Generator(c.seed);
        events.push(Event::SettingChanged(setting(Setting::RandomSeed)));
        Ok(())
    }
}
