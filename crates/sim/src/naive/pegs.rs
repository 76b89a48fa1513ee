//! Section 7 of the rulebook: prices that follow others. What slides, and what is pegged.

use beurs_engine::event::Event;
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{ExecType, Peg, Side, TradingStatus};

use super::{refuse, report, Instrument, Naive, Order, MAX_TICKS_OR_LOTS};

/// How many pegged orders an instrument has at the most.
const MAX_PEGGED: usize = 1_000;

impl Instrument {
    pub(crate) fn would_match(&self, side: Side, price: i128) -> bool {
        self.best(side.opposite()).is_some_and(|best| match side {
            Side::Buy => best <= price,
            Side::Sell => best >= price,
        })
    }

    /// The price that the peg of an order gives it now, whether it is in the book or about to enter; `None` without a
    /// price to follow, or if every price would match.
    pub(crate) fn peg_price(&self, order: &Order) -> Option<i128> {
        let (side, offset) = (order.side, i128::from(order.terms.peg_offset));
        let followed = if order.terms.peg == Peg::Primary { side } else { side.opposite() };
        let reference = self.half(followed).iter().find(|other| !other.is_pegged() && !other.is_auction_market())?;
        self.pegged_to(order, reference.price, offset)
    }

    /// The price that it gets from a reference.
    pub(crate) fn pegged_to(&self, order: &Order, reference: i128, offset: i128) -> Option<i128> {
        let side = order.side;
        let opposite = self.best(side.opposite());
        let price = match side {
            Side::Buy => {
                let price = (reference - offset).min(order.worst_price).max(1);
                opposite.map_or(price, |best| price.min(best - 1))
            }
            Side::Sell => {
                let price = (reference + offset).max(order.worst_price).min(MAX_TICKS_OR_LOTS);
                opposite.map_or(price, |best| price.max(best + 1))
            }
        };
        (1..=MAX_TICKS_OR_LOTS).contains(&price).then_some(price)
    }

    fn pegged(&self) -> Vec<u64> {
        let both = self.bids.iter().chain(&self.asks);
        let mut pegged: Vec<u64> = both.filter(|order| order.is_pegged()).map(|order| order.order_id).collect();
        pegged.sort_unstable();
        pegged
    }

    pub(crate) fn has_all_pegged(&self) -> bool {
        self.pegged().len() >= MAX_PEGGED
    }
}

impl Naive {
    /// A post-only order does not match. One that slides gets the price behind the other side's best instead.
    pub(crate) fn check_post_only(&self, order: &mut Order) -> Result<(), RejectReason> {
        let instrument = self.instrument(order.instrument);
        if !order.post_only || !instrument.would_match(order.side, order.price) {
            return Ok(());
        }
        refuse(!order.terms.slide, RejectReason::PostOnlyWouldMatch)?;
        let best = instrument.best(order.side.opposite()).expect("it would match with somebody");
        order.price = match order.side {
            Side::Buy => best - 1,
            Side::Sell => best + 1,
        };
        let possible = (1..=MAX_TICKS_OR_LOTS).contains(&order.price)
            && !instrument.notional_overflows(order.price, order.quantity);
        refuse(!possible, RejectReason::PostOnlyWouldMatch)
    }

    /// Gives a sliding order that stops waiting its price. One that nothing can be done for keeps what it has, and is
    /// then refused.
    pub(crate) fn slide(&self, order: &mut Order) {
        let mut slid = order.clone();
        if self.check_post_only(&mut slid).is_ok() {
            *order = slid;
        }
    }

    /// An order that leaves its place is not the one that made a new best price any more.
    pub(crate) fn lose_top(&mut self, order: &Order) {
        for top in &mut self.instrument_mut(order.instrument).tops {
            if *top == order.order_id {
                *top = 0;
            }
        }
    }

    /// Prices all pegged orders of an instrument anew, oldest first.
    pub(crate) fn price_pegs(&mut self, instrument: u32, events: &mut Vec<Event>) {
        let status = self.instrument(instrument).status;
        if matches!(status, TradingStatus::PreOpen | TradingStatus::Auction) {
            return;
        }
        for order_id in self.instrument(instrument).pegged() {
            let order = self.order(order_id);
            match self.instrument(instrument).peg_price(order) {
                Some(price) if price != order.price => {
                    let mut order = self.take_out(order_id);
                    order.price = price;
                    self.lose_top(&order);
                    self.rest(order);
                    let order = self.order(order_id);
                    events.push(Event::Execution(report(order, ExecType::Restated, self.hold(order))));
                }
                _ => {}
            }
        }
    }
}
