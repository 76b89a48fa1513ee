//! Section 2 of the rulebook: orders that wait for a price, what is observed, and what then triggers.
//!
//! Nothing is indexed: after each execution every waiting order is looked at.

use std::collections::VecDeque;

use beurs_engine::event::Event;
use beurs_engine::types::{CancelReason, ExecType, OrderType, Side, StatusReason, TradingStatus, TriggerBy};

use super::{ceil_div, report, Defect, Instrument, Naive, Order};

/// What an order waits for before it is executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waits {
    /// For nothing: it is in the book, or on its way through it.
    No,
    /// For its trigger price.
    Trigger,
    /// For the price at which it begins to trail.
    Activation,
    /// For the price that its best one so far leads to, if there was one.
    Trail(Option<i128>),
    /// For another order of its list.
    List,
}

/// What stands in the queue of things to execute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Queued {
    /// The order of this id has met its condition.
    Trigger(u64),
    /// The first order of the list of this id is filled.
    Release(u64),
}

/// One price that is looked at. `Best` prices concern the orders of one side only.
#[derive(Clone, Copy, Debug)]
struct Observation {
    by: TriggerBy,
    side: Option<Side>,
    price: i128,
}

const BPS: i128 = 10_000;

impl Order {
    /// A `stop` waits for prices to go on against it, a `take_profit` for them to come its way.
    fn waits_for_a_rise(&self) -> bool {
        let stop = matches!(self.order_type, OrderType::Stop | OrderType::StopLimit);
        stop == (self.side == Side::Buy)
    }

    /// The price that would trigger it now, of an order that trails or has been triggered by trailing; 0 without a
    /// price seen.
    pub(crate) fn trail_trigger(&self) -> Option<i128> {
        let Waits::Trail(extreme) = self.waits else { return None };
        let bps = i128::from(self.terms.trail_bps);
        Some(extreme.map_or(0, |extreme| match self.side {
            Side::Buy => ceil_div(extreme * (BPS + bps), BPS),
            Side::Sell => (extreme * (BPS - bps)).div_euclid(BPS),
        }))
    }

    /// The price that it waits for, to trigger or to begin to trail, and whether it waits for a rise to it.
    pub(crate) fn condition(&self) -> Option<(i128, bool)> {
        match self.waits {
            Waits::Trigger | Waits::Activation => {
                Some((i128::from(self.terms.trigger_price.0), self.waits_for_a_rise()))
            }
            Waits::Trail(Some(_)) => self.trail_trigger().map(|price| (price, self.side == Side::Buy)),
            _ => None,
        }
    }

    pub(crate) fn triggers_at(&self, price: i128) -> bool {
        self.condition().is_some_and(|(trigger, rise)| reached(price, trigger, rise))
    }

    /// A price moves the extreme of an order that trails.
    fn trail(&mut self, price: i128) {
        if let Waits::Trail(extreme) = self.waits {
            self.waits = Waits::Trail(Some(match (extreme, self.side) {
                (None, _) => price,
                (Some(extreme), Side::Buy) => extreme.min(price),
                (Some(extreme), Side::Sell) => extreme.max(price),
            }));
        }
    }
}

fn reached(price: i128, trigger: i128, rise: bool) -> bool {
    if rise {
        price >= trigger
    } else {
        price <= trigger
    }
}

impl Instrument {
    /// The best price of a side; orders without a price have none.
    pub(crate) fn best(&self, side: Side) -> Option<i128> {
        self.half(side).iter().find(|order| !order.is_auction_market()).map(|order| order.price)
    }

    /// The price that an order is triggered by.
    pub(crate) fn watched(&self, order: &Order) -> Option<i128> {
        match order.terms.trigger_by {
            TriggerBy::Last => Some(self.last_price).filter(|price| *price != 0),
            TriggerBy::Best => self.best(order.side.opposite()),
            TriggerBy::Mark => Some(self.mark_price).filter(|price| *price != 0),
        }
    }
}

impl Naive {
    /// What a conditional order waits for when it is entered.
    pub(crate) fn first_wait(&self, order: &Order) -> Waits {
        if order.terms.trail_bps == 0 {
            Waits::Trigger
        } else if order.terms.trigger_price.0 != 0 {
            Waits::Activation
        } else {
            Waits::Trail(self.instrument(order.instrument).watched(order))
        }
    }

    /// What follows from one thing that has happened to an instrument: a command, or a timer. Prices are observed, what
    /// triggers and what is released is executed one by one, and after each of them prices are observed again.
    pub(crate) fn settle(&mut self, instrument: u32, events: &mut Vec<Event>) {
        let mut may_trigger = self.instrument(instrument).max_triggers as usize;
        let mut overflow = false;
        let mut queue = VecDeque::new();
        loop {
            if std::mem::take(&mut self.band_reached) {
                self.volatility_auction(instrument, StatusReason::PriceBand, events);
            }
            self.price_pegs(instrument, events);
            queue.extend(std::mem::take(&mut self.released).into_iter().map(Queued::Release));
            let traded = self.traded.take();
            let mut begin_to_trail = false;
            if !overflow && self.instrument(instrument).status == TradingStatus::Open {
                for seen in self.observations(instrument, traded) {
                    let (met, more) = self.observe(instrument, seen, &queue, may_trigger);
                    may_trigger -= met.len();
                    for order_id in met {
                        begin_to_trail |= self.meet(order_id, seen.price, &mut queue);
                    }
                    if more {
                        overflow = true;
                        break;
                    }
                }
            }
            match queue.pop_front() {
                Some(Queued::Release(list)) => self.release(list, events),
                // Another order of its list may have ended it meanwhile.
                Some(Queued::Trigger(order_id)) if self.is_open(order_id) => self.trigger(order_id, events),
                Some(Queued::Trigger(_)) => {}
                None if begin_to_trail => {}
                None => break,
            }
        }
        if overflow {
            self.volatility_auction(instrument, StatusReason::TriggerCascade, events);
            self.price_pegs(instrument, events);
        }
    }

    /// The prices of an instrument that are looked at after each execution, in their order.
    fn observations(&self, instrument: u32, traded: Option<(i128, i128)>) -> Vec<Observation> {
        let instrument = self.instrument(instrument);
        let any = |by, price| Observation { by, side: None, price };
        let mut all = Vec::new();
        if let Some((first, _)) = traded {
            all.push(any(TriggerBy::Last, first));
        }
        all.push(any(TriggerBy::Last, instrument.last_price));
        for side in [Side::Buy, Side::Sell] {
            let price = instrument.best(side.opposite()).unwrap_or(0);
            all.push(Observation { by: TriggerBy::Best, side: Some(side), price });
        }
        all.push(any(TriggerBy::Mark, instrument.mark_price));
        all.retain(|seen| seen.price != 0);
        all
    }

    /// Moves extremes by one price, and finds the orders whose condition it meets, in their order, and whether there are
    /// more of them than there may be.
    fn observe(
        &mut self,
        instrument: u32,
        seen: Observation,
        queue: &VecDeque<Queued>,
        most: usize,
    ) -> (Vec<u64>, bool) {
        let concerned = |order: &Order| {
            order.instrument == instrument
                && order.waits != Waits::List
                && order.terms.trigger_by == seen.by
                && seen.side.is_none_or(|side| order.side == side)
                && !queue.contains(&Queued::Trigger(order.order_id))
        };
        for order in self.waiting.iter_mut().filter(|order| concerned(order)) {
            order.trail(seen.price);
        }
        let (mut rises, mut falls) = (Vec::new(), Vec::new());
        let exactly = |order: &Order| order.condition().is_some_and(|(trigger, _)| trigger == seen.price);
        let meets = |order: &Order| {
            order.triggers_at(seen.price) && !(self.defect == Some(Defect::TriggersBeyond) && exactly(order))
        };
        for order in self.waiting.iter().filter(|order| concerned(order) && meets(order)) {
            match order.condition() {
                Some((trigger, true)) => rises.push((trigger, order.order_id)),
                Some((trigger, false)) => falls.push((-trigger, order.order_id)),
                None => {}
            }
        }
        rises.sort_unstable();
        falls.sort_unstable();
        let mut met: Vec<u64> = rises.into_iter().chain(falls).map(|(_, order_id)| order_id).collect();
        let more = met.len() > most;
        met.truncate(most);
        (met, more)
    }

    /// An order's condition is met: it joins the queue, or begins to trail. Tells whether it is the latter.
    fn meet(&mut self, order_id: u64, price: i128, queue: &mut VecDeque<Queued>) -> bool {
        let order = self.waiting.iter_mut().find(|order| order.order_id == order_id).expect("it waits");
        if order.waits != Waits::Activation {
            queue.push_back(Queued::Trigger(order_id));
            return false;
        }
        let begin = i128::from(order.terms.trigger_price.0);
        order.waits = Waits::Trail(Some(match order.side {
            Side::Buy => begin.min(price),
            Side::Sell => begin.max(price),
        }));
        true
    }

    /// A waiting order's condition is met: it is told, and the order is executed.
    fn trigger(&mut self, order_id: u64, events: &mut Vec<Event>) {
        let mut order = self.take_out(order_id);
        self.slide(&mut order);
        let hold = self.hold(&order);
        order.waits = Waits::No;
        events.push(Event::Execution(report(&order, ExecType::Triggered, hold)));
        order.tell_terms(events);
        self.pair_acts(&order, events);
        self.execute_later(order, events);
    }

    /// Executes an order that was accepted before: where a new one would be rejected, it is canceled.
    pub(crate) fn execute_later(&mut self, order: Order, events: &mut Vec<Event>) {
        match self.refused_now(&order) {
            Some(reason) => self.cancel(&order, reason, events),
            None => self.execute(order, true, events),
        }
    }

    /// Why an order that does not wait any more would be rejected if it were new.
    pub(crate) fn refused_now(&self, order: &Order) -> Option<CancelReason> {
        let order_type = if order.has_limit() { OrderType::Limit } else { OrderType::Market };
        if self.check_status(&Order { order_type, ..order.clone() }).is_err() {
            return Some(CancelReason::Refused);
        }
        if order.has_limit() && self.instrument(order.instrument).check_bands(order.price).is_err() {
            return Some(CancelReason::PriceBand);
        }
        if self.check_post_only(&mut order.clone()).is_err() {
            return Some(CancelReason::Refused);
        }
        let asset = self.instrument(order.instrument).hold_asset(order.side);
        (self.needed_for(order) > self.available(order.account, asset) + self.pair_reserve(order))
            .then_some(CancelReason::InsufficientFunds)
    }
}
