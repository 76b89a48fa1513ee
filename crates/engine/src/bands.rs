//! The prices between which an instrument may trade: static and dynamic band, collar, volatility auction, limit state.
//!
//! Invariants: `active::BANDS` is set exactly while the settings bound anything; an instrument in its limit state has a
//! timer.

use crate::command::SetPriceBands;
use crate::engine::{active, Engine, Listing};
use crate::event::{Event, EventSink, LimitStateSet, SettingChanged};
use crate::matching::Incoming;
use crate::orders::check_price;
use crate::reject::RejectReason;
use crate::schedule::MAX_RANDOM_NS;
use crate::settlement::Taker;
use crate::timers::Due;
use crate::types::{
    BandAction, CancelReason, PriceTicks, Setting, Side, StatusReason, TimeInForce, TradingStatus, MAX_TICKS_OR_LOTS,
};

const BPS: i128 = 10_000;
const MAX_STATIC_UP_BPS: u32 = 1_000_000;
const MAX_BPS: u32 = 9_999;
const MAX_LIMIT_STATE_NS: i64 = 86_400_000_000_000;
const AUCTION_NS: std::ops::RangeInclusive<i64> = 1_000_000..=86_400_000_000_000;
/// How long a volatility auction lasts unless set otherwise.
const DEFAULT_AUCTION_NS: i64 = 300_000_000_000;

/// The bounds that are none: no price reaches them.
const NO_LOW: i64 = 0;
const NO_HIGH: i64 = MAX_TICKS_OR_LOTS + 1;

/// The settings, see [`SetPriceBands`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bands {
    pub static_up_bps: u32,
    pub static_down_bps: u32,
    pub dynamic_bps: u32,
    pub collar_bps: u32,
    pub action: BandAction,
    pub auction_ns: i64,
    pub auction_random_ns: i64,
    pub limit_state_ns: i64,
}

impl Bands {
    /// Whether these could have been set.
    pub fn is_valid(&self) -> bool {
        self.static_up_bps <= MAX_STATIC_UP_BPS
            && self.static_down_bps.max(self.dynamic_bps).max(self.collar_bps) <= MAX_BPS
            && AUCTION_NS.contains(&self.auction_ns)
            && (0..=MAX_RANDOM_NS).contains(&self.auction_random_ns)
            && (0..=MAX_LIMIT_STATE_NS).contains(&self.limit_state_ns)
    }

    fn bounds_anything(&self) -> bool {
        self.static_up_bps | self.static_down_bps | self.dynamic_bps | self.collar_bps != 0
    }
}

/// The limit state: a best price stands at a band.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limit {
    pub side: Side,
    /// When the instrument pauses; 0 only within a command in which it was not open.
    pub deadline_ns: i64,
}

/// What becomes of an order that could trade further but for the bands and its collar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stopped {
    /// The rest of it is canceled.
    Cancel,
    /// There is a volatility auction, for which what can rest stays.
    Auction,
}

/// ⌊price × (10,000 + bps) / 10,000⌋; none for 0.
fn above(price: i64, bps: u32) -> i64 {
    if bps == 0 || price == 0 {
        return NO_HIGH;
    }
    let bound = i128::from(price) * (BPS + i128::from(bps)) / BPS;
    // It is positive, and cut to a price that an order can have.
    bound.min(i128::from(MAX_TICKS_OR_LOTS)) as i64
}

/// ⌈price × (10,000 − bps) / 10,000⌉; none for 0.
fn below(price: i64, bps: u32) -> i64 {
    if bps == 0 || price == 0 {
        return NO_LOW;
    }
    let bound = i128::from(price) * (BPS - i128::from(bps));
    // At most the price.
    ((bound + BPS - 1) / BPS) as i64
}

impl Listing {
    /// The lowest and the highest price of the static band.
    pub(crate) fn static_band(&self) -> (i64, i64) {
        let reference = self.session.reference;
        match &self.session.bands {
            Some(bands) => (below(reference, bands.static_down_bps), above(reference, bands.static_up_bps)),
            None => (NO_LOW, NO_HIGH),
        }
    }

    /// The lowest and the highest price that is in both bands.
    fn bands(&self) -> (i64, i64) {
        let (low, high) = self.static_band();
        let (last, bps) = (self.instrument.last_price.0, self.session.bands.map_or(0, |bands| bands.dynamic_bps));
        (low.max(below(last, bps)), high.min(above(last, bps)))
    }

    /// Sets the bit that says whether there are bands.
    pub(crate) fn note_bands(&mut self) {
        self.active &= !active::BANDS;
        if self.session.bands.is_some_and(|bands| bands.bounds_anything()) {
            self.active |= active::BANDS;
        }
    }

    /// Whether the static band refuses a limit.
    fn refuses(&self, limit: i64) -> bool {
        let (low, high) = self.static_band();
        let cancels = self.session.bands.is_some_and(|bands| bands.action == BandAction::Cancel);
        cancels && limit != 0 && !(low..=high).contains(&limit)
    }
}

impl Engine {
    /// Whether a limit lies within the static band, where that matters on entry.
    pub(crate) fn check_static_band(&self, listing: &Listing, price: PriceTicks) -> Result<(), RejectReason> {
        if listing.refuses(price.0) {
            return Err(RejectReason::PriceOutsideBands);
        }
        Ok(())
    }

    /// Whether a new order like this one would be taken by the instrument as it is now: of an order that begins to work only
    /// after it was entered, the band and the status may have changed.
    pub(crate) fn check_begin(&self, at: usize, taker: &Taker) -> Result<(), CancelReason> {
        let listing = &self.listings[at];
        let extra = self.arena.orders.extra(taker.slot);
        let flags = taker.order.flags;
        if !extra.entered {
            let refused = match listing.instrument.status {
                TradingStatus::PreOpen | TradingStatus::Auction => {
                    let at_once = matches!(flags.time_in_force(), TimeInForce::Ioc | TimeInForce::Fok);
                    at_once || flags.post_only() || extra.terms.min_quantity.0 != 0
                }
                TradingStatus::PostOnly => !flags.post_only(),
                _ => false,
            };
            if refused {
                return Err(CancelReason::Refused);
            }
        }
        if listing.active & active::BANDS != 0 && extra.order_type.has_limit() && listing.refuses(extra.limit) {
            return Err(CancelReason::PriceBand);
        }
        Ok(())
    }

    /// The worst price that an order may trade at now: its limit, within the bands and its collar.
    #[inline]
    pub(crate) fn trading_bound(&self, at: usize, taker: &Taker) -> PriceTicks {
        if self.listings[at].active & active::BANDS == 0 {
            return taker.bound;
        }
        self.bound_within_bands(at, taker)
    }

    #[cold]
    fn bound_within_bands(&self, at: usize, taker: &Taker) -> PriceTicks {
        let Some(best) = self.books[at].best_price(&self.arena, taker.side.opposite()) else {
            return taker.bound;
        };
        let (low, high) = self.listings[at].bands();
        let collar = self.collar(at, taker).0;
        PriceTicks(match taker.side {
            // What is best stands before all that is within the bands, so there is nothing to trade with.
            Side::Buy if best.0 < low => NO_LOW,
            Side::Sell if best.0 > high => NO_HIGH,
            Side::Buy => taker.bound.0.min(high).min(collar),
            Side::Sell => taker.bound.0.max(low).max(collar),
        })
    }

    /// The worst price that the collar allows an order whose execution begins.
    pub(crate) fn collar(&self, at: usize, taker: &Taker) -> PriceTicks {
        let bps = self.listings[at].session.bands.map_or(0, |bands| bands.collar_bps);
        let best = self.books[at].best_price(&self.arena, taker.side.opposite()).filter(|_| taker.market && bps != 0);
        match (best, taker.side) {
            (None, side) => Incoming::any_price(side),
            (Some(best), Side::Buy) => PriceTicks(above(best.0, bps)),
            (Some(best), Side::Sell) => PriceTicks(below(best.0, bps)),
        }
    }

    /// What becomes of an order for which nothing more was found to trade with, if that was because of the bands or its
    /// collar, which were those of its beginning.
    #[cold]
    pub(crate) fn stopped(&self, at: usize, taker: &Taker, collar: PriceTicks) -> Option<Stopped> {
        let listing = &self.listings[at];
        let best = self.books[at].best_price(&self.arena, taker.side.opposite())?;
        let limit = if taker.market { Incoming::any_price(taker.side) } else { taker.price };
        let affordable =
            taker.quote_quantity.0 == 0 || taker.quote_left >= listing.instrument.known_notional(best.0, 1);
        let further = affordable && !taker.is_filled() && taker.side.crosses(limit, best);
        if !further || taker.side.crosses(taker.bound, best) {
            return None;
        }
        let auction = listing.session.bands.is_some_and(|bands| bands.action == BandAction::Auction);
        Some(if auction && taker.side.crosses(collar, best) { Stopped::Auction } else { Stopped::Cancel })
    }

    pub(crate) fn set_price_bands<S: EventSink>(
        &mut self,
        command: &SetPriceBands,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let at = self.instrument_index(command.instrument_id)?;
        if command.reference.0 != 0 {
            check_price(command.reference)?;
        }
        let bands = Bands {
            static_up_bps: command.static_up_bps,
            static_down_bps: command.static_down_bps,
            dynamic_bps: command.dynamic_bps,
            collar_bps: command.collar_bps,
            action: command.action,
            auction_ns: command.auction_ns,
            auction_random_ns: command.auction_random_ns,
            limit_state_ns: command.limit_state_ns,
        };
        if !bands.is_valid() {
            return Err(RejectReason::InvalidPriceBands);
        }
        // After this point the bands must be set.
        let listing = &mut self.listings[at];
        listing.session.bands = Some(bands);
        if command.reference.0 != 0 {
            listing.session.reference = command.reference.0;
        }
        listing.note_bands();
        events.emit(Event::SettingChanged(SettingChanged::of_instrument(Setting::PriceBands, command.instrument_id)));
        self.touch(at);
        Ok(())
    }

    /// Begins the volatility auction for which an order gave cause, if one did.
    pub(crate) fn follow_bands<S: EventSink>(&mut self, at: usize, events: &mut S) {
        if std::mem::take(&mut self.listings[at].session.band_reached) {
            self.volatility_auction(at, StatusReason::PriceBand, events);
        }
    }

    /// Sends an instrument that is open to an auction that ends by itself. Pegs are looked at by the caller.
    pub(crate) fn volatility_auction<S: EventSink>(&mut self, at: usize, reason: StatusReason, events: &mut S) {
        if self.listings[at].instrument.status != TradingStatus::Open {
            return;
        }
        let (auction_ns, random_ns) = match &self.listings[at].session.bands {
            Some(bands) => (bands.auction_ns, bands.auction_random_ns),
            None => (DEFAULT_AUCTION_NS, 0),
        };
        let length_ns = auction_ns + self.random_delay(random_ns);
        let end_time_ns = self.event_time_ns.saturating_add(length_ns);
        self.change_status(at, TradingStatus::Auction, reason, end_time_ns, events);
    }

    /// The side whose best price stands at a band.
    pub(crate) fn limit_side(&self, at: usize) -> Option<Side> {
        let listing = &self.listings[at];
        let watched = listing.session.bands.is_some_and(|bands| bands.limit_state_ns > 0);
        if !watched || listing.instrument.status != TradingStatus::Open {
            return None;
        }
        let (low, high) = listing.bands();
        let best = |side| self.books[at].best_price(&self.arena, side).map(|price| price.0);
        match (best(Side::Buy), best(Side::Sell)) {
            (Some(bid), _) if bid >= high => Some(Side::Buy),
            (_, Some(ask)) if ask <= low => Some(Side::Sell),
            _ => None,
        }
    }

    /// Looks whether the instrument has come into its limit state, or has left it.
    pub(crate) fn watch_limit<S: EventSink>(&mut self, at: usize, events: &mut S) {
        let (before, side) = (self.listings[at].session.limit, self.limit_side(at));
        let told = before.map(|limit| limit.side);
        if told == side && before.is_none_or(|limit| limit.deadline_ns != 0) {
            return;
        }
        self.stop_limit_timer(at);
        let limit_state_ns = self.listings[at].session.bands.map_or(0, |bands| bands.limit_state_ns);
        let deadline_ns = self.event_time_ns.saturating_add(limit_state_ns);
        if side.is_some() {
            self.timers.set(deadline_ns, Due::LimitState(at as u32));
        }
        let listing = &mut self.listings[at];
        listing.session.limit = side.map(|side| Limit { side, deadline_ns });
        if told != side {
            let instrument_id = listing.instrument.instrument_id;
            events.emit(Event::LimitStateSet(LimitStateSet { instrument_id, side }));
        }
    }

    /// Stops the timer of the limit state, if it runs.
    pub(crate) fn stop_limit_timer(&mut self, at: usize) {
        if let Some(limit) = &mut self.listings[at].session.limit {
            self.timers.clear(limit.deadline_ns, Due::LimitState(at as u32));
            limit.deadline_ns = 0;
        }
    }

    /// An instrument has been in its limit state for too long.
    pub(crate) fn end_limit_state<S: EventSink>(&mut self, at: usize, events: &mut S) {
        self.volatility_auction(at, StatusReason::LimitState, events);
        self.after_execution(at, events);
    }
}
