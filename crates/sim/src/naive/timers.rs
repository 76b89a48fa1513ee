//! Section 4 of the rulebook: lifetimes, and what is due when time advances. What is due is found by looking at
//! everything.

use std::collections::BTreeSet;

use beurs_engine::command::CancelAllAfter;
use beurs_engine::event::{CancelAllAfterSet, Event, ExecutionReport, TimeAdvanced};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{AccountId, CancelReason, ExecType, Lots, OrderStatus, TimeInForce};

use super::{refuse, report, Naive};

const MIN_TIMEOUT_NS: i64 = 1_000_000;
const MAX_TIMEOUT_NS: i64 = 86_400_000_000_000;

/// Something that is due at a time. The order is that in which timers fire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Timer {
    pub(crate) due_ns: i64,
    pub(crate) what: Due,
}

/// What is due, in the order of the kinds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Due {
    /// An order of this id expires.
    OrderExpiry(u64),
    /// All orders of an account are canceled.
    CancelAllAfter(u32),
    /// An instrument's auction ends.
    AuctionEnd(u32),
    /// An entry of an instrument's schedule.
    Schedule(u32, u8),
    /// An instrument's best price has stood at a band for too long.
    LimitState(u32),
}

impl Naive {
    /// The first timer that is due by now.
    fn first_due(&self) -> Option<Timer> {
        let mut timers = self.venue_timers();
        timers.extend(
            self.open_orders()
                .filter(|order| order.time_in_force == TimeInForce::Gtd)
                .map(|order| Timer { due_ns: order.terms.expire_time_ns, what: Due::OrderExpiry(order.order_id) }),
        );
        timers.extend(
            self.deadlines
                .iter()
                .map(|(account, deadline)| Timer { due_ns: *deadline, what: Due::CancelAllAfter(*account) }),
        );
        timers.into_iter().filter(|timer| timer.due_ns <= self.event_time_ns).min()
    }

    pub(crate) fn advance_time(&mut self, events: &mut Vec<Event>) {
        let mut count = 0;
        while let Some(timer) = self.first_due() {
            count += 1;
            match timer.what {
                Due::OrderExpiry(order_id) => {
                    let instrument = self.order(order_id).instrument;
                    self.expire(order_id, CancelReason::Expired, events);
                    self.settle(instrument, events);
                }
                Due::CancelAllAfter(account) => {
                    self.deadlines.remove(&account);
                    let named = self.open_orders().filter(|order| order.account == account);
                    let named: BTreeSet<u64> = named.map(|order| order.order_id).collect();
                    let (_, touched) = self.cancel_all(&named, CancelReason::CancelAllAfter, events);
                    for instrument in touched {
                        self.settle(instrument, events);
                    }
                    let account_id = AccountId(account);
                    events.push(Event::CancelAllAfterSet(CancelAllAfterSet { account_id, deadline_ns: 0 }));
                }
                what @ (Due::AuctionEnd(_) | Due::Schedule(..) | Due::LimitState(_)) => {
                    self.fire_venue_timer(what, events);
                }
            }
        }
        events.push(Event::TimeAdvanced(TimeAdvanced { count }));
    }

    pub(crate) fn cancel_all_after(&mut self, c: &CancelAllAfter, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(!self.has_account(c.account_id), R::UnknownAccount)?;
        let allowed = c.timeout_ns == 0 || (MIN_TIMEOUT_NS..=MAX_TIMEOUT_NS).contains(&c.timeout_ns);
        refuse(!allowed, R::InvalidTimeout)?;
        let mut deadline_ns = 0;
        if c.timeout_ns == 0 {
            self.deadlines.remove(&c.account_id.0);
        } else {
            deadline_ns = self.event_time_ns + c.timeout_ns;
            self.deadlines.insert(c.account_id.0, deadline_ns);
        }
        events.push(Event::CancelAllAfterSet(CancelAllAfterSet { account_id: c.account_id, deadline_ns }));
        Ok(())
    }

    /// The end of an open order by its lifetime.
    pub(crate) fn expire(&mut self, order_id: u64, reason: CancelReason, events: &mut Vec<Event>) {
        let order = self.take_out(order_id);
        events.push(Event::Execution(ExecutionReport {
            status: OrderStatus::Expired,
            cancel_reason: reason,
            leaves_quantity: Lots(0),
            ..report(&order, ExecType::Expired, 0)
        }));
        self.remember(order.account, &order.client_order_id);
        self.list_end(&order, events);
    }

    /// The end of all day orders of an instrument that closes.
    pub(crate) fn end_day(&mut self, instrument: u32, events: &mut Vec<Event>) {
        let day = |order: &&super::Order| order.instrument == instrument && order.time_in_force == TimeInForce::Day;
        let named: BTreeSet<u64> = self.open_orders().filter(day).map(|order| order.order_id).collect();
        for order_id in named {
            if self.is_open(order_id) {
                self.expire(order_id, CancelReason::EndOfDay, events);
            }
        }
    }
}
