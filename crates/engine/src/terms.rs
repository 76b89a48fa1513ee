//! The terms of an order: which go together, and what price they give it.

use crate::book::Arena;
use crate::command::{feature, NewOrder, Terms};
use crate::engine::{active, Engine, Listing};
use crate::event::{Event, EventSink};
use crate::extra::Extra;
use crate::orders::{check_price, rests};
use crate::reject::RejectReason;
use crate::settlement::{open_report, Taker};
use crate::types::{
    Amount, CancelReason, ExecType, Lots, OrderType, Peg, PriceTicks, Side, TimeInForce, TriggerBy, MAX_TICKS_OR_LOTS,
};
use std::collections::BTreeMap;

/// The greatest distance of a pegged order from the price it follows, in ticks.
const MAX_PEG_OFFSET: i64 = 1_000_000;
/// How many pegged orders an instrument may have.
const MAX_PEGGED_ORDERS: usize = 1_000;
/// The greatest distance of a trailing order, in basis points.
pub(crate) const MAX_TRAIL_BPS: u16 = 9_999;

/// How many peaks an iceberg may have: each is a trade of its own.
const MAX_PEAKS: i64 = 1_000;

/// Whether an iceberg of this quantity may show so much.
pub(crate) fn shows_enough(display: i64, quantity: i64) -> bool {
    (1..=quantity).contains(&display) && display.saturating_mul(MAX_PEAKS) >= quantity
}

/// Whether the terms of a special order go together, in the order of the reasons' numbers.
pub(crate) fn check_terms(listing: &Listing, command: &NewOrder, event_time_ns: i64) -> Result<(), RejectReason> {
    let terms = command.terms();
    let kind = command.order_type;
    let conditional = kind.is_conditional();
    let limit_rests = kind.has_limit() && rests::<false>(kind, command.time_in_force);
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
        display != 0 && !(limit_rests && !terms.hidden && shows_enough(display, command.quantity.0)),
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

/// The pegged orders of an instrument.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pegs {
    /// From order_id to slot.
    pub open: BTreeMap<u64, u32>,
    /// Both reference prices and both best prices at which pricing changed nothing last, 0 for none: at these prices there is
    /// nothing to do. `None` when a pegged order has come or moved since.
    settled: Option<[i64; 4]>,
}

impl Listing {
    /// Forgets what is kept beside an order's record because of its terms; it has ended.
    pub(crate) fn forget_terms(&mut self, extra: &Extra, order_id: u64) {
        self.session.waiting.forget(extra, order_id);
        if extra.terms.peg != Peg::None {
            self.pegs.open.remove(&order_id);
            if self.pegs.open.is_empty() {
                self.active &= !active::PEGS;
            }
        }
    }

    /// The price as at which an order holds that is in the book at `price`.
    pub(crate) fn held_at(&self, arena: &Arena, slot: u32, price: PriceTicks) -> PriceTicks {
        if arena.orders.get(slot).flags.special() {
            PriceTicks(self.hold_limit(arena, slot, price))
        } else {
            price
        }
    }

    /// The same of a special order, on its way into the book or in it.
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
    #[inline(always)] // One look at the flags for plain orders.
    pub(crate) fn rest(&mut self, at: usize, slot: u32, side: Side, price: PriceTicks) {
        if self.arena.orders.get(slot).flags.special() {
            self.rest_special(at, slot);
        }
        self.books[at].rest(&mut self.arena, slot, side, price);
    }

    /// What a special order needs that comes to rest.
    fn rest_special(&mut self, at: usize, slot: u32) {
        self.arena.show_peak(slot);
        self.note_peg(at, slot);
    }

    /// Notes a pegged order that is in the book. Nothing for other orders.
    pub(crate) fn note_peg(&mut self, at: usize, slot: u32) {
        if self.arena.orders.some_extra(slot).is_some_and(|extra| extra.terms.peg != Peg::None) {
            let order_id = self.arena.orders.get(slot).order_id;
            let listing = &mut self.listings[at];
            listing.active |= active::PEGS;
            listing.pegs.open.insert(order_id, slot);
            listing.pegs.settled = None;
        }
    }

    /// Takes `quantity` lots off an order that stays in its place in the book.
    pub(crate) fn reduce_resting(&mut self, slot: u32, quantity: i64) {
        self.arena.reduce(slot, quantity);
    }

    /// Prices the pegged orders of an instrument anew, in ascending order_id. While orders are collected for an auction they
    /// stay where they are.
    pub(crate) fn price_pegs<S: EventSink>(&mut self, at: usize, events: &mut S) {
        let listing = &self.listings[at];
        if listing.active & active::PEGS == 0 || listing.collects() {
            return;
        }
        let best = |side| self.books[at].best_price(&self.arena, side).map_or(0, |price| price.0);
        let reference = |side| self.reference(at, side).unwrap_or(0);
        let prices = [reference(Side::Buy), reference(Side::Sell), best(Side::Buy), best(Side::Sell)];
        if listing.pegs.settled == Some(prices) {
            return;
        }
        let orders: Vec<u32> = listing.pegs.open.values().copied().collect();
        let mut moved = false;
        for slot in orders {
            let (_, side) = self.arena.half_of(slot);
            let (old, extra) = (self.arena.level_of(slot).price, self.arena.orders.extra(slot));
            // The references do not change by what pegged orders do.
            let price = self.pegged(at, side, &extra.terms, extra.limit, [prices[0], prices[1]]);
            let Some(price) = price.filter(|price| price.0 != old) else {
                continue;
            };
            self.books[at].unlink(&mut self.arena, slot);
            self.books[at].lose_top(self.arena.orders.get(slot).order_id);
            self.rest(at, slot, side, price);
            moved = true;
            let mut report = open_report(&self.arena, &self.listings[at].instrument, slot, ExecType::Restated);
            report.hold = Amount(self.listings[at].hold_of(&self.arena, &self.fees, slot));
            events.emit(Event::Execution(report));
        }
        self.listings[at].pegs.settled = if moved { None } else { Some(prices) };
    }

    /// The best price of orders in the book that are not pegged. Looks at the pegged ones before it, of which there are few.
    fn reference(&self, at: usize, side: Side) -> Option<i64> {
        let pegged = |&slot: &u32| {
            let extra = self.arena.orders.some_extra(slot);
            extra.is_some_and(|extra| extra.terms.peg != Peg::None)
        };
        let slot = self.books[at].queue(&self.arena, side).find(|slot| !pegged(slot))?;
        Some(self.arena.level_of(slot).price)
    }

    /// The price of a pegged order whose worst price is `limit`. `references`: of both sides, 0 for none. `None` without a
    /// reference, or if every price in its bounds would match.
    fn pegged(&self, at: usize, side: Side, terms: &Terms, limit: i64, references: [i64; 2]) -> Option<PriceTicks> {
        let followed = if terms.peg == Peg::Primary { side } else { side.opposite() };
        let reference = Some(references[followed.index()]).filter(|&price| price != 0)?;
        // Of two prices the one further from the other side.
        let behind = |a: i64, b: i64| if side == Side::Buy { a.min(b) } else { a.max(b) };
        let price = behind(reference - side.sign() * terms.peg_offset, limit).clamp(1, MAX_TICKS_OR_LOTS);
        let Some(best) = self.books[at].best_price(&self.arena, side.opposite()) else {
            return Some(PriceTicks(price));
        };
        let price = PriceTicks(behind(price, best.0 - side.sign()));
        check_price(price).is_ok().then_some(price)
    }

    /// The price of a pegged order that enters now, or whose replace makes it enter again. Without a reference one that was at
    /// `old` goes by that.
    pub(crate) fn peg_price(
        &self,
        at: usize,
        side: Side,
        terms: &Terms,
        limit: i64,
        old: Option<i64>,
    ) -> Option<PriceTicks> {
        let references = [Side::Buy, Side::Sell].map(|side| self.reference(at, side).unwrap_or(0));
        let price = self.pegged(at, side, terms, limit, references);
        price.or_else(|| {
            let stays = Terms { peg: Peg::Primary, peg_offset: 0, ..Terms::NONE };
            self.pegged(at, side, &stays, limit, [old?; 2])
        })
    }

    /// What a new order would be refused for, of one that begins to work only now; and the price that it begins with.
    pub(crate) fn prepare(&self, at: usize, taker: &mut Taker) -> Result<(), CancelReason> {
        if self.listings[at].collects() {
            return Ok(());
        }
        let extra = self.arena.orders.extra(taker.slot);
        if extra.terms.peg != Peg::None {
            let price = self.peg_price(at, taker.side, &extra.terms, extra.limit, None);
            taker.price =
                price.unwrap_or_else(|| unreachable!("a pegged order is executed as it enters, with its price"));
            taker.bound = taker.price;
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
        if terms.peg != Peg::None {
            let price = self.peg_price(at, command.side, &terms, command.price.0, None);
            let price = price.ok_or(RejectReason::NoReferencePrice)?;
            if self.listings[at].pegs.open.len() >= MAX_PEGGED_ORDERS {
                return Err(RejectReason::TooManyOpenOrders);
            }
            return Ok(price);
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
