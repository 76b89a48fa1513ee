//! The terms of an order: which go together, and what price they give it.

use crate::book::Arena;
use crate::command::{feature, NewOrder, Terms};
use crate::engine::{Engine, Listing};
use crate::event::EventSink;
use crate::extra::Extra;
use crate::orders::{check_price, rests};
use crate::reject::RejectReason;
use crate::settlement::Taker;
use crate::types::{CancelReason, Lots, OrderType, Peg, PriceTicks, Side, TimeInForce, TriggerBy, MAX_TICKS_OR_LOTS};

/// The greatest distance of a pegged order from the price it follows, in ticks.
const MAX_PEG_OFFSET: i64 = 1_000_000;
/// The greatest distance of a trailing order, in basis points.
pub(crate) const MAX_TRAIL_BPS: u16 = 9_999;

/// Whether the terms of a special order go together, in the order of the reasons' numbers.
pub(crate) fn check_terms(listing: &Listing, command: &NewOrder, event_time_ns: i64) -> Result<(), RejectReason> {
    let terms = command.terms();
    let kind = command.order_type;
    let conditional = kind.is_conditional();
    let limit_rests = kind.has_limit() && rests(kind, command.time_in_force);
    let (display, least) = (terms.display_quantity.0, terms.min_quantity.0);
    let refuse = |broken: bool, reason| if broken { Err(reason) } else { Ok(()) };

    let mut uses = 0;
    for (used, bit) in [
        (conditional, feature::CONDITIONAL),
        (display != 0, feature::ICEBERG),
        (terms.hidden, feature::HIDDEN),
        (terms.peg != Peg::None, feature::PEGGED),
        (kind == OrderType::MarketToLimit, feature::MARKET_TO_LIMIT),
        (terms.slide, feature::SLIDE),
        (least != 0, feature::MINIMUM_QUANTITY),
    ] {
        uses |= if used { bit } else { 0 };
    }
    refuse(uses & !listing.features != 0, RejectReason::OrderTypeNotAllowed)?;
    let least_trigger = i64::from(terms.trail_bps == 0);
    let trigger = terms.trigger_price.0;
    refuse(
        if conditional {
            !(least_trigger..=MAX_TICKS_OR_LOTS).contains(&trigger)
        } else {
            trigger != 0 || terms.trigger_by != TriggerBy::Last
        },
        RejectReason::InvalidTriggerPrice,
    )?;
    refuse(terms.trail_bps > if conditional { MAX_TRAIL_BPS } else { 0 }, RejectReason::InvalidTrail)?;
    refuse(
        display != 0 && !(limit_rests && !terms.hidden && (1..=command.quantity.0).contains(&display)),
        RejectReason::InvalidDisplayQuantity,
    )?;
    refuse(terms.hidden && (!limit_rests || command.post_only), RejectReason::InvalidHidden)?;
    let least_allowed = kind.has_limit() && !command.post_only && command.time_in_force != TimeInForce::Fok;
    refuse(
        least != 0 && !(least_allowed && (1..=command.quantity.0).contains(&least)),
        RejectReason::InvalidMinimumQuantity,
    )?;
    refuse(
        match command.time_in_force {
            TimeInForce::Gtd => terms.expire_time_ns <= event_time_ns,
            _ => terms.expire_time_ns != 0,
        },
        RejectReason::InvalidExpireTime,
    )?;
    refuse(terms.slide && !command.post_only, RejectReason::InvalidSlide)?;
    let pegs = kind == OrderType::Limit && limit_rests && !command.post_only && !terms.hidden && display + least == 0;
    refuse(
        match terms.peg {
            Peg::None => terms.peg_offset != 0,
            Peg::Primary => !pegs || !(0..=MAX_PEG_OFFSET).contains(&terms.peg_offset),
            Peg::Market => !pegs || !(1..=MAX_PEG_OFFSET).contains(&terms.peg_offset),
        },
        RejectReason::InvalidPeg,
    )?;
    let auction_only = match (kind, command.time_in_force) {
        (OrderType::Limit, TimeInForce::Gtc | TimeInForce::Day) => !command.post_only,
        (OrderType::Market, TimeInForce::Gtc) => true,
        _ => false,
    };
    let alone = terms == Terms { auction_only: true, ..Terms::NONE };
    refuse(terms.auction_only && !(auction_only && alone), RejectReason::InvalidAuctionOnly)
}

impl Listing {
    /// Forgets what is kept beside an order's record because of its terms; it has ended.
    pub(crate) fn forget_terms(&mut self, extra: &Extra, order_id: u64) {
        self.session.waiting.forget(extra, order_id);
    }

    /// The price as at which a working order holds that works at `price`.
    pub(crate) fn hold_limit(&self, arena: &Arena, slot: u32, price: PriceTicks) -> i64 {
        let extra = arena.orders.extra(slot);
        if extra.terms.peg == Peg::None {
            price.0
        } else {
            extra.limit
        }
    }
}

impl Engine {
    /// Puts an order into the book. An iceberg shows a new peak.
    #[inline]
    pub(crate) fn rest(&mut self, at: usize, slot: u32, side: Side, price: PriceTicks) {
        self.arena.show_peak(slot);
        self.books[at].rest(&mut self.arena, slot, side, price);
    }

    /// Takes `quantity` lots off an order that stays in its place in the book.
    pub(crate) fn reduce_resting(&mut self, slot: u32, quantity: i64) {
        self.arena.reduce(slot, quantity);
    }

    /// Prices the pegged orders of an instrument anew.
    pub(crate) fn price_pegs<S: EventSink>(&mut self, _at: usize, _events: &mut S) {}

    /// What a new order would be refused for, of one that begins to work only now; and the price that it begins with.
    pub(crate) fn prepare(&self, at: usize, taker: &mut Taker) -> Result<(), CancelReason> {
        self.check_begin(at, taker)?;
        if self.listings[at].collects() {
            return Ok(());
        }
        if taker.order.flags.post_only() && self.books[at].would_match(&self.arena, taker.side, taker.price) {
            return Err(CancelReason::Refused);
        }
        Ok(())
    }

    /// The price that a special order gets when it is executed now. One that cannot slide keeps its price, and matches.
    pub(crate) fn entry_price(&self, at: usize, command: &NewOrder) -> Result<PriceTicks, RejectReason> {
        let terms = command.terms();
        if command.order_type == OrderType::MarketToLimit {
            let best = self.books[at].best_price(&self.arena, command.side.opposite());
            return best.ok_or(RejectReason::NoReferencePrice);
        }
        if terms.slide {
            let slid = self.slid(at, command.side, command.price, command.quantity);
            return Ok(slid.unwrap_or(command.price));
        }
        Ok(command.price)
    }

    /// The price of an order that slides, with which it does not match; `None` if there is no such price.
    pub(crate) fn slid(&self, at: usize, side: Side, price: PriceTicks, quantity: Lots) -> Option<PriceTicks> {
        let Some(best) = self.books[at].best_price(&self.arena, side.opposite()) else {
            return Some(price);
        };
        if !side.crosses(price, best) {
            return Some(price);
        }
        let behind = PriceTicks(best.0 - side.sign());
        let notional = self.listings[at].instrument.notional(behind, quantity);
        (check_price(behind).is_ok() && notional.is_some()).then_some(behind)
    }

    /// Gives an order that slides, and is about to work, the price that it gets, and the hold of that.
    pub(crate) fn slide(&mut self, slot: u32) {
        let (at, side) = self.arena.half_of(slot);
        let (order, extra) = (self.arena.orders.get(slot), self.arena.orders.extra(slot));
        if !extra.terms.slide || self.listings[at].collects() {
            return;
        }
        let (account, quantity) = (order.account as usize, Lots(order.filled + order.leaves));
        let Some(price) = self.slid(at, side, PriceTicks(extra.limit), quantity) else {
            return;
        };
        let before = self.listings[at].hold_of(&self.arena, &self.fees, slot);
        self.arena.orders.extra_mut(slot).limit = price.0;
        let hold = self.listings[at].hold_of(&self.arena, &self.fees, slot);
        let hold_asset = self.listings[at].instrument.hold_index(side);
        self.ledger.balance_mut(account, hold_asset).held += hold - before;
    }
}
