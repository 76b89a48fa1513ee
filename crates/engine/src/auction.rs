//! Call auctions: collecting orders, the indication, the uncrossing.
//!
//! Invariants: every market order that waits for an auction is in [`Waiting`] exactly once and in no level, with the leaves
//! of its record; the indication that was told last is what the book gives, at the end of every command in an auction.

use crate::book::Arena;
use crate::command::NewOrder;
use crate::engine::{active, Engine, Listing};
use crate::event::{AuctionEnded, AuctionIndication, Event, EventSink};
use crate::extra::{Extra, Stand};
use crate::reject::RejectReason;
use crate::settlement::Taker;
use crate::types::{CancelReason, OrderType, PriceTicks, Side, TimeInForce, TradingStatus, MAX_TICKS_OR_LOTS};
use crate::uncross::{uncross, Curve, Uncrossing};
use std::collections::BTreeMap;

/// A market order that waits for an auction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct MarketOrder {
    slot: u32,
    leaves: i64,
    /// The price as at which a buy holds; 0 for a sell.
    limit: i64,
}

/// The special orders of an instrument whose time is bound to its status, by order_id. All of it follows from the orders.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Waiting {
    /// Market orders, by side.
    market: [BTreeMap<u64, MarketOrder>; 2],
    /// The sum of their leaves, by side.
    lots: [i128; 2],
    /// How many of the buys hold as at each price.
    limits: BTreeMap<i64, u32>,
    /// All orders that live in auctions only.
    auction_only: BTreeMap<u64, u32>,
    /// Orders that live until the instrument closes.
    day: BTreeMap<u64, u32>,
}

impl Waiting {
    /// Notes an order that has come, or whose leaves have changed.
    fn note(&mut self, arena: &Arena, slot: u32) {
        let (order, extra) = (arena.orders.get(slot), arena.orders.extra(slot));
        let order_id = order.order_id;
        if order.flags.time_in_force() == TimeInForce::Day {
            self.day.insert(order_id, slot);
        }
        if extra.terms.auction_only {
            self.auction_only.insert(order_id, slot);
        }
        if extra.stand == Stand::AuctionMarket {
            let side = extra.side();
            self.forget_market(side, order_id);
            let order = MarketOrder { slot, leaves: order.leaves, limit: extra.limit };
            self.market[side.index()].insert(order_id, order);
            self.lots[side.index()] += i128::from(order.leaves);
            if side == Side::Buy {
                *self.limits.entry(order.limit).or_default() += 1;
            }
        }
    }

    /// Forgets an order that has ended.
    pub fn forget(&mut self, extra: &Extra, order_id: u64) {
        self.day.remove(&order_id);
        if extra.terms.auction_only {
            self.auction_only.remove(&order_id);
            self.forget_market(extra.side(), order_id);
        }
    }

    fn forget_market(&mut self, side: Side, order_id: u64) {
        let Some(order) = self.market[side.index()].remove(&order_id) else {
            return;
        };
        self.lots[side.index()] -= i128::from(order.leaves);
        if side == Side::Buy {
            if let Some(count) = self.limits.get_mut(&order.limit) {
                *count -= 1;
                if *count == 0 {
                    self.limits.remove(&order.limit);
                }
            }
        }
    }

    /// Whether there are orders that live in auctions only.
    pub fn has_auction_only(&self) -> bool {
        !self.auction_only.is_empty()
    }
}

/// What an auction would give: price, volume, imbalance.
pub(crate) type Indication = (i64, i128, i128);

impl Listing {
    /// Whether orders are collected rather than matched.
    #[inline]
    pub(crate) fn collects(&self) -> bool {
        matches!(self.instrument.status, TradingStatus::PreOpen | TradingStatus::Auction)
    }

    /// The price as at which a market buy holds that waits for the auction.
    pub(crate) fn auction_limit(&self) -> Result<i64, RejectReason> {
        let (_, high) = self.static_band();
        if high <= MAX_TICKS_OR_LOTS {
            Ok(high)
        } else {
            Err(RejectReason::NoReferencePrice)
        }
    }

    /// Whether what a market buy that waits for the auction may cost can be computed.
    pub(crate) fn check_auction_notional(&self, command: &NewOrder) -> Result<i128, RejectReason> {
        match self.auction_limit() {
            Ok(limit) if command.order_type == OrderType::Market && command.side == Side::Buy => {
                let notional = self.instrument.notional(PriceTicks(limit), command.quantity);
                notional.ok_or(RejectReason::NotionalOverflow)
            }
            _ => Ok(0),
        }
    }
}

impl Engine {
    /// Notes what is kept beside a special order's record because of its terms. It is open from now on.
    pub(crate) fn note_terms(&mut self, slot: u32) {
        let at = self.arena.half_of(slot).0;
        let listing = &mut self.listings[at];
        listing.session.waiting.note(&self.arena, slot);
        if self.arena.orders.extra(slot).terms.auction_only {
            listing.active |= active::AUCTION;
        }
    }

    /// Puts an order that works into the book without matching it.
    pub(crate) fn collect<S: EventSink>(&mut self, at: usize, slot: u32, taker: Taker, _events: &mut S) {
        debug_assert!(taker.rests, "what cannot rest is refused in an auction");
        self.arena.orders.extra_mut(slot).entered = true;
        self.rest(at, slot, taker.side, taker.price);
    }

    /// Keeps a market order for the auction, or what a replace has made of it.
    pub(crate) fn keep_auction_market(&mut self, slot: u32) {
        self.note_terms(slot);
    }

    /// What an auction would give now.
    pub(crate) fn auction_result(&self, at: usize) -> Option<Uncrossing> {
        let (listing, book) = (&self.listings[at], &self.books[at]);
        let waiting = &listing.session.waiting;
        let (low, mut high) = listing.static_band();
        if let Some((&lowest, _)) = waiting.limits.first_key_value() {
            high = high.min(lowest);
        }
        let reference = match (listing.session.reference, listing.instrument.last_price.0) {
            (0, 0) => None,
            (0, last) => Some(last),
            (reference, _) => Some(reference),
        };
        let curve = |side| {
            book.levels(&self.arena, side).map(|level| Curve { price: level.price, quantity: level.quantity as i128 })
        };
        let [buys, sells] = waiting.lots;
        uncross(curve(Side::Buy), curve(Side::Sell), buys, sells, reference, low, high)
    }

    /// What an auction would give now, as it is told.
    pub(crate) fn indication(&self, at: usize) -> Indication {
        self.auction_result(at).map_or((0, 0, 0), |found| (found.price, found.volume, found.imbalance))
    }

    /// Tells what the auction would give, if that has changed.
    pub(crate) fn indicate<S: EventSink>(&mut self, at: usize, events: &mut S) {
        if self.listings[at].instrument.status != TradingStatus::Auction {
            return;
        }
        let indication = self.indication(at);
        let listing = &mut self.listings[at];
        if indication != listing.session.indication {
            listing.session.indication = indication;
            let (price, volume, imbalance) = indication;
            events.emit(Event::AuctionIndication(AuctionIndication {
                instrument_id: listing.instrument.instrument_id,
                price: PriceTicks(price),
                volume,
                imbalance,
            }));
        }
    }

    /// Trades what crosses in the book, and the market orders, at the auction's price.
    pub(crate) fn uncross_book<S: EventSink>(&mut self, at: usize, events: &mut S) {
        let collected = self.listings[at].collects();
        let found = self.auction_result(at);
        let (price, volume) = found.map_or((0, 0), |found| (found.price, found.volume));
        let mut left = volume;
        while left > 0 {
            let (Some(buyer), Some(seller)) = (self.first_in_line(at, Side::Buy), self.first_in_line(at, Side::Sell))
            else {
                unreachable!("the volume of an auction is there on both sides");
            };
            let leaves = |slot: u32| self.arena.orders.get(slot).leaves;
            let most = leaves(buyer).min(leaves(seller));
            let quantity = i64::try_from(left).map_or(most, |left| left.min(most));
            left -= i128::from(quantity);
            self.cross(at, buyer, seller, PriceTicks(price), quantity, events);
        }
        if volume > 0 {
            let listing = &mut self.listings[at];
            listing.session.reference = price;
            if listing.first_price == 0 {
                listing.first_price = price;
            }
        }
        if collected || volume > 0 {
            let instrument_id = self.listings[at].instrument.instrument_id;
            events.emit(Event::AuctionEnded(AuctionEnded { instrument_id, price: PriceTicks(price), volume }));
        }
    }

    /// The order of a side that trades first in an auction.
    fn first_in_line(&self, at: usize, side: Side) -> Option<u32> {
        let market = &self.listings[at].session.waiting.market[side.index()];
        match market.first_key_value() {
            Some((_, order)) => Some(order.slot),
            None => self.books[at].queue(&self.arena, side).next(),
        }
    }

    /// Two orders trade in an auction, and those of which nothing is left end.
    fn cross<S: EventSink>(
        &mut self,
        at: usize,
        buyer: u32,
        seller: u32,
        price: PriceTicks,
        quantity: i64,
        events: &mut S,
    ) {
        for slot in [buyer, seller] {
            if self.is_auction_market(slot) {
                self.arena.orders.get_mut(slot).leaves -= quantity;
                self.keep_auction_market(slot);
            } else {
                self.arena.reduce(slot, quantity);
                self.arena.show_peak(slot);
            }
        }
        let mut last_trade_id = self.last_trade_id;
        let (mut floor, arena) = self.floor(at, events);
        floor.cross(arena, &mut last_trade_id, [buyer, seller], price, quantity);
        self.last_trade_id = last_trade_id;
        for slot in [buyer, seller] {
            if self.arena.orders.get(slot).leaves == 0 {
                if !self.is_auction_market(slot) {
                    self.books[at].unlink(&mut self.arena, slot);
                }
                let (mut floor, arena) = self.floor(at, events);
                floor.retire(arena, slot, true);
            }
        }
    }

    fn is_auction_market(&self, slot: u32) -> bool {
        self.arena.orders.some_extra(slot).is_some_and(|extra| extra.stand == Stand::AuctionMarket)
    }

    /// Cancels the orders that live in auctions only.
    pub(crate) fn end_auction_only<S: EventSink>(&mut self, at: usize, events: &mut S) {
        let slots: Vec<u32> = self.listings[at].session.waiting.auction_only.values().copied().collect();
        for slot in slots {
            // They belong to no list, so that the end of one ends no other.
            self.cancel_special(slot, CancelReason::AuctionEnded, events);
        }
    }

    /// Ends the orders that live until the instrument closes, by ascending order_id.
    pub(crate) fn end_day<S: EventSink>(&mut self, at: usize, events: &mut S) {
        let mut orders = self.listings[at].session.waiting.day.clone();
        for &side in Side::ALL {
            for slot in self.books[at].queue(&self.arena, side) {
                let order = self.arena.orders.get(slot);
                if order.flags.time_in_force() == TimeInForce::Day {
                    orders.insert(order.order_id, slot);
                }
            }
        }
        for (order_id, slot) in orders {
            // The end of an order of a list may have ended others.
            if self.arena.orders.get(slot).order_id == order_id {
                self.cancel_special(slot, CancelReason::EndOfDay, events);
            }
        }
    }

    /// What is kept beside the records of special orders follows from these; indications were told.
    pub(crate) fn audit_waiting(&self) -> Result<(), String> {
        let mut expected = vec![Waiting::default(); self.listings.len()];
        for slot in self.arena.orders.slots() {
            if self.arena.orders.get(slot).flags.special() {
                expected[self.arena.half_of(slot).0].note(&self.arena, slot);
            }
        }
        for (at, (listing, expected)) in self.listings.iter().zip(expected).enumerate() {
            if listing.session.waiting != expected {
                return Err(format!("what waits for an auction or the end of the day is known: {expected:?}"));
            }
            if listing.instrument.status == TradingStatus::Auction && listing.session.indication != self.indication(at)
            {
                return Err("the auction's indication was told".into());
            }
        }
        Ok(())
    }
}
