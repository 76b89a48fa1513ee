//! What accounts, groups and keys may do: account modes, kill switches, risk limits.
//!
//! Invariant: `Risk::guarded` says whether any account has a mode or any kill switch is engaged, so that a venue without
//! them asks one bit.

use crate::command::{KillScope, KillSwitch, NewOrder, SetAccountMode};
use crate::engine::{Engine, Listing};
use crate::event::{Event, EventSink, KillSwitchSet, SettingChanged};
use crate::fees::FeeRules;
use crate::reject::RejectReason;
use crate::types::{
    AccountId, AccountMode, Amount, CancelReason, GroupId, InstrumentId, KeyId, Lots, OrderType, PriceTicks, Setting,
    Side,
};
use std::collections::{BTreeMap, BTreeSet};

/// What was set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Risk {
    /// Whether anything of the two that follow is there.
    pub guarded: bool,
    /// By account's place: the modes that are not normal.
    pub modes: BTreeMap<u32, AccountMode>,
    /// The kill switches that are engaged.
    pub engaged: BTreeSet<KillScope>,
}

impl Risk {
    /// To be called when a mode or a kill switch has changed.
    pub fn note_guards(&mut self) {
        self.guarded = !self.modes.is_empty() || !self.engaged.is_empty();
    }
}

/// What a new order or a replace asks for, as far as risk limits look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub key_id: KeyId,
    pub side: Side,
    pub order_type: OrderType,
    /// The limit; 0 for none.
    pub price: PriceTicks,
    pub quantity: Lots,
    pub quote_quantity: Amount,
    /// A replace: the slot of the order that it changes.
    pub replaces: Option<u32>,
}

impl Asked {
    #[inline]
    pub fn of_new_order(command: &NewOrder) -> Self {
        Self {
            key_id: command.key_id,
            side: command.side,
            order_type: command.order_type,
            price: command.price,
            quantity: command.quantity,
            quote_quantity: command.quote_quantity,
            replaces: None,
        }
    }
}

impl Engine {
    /// Whether the account's mode and the kill switches let it enter orders.
    #[inline]
    pub(crate) fn check_authority(&self, account: usize, at: usize, key_id: KeyId) -> Result<(), RejectReason> {
        if self.risk.guarded {
            return self.look_for_guards(account, at, key_id);
        }
        Ok(())
    }

    #[cold]
    fn look_for_guards(&self, account: usize, at: usize, key_id: KeyId) -> Result<(), RejectReason> {
        match self.risk.modes.get(&(account as u32)) {
            Some(AccountMode::CancelOnly) => return Err(RejectReason::AccountCancelOnly),
            Some(AccountMode::RejectOnly) => return Err(RejectReason::AccountRejectOnly),
            Some(AccountMode::Normal) | None => {}
        }
        let account_id = AccountId(account as u32 + 1);
        let scopes = [
            KillScope::All,
            KillScope::Instrument(InstrumentId(at as u32 + 1)),
            KillScope::Group(GroupId(self.ledger.accounts[account].group)),
            KillScope::Account(account_id),
        ];
        let by_key = key_id != KeyId::NONE && self.risk.engaged.contains(&KillScope::Key(account_id, key_id));
        if by_key || scopes.iter().any(|scope| self.risk.engaged.contains(scope)) {
            return Err(RejectReason::KillSwitchEngaged);
        }
        Ok(())
    }

    /// Whether the account's mode lets it cancel.
    #[inline(always)] // One condition for nearly every cancel.
    pub(crate) fn check_may_cancel(&self, account_id: AccountId) -> Result<(), RejectReason> {
        if self.risk.guarded {
            return self.look_for_mode(account_id);
        }
        Ok(())
    }

    #[cold]
    fn look_for_mode(&self, account_id: AccountId) -> Result<(), RejectReason> {
        match account_id.index().and_then(|account| self.risk.modes.get(&(account as u32))) {
            Some(AccountMode::RejectOnly) => Err(RejectReason::AccountRejectOnly),
            _ => Ok(()),
        }
    }

    pub(crate) fn set_account_mode<S: EventSink>(
        &mut self,
        command: &SetAccountMode,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let account = self.account_index(command.account_id)? as u32;
        // After this point the mode must be set.
        match command.mode {
            AccountMode::Normal => self.risk.modes.remove(&account),
            mode => self.risk.modes.insert(account, mode),
        };
        self.risk.note_guards();
        events.emit(Event::SettingChanged(SettingChanged {
            account_id: command.account_id,
            ..SettingChanged::of_instrument(Setting::AccountMode, InstrumentId::NONE)
        }));
        Ok(())
    }

    pub(crate) fn kill_switch<S: EventSink>(
        &mut self,
        command: &KillSwitch,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        match command.scope {
            KillScope::All | KillScope::Group(_) => {}
            KillScope::Instrument(instrument_id) => {
                self.instrument_index(instrument_id)?;
            }
            KillScope::Account(account_id) => {
                self.account_index(account_id)?;
            }
            KillScope::Key(account_id, key_id) => {
                self.account_index(account_id)?;
                if key_id.0 > KeyId::MAX {
                    return Err(RejectReason::InvalidKey);
                }
            }
        }
        // After this point the kill switch must be set.
        let mut count = 0;
        if command.engaged {
            self.risk.engaged.insert(command.scope);
            let slots = self.killed_slots(command.scope);
            count = self.cancel_all(slots, CancelReason::KillSwitch, events);
        } else {
            self.risk.engaged.remove(&command.scope);
        }
        self.risk.note_guards();
        let KillSwitch { scope, engaged } = *command;
        events.emit(Event::KillSwitchSet(KillSwitchSet { scope, engaged, count }));
        Ok(())
    }

    /// The open orders of a kill switch's scope.
    fn killed_slots(&self, scope: KillScope) -> Vec<u32> {
        let of_account = |account_id: AccountId| account_id.index().into_iter().flat_map(|at| self.account_slots(at));
        match scope {
            KillScope::All => self.arena.orders.slots().collect(),
            KillScope::Instrument(instrument_id) => {
                instrument_id.index().map_or(Vec::new(), |at| self.instrument_slots(at))
            }
            KillScope::Group(GroupId(group)) => {
                let accounts = &self.ledger.accounts;
                let in_group = |&slot: &u32| accounts[self.arena.orders.get(slot).account as usize].group == group;
                self.arena.orders.slots().filter(in_group).collect()
            }
            KillScope::Account(account_id) => of_account(account_id).collect(),
            KillScope::Key(account_id, key_id) => {
                let by_key = |&slot: &u32| key_id != KeyId::NONE && self.arena.orders.get(slot).key_id() == key_id;
                of_account(account_id).filter(by_key).collect()
            }
        }
    }

    /// Whether the risk limits allow an order.
    #[inline]
    pub(crate) fn check_risk(&self, account: usize, at: usize, asked: &Asked) -> Result<(), RejectReason> {
        if self.limits.is_bounded(account) {
            return self.check_limits(account, at, asked);
        }
        Ok(())
    }

    /// Counts an accepted new order.
    #[inline]
    pub(crate) fn note_order(&mut self, account: usize, at: usize, command: &NewOrder) {
        if self.limits.is_bounded(account) {
            self.note_accepted(account, at, command.key_id, Some(command));
        }
        if self.fees.is_crowded() {
            self.fees.forget_ended(|order_id| self.arena.orders.find(order_id).is_some());
        }
    }

    /// Counts an accepted replace.
    #[inline]
    pub(crate) fn note_replace(&mut self, account: usize, at: usize, key_id: KeyId) {
        if self.limits.is_bounded(account) {
            self.note_accepted(account, at, key_id, None);
        }
    }

    #[cold]
    fn look_up_fees(&self, listing: &Listing, rules: &FeeRules, account: usize) -> u16 {
        let info = &self.ledger.accounts[account];
        let quote = listing.instrument.quote_index() as u32;
        rules.number(info.group, self.event_time_ns, || info.volumes.sum_at(quote, self.event_time_ns))
    }

    /// The number of the fee schedule that an order entered now is charged by.
    #[inline(always)] // A few instructions.
    pub(crate) fn fees_for(&self, listing: &Listing, account: usize) -> u16 {
        match &listing.fee_rules {
            None => listing.fees_of(self.ledger.accounts[account].group),
            Some(rules) => self.look_up_fees(listing, rules, account),
        }
    }
}
