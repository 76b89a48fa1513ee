//! Rulebook, section 12: static and dynamic price bands, the collar, volatility auctions and the limit state.
//!
//! A bound that is off is the least or the greatest price there is, so that every check is a comparison of two numbers.

use beurs_engine::command::SetPriceBands;
use beurs_engine::event::{Event, LimitStateSet, SettingChanged};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{BandAction, CancelReason, InstrumentId, Setting, Side, StatusReason, TradingStatus};

use super::status::setting;
use super::{ceil_div, refuse, Instrument, Naive, Order, MAX_TICKS_OR_LOTS};

const WHOLE: i128 = 10_000; // Basis points.
const LEAST_NS: i64 = 1_000_000; // 1 ms.
const HOUR_NS: i64 = 3_600_000_000_000;
const EVERYTHING: (i128, i128) = (1, MAX_TICKS_OR_LOTS);

/// An instrument's settings, and the static reference price (0 for none).
#[derive(Clone, Default, Debug)]
pub(crate) struct Bands {
    pub(crate) reference: i128,
    pub(crate) settings: Option<SetPriceBands>,
}

/// The prices that an order may trade at now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    bands: (i128, i128),
    collar: (i128, i128),
}

/// What keeps an order from trading further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beyond {
    Bands,
    Collar,
}

impl Range {
    pub(super) fn allows(&self, price: i128) -> bool {
        within(self.bands, price) && within(self.collar, price)
    }
}

fn within((low, high): (i128, i128), price: i128) -> bool {
    low <= price && price <= high
}

/// From `down` below to `up` above a price, in basis points; 0 for off. Without the price (0) there is no band.
fn around(price: i128, down: u32, up: u32) -> (i128, i128) {
    let (down, up) = (i128::from(down), i128::from(up));
    let low = if price == 0 || down == 0 { 1 } else { ceil_div(price * (WHOLE - down), WHOLE) };
    let high = if price == 0 || up == 0 { MAX_TICKS_OR_LOTS } else { price * (WHOLE + up) / WHOLE };
    (low, high.min(MAX_TICKS_OR_LOTS))
}

impl Instrument {
    pub(super) fn static_band(&self) -> (i128, i128) {
        match &self.bands.settings {
            Some(set) => around(self.bands.reference, set.static_down_bps, set.static_up_bps),
            None => EVERYTHING,
        }
    }

    fn dynamic_band(&self) -> (i128, i128) {
        match &self.bands.settings {
            Some(set) => around(self.last_price, set.dynamic_bps, set.dynamic_bps),
            None => EVERYTHING,
        }
    }

    pub(super) fn both_bands(&self) -> (i128, i128) {
        let (a, b) = (self.static_band(), self.dynamic_band());
        (a.0.max(b.0), a.1.min(b.1))
    }

    /// The upper bound of the static band, if it has one.
    pub(super) fn upper_static_bound(&self) -> Option<i128> {
        let on = self.bands.reference != 0 && self.bands.settings.as_ref().is_some_and(|set| set.static_up_bps != 0);
        on.then(|| self.static_band().1)
    }

    /// The static reference, else the last price.
    pub(super) fn reference_price(&self) -> Option<i128> {
        [self.bands.reference, self.last_price].into_iter().find(|price| *price != 0)
    }

    /// A limit must be within the static band where what is beyond it is canceled.
    pub(super) fn check_bands(&self, limit: i128) -> Result<(), RejectReason> {
        let cancels = self.bands.settings.as_ref().is_some_and(|set| set.action == BandAction::Cancel);
        refuse(cancels && !within(self.static_band(), limit), RejectReason::PriceOutsideBands)
    }

    /// The prices that the order may trade at, as the bands and the other half stand now.
    pub(super) fn trading_limit(&self, order: &Order) -> Range {
        let has_limit = order.has_price();
        let collar_bps = self.bands.settings.as_ref().map_or(0, |set| set.collar_bps);
        let collar = match self.best(order.side.opposite()) {
            Some(best) if !has_limit && order.side == Side::Buy => (1, around(best, 0, collar_bps).1),
            Some(best) if !has_limit => (around(best, collar_bps, 0).0, MAX_TICKS_OR_LOTS),
            _ => EVERYTHING,
        };
        Range { bands: self.both_bands(), collar }
    }

    /// The side whose best price stands at a band. A bound that is off is no band.
    fn at_band(&self) -> Option<Side> {
        let settings = self.bands.settings.as_ref().filter(|set| set.limit_state_ns > 0)?;
        if self.status != TradingStatus::Open {
            return None;
        }
        let (statics, dynamics) = (self.bands.reference != 0, self.last_price != 0 && settings.dynamic_bps != 0);
        let has_upper = (statics && settings.static_up_bps != 0) || dynamics;
        let has_lower = (statics && settings.static_down_bps != 0) || dynamics;
        let (low, high) = self.both_bands();
        if has_upper && self.best(Side::Buy).is_some_and(|bid| bid >= high) {
            Some(Side::Buy)
        } else if has_lower && self.best(Side::Sell).is_some_and(|ask| ask <= low) {
            Some(Side::Sell)
        } else {
            None
        }
    }
}

impl Naive {
    /// What keeps the order from trading with the best opposite order, if something does.
    pub(super) fn stopped_by(&self, order: &Order, range: &Range) -> Option<Beyond> {
        let instrument = &self.instruments[order.instrument as usize - 1];
        let best = instrument.best(order.side.opposite())?;
        let one_lot = instrument.notional(best, 1);
        let wants = if order.by_quote() { order.quote_left >= one_lot } else { order.leaves > 0 };
        if !wants || !order.accepts(best) || range.allows(best) {
            None
        } else if within(range.collar, best) {
            Some(Beyond::Bands)
        } else {
            Some(Beyond::Collar)
        }
    }

    /// What is left of an order that could trade only outside the bands or its collar.
    pub(super) fn stop_at_bands(&mut self, order: Order, beyond: Beyond, events: &mut Vec<Event>) {
        let instrument = order.instrument;
        let action = self.instrument(instrument).bands.settings.as_ref().map(|set| set.action);
        if beyond == Beyond::Collar || action != Some(BandAction::Auction) {
            self.cancel(&order, CancelReason::PriceBand, events);
            return;
        }
        self.band_reached = true;
        if order.can_rest() {
            self.rest(order);
        } else {
            self.cancel(&order, CancelReason::PriceBand, events);
        }
    }

    /// Lets an instrument that is open pause in an auction that ends by itself.
    pub(super) fn volatility_auction(&mut self, instrument: u32, reason: StatusReason, events: &mut Vec<Event>) {
        if self.instrument(instrument).status != TradingStatus::Open {
            return;
        }
        let settings = self.instrument(instrument).bands.settings;
        let (length, random) = settings.map_or((300_000_000_000, 0), |set| (set.auction_ns, set.auction_random_ns));
        let end = i128::from(self.event_time_ns) + i128::from(length) + self.generator.delay(i128::from(random));
        self.become_status(instrument, TradingStatus::Auction, reason, end, events);
    }

    /// Says whether a best price has come to stand at a band or has left it.
    pub(super) fn tell_limit_state(&mut self, index: usize, events: &mut Vec<Event>) {
        let now = i128::from(self.event_time_ns);
        let instrument = &mut self.instruments[index];
        let side = instrument.at_band();
        let session = &mut instrument.session;
        let unchanged = side == session.limit_state;
        if !unchanged || session.limit_due_ns.is_none() {
            let lasts = instrument.bands.settings.as_ref().map_or(0, |set| set.limit_state_ns);
            session.limit_due_ns = side.map(|_| now + i128::from(lasts));
        }
        if unchanged {
            return;
        }
        session.limit_state = side;
        events.push(Event::LimitStateSet(LimitStateSet { instrument_id: InstrumentId(index as u32 + 1), side }));
    }

    pub(super) fn set_price_bands(&mut self, c: &SetPriceBands, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(!self.has_instrument(c.instrument_id), R::UnknownInstrument)?;
        refuse(!(0..=MAX_TICKS_OR_LOTS).contains(&i128::from(c.reference.0)), R::InvalidPrice)?;
        let wide = c.static_up_bps > 1_000_000
            || [c.static_down_bps, c.dynamic_bps, c.collar_bps].into_iter().any(|bps| bps > 9_999);
        let timed = (LEAST_NS..=24 * HOUR_NS).contains(&c.auction_ns)
            && (0..=HOUR_NS).contains(&c.auction_random_ns)
            && (0..=24 * HOUR_NS).contains(&c.limit_state_ns);
        refuse(wide || !timed, R::InvalidPriceBands)?;

        let bands = &mut self.instruments[c.instrument_id.0 as usize - 1].bands;
        if c.reference.0 != 0 {
            bands.reference = i128::from(c.reference.0);
        }
        bands.settings = Some(*c);
        let instrument_id = c.instrument_id;
        events.push(Event::SettingChanged(SettingChanged { instrument_id, ..setting(Setting::PriceBands) }));
        Ok(())
    }
}
