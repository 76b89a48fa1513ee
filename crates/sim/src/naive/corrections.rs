//! Rulebook, sections 14.3 and 14.4: trades that are busted or adjusted, and commands of the venue's staff.

use std::collections::{BTreeMap, BTreeSet};

use beurs_engine::command::{AdjustTrade, Administer, BustTrade, Command};
use beurs_engine::event::{Administered, Event, Rejected, TradeCorrected};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{AccountId, AssetId, InstrumentId, Lots, PriceTicks, TradeId};

use super::positions::Sums;
use super::{refuse, rejected, Naive, MAX_NOTIONAL, MAX_TICKS_OR_LOTS, VENUE};

/// A trade as it was settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TradeRecord {
    pub(crate) trade_id: u64,
    pub(crate) instrument: u32,
    pub(crate) buyer: u32,
    pub(crate) seller: u32,
    pub(crate) price: i128,
    pub(crate) quantity: i128,
    pub(crate) buyer_fee: i128,
    pub(crate) seller_fee: i128,
    /// The seller took. One that trades with itself is booked as the taker first.
    pub(crate) seller_first: bool,
}

/// What trades there were, and which do not hold.
#[derive(Clone, Default, Debug)]
pub(crate) struct Corrections {
    /// Every trade, for the checks and for who wants to correct one.
    pub(crate) trades: Vec<TradeRecord>,
    pub(crate) busted: BTreeSet<u64>,
    pub(super) sums: Sums,
    /// What the venue has got in fees, by asset.
    pub(super) venue_fees: BTreeMap<u32, i128>,
}

/// One balance that a correction changes.
type Leg = (u32, u32, i128);

impl Naive {
    /// What a bust and an adjustment have in common.
    fn check_correction(&self, trade: &TradeRecord) -> Result<(), RejectReason> {
        use RejectReason as R;
        let (buyer, seller) = (AccountId(trade.buyer), AccountId(trade.seller));
        refuse(!self.has_account(buyer) || !self.has_account(seller), R::UnknownAccount)?;
        refuse(!self.has_instrument(InstrumentId(trade.instrument)), R::UnknownInstrument)?;
        refuse(!(1..=MAX_TICKS_OR_LOTS).contains(&trade.price), R::InvalidPrice)?;
        refuse(!(1..=MAX_TICKS_OR_LOTS).contains(&trade.quantity), R::InvalidQuantity)?;
        let instrument = &self.instruments[trade.instrument as usize - 1];
        refuse(instrument.notional_overflows(trade.price, trade.quantity), R::NotionalOverflow)
    }

    fn check_trade_id(&self, trade_id: u64) -> Result<(), RejectReason> {
        refuse(self.corrections.busted.contains(&trade_id), RejectReason::DuplicateTradeCorrection)?;
        refuse(!(1..=self.last_trade_id).contains(&trade_id), RejectReason::UnknownTrade)
    }

    /// Moves money and tells each balance that changes, if everybody has what they give in all.
    fn move_money(&mut self, legs: &[Leg], events: &mut Vec<Event>) -> Result<(), RejectReason> {
        let mut gains: BTreeMap<(u32, u32), i128> = BTreeMap::new();
        for (account, asset, amount) in legs {
            *gains.entry((*account, *asset)).or_insert(0) += amount;
        }
        let short = gains.iter().any(|((account, asset), gain)| -gain > 0 && -gain > self.available(*account, *asset));
        refuse(short, RejectReason::InsufficientFunds)?;
        for (account, asset, _) in legs {
            // Each balance once, with all that changes it.
            let gain = gains.remove(&(*account, *asset)).filter(|gain| *gain != 0);
            if let Some(gain) = gain {
                self.add_to_total(*account, *asset, gain);
                self.posted(AccountId(*account), AssetId(*asset), gain, events);
            }
        }
        Ok(())
    }

    pub(super) fn bust_trade(&mut self, c: &BustTrade, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        let trade = TradeRecord {
            trade_id: c.trade_id.0,
            instrument: c.instrument_id.0,
            buyer: c.buyer.0,
            seller: c.seller.0,
            price: i128::from(c.price.0),
            quantity: i128::from(c.quantity.0),
            buyer_fee: c.buyer_fee.0,
            seller_fee: c.seller_fee.0,
            seller_first: false,
        };
        self.check_correction(&trade)?;
        let bounded = |fee: i128| (-MAX_NOTIONAL..=MAX_NOTIONAL).contains(&fee);
        refuse(!bounded(trade.buyer_fee) || !bounded(trade.seller_fee), RejectReason::InvalidAmount)?;
        self.check_trade_id(trade.trade_id)?;

        let instrument = &self.instruments[trade.instrument as usize - 1];
        let (base, quote) = (instrument.base, instrument.quote);
        let notional = instrument.notional(trade.price, trade.quantity);
        let base_units = trade.quantity * instrument.lot_units;
        self.move_money(
            &[
                (trade.buyer, base, -base_units),
                (trade.buyer, quote, notional + trade.buyer_fee),
                (trade.seller, base, base_units),
                (trade.seller, quote, trade.seller_fee - notional),
                (VENUE, quote, -trade.buyer_fee - trade.seller_fee),
            ],
            events,
        )?;
        *self.corrections.venue_fees.entry(quote).or_insert(0) -= trade.buyer_fee + trade.seller_fee;
        self.corrections.busted.insert(trade.trade_id);
        self.change_positions(&trade, -1);
        corrected(&trade, 0, events);
        Ok(())
    }

    pub(super) fn adjust_trade(&mut self, c: &AdjustTrade, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        let trade = TradeRecord {
            trade_id: c.trade_id.0,
            instrument: c.instrument_id.0,
            buyer: c.buyer.0,
            seller: c.seller.0,
            price: i128::from(c.price.0),
            quantity: i128::from(c.quantity.0),
            buyer_fee: 0,
            seller_fee: 0,
            seller_first: false,
        };
        let adjusted = TradeRecord { price: i128::from(c.new_price.0), ..trade };
        // The first reason by its number, of both prices.
        let wrong = [self.check_correction(&trade), self.check_correction(&adjusted)];
        wrong.into_iter().filter_map(Result::err).min().map_or(Ok(()), Err)?;
        self.check_trade_id(trade.trade_id)?;

        let instrument = &self.instruments[trade.instrument as usize - 1];
        let quote = instrument.quote;
        let more =
            instrument.notional(adjusted.price, trade.quantity) - instrument.notional(trade.price, trade.quantity);
        self.move_money(&[(trade.buyer, quote, -more), (trade.seller, quote, more)], events)?;
        for buys in [true, false] {
            self.change_position(&trade, buys, -1);
            self.change_position(&adjusted, buys, 1);
        }
        corrected(&trade, c.new_price.0, events);
        Ok(())
    }

    pub(super) fn administer(&mut self, c: &Administer, events: &mut Vec<Event>) -> Result<(), Rejected> {
        if matches!(c.command, Command::Administer(_) | Command::CommandFailed(_)) {
            return Err(rejected(&c.command, RejectReason::NestedAdminister));
        }
        let mut told = Vec::new();
        self.carry_out_command(&c.command, &mut told)?;
        events.push(Event::Administered(Administered { actor: c.actor, reason: c.reason }));
        events.append(&mut told);
        Ok(())
    }
}

fn corrected(trade: &TradeRecord, new_price: i64, events: &mut Vec<Event>) {
    events.push(Event::TradeCorrected(TradeCorrected {
        trade_id: TradeId(trade.trade_id),
        instrument_id: InstrumentId(trade.instrument),
        buyer: AccountId(trade.buyer),
        seller: AccountId(trade.seller),
        price: PriceTicks(trade.price as i64),
        new_price: PriceTicks(new_price),
        quantity: Lots(trade.quantity as i64),
    }));
}
