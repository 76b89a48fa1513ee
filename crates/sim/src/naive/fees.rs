//! Rulebook, section 14.2: which fees a new order gets.

use std::collections::BTreeMap;

use beurs_engine::command::{SetFeeCap, SetFeePromotion, SetFeeTier};
use beurs_engine::event::{Event, SettingChanged};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{GroupId, InstrumentId, Setting};

use super::status::setting;
use super::{refuse, Instrument, Naive, MAX_NOTIONAL, MILLION};

/// What groups pay on an instrument besides their schedules.
#[derive(Clone, Default, Debug)]
pub(crate) struct FeeRules {
    /// By group and tier: from which volume on, and (maker_ppm, taker_ppm).
    pub(super) tiers: BTreeMap<(u16, u8), (i128, (i128, i128))>,
    /// By group: from when until when, and (maker_ppm, taker_ppm).
    pub(super) promotions: BTreeMap<u16, (i64, i64, (i128, i128))>,
    /// By group.
    pub(super) caps: BTreeMap<u16, i128>,
}

impl FeeRules {
    pub(super) fn is_empty(&self) -> bool {
        self.tiers.is_empty() && self.promotions.is_empty() && self.caps.is_empty()
    }
}

/// What an order is charged all its life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charged {
    pub(super) maker_ppm: i128,
    pub(super) taker_ppm: i128,
    /// 0 for none.
    pub(super) cap: i128,
}

/// What is paid of a fee by an order that has paid something already. Rebates are not bounded.
pub(super) fn capped(fee: i128, cap: i128, paid: i128) -> i128 {
    if cap == 0 || fee <= 0 {
        fee
    } else {
        fee.min(cap - paid)
    }
}

fn check_ppm(maker_ppm: i32, taker_ppm: i32) -> Result<(i128, i128), RejectReason> {
    let (maker, taker) = (i128::from(maker_ppm), i128::from(taker_ppm));
    let wrong = !(0..=MILLION).contains(&taker) || !(-taker..=MILLION).contains(&maker);
    refuse(wrong, RejectReason::InvalidFee)?;
    Ok((maker, taker))
}

impl Naive {
    /// What a new order of the account is charged now.
    pub(super) fn fees_for(&self, account: u32, instrument: &Instrument) -> Charged {
        let rules = &instrument.fee_rules;
        let group = self.accounts[account as usize - 1].group;
        let has_tiers = |group| rules.tiers.keys().any(|(of, _)| *of == group);
        // What is set for group 0 holds for groups that have nothing of that kind.
        let promotion = rules.promotions.get(&group).or_else(|| rules.promotions.get(&0));
        let promoted = promotion.filter(|(from, until, _)| (*from..*until).contains(&self.event_time_ns));
        let tiers_of = if has_tiers(group) { group } else { 0 };
        let volume = self.volume(account, instrument.quote);
        let reached = rules.tiers.iter().rfind(|((of, _), (least, _))| *of == tiers_of && *least <= volume);
        let schedule = instrument.fees.get(&group).or_else(|| instrument.fees.get(&0));

        let (maker_ppm, taker_ppm) = match (promoted, reached) {
            (Some((_, _, fees)), _) => *fees,
            (None, Some((_, (_, fees)))) => *fees,
            (None, None) => schedule.copied().unwrap_or((0, 0)),
        };
        let cap = rules.caps.get(&group).or_else(|| rules.caps.get(&0)).copied().unwrap_or(0);
        Charged { maker_ppm, taker_ppm, cap }
    }

    fn fees_changed(kind: Setting, instrument_id: InstrumentId, group_id: GroupId, events: &mut Vec<Event>) {
        events.push(Event::SettingChanged(SettingChanged { instrument_id, group_id, ..setting(kind) }));
    }

    pub(super) fn set_fee_tier(&mut self, c: &SetFeeTier, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(!self.has_instrument(c.instrument_id), R::UnknownInstrument)?;
        let fees = check_ppm(c.maker_ppm, c.taker_ppm)?;
        refuse(!(1..=15).contains(&c.tier) || c.min_volume.0 < 0, R::InvalidFeeTier)?;
        let tiers = &mut self.instruments[c.instrument_id.0 as usize - 1].fee_rules.tiers;
        if c.min_volume.0 == 0 {
            tiers.remove(&(c.group_id.0, c.tier));
        } else {
            tiers.insert((c.group_id.0, c.tier), (c.min_volume.0, fees));
        }
        Self::fees_changed(Setting::FeeTier, c.instrument_id, c.group_id, events);
        Ok(())
    }

    pub(super) fn set_fee_promotion(
        &mut self,
        c: &SetFeePromotion,
        events: &mut Vec<Event>,
    ) -> Result<(), RejectReason> {
        refuse(!self.has_instrument(c.instrument_id), RejectReason::UnknownInstrument)?;
        let fees = check_ppm(c.maker_ppm, c.taker_ppm)?;
        let promotions = &mut self.instruments[c.instrument_id.0 as usize - 1].fee_rules.promotions;
        if c.until_ns <= c.from_ns {
            promotions.remove(&c.group_id.0);
        } else {
            promotions.insert(c.group_id.0, (c.from_ns, c.until_ns, fees));
        }
        Self::fees_changed(Setting::FeePromotion, c.instrument_id, c.group_id, events);
        Ok(())
    }

    pub(super) fn set_fee_cap(&mut self, c: &SetFeeCap, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(!self.has_instrument(c.instrument_id), R::UnknownInstrument)?;
        refuse(!(0..=MAX_NOTIONAL).contains(&c.max_fee.0), R::InvalidFeeCap)?;
        let caps = &mut self.instruments[c.instrument_id.0 as usize - 1].fee_rules.caps;
        if c.max_fee.0 == 0 {
            caps.remove(&c.group_id.0);
        } else {
            caps.insert(c.group_id.0, c.max_fee.0);
        }
        Self::fees_changed(Setting::FeeCap, c.instrument_id, c.group_id, events);
        Ok(())
    }
}
