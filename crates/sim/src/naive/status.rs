//! Rulebook, section 10: what an instrument accepts, how its status changes, and what is looked at after each command.
//!
//! Invariants: only an `auction` has an end; only an `open` instrument has a limit state; what is said of an auction is
//! forgotten when the status is another one.

use std::collections::BTreeSet;

use beurs_engine::command::{
    Command, InstrumentScope, KillScope, NewOrder, RiskScope, SetInstrumentGroup, SetMarkPrice, SetTradingStatus, Terms,
};
use beurs_engine::event::{Event, ExecutionReport, MarkPriceSet, Rejected, SettingChanged, TradingStatusSet};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, CancelReason, ExecType, GroupId, InstrumentId, KeyId, OrderStatus, OrderType, Peg, PriceTicks, Setting,
    Side, StatusReason, TimeInForce, TradingStatus,
};

use super::auction::Uncrossing;
use super::{canceled, refuse, Instrument, Naive, Order, MAX_TICKS_OR_LOTS};

/// What an instrument does now.
#[derive(Clone, Default, Debug)]
pub(crate) struct Session {
    /// Its group.
    pub(crate) group: u16,
    /// When its auction ends; 0 for never.
    pub(crate) end_time_ns: i128,
    pub(crate) mark_price: i128,
    /// What was last said that its auction would give.
    pub(super) told: Uncrossing,
    /// The side whose best price stands at a band.
    pub(crate) limit_state: Option<Side>,
    /// When that has lasted too long.
    pub(crate) limit_due_ns: Option<i128>,
}

impl Instrument {
    /// Whether orders trade when they come in.
    pub(super) fn matches(&self) -> bool {
        matches!(self.status, TradingStatus::Open | TradingStatus::PostOnly)
    }

    fn collects(&self) -> bool {
        matches!(self.status, TradingStatus::Auction | TradingStatus::PreOpen)
    }

    /// What must be true of it between commands.
    pub(super) fn check_session(&self) {
        let session = &self.session;
        assert!(session.end_time_ns == 0 || self.status == TradingStatus::Auction, "only an auction ends");
        assert!(session.limit_state.is_none() || self.status == TradingStatus::Open, "a limit state needs trading");
        assert_eq!(session.limit_state.is_some(), session.limit_due_ns.is_some(), "a limit state has a timer");
        if self.status == TradingStatus::Auction {
            assert_eq!(session.told, self.uncrossing(), "the last indication is right: {}", self.symbol);
        } else {
            assert_eq!(session.told, Uncrossing::default(), "outside auctions nothing is indicated");
        }
        self.check_uncrossing();
        if self.matches() {
            assert!(self.open_orders().all(|order| !order.terms.auction_only), "auction_only orders have ended");
            if let (Some(bid), Some(ask)) = (self.best_price(Side::Buy), self.best_price(Side::Sell)) {
                // What crosses beyond the static band is left by an auction as it stands.
                let bounded = self.bands.settings.is_some();
                assert!(bounded || bid < ask, "the book of {} is crossed", self.symbol);
            }
        }
    }

    pub(super) fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.bids.iter().chain(&self.asks)
    }
}

/// The ids that a refused command named.
pub(super) fn name_rejected(command: &Command, rejected: &mut Rejected) {
    match command {
        Command::SetTradingStatus(c) => {
            if let InstrumentScope::Instrument(instrument_id) = c.scope {
                rejected.instrument_id = instrument_id;
            }
        }
        Command::SetMarkPrice(c) => rejected.instrument_id = c.instrument_id,
        Command::SetInstrumentGroup(c) => rejected.instrument_id = c.instrument_id,
        Command::SetMatching(c) => rejected.instrument_id = c.instrument_id,
        Command::SetLeadMarketMaker(c) => {
            rejected.instrument_id = c.instrument_id;
            rejected.account_id = c.account_id;
        }
        Command::SetPriceBands(c) => rejected.instrument_id = c.instrument_id,
        Command::SetFeatures(c) => rejected.instrument_id = c.instrument_id,
        Command::SetSchedule(c) => rejected.instrument_id = c.instrument_id,
        Command::SetRiskLimits(c) => {
            rejected.instrument_id = c.instrument_id;
            rejected.account_id = match c.scope {
                RiskScope::Account(account_id) | RiskScope::Key(account_id, _) => account_id,
                RiskScope::Group(_) => AccountId::NONE,
            };
        }
        Command::SetAccountMode(c) => rejected.account_id = c.account_id,
        Command::KillSwitch(c) => match c.scope {
            KillScope::Instrument(instrument_id) => rejected.instrument_id = instrument_id,
            KillScope::Account(account_id) | KillScope::Key(account_id, _) => rejected.account_id = account_id,
            KillScope::All | KillScope::Group(_) => {}
        },
        Command::SetTradeGroup(c) => rejected.account_id = c.account_id,
        Command::SetFeeTier(c) => rejected.instrument_id = c.instrument_id,
        Command::SetFeePromotion(c) => rejected.instrument_id = c.instrument_id,
        Command::SetFeeCap(c) => rejected.instrument_id = c.instrument_id,
        Command::BustTrade(c) => rejected.instrument_id = c.instrument_id,
        Command::AdjustTrade(c) => rejected.instrument_id = c.instrument_id,
        Command::CancelAllAfter(c) => rejected.account_id = c.account_id,
        _ => {}
    }
}

/// A change that has no event of its own.
pub(super) fn setting(setting: Setting) -> SettingChanged {
    SettingChanged {
        setting,
        instrument_id: InstrumentId::NONE,
        account_id: AccountId::NONE,
        group_id: GroupId(0),
        key_id: KeyId::NONE,
    }
}

impl Naive {
    /// Whether a new order comes at the right time: the status, the account's mode and the kill switches.
    pub(super) fn check_status(&self, c: &NewOrder, terms: &Terms) -> Result<(), RejectReason> {
        use RejectReason as R;
        let instrument = &self.instruments[c.instrument_id.0 as usize - 1];
        let status = instrument.status;
        let conditional = matches!(
            c.order_type,
            OrderType::Stop | OrderType::StopLimit | OrderType::TakeProfit | OrderType::TakeProfitLimit
        );
        let at_once = matches!(c.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        let needs_trading = (!conditional && (at_once || c.quote_quantity.0 != 0))
            || c.post_only
            || c.order_type == OrderType::MarketToLimit
            || terms.peg != Peg::None
            || terms.min_quantity.0 != 0;

        refuse(status == TradingStatus::Halted, R::InstrumentHalted)?;
        refuse(status == TradingStatus::CancelOnly, R::InstrumentCancelOnly)?;
        refuse(status == TradingStatus::PostOnly && !c.post_only, R::InstrumentPostOnly)?;
        refuse(status == TradingStatus::Closed, R::InstrumentClosed)?;
        refuse(terms.auction_only && !instrument.collects(), R::AuctionOnlyNotAllowed)?;
        refuse(instrument.collects() && needs_trading, R::NotInAuction)?;
        self.check_permission(c.account_id.0, c.key_id, c.instrument_id.0)
    }

    /// The same for a replace.
    pub(super) fn check_replace_status(&self, order: &Order) -> Result<(), RejectReason> {
        use RejectReason as R;
        let status = self.instruments[order.instrument as usize - 1].status;
        refuse(status == TradingStatus::Halted, R::InstrumentHalted)?;
        refuse(status == TradingStatus::CancelOnly, R::InstrumentCancelOnly)?;
        refuse(status == TradingStatus::Closed, R::InstrumentClosed)?;
        self.check_permission(order.account, order.key_id, order.instrument)
    }

    pub(super) fn set_trading_status(
        &mut self,
        c: &SetTradingStatus,
        events: &mut Vec<Event>,
    ) -> Result<(), RejectReason> {
        use RejectReason as R;
        let named: Vec<usize> = match c.scope {
            InstrumentScope::Instrument(instrument_id) => {
                refuse(!self.has_instrument(instrument_id), R::UnknownInstrument)?;
                vec![instrument_id.0 as usize - 1]
            }
            InstrumentScope::Group(group) => {
                (0..self.instruments.len()).filter(|index| self.instruments[*index].session.group == group.0).collect()
            }
            InstrumentScope::All => (0..self.instruments.len()).collect(),
        };
        refuse(named.is_empty(), R::UnknownInstrument)?;
        let auction = c.status == TradingStatus::Auction;
        refuse(c.end_time_ns != 0 && !(auction && c.end_time_ns > self.event_time_ns), R::InvalidEndTime)?;
        for index in named {
            self.change_status(index, c.status, c.reason, i128::from(c.end_time_ns), events);
        }
        Ok(())
    }

    /// Gives one instrument another status, with all that belongs to it.
    pub(super) fn change_status(
        &mut self,
        index: usize,
        status: TradingStatus,
        reason: StatusReason,
        end_time_ns: i128,
        events: &mut Vec<Event>,
    ) {
        use TradingStatus as S;
        if matches!(status, S::Open | S::PostOnly) {
            self.uncross(index, events);
        }
        if matches!(status, S::Open | S::PostOnly | S::Closed) {
            for order_id in self.named_in(index, |order| order.terms.auction_only) {
                let order = self.take_out(order_id);
                self.cancel(&order, CancelReason::AuctionEnded, events);
            }
        }

        let instrument = &mut self.instruments[index];
        instrument.status = status;
        instrument.session.end_time_ns = end_time_ns;
        if status != S::Auction {
            instrument.session.told = Uncrossing::default();
        }
        if status != S::Open {
            instrument.session.limit_due_ns = None;
        }
        events.push(Event::TradingStatusSet(TradingStatusSet {
            instrument_id: InstrumentId(index as u32 + 1),
            status,
            reason,
            end_time_ns: end_time_ns as i64,
        }));
        if status == S::Closed {
            self.expire_day_orders(index, events);
        }
    }

    /// The orders of an instrument that are so, in ascending order_id.
    fn named_in(&self, index: usize, so: impl Fn(&Order) -> bool) -> BTreeSet<u64> {
        self.instruments[index].open_orders().filter(|order| so(order)).map(|order| order.order_id).collect()
    }

    fn expire_day_orders(&mut self, index: usize, events: &mut Vec<Event>) {
        for order_id in self.named_in(index, |order| order.time_in_force == TimeInForce::Day) {
            let order = self.take_out(order_id);
            let Event::Execution(ended) = canceled(&order, CancelReason::EndOfDay) else {
                unreachable!("the end of an order is a report");
            };
            events.push(Event::Execution(ExecutionReport {
                exec_type: ExecType::Expired,
                status: OrderStatus::Expired,
                ..ended
            }));
            self.remember(order.account, &order.client_order_id);
        }
    }

    /// What every accepted command ends with: what auctions would give now, and which best prices stand at a band.
    pub(super) fn end_of_command(&mut self, events: &mut Vec<Event>) {
        // That time has advanced comes last.
        let last = match events.last() {
            Some(Event::TimeAdvanced(_)) => events.pop(),
            _ => None,
        };
        for index in 0..self.instruments.len() {
            self.tell_limit_state(index, events);
            self.tell_indication(index, events);
        }
        events.extend(last);
    }

    pub(super) fn set_mark_price(&mut self, c: &SetMarkPrice, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        let price = i128::from(c.price.0);
        refuse(!self.has_instrument(c.instrument_id), RejectReason::UnknownInstrument)?;
        refuse(!(1..=MAX_TICKS_OR_LOTS).contains(&price), RejectReason::InvalidPrice)?;
        self.instruments[c.instrument_id.0 as usize - 1].session.mark_price = price;
        events.push(Event::MarkPriceSet(MarkPriceSet { instrument_id: c.instrument_id, price: c.price }));
        Ok(())
    }

    pub(super) fn set_instrument_group(
        &mut self,
        c: &SetInstrumentGroup,
        events: &mut Vec<Event>,
    ) -> Result<(), RejectReason> {
        refuse(!self.has_instrument(c.instrument_id), RejectReason::UnknownInstrument)?;
        self.instruments[c.instrument_id.0 as usize - 1].session.group = c.instrument_group_id.0;
        let instrument_id = c.instrument_id;
        events.push(Event::SettingChanged(SettingChanged { instrument_id, ..setting(Setting::InstrumentGroup) }));
        Ok(())
    }

    /// The mark price; 0 before the first.
    pub fn mark_price(&self, instrument_id: InstrumentId) -> PriceTicks {
        PriceTicks(self.instruments[instrument_id.0 as usize - 1].session.mark_price as i64)
    }
}
