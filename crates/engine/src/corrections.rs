//! What the venue's staff do by hand: commands with who and why, and corrections of trades.
//!
//! Invariants: what a correction moves sums to 0 in every asset, and nobody gives what they do not have available; a trade
//! is busted at most once, and not adjusted after that.

use crate::command::{AdjustTrade, Administer, BustTrade, Command};
use crate::engine::Engine;
use crate::event::{Administered, Event, EventSink, Posted, TradeCorrected};
use crate::ledger::Ledger;
use crate::orders::check_price;
use crate::reject::RejectReason;
use crate::types::{
    AccountId, Amount, AssetId, InstrumentId, Lots, PriceTicks, Side, TradeId, MAX_NOTIONAL, MAX_TICKS_OR_LOTS,
};

/// A trade as a command describes it: by their places who bought and sold, and on what.
struct Trade {
    buyer: usize,
    seller: usize,
    at: usize,
    notional: i128,
}

/// By how much a balance changes: account, asset, amount.
type Leg = (usize, usize, i128);

impl Engine {
    /// Does a command as if it came alone, and tells who wanted it and why before its events. Nothing if it is refused.
    #[cold]
    pub(crate) fn administer<S: EventSink>(
        &mut self,
        command: &Administer,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        if matches!(command.command, Command::Administer(_) | Command::CommandFailed(_)) {
            return Err(RejectReason::NestedAdminister);
        }
        let mut followed = Vec::new();
        self.execute_command(&command.command, &mut followed)?;
        events.emit(Event::Administered(Administered { actor: command.actor, reason: command.reason }));
        for event in followed {
            events.emit(event);
        }
        Ok(())
    }

    pub(crate) fn bust_trade<S: EventSink>(&mut self, command: &BustTrade, events: &mut S) -> Result<(), RejectReason> {
        let BustTrade { trade_id, instrument_id, buyer, seller, price, quantity, buyer_fee, seller_fee } = *command;
        let trade = self.check_trade((buyer, seller), instrument_id, &[price], quantity)?;
        let fees = [buyer_fee.0, seller_fee.0];
        if fees.iter().any(|fee| !(-MAX_NOTIONAL..=MAX_NOTIONAL).contains(fee)) {
            return Err(RejectReason::InvalidAmount);
        }
        self.check_correctable(trade_id)?;
        let instrument = &self.listings[trade.at].instrument;
        let (base, quote) = (instrument.base_index(), instrument.quote_index());
        let units = i128::from(quantity.0) * i128::from(instrument.lot_units);
        let legs = merged(&[
            (trade.buyer, base, -units),
            (trade.buyer, quote, trade.notional + buyer_fee.0),
            (trade.seller, base, units),
            (trade.seller, quote, seller_fee.0 - trade.notional),
            (Ledger::VENUE, quote, -buyer_fee.0 - seller_fee.0),
        ]);
        self.check_givers(&legs)?;
        // After this point the bust must succeed.
        self.busted.insert(trade_id.0);
        self.move_money(&legs, events);
        self.change_position(trade.buyer, trade.at, Side::Sell, price, quantity, -buyer_fee.0);
        self.change_position(trade.seller, trade.at, Side::Buy, price, quantity, -seller_fee.0);
        let new_price = PriceTicks(0);
        events.emit(Event::TradeCorrected(TradeCorrected {
            trade_id,
            instrument_id,
            buyer,
            seller,
            price,
            new_price,
            quantity,
        }));
        Ok(())
    }

    pub(crate) fn adjust_trade<S: EventSink>(
        &mut self,
        command: &AdjustTrade,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let AdjustTrade { trade_id, instrument_id, buyer, seller, price, quantity, new_price } = *command;
        let trade = self.check_trade((buyer, seller), instrument_id, &[price, new_price], quantity)?;
        let instrument = &self.listings[trade.at].instrument;
        let notional = instrument.notional(new_price, quantity).ok_or(RejectReason::NotionalOverflow)?;
        self.check_correctable(trade_id)?;
        let (quote, more) = (instrument.quote_index(), notional - trade.notional);
        let legs = merged(&[(trade.buyer, quote, -more), (trade.seller, quote, more)]);
        self.check_givers(&legs)?;
        // After this point the adjustment must succeed.
        self.move_money(&legs, events);
        for (account, away, back) in [(trade.buyer, Side::Sell, Side::Buy), (trade.seller, Side::Buy, Side::Sell)] {
            self.change_position(account, trade.at, away, price, quantity, 0);
            self.change_position(account, trade.at, back, new_price, quantity, 0);
        }
        events.emit(Event::TradeCorrected(TradeCorrected {
            trade_id,
            instrument_id,
            buyer,
            seller,
            price,
            new_price,
            quantity,
        }));
        Ok(())
    }

    fn check_trade(
        &self,
        (buyer, seller): (AccountId, AccountId),
        instrument_id: InstrumentId,
        prices: &[PriceTicks],
        quantity: Lots,
    ) -> Result<Trade, RejectReason> {
        let (buyer, seller) = (self.account_index(buyer)?, self.account_index(seller)?);
        let at = self.instrument_index(instrument_id)?;
        prices.iter().try_for_each(|&price| check_price(price))?;
        if !(1..=MAX_TICKS_OR_LOTS).contains(&quantity.0) {
            return Err(RejectReason::InvalidQuantity);
        }
        let notional =
            self.listings[at].instrument.notional(prices[0], quantity).ok_or(RejectReason::NotionalOverflow)?;
        Ok(Trade { buyer, seller, at, notional })
    }

    fn check_correctable(&self, trade_id: TradeId) -> Result<(), RejectReason> {
        if self.busted.contains(&trade_id.0) {
            return Err(RejectReason::DuplicateTradeCorrection);
        }
        if !(1..=self.last_trade_id).contains(&trade_id.0) {
            return Err(RejectReason::UnknownTrade);
        }
        Ok(())
    }

    fn check_givers(&self, legs: &[Leg]) -> Result<(), RejectReason> {
        let short = |&(account, asset, amount): &Leg| {
            amount < 0 && self.ledger.accounts[account].balance(asset).available() < -amount
        };
        if legs.iter().any(short) {
            return Err(RejectReason::InsufficientFunds);
        }
        Ok(())
    }

    fn move_money<S: EventSink>(&mut self, legs: &[Leg], events: &mut S) {
        for &(account, asset, amount) in legs {
            let balance = self.ledger.balance_mut(account, asset);
            balance.total += amount;
            events.emit(Event::Posted(Posted {
                account_id: AccountId(account as u32 + 1),
                asset_id: AssetId(asset as u32 + 1),
                amount: Amount(amount),
                total: Amount(balance.total),
                held: Amount(balance.held),
            }));
        }
    }

    fn change_position(&mut self, account: usize, at: usize, side: Side, price: PriceTicks, quantity: Lots, fee: i128) {
        let positions = &mut self.ledger.accounts[account].positions;
        positions.apply(at as u32, side, price.0, quantity.0, fee);
    }
}

/// The legs with those of one balance taken together, at the place of the first of them; those that come to 0 left out.
fn merged(legs: &[Leg]) -> Vec<Leg> {
    let mut merged: Vec<Leg> = Vec::with_capacity(legs.len());
    for &(account, asset, amount) in legs {
        match merged.iter_mut().find(|leg| (leg.0, leg.1) == (account, asset)) {
            Some(leg) => leg.2 += amount,
            None => merged.push((account, asset, amount)),
        }
    }
    merged.retain(|leg| leg.2 != 0);
    merged
}
