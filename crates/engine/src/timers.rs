//! What is due at a time to come, and the command that does it.
//!
//! Invariant: every open GTD order, armed dead-man timer, auction with an end, schedule entry and limit state has exactly one
//! timer here; timers follow from the rest of the state, so a snapshot does not have them.

use crate::command::CancelAllAfter;
use crate::engine::Engine;
use crate::event::{CancelAllAfterSet, Event, EventSink, TimeAdvanced};
use crate::reject::RejectReason;
use crate::types::{AccountId, CancelReason};
use std::collections::BTreeSet;

/// What is due. The order of the kinds is that in which what is due at one time is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Due {
    /// The order of this id expires.
    Expiry(u64),
    /// This account's orders are canceled.
    CancelAllAfter(u32),
    /// The auction of the instrument at this place ends.
    AuctionEnd(u32),
    /// This entry of the schedule of the instrument at this place.
    Schedule(u32, u8),
    /// The instrument at this place has been in its limit state for too long.
    LimitState(u32),
}

/// All timers, the next one first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(i64, Due)>,
}

impl Timers {
    pub fn set(&mut self, time_ns: i64, due: Due) {
        let new = self.due.insert((time_ns, due));
        debug_assert!(new, "a timer is set once");
    }

    pub fn clear(&mut self, time_ns: i64, due: Due) {
        self.due.remove(&(time_ns, due));
    }

    fn pop(&mut self, now_ns: i64) -> Option<Due> {
        let (time_ns, due) = *self.due.first()?;
        if time_ns > now_ns {
            return None;
        }
        self.due.pop_first();
        Some(due)
    }

    /// Whether this is one of them.
    pub fn has(&self, time_ns: i64, due: Due) -> bool {
        self.due.contains(&(time_ns, due))
    }
}

const TIMEOUT_NS: std::ops::RangeInclusive<i64> = 1_000_000..=86_400_000_000_000;

impl Engine {
    /// When something is due next, in nanoseconds since 1970 UTC; `i64::MAX` for never. The sequencer gives an
    /// [`crate::command::Command::AdvanceTime`] before any command of that time or later.
    #[inline]
    pub fn next_due_ns(&self) -> i64 {
        self.timers.due.first().map_or(i64::MAX, |&(time_ns, _)| time_ns)
    }

    pub(crate) fn advance_time<S: EventSink>(&mut self, events: &mut S) -> Result<(), RejectReason> {
        let mut count = 0;
        while let Some(due) = self.timers.pop(self.event_time_ns) {
            count += 1;
            match due {
                Due::Expiry(order_id) => {
                    if let Some(slot) = self.arena.orders.find(order_id) {
                        let at = self.arena.half_of(slot).0;
                        self.cancel_special(slot, CancelReason::Expired, events);
                        self.after_execution(at, events);
                    }
                }
                Due::CancelAllAfter(account) => {
                    self.ledger.accounts[account as usize].deadline_ns = 0;
                    let slots = self.account_slots(account as usize).collect();
                    self.cancel_all(slots, CancelReason::CancelAllAfter, events);
                    let account_id = AccountId(account + 1);
                    events.emit(Event::CancelAllAfterSet(CancelAllAfterSet { account_id, deadline_ns: 0 }));
                }
                Due::AuctionEnd(at) => self.end_auction(at as usize, events),
                Due::Schedule(at, slot) => self.follow_schedule(at as usize, slot, events),
                Due::LimitState(at) => self.end_limit_state(at as usize, events),
            }
        }
        self.end_command(events);
        events.emit(Event::TimeAdvanced(TimeAdvanced { count }));
        Ok(())
    }

    pub(crate) fn cancel_all_after<S: EventSink>(
        &mut self,
        command: &CancelAllAfter,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let account = self.account_index(command.account_id)?;
        if command.timeout_ns != 0 && !TIMEOUT_NS.contains(&command.timeout_ns) {
            return Err(RejectReason::InvalidTimeout);
        }
        // After this point the timer must be set.
        let due = Due::CancelAllAfter(account as u32);
        let before = self.ledger.accounts[account].deadline_ns;
        if before != 0 {
            self.timers.clear(before, due);
        }
        let mut deadline_ns = 0;
        if command.timeout_ns != 0 {
            deadline_ns = self.event_time_ns.saturating_add(command.timeout_ns);
            self.timers.set(deadline_ns, due);
        }
        self.ledger.accounts[account].deadline_ns = deadline_ns;
        events.emit(Event::CancelAllAfterSet(CancelAllAfterSet { account_id: command.account_id, deadline_ns }));
        Ok(())
    }
}
