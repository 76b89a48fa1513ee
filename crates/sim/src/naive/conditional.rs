//! Section 2 of the rulebook: orders that wait for a price, what is observed, and what then triggers.
//!
//! Nothing is indexed: after each execution every waiting order is looked at.

use beurs_engine::event::Event;
use beurs_engine::types::{CancelReason, ExecType, OrderType, Side, StatusReason, TradingStatus, TriggerBy};

use super::{ceil_div, report, Instrument, Naive, Order};

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

    /// Its trigger price, and whether it waits for a rise to it; `None` if it cannot trigger yet.
    pub(crate) fn condition(&self) -> Option<(i128, bool)> {
        match self.waits {
            Waits::Trigger => Some((i128::from(self.terms.trigger_price.0), self.waits_for_a_rise())),
            Waits::Trail(Some(_)) => self.trail_trigger().map(|price| (price, self.side == Side::Buy)),
            _ => None,
        }
    }

    pub(crate) fn triggers_at(&self, price: i128) -> bool {
        self.condition().is_some_and(|(trigger, rise)| reached(price, trigger, rise))
    }

    /// A price moves its extreme, or makes it begin to trail.
    fn see(&mut self, price: i128) {
        match self.waits {
            Waits::Trail(extreme) => {
                self.waits = Waits::Trail(Some(match (extreme, self.side) {
                    (None, _) => price,
                    (Some(extreme), Side::Buy) => extreme.min(price),
                    (Some(extreme), Side::Sell) => extreme.max(price),
                }));
            }
            Waits::Activation if reached(price, i128::from(self.terms.trigger_price.0), self.waits_for_a_rise()) => {
                self.waits = Waits::Trail(Some(price));
            }
            _ => {}
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

    fn is_queued(&self, order_id: u64) -> bool {
        self.queue.contains(&Queued::Trigger(order_id))
    }

    /// Looks at the condition of one order that has just begun to wait, or waits for something else now.
    pub(crate) fn look_at(&mut self, order_id: u64, events: &mut Vec<Event>) {
        let Some(place) = self.waiting.iter().position(|order| order.order_id == order_id) else { return };
        let instrument = self.waiting[place].instrument;
        if self.instrument(instrument).status != TradingStatus::Open || self.is_queued(order_id) {
            return;
        }
        let Some(price) = self.instrument(instrument).watched(&self.waiting[place]) else { return };
        if self.waiting[place].waits == Waits::Activation {
            self.waiting[place].see(price);
        }
        if self.waiting[place].triggers_at(price) {
            if self.may_trigger(instrument) {
                self.trigger(order_id, events);
            } else {
                self.queue.push_back(Queued::Trigger(order_id));
            }
        }
    }

    /// What follows every execution: released orders join the queue, pegged orders are priced, prices are observed.
    pub(crate) fn after_execution(&mut self, instrument: u32, events: &mut Vec<Event>) {
        let released = std::mem::take(&mut self.released);
        self.queue.extend(released.into_iter().map(Queued::Release));
        self.price_pegs(instrument, events);
        let traded = self.traded.take();
        let mut observations = Vec::new();
        if let Some((first, last)) = traded {
            observations.push(Observation { by: TriggerBy::Last, side: None, price: first });
            if last != first {
                observations.push(Observation { by: TriggerBy::Last, side: None, price: last });
            }
        }
        for side in [Side::Buy, Side::Sell] {
            if let Some(price) = self.instrument(instrument).best(side.opposite()) {
                observations.push(Observation { by: TriggerBy::Best, side: Some(side), price });
            }
        }
        self.observe(instrument, &observations);
    }

    /// The mark price has moved: it is observed after ask and bid, which have not.
    pub(crate) fn observe_mark(&mut self, instrument: u32) {
        let price = self.instrument(instrument).mark_price;
        self.observe(instrument, &[Observation { by: TriggerBy::Mark, side: None, price }]);
    }

    /// An instrument has opened: what it was when it opened is observed, the last price, both best ones and the mark.
    pub(crate) fn observe_opening(&mut self, instrument: u32, events: &mut Vec<Event>) {
        let last = self.instrument(instrument).last_price;
        if last != 0 {
            self.observe(instrument, &[Observation { by: TriggerBy::Last, side: None, price: last }]);
        }
        self.after_execution(instrument, events);
        if self.instrument(instrument).mark_price != 0 {
            self.observe_mark(instrument);
        }
    }

    /// Orders whose condition is met join the queue.
    fn observe(&mut self, instrument: u32, observations: &[Observation]) {
        if self.instrument(instrument).status != TradingStatus::Open {
            return;
        }
        for seen in observations {
            let queue = self.queue.clone();
            let concerned = |order: &Order| {
                order.instrument == instrument
                    && order.waits != Waits::List
                    && order.terms.trigger_by == seen.by
                    && seen.side.is_none_or(|side| order.side == side)
                    && !queue.contains(&Queued::Trigger(order.order_id))
            };
            for order in self.waiting.iter_mut().filter(|order| concerned(order)) {
                order.see(seen.price);
            }
            let (mut rises, mut falls) = (Vec::new(), Vec::new());
            for order in self.waiting.iter().filter(|order| concerned(order) && order.triggers_at(seen.price)) {
                match order.condition() {
                    Some((trigger, true)) => rises.push((trigger, order.order_id)),
                    Some((trigger, false)) => falls.push((-trigger, order.order_id)),
                    None => {}
                }
            }
            rises.sort_unstable();
            falls.sort_unstable();
            self.queue.extend(rises.into_iter().chain(falls).map(|(_, order_id)| Queued::Trigger(order_id)));
        }
    }

    fn may_trigger(&self, instrument: u32) -> bool {
        let triggered = self.triggered.get(&instrument).copied().unwrap_or(0);
        triggered < self.instrument(instrument).max_triggers
    }

    /// Executes what stands in the queue, and what joins it meanwhile.
    pub(crate) fn run_queue(&mut self, events: &mut Vec<Event>) {
        while let Some(next) = self.queue.pop_front() {
            match next {
                Queued::Release(list) => self.release(list, events),
                Queued::Trigger(order_id) => {
                    let Some(order) = self.waiting.iter().find(|order| order.order_id == order_id) else {
                        continue; // Another order of its list has ended it meanwhile.
                    };
                    let instrument = order.instrument;
                    if self.may_trigger(instrument) {
                        self.trigger(order_id, events);
                    } else {
                        // The others go on waiting. What was released does not wait any more.
                        self.queue.retain(|queued| matches!(queued, Queued::Release(_)));
                        self.volatility_auction(instrument, StatusReason::TriggerCascade, events);
                    }
                }
            }
        }
    }

    /// What follows a command that changed a book without executing an order.
    pub(crate) fn settle(&mut self, instrument: u32, events: &mut Vec<Event>) {
        self.after_execution(instrument, events);
        self.run_queue(events);
    }

    /// A waiting order's condition is met: it is told, and the order is executed.
    pub(crate) fn trigger(&mut self, order_id: u64, events: &mut Vec<Event>) {
        let mut order = self.take_out(order_id);
        *self.triggered.entry(order.instrument).or_insert(0) += 1;
        if let Some(price) = order.trail_trigger() {
            order.terms.trigger_price.0 = price as i64;
        }
        order.waits = Waits::No;
        self.slide(&mut order);
        events.push(Event::Execution(report(&order, ExecType::Triggered, self.hold(&order))));
        order.tell_terms(events);
        self.pair_acts(&order, events);
        self.execute_later(order, events);
    }

    /// Executes an order that was accepted before: where a new one would be rejected, it is canceled.
    pub(crate) fn execute_later(&mut self, order: Order, events: &mut Vec<Event>) {
        match self.refused_now(&order) {
            Some(reason) => {
                self.cancel(&order, reason, events);
                self.after_execution(order.instrument, events);
            }
            None => self.execute(order, true, events),
        }
    }

    /// Why an order that does not wait any more would be rejected if it were new.
    pub(crate) fn refused_now(&self, order: &Order) -> Option<CancelReason> {
        if self.check_status(order, false).is_err() {
            return Some(CancelReason::Refused);
        }
        if self.check_bands(order).is_err() {
            return Some(CancelReason::PriceBand);
        }
        if self.check_post_only(&mut order.clone()).is_err() {
            return Some(CancelReason::Refused);
        }
        let asset = self.instrument(order.instrument).hold_asset(order.side);
        (self.needed_for(order) > self.available(order.account, asset)).then_some(CancelReason::InsufficientFunds)
    }
}
