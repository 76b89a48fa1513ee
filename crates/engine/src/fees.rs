//! Fees: rates, rounding, and the table of the schedules that orders refer to.
//!
//! Invariant: what an order has paid in all is its cumulative fee rounded up, however its fills were split.

use crate::command::{SetFeeCap, SetFeePromotion, SetFeeTier};
use crate::engine::Engine;
use crate::event::{Event, EventSink, SettingChanged};
use crate::pool::Order;
use crate::reject::RejectReason;
use crate::types::{GroupId, InstrumentId, Setting, MAX_NOTIONAL, PPM};
use std::collections::BTreeMap;

/// The cap of an order that has none: no fee reaches it.
pub(crate) const UNCAPPED: i128 = i128::MAX;
/// The highest tier.
pub(crate) const MAX_TIER: u8 = 15;

/// What makers and takers pay, in parts per million of the notional.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FeeSchedule {
    pub maker_ppm: i32,
    pub taker_ppm: i32,
    /// What one order pays in all at the most, rebates taken off; of an order, what of that it may still pay.
    pub most: i128,
}

impl FeeSchedule {
    /// Nothing is paid.
    pub const FREE: Self = Self { maker_ppm: 0, taker_ppm: 0, most: UNCAPPED };

    /// A schedule without a cap, if it may be set.
    pub fn uncapped(maker_ppm: i32, taker_ppm: i32) -> Result<Self, RejectReason> {
        let most = PPM as i32;
        if !(0..=most).contains(&taker_ppm) || !(-taker_ppm..=most).contains(&maker_ppm) {
            return Err(RejectReason::InvalidFee);
        }
        Ok(Self { maker_ppm, taker_ppm, most: UNCAPPED })
    }

    /// The rate that covers whatever role the order comes to play.
    #[inline]
    pub fn worst_ppm(self) -> i32 {
        self.maker_ppm.max(self.taker_ppm).max(0)
    }
}

/// `ceil(millionths / 10^6)`.
pub(crate) fn ceil_millionths(millionths: i128) -> i128 {
    // Nearly every fee fits 64 bits, where dividing by a constant is a multiplication.
    match i64::try_from(millionths) {
        Ok(small) if small <= i64::MAX - PPM as i64 => i128::from(ceil_small(small)),
        _ => millionths.div_euclid(PPM) + i128::from(millionths.rem_euclid(PPM) != 0),
    }
}

/// The same of at most 2^63 - 10^6.
#[inline(always)] // A few instructions, several times in every command.
fn ceil_small(millionths: i64) -> i64 {
    let whole = millionths / PPM as i64;
    whole + i64::from(whole * (PPM as i64) < millionths)
}

/// The fee of a fill, and the order's carry after it. `carry` is what it had paid too much before, in millionths.
#[inline(always)] // As above.
pub(crate) fn fill_fee(notional: i128, rate_ppm: i32, carry: u32) -> (i128, u32) {
    if !(0..=SMALL).contains(&notional) {
        return large_fill_fee(notional, rate_ppm, carry);
    }
    let due = notional as i64 * i64::from(rate_ppm) - i64::from(carry);
    let fee = ceil_small(due);
    (i128::from(fee), (fee * PPM as i64 - due) as u32)
}

#[cold]
#[inline(never)] // So that the small way has the registers.
fn large_fill_fee(notional: i128, rate_ppm: i32, carry: u32) -> (i128, u32) {
    let due = notional * i128::from(rate_ppm) - i128::from(carry);
    let fee = ceil_millionths(due);
    (fee, (fee * PPM - due) as u32)
}

/// What a buy order of this notional may cost at most, fees included.
#[inline(always)] // As above.
pub(crate) fn worst_cost(notional: i128, schedule: FeeSchedule, carry: u32) -> i128 {
    if !(0..=SMALL).contains(&notional) || schedule.most != UNCAPPED {
        return large_worst_cost(notional, schedule, carry);
    }
    // Only the carry, which is below 10^6, can make it negative: then it rounds up to 0.
    let millionths = notional as i64 * i64::from(schedule.worst_ppm()) - i64::from(carry);
    i128::from(notional as i64 + ((millionths + (PPM as i64 - 1)) as u64 / PPM as u64) as i64)
}

#[cold]
#[inline(never)] // As above.
fn large_worst_cost(notional: i128, schedule: FeeSchedule, carry: u32) -> i128 {
    let fee = ceil_millionths(notional * i128::from(schedule.worst_ppm()) - i128::from(carry));
    notional + fee.min(schedule.most)
}

/// A notional up to here times any rate fits 64 bits.
const SMALL: i128 = (1 << 43) - 2;

/// The schedules in use, each once, so that an order can name its own in 16 bits.
#[derive(Clone, Debug)]
pub(crate) struct FeeTable {
    schedules: Vec<FeeSchedule>,
    /// What orders with a cap have paid, rebates taken off, by order_id. Orders that have ended are forgotten now and then;
    /// their ids never come again.
    paid: BTreeMap<u64, i128>,
    /// How long that may become before it is looked through.
    crowded: usize,
}

impl FeeTable {
    /// How many different schedules may be in use at one time.
    pub const MAX: usize = 1 << 16;

    /// The table with the schedule that charges nothing, as number 0.
    pub fn new() -> Self {
        Self { schedules: vec![FeeSchedule::FREE], paid: BTreeMap::new(), crowded: Self::CROWD }
    }

    const CROWD: usize = 1_024;

    /// The same, which knows no schedule yet but for the first.
    pub fn emptied(&self) -> Self {
        Self { schedules: vec![FeeSchedule::FREE], paid: self.paid.clone(), crowded: self.crowded }
    }

    /// The schedule of this number.
    #[inline]
    pub fn schedule(&self, number: u16) -> FeeSchedule {
        self.schedules[usize::from(number)]
    }

    /// The schedule of an order, with what it may still pay.
    #[inline(always)] // One look at the cap for most orders.
    pub fn of(&self, order: &Order) -> FeeSchedule {
        let schedule = self.schedules[usize::from(order.fees)];
        if schedule.most == UNCAPPED {
            return schedule;
        }
        self.less_paid(order.order_id, schedule)
    }

    #[cold]
    fn less_paid(&self, order_id: u64, schedule: FeeSchedule) -> FeeSchedule {
        FeeSchedule { most: schedule.most - self.paid.get(&order_id).copied().unwrap_or(0), ..schedule }
    }

    /// Counts what an order with a cap has paid.
    #[cold]
    pub fn pay(&mut self, order_id: u64, fee: i128) {
        if fee != 0 {
            *self.paid.entry(order_id).or_insert(0) += fee;
        }
    }

    /// Whether it is time to forget orders that have ended.
    #[inline]
    pub fn is_crowded(&self) -> bool {
        self.paid.len() >= self.crowded
    }

    /// Forgets orders that have ended. Looks at as many as have come since it was done last, or twice that.
    #[cold]
    pub fn forget_ended(&mut self, is_open: impl Fn(u64) -> bool) {
        self.paid.retain(|&order_id, _| is_open(order_id));
        self.crowded = (2 * self.paid.len()).max(Self::CROWD);
    }

    /// The number of a schedule; `None` if it is new and the table is full.
    pub fn intern(&mut self, schedule: FeeSchedule) -> Option<u16> {
        let at = match self.schedules.iter().position(|&known| known == schedule) {
            Some(at) => at,
            None if self.schedules.len() == Self::MAX => return None,
            None => {
                self.schedules.push(schedule);
                self.schedules.len() - 1
            }
        };
        u16::try_from(at).ok()
    }
}

/// What a group pays on an instrument, as numbers of the fee table.
#[derive(Clone, Debug)]
struct Row {
    group: u16,
    base: u16,
    /// By tier: from which volume on, and what then.
    tiers: Vec<(i128, u16)>,
    /// From when until before when, and what then.
    promotion: Option<(i64, i64, u16)>,
}

/// What was set beside the schedules of an instrument, by account group. There is something.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeeRules {
    /// By group and tier: from which volume on, and what then.
    pub tiers: BTreeMap<(u16, u8), (i128, FeeSchedule)>,
    /// From when until before when, and what then.
    pub promotions: BTreeMap<u16, (i64, i64, FeeSchedule)>,
    pub caps: BTreeMap<u16, i128>,
    /// What follows for each group that anything was set for, and for group 0, which is the first. Ascending.
    rows: Vec<Row>,
}

impl FeeRules {
    /// The number of the schedule of an account of this group.
    pub fn number(&self, group: u16, now_ns: i64, volume: impl Fn() -> i128) -> u16 {
        let row = &self.rows[self.rows.binary_search_by_key(&group, |row| row.group).unwrap_or(0)];
        match row.promotion {
            Some((from_ns, until_ns, number)) if (from_ns..until_ns).contains(&now_ns) => return number,
            _ => {}
        }
        if row.tiers.is_empty() {
            return row.base;
        }
        let volume = volume();
        row.tiers.iter().rev().find(|&&(least, _)| least <= volume).map_or(row.base, |&(_, number)| number)
    }

    /// Gives every schedule another number.
    pub fn renumber(&mut self, new: &mut impl FnMut(u16) -> u16) {
        for row in &mut self.rows {
            row.base = new(row.base);
            for (_, number) in &mut row.tiers {
                *number = new(*number);
            }
            if let Some((_, _, number)) = &mut row.promotion {
                *number = new(*number);
            }
        }
    }

    /// Works out the rows. `None` if the table is full.
    fn resolve(&mut self, table: &mut FeeTable, base: &BTreeMap<u16, FeeSchedule>) -> Option<()> {
        let tiered = self.tiers.keys().map(|&(group, _)| group);
        let mut groups: Vec<u16> = [0].into_iter().chain(base.keys().copied()).chain(tiered).collect();
        groups.extend(self.promotions.keys().chain(self.caps.keys()));
        groups.sort_unstable();
        groups.dedup();
        self.rows.clear();
        for group in groups {
            let cap = self.caps.get(&group).or_else(|| self.caps.get(&0)).copied().unwrap_or(UNCAPPED);
            let mut number = |schedule: FeeSchedule| table.intern(FeeSchedule { most: cap, ..schedule });
            let of_group = |group: u16| self.tiers.range((group, 0)..=(group, MAX_TIER)).map(|(_, tier)| *tier);
            let tiers_of = if of_group(group).next().is_some() { group } else { 0 };
            let mut tiers = Vec::new();
            for (volume, schedule) in of_group(tiers_of) {
                tiers.push((volume, number(schedule)?));
            }
            let promotion = match self.promotions.get(&group).or_else(|| self.promotions.get(&0)) {
                Some(&(from_ns, until_ns, schedule)) => Some((from_ns, until_ns, number(schedule)?)),
                None => None,
            };
            let base = base.get(&group).or_else(|| base.get(&0)).copied().unwrap_or(FeeSchedule::FREE);
            self.rows.push(Row { group, base: number(base)?, tiers, promotion });
        }
        Some(())
    }

    fn is_empty(&self) -> bool {
        self.tiers.is_empty() && self.promotions.is_empty() && self.caps.is_empty()
    }
}

impl Engine {
    /// The schedules of an instrument by group.
    pub(crate) fn base_fees(&self, at: usize) -> BTreeMap<u16, FeeSchedule> {
        self.listings[at].fees.iter().map(|&(group, number)| (group, self.fees.schedule(number))).collect()
    }

    /// The fee rules of an instrument, which may be none.
    pub(crate) fn fee_rules(&self, at: usize) -> FeeRules {
        self.listings[at].fee_rules.as_deref().cloned().unwrap_or_default()
    }

    /// Sets what groups pay on an instrument; nothing if there are too many schedules.
    pub(crate) fn change_fees(
        &mut self,
        at: usize,
        base: &BTreeMap<u16, FeeSchedule>,
        mut rules: FeeRules,
    ) -> Result<(), RejectReason> {
        let mut resolve = |table: &mut FeeTable| {
            rules.resolve(table, base)?;
            base.iter().map(|(&group, &schedule)| Some((group, table.intern(schedule)?))).collect::<Option<Vec<_>>>()
        };
        let fees = match resolve(&mut self.fees) {
            Some(fees) => fees,
            None => {
                self.drop_unused_fees();
                resolve(&mut self.fees).ok_or(RejectReason::TooManyEntries)?
            }
        };
        let listing = &mut self.listings[at];
        listing.fees = fees;
        listing.fee_rules = if rules.is_empty() { None } else { Some(Box::new(rules)) };
        Ok(())
    }

    /// Changes the fee rules of an instrument, and tells it.
    fn change_fee_rules<S: EventSink>(
        &mut self,
        (instrument_id, group_id, setting): (InstrumentId, GroupId, Setting),
        change: impl FnOnce(&mut FeeRules),
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let at = self.instrument_index(instrument_id)?;
        let mut rules = self.fee_rules(at);
        change(&mut rules);
        self.change_fees(at, &self.base_fees(at), rules)?;
        events.emit(Event::SettingChanged(SettingChanged {
            group_id,
            ..SettingChanged::of_instrument(setting, instrument_id)
        }));
        Ok(())
    }

    pub(crate) fn set_fee_tier<S: EventSink>(
        &mut self,
        command: &SetFeeTier,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        self.instrument_index(command.instrument_id)?;
        let schedule = FeeSchedule::uncapped(command.maker_ppm, command.taker_ppm)?;
        if !(1..=MAX_TIER).contains(&command.tier) || command.min_volume.0 < 0 {
            return Err(RejectReason::InvalidFeeTier);
        }
        let (place, volume) = ((command.group_id.0, command.tier), command.min_volume.0);
        let change = |rules: &mut FeeRules| {
            rules.tiers.remove(&place);
            if volume != 0 {
                rules.tiers.insert(place, (volume, schedule));
            }
        };
        self.change_fee_rules((command.instrument_id, command.group_id, Setting::FeeTier), change, events)
    }

    pub(crate) fn set_fee_promotion<S: EventSink>(
        &mut self,
        command: &SetFeePromotion,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        self.instrument_index(command.instrument_id)?;
        let schedule = FeeSchedule::uncapped(command.maker_ppm, command.taker_ppm)?;
        let SetFeePromotion { group_id, from_ns, until_ns, .. } = *command;
        let change = |rules: &mut FeeRules| {
            rules.promotions.remove(&group_id.0);
            if until_ns > from_ns {
                rules.promotions.insert(group_id.0, (from_ns, until_ns, schedule));
            }
        };
        self.change_fee_rules((command.instrument_id, group_id, Setting::FeePromotion), change, events)
    }

    pub(crate) fn set_fee_cap<S: EventSink>(
        &mut self,
        command: &SetFeeCap,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        self.instrument_index(command.instrument_id)?;
        let (group_id, cap) = (command.group_id, command.max_fee.0);
        if !(0..=MAX_NOTIONAL).contains(&cap) {
            return Err(RejectReason::InvalidFeeCap);
        }
        let change = |rules: &mut FeeRules| {
            rules.caps.remove(&group_id.0);
            if cap != 0 {
                rules.caps.insert(group_id.0, cap);
            }
        };
        self.change_fee_rules((command.instrument_id, group_id, Setting::FeeCap), change, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_round_up_against_the_payer() {
        assert_eq!(fill_fee(1, 1, 0), (1, 999_999));
        assert_eq!(fill_fee(1_000_000, 1, 0), (1, 0));
        assert_eq!(fill_fee(1_000_001, 1, 0), (2, 999_999));
        assert_eq!(fill_fee(0, 1, 0), (0, 0));
    }

    #[test]
    fn both_ways_of_dividing_agree() {
        for part in [-2_000_001_i128, -1_000_000, -999_999, -1, 0, 1, 999_999, 1_000_000, 1_000_001] {
            // A multiple of 10^6 that does not fit 64 bits changes the way and shifts the result.
            let far = 10_i128.pow(30);
            assert_eq!(ceil_millionths(part) + far / PPM, ceil_millionths(part + far));
            assert_eq!(ceil_millionths(part) - far / PPM, ceil_millionths(part - far));
        }
    }

    #[test]
    fn rebates_round_down() {
        assert_eq!(fill_fee(1, -1, 0), (0, 1));
        assert_eq!(fill_fee(999_999, -1, 0), (0, 999_999));
        assert_eq!(fill_fee(1, -1, 999_999), (-1, 0));
        assert_eq!(fill_fee(2_500_000, -1, 0), (-2, 500_000));
    }

    #[test]
    fn splitting_fills_changes_nothing() {
        for rate in [-777, -1, 0, 1, 3, 250, 333_333, 1_000_000] {
            for total in [1_i128, 7, 1_000, 999_999, 123_456_789, 10_i128.pow(30)] {
                for parts in [1, 2, 3, 7] {
                    let mut carry = 0;
                    let mut paid = 0;
                    for part in 0..parts {
                        let notional = total * (part + 1) / parts - total * part / parts;
                        let (fee, after) = fill_fee(notional, rate, carry);
                        assert!(after < 1_000_000);
                        paid += fee;
                        carry = after;
                    }
                    assert_eq!(paid, fill_fee(total, rate, 0).0, "{total} at {rate} in {parts}");
                }
            }
        }
    }
}
