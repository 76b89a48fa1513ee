//! Rulebook, section 11: call auctions. Every price that could be the auction's is tried.
//!
//! Invariant, checked by [`Instrument::check_uncrossing`]: within what the auction may trade at, no tick gives more volume
//! than the price that was chosen; at that price every trade is within the limits of both orders.

use beurs_engine::event::{AuctionEnded, AuctionIndication, Event, ExecutionReport};
use beurs_engine::types::{
    Amount, ExecType, InstrumentId, Liquidity, Lots, OrderId, PriceTicks, Side, TradeId, TradingStatus,
};

use super::corrections::TradeRecord;
use super::{report, Defect, Instrument, Naive, Order};

/// What an auction gives; the default if nothing trades.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Uncrossing {
    pub(crate) price: i128,
    pub(crate) volume: i128,
    /// Buys less sells.
    pub(crate) imbalance: i128,
}

impl Instrument {
    /// The lowest and the highest price that an auction may have now.
    fn auction_range(&self) -> (i128, i128) {
        let (low, high) = self.static_band();
        let bounds = self.bids.iter().filter(|order| order.is_auction_market()).map(|order| order.auction_bound);
        (low, bounds.fold(high, i128::min))
    }

    /// What would trade at this price.
    fn uncrossing_at(&self, price: i128) -> Uncrossing {
        let sum = |half: &[Order]| -> i128 {
            half.iter()
                .filter(|order| order.is_auction_market() || order.accepts(price))
                .map(|order| order.leaves)
                .sum()
        };
        let (buys, sells) = (sum(&self.bids), sum(&self.asks));
        Uncrossing { price, volume: buys.min(sells), imbalance: buys - sells }
    }

    /// What the auction would give if it ended now.
    pub(super) fn uncrossing(&self) -> Uncrossing {
        let (low, high) = self.auction_range();
        let reference = self.reference_price();
        let limits = self.open_orders().filter(|order| !order.is_auction_market());
        // Orders beyond the band count as at the band.
        let counted = limits.map(|order| match order.side {
            Side::Buy => order.price.min(high),
            Side::Sell => order.price.max(low),
        });
        let mut candidates: Vec<Uncrossing> = counted
            .chain(reference.map(|price| price.min(high)).filter(|_| self.only_market_orders()))
            .filter(|price| (low..=high).contains(price))
            .map(|price| self.uncrossing_at(price))
            .collect();

        let greatest = candidates.iter().map(|candidate| candidate.volume).max().unwrap_or(0);
        if greatest == 0 {
            return Uncrossing::default();
        }
        candidates.retain(|candidate| candidate.volume == greatest);
        let smallest = candidates.iter().map(|candidate| candidate.imbalance.abs()).min().unwrap_or(0);
        candidates.retain(|candidate| candidate.imbalance.abs() == smallest);
        let chosen = if candidates.iter().all(|candidate| candidate.imbalance > 0) {
            candidates.iter().max_by_key(|candidate| candidate.price)
        } else if candidates.iter().all(|candidate| candidate.imbalance < 0) {
            candidates.iter().min_by_key(|candidate| candidate.price)
        } else if let Some(reference) = reference {
            candidates.iter().min_by_key(|candidate| ((candidate.price - reference).abs(), -candidate.price))
        } else {
            candidates.iter().max_by_key(|candidate| candidate.price)
        };
        chosen.copied().unwrap_or_default()
    }

    /// No limit of an order could be the price.
    fn only_market_orders(&self) -> bool {
        let (low, high) = self.auction_range();
        !self.open_orders().any(|order| match order.side {
            _ if order.is_auction_market() => false,
            Side::Buy => order.price >= low && low <= high,
            Side::Sell => order.price <= high && low <= high,
        })
    }

    /// No tick gives a greater volume. The volume changes only at limits, so those and their neighbours are all that
    /// must be tried.
    pub(super) fn check_uncrossing(&self) {
        let (low, high) = self.auction_range();
        let chosen = self.uncrossing();
        let mut ticks: Vec<i128> =
            self.open_orders().flat_map(|order| [order.price - 1, order.price, order.price + 1]).collect();
        ticks.extend([low, high]);
        let may_trade = chosen.price != 0 || self.reference_price().is_some();
        for tick in ticks.into_iter().filter(|tick| (low..=high).contains(tick) && may_trade) {
            let other = self.uncrossing_at(tick);
            assert!(other.volume <= chosen.volume, "{} gives more at {other:?} than at {chosen:?}", self.symbol);
        }
        if chosen.price != 0 {
            assert!((low..=high).contains(&chosen.price), "an auction's price is within the band");
            assert_eq!(chosen, self.uncrossing_at(chosen.price), "the volume is that of the price");
        }
    }
}

impl Naive {
    /// Trades what crosses at one price.
    pub(super) fn uncross(&mut self, instrument: u32, events: &mut Vec<Event>) {
        let mut result = self.instrument(instrument).uncrossing();
        if self.defect == Some(Defect::AuctionOneTickOff) && result.price > 1 {
            let below = self.instrument(instrument).uncrossing_at(result.price - 1);
            result = if below.volume == result.volume { below } else { result };
        }
        let was_auction = self.instrument(instrument).collects();
        let mut left = result.volume;
        while left > 0 {
            let (buy, sell) = (&self.instrument(instrument).bids[0], &self.instrument(instrument).asks[0]);
            let quantity = left.min(buy.leaves).min(sell.leaves);
            left -= quantity;
            self.auction_trade(instrument, result.price, quantity, events);
        }
        if result.volume > 0 {
            self.instrument_mut(instrument).last_price = result.price;
            self.instrument_mut(instrument).bands.reference = result.price;
            self.traded = Some((result.price, result.price));
        }
        if was_auction || result.volume > 0 {
            events.push(Event::AuctionEnded(AuctionEnded {
                instrument_id: InstrumentId(instrument),
                price: PriceTicks(result.price as i64),
                volume: result.volume,
            }));
        }
    }

    /// One trade at the auction's price, of the first of both sides. Those that have leaves stay in their places.
    fn auction_trade(&mut self, instrument_id: u32, price: i128, quantity: i128, events: &mut Vec<Event>) {
        self.last_trade_id += 1;
        let instrument = self.instrument(instrument_id);
        let (mut buy, mut sell) = (instrument.bids[0].clone(), instrument.asks[0].clone());
        assert!(buy.is_auction_market() || buy.price >= price, "a buy trades within its limit");
        assert!(sell.is_auction_market() || sell.price <= price, "a sell trades within its limit");
        let (low, high) = instrument.static_band();
        assert!((low..=high).contains(&price), "an auction trades within the static band");
        let notional = instrument.notional(price, quantity);
        let base_units = quantity * instrument.lot_units;

        let mut fees = [0, 0];
        for (order, fee) in [&mut buy, &mut sell].into_iter().zip(&mut fees) {
            order.filled += quantity;
            order.leaves -= quantity;
            order.displayed = order.peak();
            let taker_ppm = order.taker_ppm;
            *fee = self.charge(order, notional, taker_ppm);
            self.exchange(order, base_units, notional, *fee);
        }
        let [buyer_fee, seller_fee] = fees;
        self.after_trade(&TradeRecord {
            trade_id: self.last_trade_id,
            instrument: instrument_id,
            buyer: buy.account,
            seller: sell.account,
            price,
            quantity,
            buyer_fee,
            seller_fee,
            seller_first: false,
        });
        for (order, counter, fee) in [(&buy, &sell, buyer_fee), (&sell, &buy, seller_fee)] {
            events.push(Event::Execution(ExecutionReport {
                trade_id: TradeId(self.last_trade_id),
                last_price: PriceTicks(price as i64),
                last_quantity: Lots(quantity as i64),
                last_notional: Amount(notional),
                fee: Amount(fee),
                liquidity: Liquidity::Auction,
                counter_order_id: OrderId(counter.order_id),
                ..report(order, ExecType::Trade, self.hold(order))
            }));
        }
        for order in [&buy, &sell] {
            let half = self.instrument_mut(instrument_id).half_mut(order.side);
            if order.complete() {
                half.remove(0);
            } else {
                half[0] = order.clone();
            }
        }
        self.pair_trades(&buy, events);
        self.pair_trades(&sell, events);
        for order in [buy, sell].into_iter().filter(Order::complete) {
            self.remember(order.account, &order.client_order_id);
            self.list_end(&order, events);
        }
    }

    /// Says what an auction would give, if that has changed.
    pub(super) fn tell_indication(&mut self, index: usize, events: &mut Vec<Event>) {
        let instrument = &mut self.instruments[index];
        if instrument.status != TradingStatus::Auction {
            return;
        }
        let now = instrument.uncrossing();
        if now == instrument.session.told {
            return;
        }
        instrument.session.told = now;
        events.push(Event::AuctionIndication(AuctionIndication {
            instrument_id: InstrumentId(index as u32 + 1),
            price: PriceTicks(now.price as i64),
            volume: now.volume,
            imbalance: now.imbalance,
        }));
    }
}
