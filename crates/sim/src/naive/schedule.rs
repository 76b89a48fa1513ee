//! Rulebook, sections 4.1 and 10.3: what happens at a time. Timers are not kept in an order: each time the first that is
//! due is looked for among all that there are.

use beurs_engine::command::{SetRandomSeed, SetSchedule};
use beurs_engine::event::{Event, SettingChanged};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{Setting, StatusReason, TradingStatus};

use super::status::setting;
use super::timers::{Due, Timer};
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

    pub(super) fn state(&self) -> u64 {
        self.0
    }

    /// A random time from 0 to `most`. Nothing is drawn where there is nothing to choose.
    pub(super) fn delay(&mut self, most: i128) -> i128 {
        if most == 0 {
            return 0;
        }
        i128::from(self.next()) % (most + 1)
    }
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
    /// Timers of auctions, schedules and limit states.
    pub(super) fn venue_timers(&self) -> Vec<Timer> {
        let mut timers = Vec::new();
        let mut add = |time: i128, what| timers.push(Timer { due_ns: time as i64, what });
        for (id, instrument) in (1..).zip(&self.instruments) {
            if instrument.session.end_time_ns != 0 {
                add(instrument.session.end_time_ns, Due::AuctionEnd(id));
            }
            for (slot, entry) in (0..).zip(&instrument.schedule.entries) {
                if let Some((_, time)) = entry {
                    add(*time, Due::Schedule(id, slot));
                }
            }
            if let Some(time) = instrument.session.limit_due_ns {
                add(time, Due::LimitState(id));
            }
        }
        timers
    }

    /// One of them is due.
    pub(super) fn fire_venue_timer(&mut self, what: Due, events: &mut Vec<Event>) {
        match what {
            Due::AuctionEnd(id) => {
                self.change_status(id, TradingStatus::Open, StatusReason::AuctionEnd, 0, events);
            }
            Due::Schedule(id, slot) => {
                if let Some((entry, _)) = self.instrument(id).schedule.entries[usize::from(slot)] {
                    if self.instrument(id).status_reason != StatusReason::Quarantined {
                        self.change_status(id, entry.status, StatusReason::Schedule, 0, events);
                    }
                    self.enter(id as usize - 1, entry);
                }
            }
            Due::LimitState(id) => {
                self.instrument_mut(id).session.limit_due_ns = None;
                self.volatility_auction(id, StatusReason::LimitState, events);
                self.settle(id, events);
            }
            Due::OrderExpiry(_) | Due::CancelAllAfter(_) => unreachable!("it is of no instrument"),
        }
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
