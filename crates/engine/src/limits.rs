//! Risk limits: what accounts, groups and keys have open, counted as it changes, so that a check costs no scan.
//!
//! The reports of a command name every order that it has changed. While any limit is set they are listened to, and what
//! each order of a bounded account counts for is worked out anew when the command is done: no place that changes an order
//! has to know of limits, and a venue without limits pays one branch a command.
//!
//! Invariants, between commands: an account is bounded exactly while a limit is set for it, its group or one of its keys;
//! `parts` holds what each open order of a bounded account counts for, and what a bound has open is their sum; `positions`
//! does the same for positions and groups.

use crate::command::{Command, NewOrder, RiskLimits, RiskScope, SetRiskLimits};
use crate::engine::Engine;
use crate::event::{Event, EventSink, SettingChanged};
use crate::extra::Stand;
use crate::pool::NIL;
use crate::rates::RateWindow;
use crate::reject::RejectReason;
use crate::risk::Asked;
use crate::types::{
    AccountId, Amount, ExecType, GroupId, InstrumentId, KeyId, Lots, OrderType, Peg, PriceTicks, Setting, Side,
};
use std::collections::BTreeMap;

const RATE_NS: std::ops::RangeInclusive<i64> = 1_000_000..=86_400_000_000_000;
const MAX_DUPLICATE_NS: i64 = 3_600_000_000_000;
const BPS: i128 = 10_000;

/// What a scope has open. Sums of notionals wrap: only 10^8 orders of the largest notional pass the range, and what was
/// added is taken off again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Open {
    orders: i64,
    conditional: i64,
    leaves: [i128; 2],
    notional: i128,
    /// Of a group.
    position: i128,
}

/// What was set for a scope on an instrument, or on all.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub limits: RiskLimits,
    /// There if the rate is limited.
    pub rate: Option<RateWindow>,
    open: Open,
}

impl Bound {
    pub fn new(limits: RiskLimits, rate: Option<RateWindow>) -> Self {
        Self { limits, rate, open: Open::default() }
    }
}

/// What an open order counts for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Part {
    account: u32,
    group: u16,
    key_id: KeyId,
    at: u32,
    side: Side,
    /// It waits for its trigger.
    conditional: bool,
    leaves: i64,
    notional: i128,
}

/// An account's last new order on an instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Last {
    pub side: Side,
    pub order_type: OrderType,
    pub price: PriceTicks,
    pub quantity: Lots,
    pub quote_quantity: Amount,
    pub time_ns: i64,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub bounds: BTreeMap<(RiskScope, InstrumentId), Bound>,
    /// By account's place; shorter than the accounts while those beyond are not bounded.
    bounded: Vec<bool>,
    /// By order_id.
    parts: BTreeMap<u64, Part>,
    /// By account's and instrument's place: the group, and the position counted for it.
    positions: BTreeMap<(u32, u32), (u16, i128)>,
    /// By account's and instrument's place, where duplicates are looked for.
    pub last: BTreeMap<(u32, u32), Last>,
}

/// The places where limits may be set for what an account does with a key on an instrument.
fn places(account: u32, group: u16, key_id: KeyId, at: u32) -> impl Iterator<Item = (RiskScope, InstrumentId)> {
    let account_id = AccountId(account + 1);
    let key = (key_id != KeyId::NONE).then_some(RiskScope::Key(account_id, key_id));
    let scopes = [Some(RiskScope::Account(account_id)), Some(RiskScope::Group(GroupId(group))), key];
    let on = move |scope| [(scope, InstrumentId(at + 1)), (scope, InstrumentId::NONE)];
    scopes.into_iter().flatten().flat_map(on)
}

impl Limits {
    #[inline]
    pub fn is_bounded(&self, account: usize) -> bool {
        self.bounded.get(account).copied().unwrap_or(false)
    }

    /// The limits of an account, its group and its keys.
    fn bounds_of(&self, account: u32, group: u16) -> impl Iterator<Item = (&(RiskScope, InstrumentId), &Bound)> {
        let (account_id, group) = (AccountId(account + 1), RiskScope::Group(GroupId(group)));
        let ranges = [
            (RiskScope::Account(account_id), RiskScope::Account(account_id)),
            (group, group),
            (RiskScope::Key(account_id, KeyId(0)), RiskScope::Key(account_id, KeyId(u16::MAX))),
        ];
        let last = InstrumentId(u32::MAX);
        ranges.into_iter().flat_map(move |(first, to)| self.bounds.range((first, InstrumentId::NONE)..=(to, last)))
    }

    fn looks_for_duplicates(&self, account: u32, group: u16, at: u32) -> bool {
        self.bounds_of(account, group)
            .any(|((_, on), bound)| on.index() == Some(at as usize) && bound.limits.duplicate_window_ns != 0)
    }

    fn change(&mut self, part: &Part, sign: i64) {
        for place in places(part.account, part.group, part.key_id, part.at) {
            if let Some(Bound { open, .. }) = self.bounds.get_mut(&place) {
                open.orders += sign;
                open.conditional += sign * i64::from(part.conditional);
                open.leaves[part.side.index()] += i128::from(sign * part.leaves);
                open.notional = open.notional.wrapping_add(i128::from(sign).wrapping_mul(part.notional));
            }
        }
    }

    /// An order counts for this from now on, or for nothing.
    fn count(&mut self, order_id: u64, new: Option<Part>) {
        let old = match new {
            Some(part) => self.parts.insert(order_id, part),
            None => self.parts.remove(&order_id),
        };
        if old != new {
            old.iter().for_each(|part| self.change(part, -1));
            new.iter().for_each(|part| self.change(part, 1));
        }
    }

    /// An account's position counts for this from now on.
    fn count_position(&mut self, account: u32, at: u32, new: Option<(u16, i128)>) {
        let old = match new {
            Some(counted) => self.positions.insert((account, at), counted),
            None => self.positions.remove(&(account, at)),
        };
        for (sign, counted) in [(-1, old), (1, new)] {
            let Some((group, position)) = counted else { continue };
            let place = (RiskScope::Group(GroupId(group)), InstrumentId(at + 1));
            if let Some(bound) = self.bounds.get_mut(&place) {
                bound.open.position += sign * position;
            }
        }
    }
}

/// What a report says that matters here.
struct Heard {
    order_id: u64,
    account: u32,
    at: u32,
    traded: bool,
}

fn hear(event: &Event, heard: &mut Vec<Heard>) {
    match event {
        Event::Execution(report) => heard.push(Heard {
            order_id: report.order_id.0,
            account: report.account_id.0 - 1,
            at: report.instrument_id.0 - 1,
            traded: report.exec_type == ExecType::Trade,
        }),
        Event::TradeCorrected(trade) => {
            for account_id in [trade.buyer, trade.seller] {
                let (account, at) = (account_id.0 - 1, trade.instrument_id.0 - 1);
                heard.push(Heard { order_id: 0, account, at, traded: true });
            }
        }
        _ => {}
    }
}

/// Passes events on and listens.
struct Tap<'a> {
    events: &'a mut dyn EventSink,
    heard: Vec<Heard>,
}

impl EventSink for Tap<'_> {
    fn emit(&mut self, event: Event) {
        hear(&event, &mut self.heard);
        self.events.emit(event);
    }
}

/// Whether these limits may be set there.
pub(crate) fn are_valid(scope: RiskScope, on: InstrumentId, limits: &RiskLimits) -> bool {
    let RiskLimits { max_order_quantity, max_order_notional, max_position, max_exposure, .. } = *limits;
    let amounts = [i128::from(max_order_quantity.0), max_order_notional.0, i128::from(max_position.0), max_exposure.0];
    let rate = match limits.max_order_rate {
        0 => limits.rate_window_ns == 0,
        _ => RATE_NS.contains(&limits.rate_window_ns),
    };
    let counts_only = amounts == [0; 4] && limits.fat_finger_bps == 0 && limits.duplicate_window_ns == 0;
    let of_key = matches!(scope, RiskScope::Key(..));
    amounts.iter().all(|&amount| amount >= 0)
        && rate
        && (0..=MAX_DUPLICATE_NS).contains(&limits.duplicate_window_ns)
        && (!on.is_none() || counts_only)
        && !(of_key && (max_position.0 != 0 || max_exposure.0 != 0))
}

impl Engine {
    /// As [`Self::execute_command`], while limits are set.
    #[cold]
    pub(crate) fn execute_counted(
        &mut self,
        command: &Command,
        events: &mut dyn EventSink,
    ) -> Result<(), RejectReason> {
        let mut tap = Tap { events, heard: Vec::new() };
        let result = self.execute_command(command, &mut tap);
        let heard = tap.heard;
        self.recount(&heard);
        result
    }

    /// Counts what a part of a command has changed, before the next part is checked.
    pub(crate) fn recount_after(&mut self, events: &[Event]) {
        if !self.limits.bounds.is_empty() {
            let mut heard = Vec::new();
            events.iter().for_each(|event| hear(event, &mut heard));
            self.recount(&heard);
        }
    }

    fn recount(&mut self, heard: &[Heard]) {
        for &Heard { order_id, account, at, traded } in heard {
            if !self.limits.is_bounded(account as usize) {
                continue;
            }
            if order_id != 0 {
                let part = self.arena.orders.find(order_id).map(|slot| self.part_of(slot));
                self.limits.count(order_id, part);
            }
            if traded {
                let info = &self.ledger.accounts[account as usize];
                let position = info.positions.get(at).map(|position| (info.group, position.quantity));
                self.limits.count_position(account, at, position);
            }
        }
    }

    fn part_of(&self, slot: u32) -> Part {
        let order = self.arena.orders.get(slot);
        let (at, side) = self.arena.half_of(slot);
        let extra = self.arena.orders.some_extra(slot);
        let limit = match extra {
            Some(extra) if extra.stand == Stand::AuctionMarket => 0,
            Some(extra) if order.level == NIL || extra.terms.peg != Peg::None => extra.limit,
            _ => self.arena.level_of(slot).price,
        };
        let by_quote = extra.is_some_and(|extra| extra.quote_quantity != 0);
        let leaves = if by_quote { 0 } else { order.leaves };
        Part {
            account: order.account,
            group: self.ledger.accounts[order.account as usize].group,
            key_id: order.key_id(),
            at: at as u32,
            side,
            conditional: extra.is_some_and(|extra| extra.order_type.is_conditional() && extra.stand.waits()),
            leaves,
            notional: self.listings[at].instrument.known_notional(limit, leaves),
        }
    }

    /// Counts what an account has open if it is bounded; forgets what nobody looks for any more.
    pub(crate) fn track(&mut self, account: usize) {
        let (number, group) = (account as u32, self.ledger.accounts[account].group);
        let limits = &mut self.limits;
        let keys: Vec<(u32, u32)> = limits.last.range((number, 0)..=(number, u32::MAX)).map(|(&key, _)| key).collect();
        for key in keys {
            if !limits.looks_for_duplicates(number, group, key.1) {
                limits.last.remove(&key);
            }
        }
        if limits.bounds_of(number, group).next().is_none() {
            return;
        }
        if limits.bounded.len() <= account {
            limits.bounded.resize(account + 1, false);
        }
        limits.bounded[account] = true;
        let parts: Vec<(u64, Part)> = self
            .account_slots(account)
            .map(|slot| (self.arena.orders.get(slot).order_id, self.part_of(slot)))
            .collect();
        for (order_id, part) in parts {
            self.limits.count(order_id, Some(part));
        }
        for (at, position) in self.ledger.accounts[account].positions.iter() {
            self.limits.count_position(number, at, Some((group, position.quantity)));
        }
    }

    /// Counts nothing of an account, before its group or its limits change.
    pub(crate) fn untrack(&mut self, account: usize) {
        if !self.limits.is_bounded(account) {
            return;
        }
        self.limits.bounded[account] = false;
        let order_ids: Vec<u64> =
            self.account_slots(account).map(|slot| self.arena.orders.get(slot).order_id).collect();
        for order_id in order_ids {
            self.limits.count(order_id, None);
        }
        for (at, _) in self.ledger.accounts[account].positions.iter() {
            self.limits.count_position(account as u32, at, None);
        }
    }

    pub(crate) fn set_risk_limits<S: EventSink>(
        &mut self,
        command: &SetRiskLimits,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let SetRiskLimits { scope, instrument_id, limits } = command;
        let (account_id, group_id, key_id) = match *scope {
            RiskScope::Account(account_id) => (account_id, GroupId(0), KeyId::NONE),
            RiskScope::Group(group_id) => (AccountId::NONE, group_id, KeyId::NONE),
            RiskScope::Key(account_id, key_id) => (account_id, GroupId(0), key_id),
        };
        let accounts: Vec<usize> = match scope {
            RiskScope::Group(group_id) => {
                let accounts = self.ledger.accounts.iter().enumerate();
                accounts.filter(|(_, account)| account.group == group_id.0).map(|(at, _)| at).collect()
            }
            _ => vec![self.account_index(account_id)?],
        };
        if !instrument_id.is_none() {
            self.instrument_index(*instrument_id)?;
        }
        if key_id.0 > KeyId::MAX {
            return Err(RejectReason::InvalidKey);
        }
        if !are_valid(*scope, *instrument_id, limits) {
            return Err(RejectReason::InvalidRiskLimits);
        }
        // After this point the limits must be set.
        accounts.iter().for_each(|&account| self.untrack(account));
        let old = self.limits.bounds.remove(&(*scope, *instrument_id));
        if *limits != RiskLimits::default() {
            let window_ns = limits.rate_window_ns;
            let used = match old.and_then(|bound| bound.rate).filter(|rate| rate.window_ns() == window_ns) {
                Some(rate) => rate.used(self.event_time_ns),
                None => 0,
            };
            let rate = RateWindow::restore(limits.max_order_rate, window_ns, self.event_time_ns, used);
            let bound = Bound::new(*limits, rate.filter(|_| limits.max_order_rate != 0));
            self.limits.bounds.insert((*scope, *instrument_id), bound);
        }
        accounts.iter().for_each(|&account| self.track(account));
        events.emit(Event::SettingChanged(SettingChanged {
            account_id,
            group_id,
            key_id,
            ..SettingChanged::of_instrument(Setting::RiskLimits, *instrument_id)
        }));
        Ok(())
    }

    /// The first reason, of all limits that apply, for which an order of a bounded account is refused.
    #[cold]
    pub(crate) fn check_limits(&self, account: usize, at: usize, asked: &Asked) -> Result<(), RejectReason> {
        let group = self.ledger.accounts[account].group;
        let broken = places(account as u32, group, asked.key_id, at as u32)
            .filter_map(|place| Some((place, self.limits.bounds.get(&place)?)))
            .filter_map(|((scope, _), bound)| self.broken_limit(account, at, asked, scope, bound))
            .min();
        broken.map_or(Ok(()), Err)
    }

    fn broken_limit(
        &self,
        account: usize,
        at: usize,
        asked: &Asked,
        scope: RiskScope,
        bound: &Bound,
    ) -> Option<RejectReason> {
        let Bound { limits, rate, open } = bound;
        let listing = &self.listings[at];
        let instrument = &listing.instrument;
        let (now_ns, price, side) = (self.event_time_ns, asked.price.0, asked.side);
        let reference = match instrument.last_price.0 {
            0 => listing.session.reference,
            last => last,
        };
        let old = asked.replaces.map(|slot| (self.part_of(slot), self.arena.orders.get(slot).filled));
        let leaves = asked.quantity.0 - if asked.quantity.0 == 0 { 0 } else { old.map_or(0, |(_, filled)| filled) };
        let is_over = |bound: i128, value: i128| bound != 0 && value > bound;
        let is_new = asked.replaces.is_none();

        let far = i128::from(price) * BPS;
        let (reference, bps) = (i128::from(reference), i128::from(limits.fat_finger_bps));
        let too_far = match side {
            Side::Buy => far > reference * (BPS + bps),
            Side::Sell => far < reference * (BPS - bps),
        };
        if bps != 0 && reference != 0 && price != 0 && too_far {
            return Some(RejectReason::FatFinger);
        }
        if is_over(i128::from(limits.max_order_quantity.0), i128::from(asked.quantity.0)) {
            return Some(RejectReason::OrderQuantityLimit);
        }
        if is_over(limits.max_order_notional.0, instrument.known_notional(price, asked.quantity.0)) {
            return Some(RejectReason::OrderNotionalLimit);
        }
        if is_new && is_over(i128::from(limits.max_open_orders), i128::from(open.orders) + 1) {
            return Some(RejectReason::OpenOrdersLimit);
        }
        let waits = is_new && asked.order_type.is_conditional();
        if waits && is_over(i128::from(limits.max_open_conditional_orders), i128::from(open.conditional) + 1) {
            return Some(RejectReason::OpenConditionalOrdersLimit);
        }
        let position = match scope {
            RiskScope::Group(_) => open.position,
            _ => self.ledger.accounts[account].positions.get(at as u32).map_or(0, |position| position.quantity),
        };
        let towards = if side == Side::Buy { position } else { -position };
        let others = open.leaves[side.index()] - old.map_or(0, |(part, _)| i128::from(part.leaves));
        if is_over(i128::from(limits.max_position.0), towards + others + i128::from(leaves)) {
            return Some(RejectReason::PositionLimit);
        }
        let others = open.notional.wrapping_sub(old.map_or(0, |(part, _)| part.notional));
        let worth = position.abs().saturating_mul(reference.saturating_mul(i128::from(instrument.tick_lot_units)));
        let exposure = others.saturating_add(instrument.known_notional(price, leaves)).saturating_add(worth);
        if is_over(limits.max_exposure.0, exposure) {
            return Some(RejectReason::ExposureLimit);
        }
        let again = self.limits.last.get(&(account as u32, at as u32)).is_some_and(|last| {
            let age_ns = i128::from(now_ns) - i128::from(last.time_ns);
            let equal = (last.side, last.order_type, last.price, last.quantity, last.quote_quantity)
                == (side, asked.order_type, asked.price, asked.quantity, asked.quote_quantity);
            equal && age_ns < i128::from(limits.duplicate_window_ns)
        });
        if is_new && again {
            return Some(RejectReason::DuplicateOrder);
        }
        if rate.is_some_and(|rate| !rate.would_admit(now_ns)) {
            return Some(RejectReason::OrderRateLimit);
        }
        None
    }

    /// Counts an accepted new order or replace of a bounded account.
    #[cold]
    pub(crate) fn note_accepted(&mut self, account: usize, at: usize, key_id: KeyId, new: Option<&NewOrder>) {
        let (account, at, group) = (account as u32, at as u32, self.ledger.accounts[account].group);
        let now_ns = self.event_time_ns;
        for place in places(account, group, key_id, at) {
            if let Some(rate) = self.limits.bounds.get_mut(&place).and_then(|bound| bound.rate.as_mut()) {
                rate.admit(now_ns);
            }
        }
        if let Some(order) = new.filter(|_| self.limits.looks_for_duplicates(account, group, at)) {
            let last = Last {
                side: order.side,
                order_type: order.order_type,
                price: order.price,
                quantity: order.quantity,
                quote_quantity: order.quote_quantity,
                time_ns: now_ns,
            };
            self.limits.last.insert((account, at), last);
        }
    }

    /// What is counted is what a count of everything gives.
    pub(crate) fn audit_limits(&self) -> Result<(), String> {
        let counted = &self.limits;
        let mut fresh = Limits::default();
        for (&place, bound) in &counted.bounds {
            fresh.bounds.insert(place, Bound::new(bound.limits, bound.rate));
        }
        for (at, account) in self.ledger.accounts.iter().enumerate() {
            let number = at as u32;
            let bounded = counted.bounds_of(number, account.group).next().is_some();
            if bounded != counted.is_bounded(at) {
                return Err("an account is bounded exactly while limits are set for it".into());
            }
            if !bounded {
                continue;
            }
            for slot in self.account_slots(at) {
                fresh.count(self.arena.orders.get(slot).order_id, Some(self.part_of(slot)));
            }
            for (instrument, position) in account.positions.iter() {
                fresh.count_position(number, instrument, Some((account.group, position.quantity)));
            }
        }
        if fresh.parts != counted.parts || fresh.positions != counted.positions {
            return Err("every open order and position of a bounded account is counted".into());
        }
        for (place, bound) in &counted.bounds {
            if fresh.bounds.get(place).map(|bound| bound.open) != Some(bound.open) {
                return Err(format!("what {place:?} has open is counted: {:?}", bound.open));
            }
        }
        Ok(())
    }
}
