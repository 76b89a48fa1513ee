//! Rulebook, section 14.1: positions and volumes.
//!
//! Invariants, checked by [`Naive::check_positions`]: the lots of a position are those bought less those sold; what it has
//! realised less what its open part has cost is its whole cash flow, whatever was rounded on the way.

use std::collections::BTreeMap;

use beurs_engine::types::{AccountId, InstrumentId};

use super::corrections::TradeRecord;
use super::{Naive, DAY_NS};

/// An account's position in an instrument.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Position {
    /// Bought less sold.
    pub(crate) lots: i128,
    /// What the open lots were bought for, or if they are below 0, sold for, in ticks times lots.
    pub(crate) cost: i128,
    /// The profit of what was opened and closed, in ticks times lots.
    pub(crate) realised: i128,
    /// Paid in fees, rebates taken off.
    pub(crate) fees: i128,
    /// Bought in all.
    pub(crate) bought: i128,
    /// Sold in all.
    pub(crate) sold: i128,
}

impl Position {
    /// `lots` were bought (sold below 0), each for `price`.
    pub(super) fn trade(&mut self, lots: i128, price: i128) {
        let opposite = self.lots.signum() == -lots.signum();
        let closed = if opposite { lots.abs().min(self.lots.abs()) } else { 0 };
        if closed > 0 {
            // cost × closed / lots, rounded down, without the product, which may be too large.
            let (whole, rest) = (self.cost / self.lots.abs(), self.cost % self.lots.abs());
            let cost = whole * closed + rest * closed / self.lots.abs();
            let sold = if lots < 0 { closed * price - cost } else { cost - closed * price };
            self.realised += sold;
            self.cost -= cost;
        }
        self.cost += (lots.abs() - closed) * price;
        self.lots += lots;
        self.bought += lots.max(0);
        self.sold += (-lots).max(0);
    }

    /// What came in less what went out, without fees.
    fn cash(&self) -> i128 {
        self.realised - self.lots.signum() * self.cost
    }
}

/// What the trades of one account on one instrument come to, added up without any position: lots, cash and fees.
pub(super) type Sums = BTreeMap<(u32, u32), (i128, i128, i128)>;

impl Naive {
    /// An account's position in an instrument, as (lots, cost of the open lots, realised profit, unrealised profit, fees
    /// paid). Unrealised is what closing at the last price would add; it and the fees are not in what is realised.
    pub fn position_of(&self, account_id: AccountId, instrument_id: InstrumentId) -> (i128, i128, i128, i128, i128) {
        let position = self.position(account_id.0, instrument_id.0);
        let instrument = &self.instruments[instrument_id.0 as usize - 1];
        let unrealised = position.lots * instrument.last_price - position.lots.signum() * position.cost;
        let money = |tick_lots| tick_lots * instrument.tick_lot_units;
        (position.lots, money(position.cost), money(position.realised), money(unrealised), position.fees)
    }

    /// A position; nothing if there never was a trade.
    pub(crate) fn position(&self, account: u32, instrument: u32) -> Position {
        self.accounts[account as usize - 1].positions.get(&instrument).copied().unwrap_or_default()
    }

    /// What an account traded in the last 30 days, today included, that was paid in the asset.
    pub(super) fn volume(&self, account: u32, asset: u32) -> i128 {
        let today = i128::from(self.event_time_ns).div_euclid(DAY_NS);
        let volumes = &self.accounts[account as usize - 1].volumes;
        volumes.iter().filter(|((of, day), _)| *of == asset && *day > today - 30).map(|(_, notional)| notional).sum()
    }

    /// What follows from a trade besides its money: positions and volumes.
    pub(super) fn after_trade(&mut self, trade: &TradeRecord) {
        let instrument = &self.instruments[trade.instrument as usize - 1];
        let (quote, notional) = (instrument.quote, instrument.notional(trade.price, trade.quantity));
        let today = i128::from(self.event_time_ns).div_euclid(DAY_NS);
        for account in [trade.buyer, trade.seller] {
            *self.accounts[account as usize - 1].volumes.entry((quote, today)).or_insert(0) += notional;
        }
        self.change_positions(trade, 1);
        self.corrections.trades.push(*trade);
    }

    /// Adds a trade to the positions of its sides, or with `sign` -1 its opposite.
    pub(super) fn change_positions(&mut self, trade: &TradeRecord, sign: i128) {
        for buys in [!trade.seller_first, trade.seller_first] {
            self.change_position(trade, buys, sign);
        }
    }

    /// The same of one side.
    pub(super) fn change_position(&mut self, trade: &TradeRecord, buys: bool, sign: i128) {
        let (account, lots, fee) = if buys {
            (trade.buyer, trade.quantity, trade.buyer_fee)
        } else {
            (trade.seller, -trade.quantity, trade.seller_fee)
        };
        let (lots, fee) = (sign * lots, sign * fee);
        let position = self.accounts[account as usize - 1].positions.entry(trade.instrument).or_default();
        position.trade(lots, trade.price);
        position.fees += fee;
        let sums = self.corrections.sums.entry((account, trade.instrument)).or_default();
        sums.0 += lots;
        sums.1 -= lots * trade.price;
        sums.2 += fee;
    }

    /// Positions are what the trades come to, and every fee is somebody's.
    pub(super) fn check_positions(&self) {
        let mut lots_of: BTreeMap<u32, i128> = BTreeMap::new();
        for (index, account) in self.accounts.iter().enumerate() {
            for (instrument, position) in &account.positions {
                let key = (index as u32 + 1, *instrument);
                let sums = self.corrections.sums.get(&key).copied().unwrap_or_default();
                assert_eq!((position.lots, position.cash(), position.fees), sums, "the position of {key:?}");
                assert!(position.cost >= 0 && (position.lots != 0 || position.cost == 0), "cost of {key:?}");
                *lots_of.entry(*instrument).or_insert(0) += position.lots;
            }
        }
        assert!(lots_of.values().all(|lots| *lots == 0), "what is bought is sold");
        for (asset, fees) in &self.corrections.venue_fees {
            let of_asset = |instrument: u32| self.instruments[instrument as usize - 1].quote == *asset;
            let paid: i128 =
                self.corrections.sums.iter().filter(|((_, on), _)| of_asset(*on)).map(|(_, sums)| sums.2).sum();
            assert_eq!(*fees, paid, "the venue has the fees that were paid in asset {asset}");
        }
    }
}
