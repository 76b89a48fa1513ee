//! Rulebook, section 13: risk limits, account modes and kill switches. Everything is counted when it is asked for, from
//! the open orders, the positions and the list of what was accepted.

use std::collections::{BTreeMap, BTreeSet};

use beurs_engine::command::{KillScope, KillSwitch, RiskLimits, RiskScope, SetAccountMode, SetRiskLimits};
use beurs_engine::event::{Event, KillSwitchSet, SettingChanged};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, AccountMode, CancelReason, GroupId, InstrumentId, KeyId, OrderType, Setting, Side,
};

use super::status::setting;
use super::{ceil_div, refuse, Instrument, Naive, Order, Waits, DAY_NS};

const LEAST_NS: i64 = 1_000_000; // 1 ms.
const HOUR_NS: i64 = 3_600_000_000_000;
const WHOLE: i128 = 10_000; // Basis points.

/// What was set, and what was accepted lately.
#[derive(Clone, Default, Debug)]
pub(crate) struct Risk {
    pub(crate) limits: BTreeMap<(RiskScope, InstrumentId), Bound>,
    pub(crate) kills: BTreeSet<KillScope>,
    /// The last new order of an account on an instrument, where duplicates are looked for.
    pub(super) last_new: BTreeMap<(u32, u32), (Likeness, i128)>,
}

/// Limits, and when which of its orders and replaces were accepted since the window was set.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) limits: RiskLimits,
    accepted: Vec<i128>,
}

impl Bound {
    /// How many were accepted in the present window.
    pub(super) fn used(&self, now_ns: i64) -> usize {
        let window = i128::from(self.limits.rate_window_ns.max(1));
        let present = i128::from(now_ns).div_euclid(window);
        self.accepted.iter().filter(|time| time.div_euclid(window) == present).count()
    }
}

/// What two equal orders have in common: side, type, price, quantity, quote quantity.
pub(super) type Likeness = (Side, OrderType, i128, i128, i128);

/// Whether 0, which is no bound, or at most the bound.
fn keeps(bound: i128, value: i128) -> bool {
    bound == 0 || value <= bound
}

impl Instrument {
    /// What limits and positions are measured by: the last price, else the static reference; 0 without either.
    fn risk_price(&self) -> i128 {
        if self.last_price != 0 {
            self.last_price
        } else {
            self.bands.reference
        }
    }
}

impl Naive {
    fn group(&self, account: u32) -> GroupId {
        GroupId(self.accounts[account as usize - 1].group)
    }

    fn in_scope(&self, scope: RiskScope, account: u32, key_id: KeyId) -> bool {
        match scope {
            RiskScope::Account(account_id) => account_id.0 == account,
            RiskScope::Group(group_id) => self.group(account) == group_id,
            RiskScope::Key(account_id, key) => account_id.0 == account && key_id == key && key != KeyId::NONE,
        }
    }

    /// Checks the risk limits of the account, its group and the key, on the instrument and on all.
    pub(super) fn check_risk(&self, asked: &Order, replaces: Option<&Order>) -> Result<(), RejectReason> {
        let applying: Vec<(RiskScope, InstrumentId, &Bound)> = self
            .risk
            .limits
            .iter()
            .filter(|((scope, _), _)| self.in_scope(*scope, asked.account, asked.key_id))
            .filter(|((_, instrument), _)| instrument.is_none() || instrument.0 == asked.instrument)
            .map(|((scope, instrument), bound)| (*scope, *instrument, bound))
            .collect();
        let broken = applying
            .iter()
            .filter_map(|(scope, instrument, bound)| self.broken_limit(asked, replaces, *scope, *instrument, bound))
            .min();
        broken.map_or(Ok(()), Err)
    }

    /// The first reason for which a scope's limits refuse the order.
    fn broken_limit(
        &self,
        asked: &Order,
        replaces: Option<&Order>,
        scope: RiskScope,
        on: InstrumentId,
        bound: &Bound,
    ) -> Option<RejectReason> {
        use RejectReason as R;
        let limits = &bound.limits;
        let now = i128::from(self.event_time_ns);
        let instrument = &self.instruments[asked.instrument as usize - 1];
        let new = replaces.is_none();
        let notional = instrument.notional(asked.asked_price, asked.quantity);
        let reference = instrument.risk_price();

        let open: Vec<&Order> = self
            .open_orders()
            .filter(|order| on.is_none() || order.instrument == on.0)
            .filter(|order| self.in_scope(scope, order.account, order.key_id))
            .collect();
        let waiting = open.iter().filter(|order| order.is_conditional() && order.waits != Waits::No).count();
        let on_it = |order: &&&Order| {
            order.instrument == asked.instrument && replaces.is_none_or(|old| old.order_id != order.order_id)
        };
        let others = || open.iter().filter(on_it);
        let own_side: i128 = others().filter(|order| order.side == asked.side).map(|order| order.leaves).sum();
        let open_notional: i128 = others()
            .map(|order| {
                instrument.notional(if order.is_pegged() { order.worst_price } else { order.price }, order.leaves)
            })
            .sum();
        let position: i128 = (1..=self.accounts.len() as u32)
            .filter(|account| self.in_scope(scope, *account, KeyId::NONE))
            .map(|account| self.position(account, asked.instrument).lots)
            .sum();
        let towards = if asked.side == Side::Buy { position } else { -position };
        let this = instrument.notional(asked.asked_price, asked.leaves);

        let fat_finger = i128::from(limits.fat_finger_bps);
        if fat_finger != 0 && reference != 0 && asked.asked_price != 0 {
            let too_far = match asked.side {
                Side::Buy => asked.asked_price > reference * (WHOLE + fat_finger) / WHOLE,
                Side::Sell => asked.asked_price < ceil_div(reference * (WHOLE - fat_finger), WHOLE),
            };
            if too_far {
                return Some(R::FatFinger);
            }
        }
        if !keeps(i128::from(limits.max_order_quantity.0), asked.quantity) {
            return Some(R::OrderQuantityLimit);
        }
        if !keeps(limits.max_order_notional.0, notional) {
            return Some(R::OrderNotionalLimit);
        }
        if new && !keeps(i128::from(limits.max_open_orders), open.len() as i128 + 1) {
            return Some(R::OpenOrdersLimit);
        }
        let one_more = new && asked.is_conditional();
        if one_more && !keeps(i128::from(limits.max_open_conditional_orders), waiting as i128 + 1) {
            return Some(R::OpenConditionalOrdersLimit);
        }
        if !keeps(i128::from(limits.max_position.0), towards + own_side + asked.leaves) {
            return Some(R::PositionLimit);
        }
        // Notionals of single orders are bounded, those of positions are not: the bound is divided instead.
        let room = limits.max_exposure.0 - open_notional - this;
        let lot = reference * instrument.tick_lot_units;
        let too_exposed = room < 0 || (lot > 0 && position.abs() > room / lot);
        if limits.max_exposure.0 != 0 && too_exposed {
            return Some(R::ExposureLimit);
        }
        let last = self.risk.last_new.get(&(asked.account, asked.instrument));
        let again = last.is_some_and(|(likeness, time)| {
            let same =
                (asked.side, asked.order_type, asked.asked_price, asked.quantity, asked.quote_quantity) == *likeness;
            same && now - time < i128::from(limits.duplicate_window_ns)
        });
        if new && again {
            return Some(R::DuplicateOrder);
        }
        if limits.max_order_rate != 0 && bound.used(self.event_time_ns) >= limits.max_order_rate as usize {
            return Some(R::OrderRateLimit);
        }
        None
    }

    /// Remembers an accepted new order or replace for the limits that count them.
    pub(super) fn after_accepted(&mut self, order: &Order, new: bool) {
        let time_ns = i128::from(self.event_time_ns);
        let (account, instrument) = (order.account, order.instrument);
        let applying: Vec<(RiskScope, InstrumentId)> = self
            .risk
            .limits
            .keys()
            .filter(|(scope, on)| self.in_scope(*scope, account, order.key_id) && (on.is_none() || on.0 == instrument))
            .copied()
            .collect();
        for place in applying {
            if let Some(bound) = self.risk.limits.get_mut(&place).filter(|bound| bound.limits.max_order_rate != 0) {
                bound.accepted.retain(|time| *time > time_ns - 2 * DAY_NS);
                // It is counted up to the limit: a list may go beyond it.
                if bound.used(self.event_time_ns) < bound.limits.max_order_rate as usize {
                    bound.accepted.push(time_ns);
                }
            }
        }
        if new && self.looks_for_duplicates(account, instrument) {
            let likeness = (order.side, order.order_type, order.asked_price, order.quantity, order.quote_quantity);
            self.risk.last_new.insert((account, instrument), (likeness, time_ns));
        }
    }

    /// Whether a limit of the account, its group or one of its keys looks for duplicates.
    fn looks_for_duplicates(&self, account: u32, instrument: u32) -> bool {
        self.risk.limits.iter().any(|((scope, on), bound)| {
            let concerned = match scope {
                RiskScope::Key(of, _) => of.0 == account,
                scope => self.in_scope(*scope, account, KeyId::NONE),
            };
            concerned && on.0 == instrument && bound.limits.duplicate_window_ns != 0
        })
    }

    /// Limits or groups have changed: forgets what nobody looks for any more.
    pub(super) fn forget_duplicates(&mut self) {
        let unwanted: Vec<(u32, u32)> = self
            .risk
            .last_new
            .keys()
            .filter(|(account, instrument)| !self.looks_for_duplicates(*account, *instrument))
            .copied()
            .collect();
        for key in unwanted {
            self.risk.last_new.remove(&key);
        }
    }

    pub(super) fn set_risk_limits(&mut self, c: &SetRiskLimits, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        let (account_id, group_id, key_id) = match c.scope {
            RiskScope::Account(account_id) => (account_id, GroupId(0), KeyId::NONE),
            RiskScope::Group(group_id) => (AccountId::NONE, group_id, KeyId::NONE),
            RiskScope::Key(account_id, key_id) => (account_id, GroupId(0), key_id),
        };
        let of_account = !matches!(c.scope, RiskScope::Group(_));
        let of_key = matches!(c.scope, RiskScope::Key(..));
        refuse(of_account && !self.has_account(account_id), R::UnknownAccount)?;
        refuse(!c.instrument_id.is_none() && !self.has_instrument(c.instrument_id), R::UnknownInstrument)?;
        refuse(key_id.0 > KeyId::MAX, R::InvalidKey)?;

        let l = &c.limits;
        let negative = [l.max_order_notional.0, l.max_exposure.0].into_iter().any(|bound| bound < 0)
            || [l.max_order_quantity.0, l.max_position.0].into_iter().any(|bound| bound < 0);
        let window = if l.max_order_rate == 0 { 0..=0 } else { LEAST_NS..=24 * HOUR_NS };
        let windows = window.contains(&l.rate_window_ns) && (0..=HOUR_NS).contains(&l.duplicate_window_ns);
        let bounds_more_than_counts = l.max_order_quantity.0 != 0
            || l.max_order_notional.0 != 0
            || l.max_position.0 != 0
            || l.max_exposure.0 != 0
            || l.fat_finger_bps != 0
            || l.duplicate_window_ns != 0;
        let wrong_scope = (c.instrument_id.is_none() && bounds_more_than_counts)
            || (of_key && (l.max_position.0 != 0 || l.max_exposure.0 != 0));
        refuse(negative || !windows || wrong_scope, R::InvalidRiskLimits)?;

        let old = self.risk.limits.remove(&(c.scope, c.instrument_id));
        if *l != RiskLimits::default() {
            // Counting goes on if only the limit changes.
            let goes_on = |old: &Bound| old.limits.max_order_rate != 0 && old.limits.rate_window_ns == l.rate_window_ns;
            let accepted = old.filter(goes_on).map_or(Vec::new(), |old| old.accepted);
            self.risk.limits.insert((c.scope, c.instrument_id), Bound { limits: *l, accepted });
        }
        self.forget_duplicates();
        events.push(Event::SettingChanged(SettingChanged {
            instrument_id: c.instrument_id,
            account_id,
            group_id,
            key_id,
            ..setting(Setting::RiskLimits)
        }));
        Ok(())
    }

    // Modes and kill switches

    /// Whether an account may enter or replace an order with a key on an instrument.
    pub(super) fn check_permission(&self, account: u32, key_id: KeyId, instrument: u32) -> Result<(), RejectReason> {
        use RejectReason as R;
        let mode = self.accounts[account as usize - 1].mode;
        refuse(mode == AccountMode::CancelOnly, R::AccountCancelOnly)?;
        refuse(mode == AccountMode::RejectOnly, R::AccountRejectOnly)?;
        let killed = self.risk.kills.iter().any(|scope| self.in_kill_scope(*scope, account, key_id, instrument));
        refuse(killed, R::KillSwitchEngaged)
    }

    /// Whether an account may cancel. The venue may.
    pub(super) fn check_cancel_mode(&self, account_id: AccountId) -> Result<(), RejectReason> {
        let mode = account_id.index().map(|index| self.accounts[index].mode);
        refuse(mode == Some(AccountMode::RejectOnly), RejectReason::AccountRejectOnly)
    }

    pub(super) fn set_account_mode(&mut self, c: &SetAccountMode, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        refuse(!self.has_account(c.account_id), RejectReason::UnknownAccount)?;
        self.accounts[c.account_id.0 as usize - 1].mode = c.mode;
        let account_id = c.account_id;
        events.push(Event::SettingChanged(SettingChanged { account_id, ..setting(Setting::AccountMode) }));
        Ok(())
    }

    fn in_kill_scope(&self, scope: KillScope, account: u32, key_id: KeyId, instrument: u32) -> bool {
        match scope {
            KillScope::All => true,
            KillScope::Instrument(instrument_id) => instrument_id.0 == instrument,
            KillScope::Group(group_id) => self.in_scope(RiskScope::Group(group_id), account, key_id),
            KillScope::Account(account_id) => account_id.0 == account,
            KillScope::Key(account_id, key) => self.in_scope(RiskScope::Key(account_id, key), account, key_id),
        }
    }

    pub(super) fn kill_switch(&mut self, c: &KillSwitch, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        match c.scope {
            KillScope::Instrument(instrument_id) => refuse(!self.has_instrument(instrument_id), R::UnknownInstrument)?,
            KillScope::Account(account_id) => refuse(!self.has_account(account_id), R::UnknownAccount)?,
            KillScope::Key(account_id, key_id) => {
                refuse(!self.has_account(account_id), R::UnknownAccount)?;
                refuse(key_id.0 > KeyId::MAX, R::InvalidKey)?;
            }
            KillScope::All | KillScope::Group(_) => {}
        }
        let (mut count, mut touched) = (0, BTreeSet::new());
        if c.engaged {
            self.risk.kills.insert(c.scope);
            let killed: BTreeSet<u64> = self
                .open_orders()
                .filter(|order| self.in_kill_scope(c.scope, order.account, order.key_id, order.instrument))
                .map(|order| order.order_id)
                .collect();
            (count, touched) = self.cancel_all(&killed, CancelReason::KillSwitch, events);
        } else {
            self.risk.kills.remove(&c.scope);
        }
        for instrument in touched {
            self.settle(instrument, events);
        }
        events.push(Event::KillSwitchSet(KillSwitchSet { scope: c.scope, engaged: c.engaged, count }));
        Ok(())
    }
}
