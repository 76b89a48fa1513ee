//! What the venue sets for instruments and accounts, as far as sections 1 to 9 of the rulebook need it.

use beurs_engine::command::{
    feature, SetFeatures, SetInstrumentGroup, SetLeadMarketMaker, SetMarkPrice, SetMatching, SetTradeGroup,
};
use beurs_engine::event::{Event, MarkPriceSet, SettingChanged};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{AccountId, GroupId, InstrumentId, KeyId, Setting};

use super::{refuse, Matching, Naive, MAX_TICKS_OR_LOTS};

const MAX_SHARE: u16 = 10_000;
const MOST_TRIGGERS: u32 = 100_000;

fn changed(setting: Setting, instrument_id: InstrumentId, account_id: AccountId) -> Event {
    let (group_id, key_id) = (GroupId(0), KeyId::NONE);
    Event::SettingChanged(SettingChanged { setting, instrument_id, account_id, group_id, key_id })
}

impl Naive {
    pub(crate) fn set_mark_price(&mut self, c: &SetMarkPrice, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        refuse(!self.has_instrument(c.instrument_id), RejectReason::UnknownInstrument)?;
        let price = i128::from(c.price.0);
        refuse(!(1..=MAX_TICKS_OR_LOTS).contains(&price), RejectReason::InvalidPrice)?;
        self.instrument_mut(c.instrument_id.0).mark_price = price;
        events.push(Event::MarkPriceSet(MarkPriceSet { instrument_id: c.instrument_id, price: c.price }));
        self.settle(c.instrument_id.0, events);
        Ok(())
    }

    pub(crate) fn set_instrument_group(
        &mut self,
        c: &SetInstrumentGroup,
        events: &mut Vec<Event>,
    ) -> Result<(), RejectReason> {
        refuse(!self.has_instrument(c.instrument_id), RejectReason::UnknownInstrument)?;
        self.instrument_mut(c.instrument_id.0).group = c.instrument_group_id.0;
        events.push(changed(Setting::InstrumentGroup, c.instrument_id, AccountId::NONE));
        Ok(())
    }

    pub(crate) fn set_matching(&mut self, c: &SetMatching, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(!self.has_instrument(c.instrument_id), R::UnknownInstrument)?;
        let (top_max, min_allocation) = (i128::from(c.top_max.0), i128::from(c.min_allocation.0));
        refuse(c.lead_percent > 100 || c.fifo_percent > 100, R::InvalidMatching)?;
        refuse(top_max < 0 || min_allocation < 1, R::InvalidMatching)?;
        let open = self.open_orders().any(|order| order.instrument == c.instrument_id.0);
        refuse(open, R::BookNotEmpty)?;
        self.instrument_mut(c.instrument_id.0).tops = [0, 0];
        self.instrument_mut(c.instrument_id.0).matching = Matching {
            algorithm: c.algorithm,
            top_max,
            lead_percent: i128::from(c.lead_percent),
            fifo_percent: i128::from(c.fifo_percent),
            min_allocation,
            leveling: c.leveling,
        };
        events.push(changed(Setting::Matching, c.instrument_id, AccountId::NONE));
        Ok(())
    }

    pub(crate) fn set_lead_market_maker(
        &mut self,
        c: &SetLeadMarketMaker,
        events: &mut Vec<Event>,
    ) -> Result<(), RejectReason> {
        refuse(!self.has_account(c.account_id), RejectReason::UnknownAccount)?;
        refuse(!self.has_instrument(c.instrument_id), RejectReason::UnknownInstrument)?;
        refuse(c.share > MAX_SHARE, RejectReason::InvalidMatching)?;
        let makers = &mut self.instrument_mut(c.instrument_id.0).lead_market_makers;
        if c.share == 0 {
            makers.remove(&c.account_id.0);
        } else {
            makers.insert(c.account_id.0, i128::from(c.share));
        }
        events.push(changed(Setting::LeadMarketMaker, c.instrument_id, c.account_id));
        Ok(())
    }

    pub(crate) fn set_features(&mut self, c: &SetFeatures, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        refuse(!self.has_instrument(c.instrument_id), RejectReason::UnknownInstrument)?;
        let unknown = c.features & !feature::ALL != 0;
        refuse(unknown || !(1..=MOST_TRIGGERS).contains(&c.max_triggers), RejectReason::InvalidFeatures)?;
        let instrument = self.instrument_mut(c.instrument_id.0);
        instrument.features = c.features;
        instrument.max_triggers = c.max_triggers;
        events.push(changed(Setting::Features, c.instrument_id, AccountId::NONE));
        Ok(())
    }

    pub(crate) fn set_trade_group(&mut self, c: &SetTradeGroup, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        refuse(!self.has_account(c.account_id), RejectReason::UnknownAccount)?;
        self.accounts[c.account_id.0 as usize - 1].trade_group = c.trade_group_id;
        events.push(changed(Setting::TradeGroup, InstrumentId::NONE, c.account_id));
        Ok(())
    }
}
