//! Rulebook, section 10: what an instrument accepts, how its status changes, and what is looked at after each command.
//!
//! Invariants: only an `auction` has an end; only an `open` instrument has a limit state; what is said of an auction is
//! forgotten when the status is another one.

use std::collections::BTreeSet;

use beurs_engine::command::{Command, InstrumentScope, KillScope, RiskScope, SetTradingStatus};
use beurs_engine::event::{Event, Rejected, SettingChanged, TradingStatusSet};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, CancelReason, GroupId, InstrumentId, KeyId, PriceTicks, Setting, Side, StatusReason, TimeInForce,
    TradingStatus,
};

use super::auction::Uncrossing;
use super::{refuse, rejected, Instrument, Naive, Order};

/// What an instrument does now.
#[derive(Clone, Default, Debug)]
pub(crate) struct Session {
    /// When its auction ends; 0 for never.
    pub(crate) end_time_ns: i128,
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

    pub(super) fn collects(&self) -> bool {
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
            if let (Some(bid), Some(ask)) = (self.best(Side::Buy), self.best(Side::Sell)) {
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
    pub(super) fn check_status(&self, order: &Order) -> Result<(), RejectReason> {
        use RejectReason as R;
        let instrument = self.instrument(order.instrument);
        let status = instrument.status;
        let at_once = matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok) || order.by_quote();
        let needs_trading = (at_once && !order.is_conditional())
            || order.post_only
            || order.is_market_to_limit()
            || order.is_pegged()
            || order.terms.min_quantity.0 != 0;

        refuse(status == TradingStatus::Halted, R::InstrumentHalted)?;
        refuse(status == TradingStatus::CancelOnly, R::InstrumentCancelOnly)?;
        refuse(status == TradingStatus::PostOnly && !order.post_only, R::InstrumentPostOnly)?;
        refuse(status == TradingStatus::Closed, R::InstrumentClosed)?;
        refuse(order.terms.auction_only && !instrument.collects(), R::AuctionOnlyNotAllowed)?;
        refuse(instrument.collects() && needs_trading, R::NotInAuction)
    }

    /// The same for a list.
    pub(super) fn check_status_of_list(&self, instrument: u32) -> Result<(), RejectReason> {
        use RejectReason as R;
        match self.instrument(instrument).status {
            TradingStatus::Open => Ok(()),
            TradingStatus::Halted => Err(R::InstrumentHalted),
            TradingStatus::CancelOnly => Err(R::InstrumentCancelOnly),
            TradingStatus::PostOnly => Err(R::InstrumentPostOnly),
            TradingStatus::Closed => Err(R::InstrumentClosed),
            TradingStatus::Auction | TradingStatus::PreOpen => Err(R::NotInAuction),
        }
    }

    /// The same for a replace of an open order.
    pub(super) fn check_status_of_replace(&self, order: &Order) -> Result<(), RejectReason> {
        use RejectReason as R;
        match self.instrument(order.instrument).status {
            TradingStatus::Halted => Err(R::InstrumentHalted),
            TradingStatus::CancelOnly => Err(R::InstrumentCancelOnly),
            TradingStatus::Closed => Err(R::InstrumentClosed),
            _ => self.check_permission(order.account, order.key_id, order.instrument),
        }
    }

    /// The same for cancels and mass cancels, where the instrument is known. The venue may always cancel.
    pub(super) fn check_status_of_cancel(
        &self,
        account_id: AccountId,
        instrument: Option<u32>,
    ) -> Result<(), RejectReason> {
        let halted = instrument.is_some_and(|id| self.instrument(id).status == TradingStatus::Halted);
        refuse(halted && !account_id.is_none(), RejectReason::InstrumentHalted)?;
        self.check_cancel_mode(account_id)
    }

    pub(super) fn set_trading_status(
        &mut self,
        c: &SetTradingStatus,
        events: &mut Vec<Event>,
    ) -> Result<(), RejectReason> {
        use RejectReason as R;
        let all = 1..=self.instruments.len() as u32;
        let named: Vec<u32> = match c.scope {
            InstrumentScope::Instrument(instrument_id) => {
                refuse(!self.has_instrument(instrument_id), R::UnknownInstrument)?;
                vec![instrument_id.0]
            }
            InstrumentScope::Group(group) => all.filter(|id| self.instrument(*id).group == group.0).collect(),
            InstrumentScope::All => all.collect(),
        };
        refuse(named.is_empty(), R::UnknownInstrument)?;
        let auction = c.status == TradingStatus::Auction;
        refuse(c.end_time_ns != 0 && !(auction && c.end_time_ns > self.event_time_ns), R::InvalidEndTime)?;
        for instrument in named {
            self.change_status(instrument, c.status, c.reason, i128::from(c.end_time_ns), events);
        }
        Ok(())
    }

    /// Gives one instrument another status, with all that follows from it.
    pub(super) fn change_status(
        &mut self,
        instrument: u32,
        status: TradingStatus,
        reason: StatusReason,
        end_time_ns: i128,
        events: &mut Vec<Event>,
    ) {
        self.become_status(instrument, status, reason, end_time_ns, events);
        self.settle(instrument, events);
    }

    /// Gives one instrument another status. Pegs and watched prices are looked at by the caller.
    pub(super) fn become_status(
        &mut self,
        instrument: u32,
        status: TradingStatus,
        reason: StatusReason,
        end_time_ns: i128,
        events: &mut Vec<Event>,
    ) {
        use TradingStatus as S;
        if matches!(status, S::Open | S::PostOnly) {
            self.uncross(instrument, events);
        }
        if matches!(status, S::Open | S::PostOnly | S::Closed) {
            let auction_only = |order: &&Order| order.instrument == instrument && order.terms.auction_only;
            let ended: BTreeSet<u64> = self.open_orders().filter(auction_only).map(|order| order.order_id).collect();
            for order_id in ended {
                let order = self.take_out(order_id);
                self.cancel(&order, CancelReason::AuctionEnded, events);
            }
        }

        let changed = self.instrument_mut(instrument);
        changed.status = status;
        changed.status_reason = reason;
        changed.session.end_time_ns = end_time_ns;
        if status != S::Auction {
            changed.session.told = Uncrossing::default();
        }
        if status != S::Open {
            changed.session.limit_due_ns = None;
        }
        events.push(Event::TradingStatusSet(TradingStatusSet {
            instrument_id: InstrumentId(instrument),
            status,
            reason,
            end_time_ns: end_time_ns as i64,
        }));
        if status == S::Closed {
            self.end_day(instrument, events);
        }
    }

    /// A command has failed: its instrument takes cancels only, and if that was so for the same reason, or it was halted,
    /// nothing.
    pub(super) fn quarantine(&mut self, command: &Command, events: &mut Vec<Event>) {
        let command = match command {
            Command::Administer(c) => &c.command,
            command => command,
        };
        let instrument = match command {
            Command::CancelOrder(c) => self.find(c.account_id, c.order_id, &c.client_order_id).map(|o| o.instrument),
            Command::ReplaceOrder(c) => {
                self.find(c.account_id, c.order_id, &c.original_client_order_id).map(|o| o.instrument)
            }
            command => Ok(rejected(command, RejectReason::CommandFailed).instrument_id.0),
        };
        let Ok(id) = instrument else { return };
        if !self.has_instrument(InstrumentId(id)) {
            return;
        }
        let before = self.instrument(id);
        let halts = before.status == TradingStatus::Halted || before.status_reason == StatusReason::Quarantined;
        let status = if halts { TradingStatus::Halted } else { TradingStatus::CancelOnly };
        self.become_status(id, status, StatusReason::Quarantined, 0, events);
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

    /// The mark price; 0 before the first.
    pub fn mark_price(&self, instrument_id: InstrumentId) -> PriceTicks {
        PriceTicks(self.instrument(instrument_id.0).mark_price as i64)
    }
}
