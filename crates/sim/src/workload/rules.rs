//! The part of the workload that goes beyond plain orders: terms, lists, timers, statuses, auctions, bands, risk, fees and
//! corrections.
//!
//! Invariant: what stops trading (a status, a kill switch, an account's mode, a risk limit) is taken back soon after, so
//! that a stream never comes to a standstill.

use beurs_engine::command::{
    feature, AdjustTrade, Administer, BustTrade, CancelAllAfter, CancelOrder, CancelReplace, Command, InstrumentScope,
    KillScope, KillSwitch, NewOrder, NewOrderList, Note, RiskLimits, RiskScope, SetAccountMode, SetFeatures, SetFeeCap,
    SetFeePromotion, SetFeeTier, SetInstrumentGroup, SetLeadMarketMaker, SetMarkPrice, SetMatching, SetPriceBands,
    SetRandomSeed, SetRiskLimits, SetSchedule, SetTradeGroup, SetTradingStatus, Terms,
};
use beurs_engine::types::{
    AccountId, AccountMode, Amount, BandAction, CancelReplaceMode, Contingency, GroupId, InstrumentGroupId,
    InstrumentId, KeyId, Lots, MatchingAlgorithm, OrderType, Peg, PriceTicks, Side, StatusReason, TimeInForce, TradeId,
    TradingStatus, TriggerBy,
};

use super::{text, Rng, Workload, AMOUNTS, NUMBERS};
use crate::naive::Naive;

const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MILLISECOND;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
const MAX: i64 = (1 << 53) - 1;
const INSTRUMENTS: [u32; 9] = [1, 1, 1, 2, 2, 3, 4, 5, 6];
const GROUPS: [u16; 4] = [0, 1, 2, 65535];
/// Who asks for what the venue sets, and why.
const ACTORS: [&str; 3] = ["olga", "desk-7", "a"];
const NOTES: [&[u8]; 3] = [b"asked by phone", b"x", b"the feed was broken, see the log of this morning (12:03 UTC)"];

/// How much of each part of the rulebook a stream has, in a thousand: of its orders, or of its commands.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Orders with terms.
    terms: u64,
    /// Orders sent with a key.
    keys: u64,
    lists: u64,
    cancel_replaces: u64,
    /// `AdvanceTime`, and timers set.
    time: u64,
    timers: u64,
    /// Statuses and schedules.
    statuses: u64,
    /// Bands and mark prices.
    bands: u64,
    risk: u64,
    fees: u64,
    corrections: u64,
    /// Matching, features, groups of instruments, trade groups.
    settings: u64,
    /// How many of the venue's commands come from its staff.
    administered: u64,
    /// How long a leap in time may be.
    leap_ns: i64,
}

impl Rules {
    /// About a third of the streams have none of it.
    pub(super) fn draw(rng: &mut Rng) -> Option<Self> {
        if rng.below(3) == 0 {
            return None;
        }
        Some(Self {
            terms: rng.pick(&[100, 300, 300, 600, 900]),
            keys: rng.pick(&[0, 300]),
            lists: rng.pick(&[0, 20, 60]),
            cancel_replaces: rng.pick(&[0, 20, 60]),
            time: rng.pick(&[20, 50, 100]),
            timers: rng.pick(&[0, 5, 15]),
            statuses: rng.pick(&[0, 5, 15, 30]),
            bands: rng.pick(&[0, 10, 30]),
            risk: rng.pick(&[0, 5, 15]),
            fees: rng.pick(&[0, 5, 15]),
            corrections: rng.pick(&[0, 5, 20]),
            settings: rng.pick(&[0, 3, 10]),
            administered: rng.pick(&[0, 100, 500]),
            leap_ns: rng.pick(&[SECOND, 60 * SECOND, HOUR, 3 * DAY]),
        })
    }
}

/// What has to be taken back, and what may be repeated.
#[derive(Clone, Default, Debug)]
pub(super) struct Pending {
    modes: Vec<AccountId>,
    limits: Vec<(RiskScope, InstrumentId)>,
    /// Whether a limit on equal orders has been set lately.
    duplicates: bool,
    /// The last order, which may be sent again.
    last_order: Option<NewOrder>,
}

fn scope_of(instrument: u32) -> InstrumentScope {
    InstrumentScope::Instrument(InstrumentId(instrument))
}

impl Workload {
    /// What the instruments are set to from the start: the first cancels at its bands, the second pauses at them, the third
    /// shares in proportion, the others are as they are listed.
    pub(super) fn opening_rules(&mut self) -> Vec<Command> {
        let mut commands = vec![Command::SetRandomSeed(SetRandomSeed { seed: self.rng.bits() })];
        for (instrument, action) in [(1, BandAction::Cancel), (2, BandAction::Auction)] {
            let reference = self.middles[instrument as usize - 1];
            if self.rng.chance(700) {
                commands.push(self.bands_of(instrument, reference, action));
            }
            let max_triggers = self.rng.pick(&[1, 2, 3, 5, 1_000]);
            let instrument_id = InstrumentId(instrument);
            commands.push(Command::SetFeatures(SetFeatures { instrument_id, features: feature::ALL, max_triggers }));
        }
        commands.push(self.matching(3, MatchingAlgorithm::ProRata));
        for account in [2, 3, 4] {
            let trade_group_id = self.rng.pick(&[0, 1, 1]);
            let account_id = AccountId(account);
            commands.push(Command::SetTradeGroup(SetTradeGroup { account_id, trade_group_id }));
        }
        commands
    }

    /// Time moves on by a little more than in a plain stream, now and then by a leap.
    pub(super) fn leap(&mut self, rules: &Rules) -> i64 {
        match self.rng.below(200) {
            0 => self.rng.between(0, rules.leap_ns),
            1..=20 => self.rng.between(0, 3 * SECOND),
            _ => 0,
        }
    }

    /// A command of the rulebook, or none: then the stream goes on with a plain one.
    pub(super) fn draw_rules(&mut self, venue: &Naive, rules: &Rules) -> Option<Command> {
        if let Some(command) = self.take_back(venue) {
            return Some(self.by_staff(command, rules));
        }
        let mut left = self.rng.below(1_000);
        let mut part = |size: u64| {
            let inside = left < size;
            left = left.checked_sub(size).unwrap_or(u64::MAX);
            inside
        };
        if part(rules.time) {
            return Some(Command::AdvanceTime);
        }
        if part(rules.lists) {
            return Some(self.list(venue));
        }
        if part(rules.cancel_replaces) {
            return Some(self.cancel_replace(venue));
        }
        if part(rules.timers) {
            return Some(self.cancel_all_after(venue));
        }
        let command = if part(rules.statuses) {
            if self.rng.chance(300) {
                self.schedule()
            } else {
                self.status(venue)
            }
        } else if part(rules.bands) {
            if self.rng.chance(500) {
                self.bands(venue)
            } else {
                self.mark_price(venue)
            }
        } else if part(rules.risk) {
            match self.rng.below(10) {
                0 => self.kill_switch(venue),
                1 => self.account_mode(venue),
                _ => self.risk_limits(venue),
            }
        } else if part(rules.fees) {
            self.fee_rule()
        } else if part(rules.corrections) {
            self.correction(venue)
        } else if part(rules.settings) {
            self.setting(venue)
        } else {
            return None;
        };
        Some(self.by_staff(command, rules))
    }

    /// Ends something that keeps orders from trading.
    fn take_back(&mut self, venue: &Naive) -> Option<Command> {
        for (index, instrument) in venue.instruments.iter().enumerate() {
            if instrument.status == TradingStatus::Open || !self.rng.chance(12) {
                continue;
            }
            let status = self.rng.pick(&[TradingStatus::Open, TradingStatus::Open, TradingStatus::PostOnly]);
            let reason = StatusReason::Requested;
            let scope = scope_of(index as u32 + 1);
            return Some(Command::SetTradingStatus(SetTradingStatus { scope, status, reason, end_time_ns: 0 }));
        }
        for scope in &venue.risk.kills {
            if self.rng.chance(60) {
                return Some(Command::KillSwitch(KillSwitch { scope: *scope, engaged: false }));
            }
        }
        if !self.pending.modes.is_empty() && self.rng.chance(40) {
            let account_id = self.pending.modes.remove(0);
            return Some(Command::SetAccountMode(SetAccountMode { account_id, mode: AccountMode::Normal }));
        }
        if self.pending.limits.len() > 8 || (!self.pending.limits.is_empty() && self.rng.chance(8)) {
            let (scope, instrument_id) = self.pending.limits.remove(0);
            self.pending.duplicates &= !self.pending.limits.is_empty();
            let limits = RiskLimits::default();
            return Some(Command::SetRiskLimits(Box::new(SetRiskLimits { scope, instrument_id, limits })));
        }
        None
    }

    /// The command as it is, or as one of the staff.
    fn by_staff(&mut self, command: Command, rules: &Rules) -> Command {
        if !self.rng.chance(rules.administered) {
            return command;
        }
        let actor = text(self.rng.pick(&ACTORS));
        let reason = Note::new(self.rng.pick(&NOTES)).unwrap_or_else(|| unreachable!("the notes are printable"));
        let administered = Command::Administer(Box::new(Administer { actor, reason, command }));
        if self.rng.chance(20) {
            return Command::Administer(Box::new(Administer { actor, reason, command: administered }));
        }
        administered
    }

    fn some_instrument(&mut self) -> u32 {
        if self.hostile() {
            return self.rng.pick(&[0, 9_999]);
        }
        self.rng.pick(&INSTRUMENTS)
    }

    // Orders

    /// An instrument that collects orders, if there is one: there they should be.
    pub(super) fn collecting(&mut self, venue: &Naive) -> Option<InstrumentId> {
        let collects = |id: &u32| {
            let instrument = venue.instruments.get(*id as usize - 1);
            instrument.is_some_and(|i| matches!(i.status, TradingStatus::Auction | TradingStatus::PreOpen))
        };
        let first = (1..=6).find(collects)?;
        self.rng.chance(300).then_some(InstrumentId(first))
    }

    /// A price at which something happens: the last one, a best one, or a little off.
    fn near(&mut self, venue: &Naive, instrument_id: InstrumentId) -> i64 {
        let place = instrument_id.index().unwrap_or(usize::MAX);
        let middle = self.middles.get(place).copied().unwrap_or(50);
        let last = venue.instruments.get(place).map_or(0, |instrument| instrument.last_price as i64);
        let side = self.side();
        let base = match self.rng.below(4) {
            0 => middle,
            1 => Self::best(venue, instrument_id, side).unwrap_or(middle),
            _ if last != 0 => last,
            _ => middle,
        };
        let reach = (self.profile.spread / 2).clamp(2, 40);
        let offset = if self.rng.chance(500) { self.rng.between(-2, 2) } else { self.rng.between(-reach, reach) };
        base.saturating_add(offset).clamp(1, MAX)
    }

    /// Makes an order into one with terms, mostly valid.
    pub(super) fn with_terms(&mut self, venue: &Naive, mut order: NewOrder, rules: &Rules) -> NewOrder {
        if self.rng.chance(if self.pending.duplicates { 250 } else { 30 }) {
            if let Some(last) = &self.pending.last_order {
                return NewOrder { client_order_id: order.client_order_id, ..last.clone() };
            }
        }
        order = self.with_new_terms(venue, order, rules);
        self.pending.last_order = Some(order.clone());
        order
    }

    fn with_new_terms(&mut self, venue: &Naive, mut order: NewOrder, rules: &Rules) -> NewOrder {
        if self.rng.chance(rules.keys) {
            order.key_id = KeyId(self.rng.pick(&[1, 1, 2, 4_095]));
        }
        if self.hostile() {
            order.key_id = KeyId(self.rng.pick(&[4_096, u16::MAX]));
        }
        if !self.rng.chance(rules.terms) {
            return order;
        }
        let collects = order
            .instrument_id
            .index()
            .and_then(|place| venue.instruments.get(place))
            .is_some_and(|i| matches!(i.status, TradingStatus::Auction | TradingStatus::PreOpen));
        let kind = if collects && self.rng.chance(250) { 97 } else { self.rng.below(100) };
        let mut terms = Terms::NONE;
        if !(0..=34).contains(&kind) {
            self.make_resting(venue, &mut order);
        }
        let quantity = order.quantity.0.clamp(1, MAX);
        match kind {
            0..=34 => self.make_conditional(venue, &mut order, &mut terms),
            35..=49 => {
                let most = (quantity / self.rng.pick(&[1, 2, 4, 8])).max(1);
                terms.display_quantity = Lots(self.rng.between(1, most));
            }
            50..=57 => terms.hidden = true,
            58..=64 => {
                terms.min_quantity = Lots(self.rng.between(1, quantity));
                order.time_in_force = self.rng.pick(&[TimeInForce::Gtc, TimeInForce::Ioc]);
            }
            65..=72 => {}
            73..=78 => order.time_in_force = TimeInForce::Day,
            79..=84 => {
                order.order_type = OrderType::MarketToLimit;
                order.price = PriceTicks(0);
                order.time_in_force = self.rng.pick(&[TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Day]);
            }
            85..=89 => {
                order.post_only = true;
                terms.slide = true;
            }
            90..=96 => {
                terms.peg = self.rng.pick(&[Peg::Primary, Peg::Market]);
                let least = if terms.peg == Peg::Market { 1 } else { 0 };
                terms.peg_offset = self.rng.between(least, 4);
                if self.rng.chance(700) {
                    let far = self.profile.spread.clamp(5, 100);
                    order.price.0 = match order.side {
                        Side::Buy => order.price.0.saturating_add(far).clamp(1, MAX),
                        Side::Sell => order.price.0.saturating_sub(far).clamp(1, MAX),
                    };
                }
            }
            _ => {
                terms.auction_only = true;
                if self.rng.chance(500) {
                    order.order_type = OrderType::Market;
                    order.price = PriceTicks(0);
                } else if self.rng.chance(300) {
                    order.time_in_force = TimeInForce::Day;
                }
                if self.rng.chance(50) {
                    // Valid but for the two together.
                    terms.hidden = order.order_type == OrderType::Limit;
                    order.time_in_force = TimeInForce::Day;
                }
            }
        }
        let lasts = order.time_in_force == TimeInForce::Gtc && !terms.auction_only;
        let limited = !matches!(order.order_type, OrderType::Stop | OrderType::TakeProfit | OrderType::Market);
        if (65..=72).contains(&kind) || (lasts && limited && self.rng.chance(100)) {
            order.time_in_force = TimeInForce::Gtd;
            let after = self.rng.pick(&[1, 1_000, MILLISECOND, SECOND, 5 * SECOND, 60 * SECOND]);
            terms.expire_time_ns = self.time_ns + after;
        }
        if self.hostile() {
            self.spoil_terms(&mut order, &mut terms);
        }
        order.terms = Some(Box::new(terms));
        order
    }

    fn make_resting(&mut self, venue: &Naive, order: &mut NewOrder) {
        if order.order_type == OrderType::Market {
            order.order_type = OrderType::Limit;
            order.price = PriceTicks(self.price(venue, order.instrument_id, order.side));
        }
        if order.quantity.0 == 0 {
            order.quantity = Lots(self.quantity(venue, order.instrument_id, order.side));
            order.quote_quantity = Amount(0);
        }
        order.time_in_force = TimeInForce::Gtc;
        order.post_only = false;
    }

    /// Stops and take-profits near the touch, so that they trigger soon, and each other.
    fn make_conditional(&mut self, venue: &Naive, order: &mut NewOrder, terms: &mut Terms) {
        use OrderType as T;
        self.make_resting(venue, order);
        order.order_type =
            self.rng.pick(&[T::Stop, T::Stop, T::StopLimit, T::StopLimit, T::TakeProfit, T::TakeProfitLimit]);
        let limited = matches!(order.order_type, T::StopLimit | T::TakeProfitLimit);
        if limited {
            let lifetimes = [TimeInForce::Gtc, TimeInForce::Gtc, TimeInForce::Day, TimeInForce::Ioc, TimeInForce::Fok];
            order.time_in_force = self.rng.pick(&lifetimes);
            let can_rest = matches!(order.time_in_force, TimeInForce::Gtc | TimeInForce::Day);
            order.post_only = can_rest && self.rng.chance(100);
            terms.slide = order.post_only && self.rng.chance(300);
            if can_rest && !order.post_only && self.rng.chance(100) {
                terms.display_quantity = Lots(self.rng.between(1, order.quantity.0.clamp(1, MAX)));
            }
        } else {
            order.price = PriceTicks(0);
            order.time_in_force = self.rng.pick(&[TimeInForce::Ioc, TimeInForce::Ioc, TimeInForce::Fok]);
            if self.rng.chance(200) {
                order.time_in_force = TimeInForce::Ioc;
                order.quantity = Lots(0);
                order.quote_quantity = Amount(self.quote_quantity(venue, order.instrument_id, order.side));
            }
        }
        terms.trigger_by = self.rng.pick(&[TriggerBy::Last, TriggerBy::Last, TriggerBy::Best, TriggerBy::Mark]);
        terms.trigger_price = PriceTicks(self.near(venue, order.instrument_id));
        if self.rng.chance(250) {
            terms.trail_bps = self.rng.pick(&[1, 20, 100, 100, 1_000, 9_999]);
            if self.rng.chance(600) {
                terms.trigger_price = PriceTicks(0);
            }
        }
    }

    /// One field that does not fit.
    fn spoil_terms(&mut self, order: &mut NewOrder, terms: &mut Terms) {
        match self.rng.below(14) {
            0 => terms.trigger_price = PriceTicks(self.rng.pick(&NUMBERS)),
            1 => terms.trigger_by = self.rng.pick(TriggerBy::ALL),
            2 => terms.trail_bps = self.rng.pick(&[1, 10_000, u16::MAX]),
            3 => terms.display_quantity = Lots(self.rng.pick(&NUMBERS)),
            4 => terms.hidden = !terms.hidden,
            5 => terms.min_quantity = Lots(self.rng.pick(&NUMBERS)),
            6 => terms.expire_time_ns = self.rng.pick(&[1, -1, self.time_ns, i64::MAX, i64::MIN]),
            7 => terms.auction_only = !terms.auction_only,
            8 => terms.slide = !terms.slide,
            9 => terms.peg = self.rng.pick(Peg::ALL),
            10 => terms.peg_offset = self.rng.pick(&[-1, 1, 0, 1_000_000, 1_000_001, i64::MIN, i64::MAX]),
            11 => order.time_in_force = self.rng.pick(TimeInForce::ALL),
            12 => order.order_type = self.rng.pick(OrderType::ALL),
            _ => order.post_only = !order.post_only,
        }
    }

    /// A list of two or three orders that fits together, or nearly.
    fn list(&mut self, venue: &Naive) -> Command {
        let contingency = self.rng.pick(Contingency::ALL);
        let (account_id, instrument_id, side) = (self.account(venue), self.instrument(venue), self.side());
        let mut orders = Vec::new();
        if contingency != Contingency::Oco {
            orders.push(self.working(venue, account_id, instrument_id, side));
        }
        // What waits for a first order mostly closes what that opens.
        let follows = contingency != Contingency::Oco && self.rng.chance(800);
        let side = if follows { side.opposite() } else { side };
        if contingency == Contingency::Oto {
            let mut second = self.working(venue, account_id, instrument_id, side);
            if self.rng.chance(500) {
                second = self.stop(venue, second);
            }
            orders.push(second);
        } else {
            let first = self.working(venue, account_id, instrument_id, side);
            let mut second = self.stop(venue, first.clone());
            second.client_order_id = self.client_order_id(venue);
            let mut first = first;
            if self.rng.chance(300) {
                let mut terms = Terms::NONE;
                terms.trigger_price = PriceTicks(self.near(venue, instrument_id));
                first.order_type = self.rng.pick(&[OrderType::TakeProfit, OrderType::TakeProfitLimit]);
                if first.order_type == OrderType::TakeProfit {
                    first.price = PriceTicks(0);
                    first.time_in_force = TimeInForce::Ioc;
                }
                first.terms = Some(Box::new(terms));
            }
            orders.extend([first, second]);
        }
        if self.hostile() || self.rng.chance(20) {
            let place = self.rng.below(orders.len() as u64) as usize;
            match self.rng.below(8) {
                0 => orders[place].account_id = AccountId(self.rng.pick(&[0, 1, 2, 99])),
                1 => orders[place].instrument_id = InstrumentId(self.rng.pick(&[0, 1, 2, 99])),
                2 => orders[place].side = orders[place].side.opposite(),
                3 => orders[place].order_type = self.rng.pick(OrderType::ALL),
                4 => orders.truncate(place),
                5 => orders.push(orders[place].clone()),
                6 => orders[place].quantity = Lots(self.rng.pick(&NUMBERS)),
                _ => orders[place].client_order_id = orders[0].client_order_id,
            }
        }
        Command::NewOrderList(Box::new(NewOrderList { contingency, orders }))
    }

    /// A limit order that can rest.
    fn working(&mut self, venue: &Naive, account_id: AccountId, instrument_id: InstrumentId, side: Side) -> NewOrder {
        NewOrder {
            account_id,
            instrument_id,
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: self.rng.chance(100),
            self_trade_prevention: self.mode(),
            key_id: KeyId::NONE,
            price: PriceTicks(self.price(venue, instrument_id, side)),
            quantity: Lots(self.quantity(venue, instrument_id, side)),
            quote_quantity: Amount(0),
            client_order_id: self.client_order_id(venue),
            terms: None,
        }
    }

    /// The same as a stop order.
    fn stop(&mut self, venue: &Naive, order: NewOrder) -> NewOrder {
        let mut terms = Terms::NONE;
        terms.trigger_price = PriceTicks(self.near(venue, order.instrument_id));
        terms.trail_bps = if self.rng.chance(100) { 100 } else { 0 };
        let limited = self.rng.chance(500);
        NewOrder {
            order_type: if limited { OrderType::StopLimit } else { OrderType::Stop },
            time_in_force: if limited { TimeInForce::Gtc } else { TimeInForce::Ioc },
            post_only: false,
            price: if limited { order.price } else { PriceTicks(0) },
            terms: Some(Box::new(terms)),
            ..order
        }
    }

    fn cancel_replace(&mut self, venue: &Naive) -> Command {
        let (account_id, order_id, client_order_id) = self.reference(venue);
        let cancel = CancelOrder { account_id, order_id, client_order_id };
        let mut new_order = self.plain_order(venue);
        if !self.hostile() {
            new_order.account_id = account_id;
        }
        let old = venue.open_orders().find(|order| order.order_id == order_id.0);
        if let (Some(old), true) = (old, self.rng.chance(800)) {
            new_order.instrument_id = InstrumentId(old.instrument);
            new_order.side = old.side;
            if self.rng.chance(50) {
                new_order.client_order_id = old.client_order_id;
            }
        }
        if let Some(rules) = self.rules.clone() {
            new_order = self.with_terms(venue, new_order, &rules);
        }
        let mode = self.rng.pick(CancelReplaceMode::ALL);
        Command::CancelReplace(Box::new(CancelReplace { cancel, mode, new_order }))
    }

    // Time and statuses

    fn cancel_all_after(&mut self, venue: &Naive) -> Command {
        let account_id = self.account(venue);
        let timeout_ns = match self.rng.below(20) {
            0 => self.rng.pick(&[-1, 1, MILLISECOND - 1, DAY + 1, i64::MAX, i64::MIN]),
            1 => DAY,
            2..=6 => 0,
            _ => self.rng.pick(&[MILLISECOND, SECOND, 5 * SECOND]),
        };
        Command::CancelAllAfter(CancelAllAfter { account_id, timeout_ns })
    }

    fn status(&mut self, venue: &Naive) -> Command {
        use TradingStatus as S;
        let scope = match self.rng.below(20) {
            0 => InstrumentScope::All,
            1..=2 => InstrumentScope::Group(InstrumentGroupId(self.rng.pick(&[0, 1, 2, 9]))),
            _ => scope_of(self.some_instrument()),
        };
        let mut status = self.rng.pick(&[S::Auction, S::Auction, S::Auction, S::PreOpen, S::PostOnly, S::CancelOnly]);
        if self.rng.chance(300) {
            status = self.rng.pick(S::ALL);
        }
        // What was collected is opened.
        if let InstrumentScope::Instrument(instrument_id) = scope {
            let now = instrument_id.index().and_then(|place| venue.instruments.get(place)).map(|i| i.status);
            if now == Some(S::PreOpen) {
                status = S::Auction;
            }
        }
        let mut end_time_ns = 0;
        if status == S::Auction && self.rng.chance(600) {
            end_time_ns = self.time_ns + self.rng.pick(&[1, SECOND, 10 * SECOND, 60 * SECOND]);
        }
        if self.hostile() {
            end_time_ns = self.rng.pick(&[1, -1, self.time_ns, self.time_ns + 1, i64::MIN]);
        }
        let reason = if self.rng.chance(50) { self.rng.pick(StatusReason::ALL) } else { StatusReason::Requested };
        Command::SetTradingStatus(SetTradingStatus { scope, status, reason, end_time_ns })
    }

    /// Mostly entries that come soon, every day, and open what the others close.
    fn schedule(&mut self) -> Command {
        use TradingStatus as S;
        let soon = self.rng.pick(&[1, SECOND, 5 * SECOND, 60 * SECOND, HOUR]);
        let mut set = SetSchedule {
            instrument_id: InstrumentId(self.some_instrument()),
            slot: self.rng.below(4) as u8,
            weekdays: self.rng.pick(&[127, 127, 127, 0, 31, 96, 1]),
            time_of_day_ns: (self.time_ns + soon).rem_euclid(DAY),
            random_ns: self.rng.pick(&[0, 0, 1, SECOND, HOUR]),
            status: self.rng.pick(&[S::Open, S::Open, S::Auction, S::PreOpen, S::Closed, S::PostOnly, S::Halted]),
        };
        if self.hostile() || self.rng.chance(30) {
            match self.rng.below(4) {
                0 => set.slot = self.rng.pick(&[15, 16, 255]),
                1 => set.weekdays = self.rng.pick(&[128, 255]),
                2 => set.time_of_day_ns = self.rng.pick(&[-1, DAY, DAY - 1, i64::MAX, i64::MIN]),
                _ => set.random_ns = self.rng.pick(&[-1, HOUR + 1, i64::MAX, i64::MIN]),
            }
        }
        Command::SetSchedule(set)
    }

    // Bands

    fn bands_of(&mut self, instrument: u32, reference: i64, action: BandAction) -> Command {
        let width = if self.profile.spread > 100 { 20 } else { 1 };
        Command::SetPriceBands(SetPriceBands {
            instrument_id: InstrumentId(instrument),
            reference: PriceTicks(reference),
            static_up_bps: self.rng.pick(&[0, 300, 1_000, 2_000, 1_000_000]) * width,
            static_down_bps: self.rng.pick(&[0, 300, 1_000, 2_000, 9_999]),
            dynamic_bps: self.rng.pick(&[0, 100, 500, 1_000, 9_999]),
            collar_bps: self.rng.pick(&[0, 0, 50, 300, 9_999]),
            action,
            auction_ns: self.rng.pick(&[MILLISECOND, SECOND, 10 * SECOND, 60 * SECOND]),
            auction_random_ns: self.rng.pick(&[0, 1, SECOND]),
            limit_state_ns: self.rng.pick(&[0, 0, 1, SECOND, 15 * SECOND]),
        })
    }

    fn bands(&mut self, venue: &Naive) -> Command {
        let instrument = self.rng.pick(&[1, 1, 2, 2, 2, 3]);
        let near = self.near(venue, InstrumentId(instrument));
        let reference = if self.rng.chance(400) { 0 } else { near };
        let usual = if instrument == 1 { BandAction::Cancel } else { BandAction::Auction };
        let action = if self.rng.chance(100) { self.rng.pick(BandAction::ALL) } else { usual };
        let mut command = self.bands_of(instrument, reference, action);
        if let (Command::SetPriceBands(set), true) = (&mut command, self.hostile() || self.rng.chance(40)) {
            match self.rng.below(9) {
                0 => set.instrument_id = InstrumentId(self.rng.pick(&[0, 9_999])),
                1 => set.reference = PriceTicks(self.rng.pick(&NUMBERS)),
                2 => set.static_up_bps = self.rng.pick(&[1_000_001, u32::MAX]),
                3 => set.static_down_bps = self.rng.pick(&[10_000, u32::MAX]),
                4 => set.dynamic_bps = self.rng.pick(&[10_000, u32::MAX]),
                5 => set.collar_bps = self.rng.pick(&[10_000, u32::MAX]),
                6 => set.auction_ns = self.rng.pick(&[0, -1, MILLISECOND - 1, DAY, DAY + 1, i64::MIN]),
                7 => set.auction_random_ns = self.rng.pick(&[-1, HOUR, HOUR + 1, i64::MAX]),
                _ => set.limit_state_ns = self.rng.pick(&[-1, DAY, DAY + 1, i64::MAX]),
            }
        }
        if let Command::SetPriceBands(set) = &mut command {
            // Wide bands times a large spread are more than is allowed.
            if set.static_up_bps > 1_000_001 && set.static_up_bps != u32::MAX {
                set.static_up_bps = 1_000_000;
            }
        }
        command
    }

    fn mark_price(&mut self, venue: &Naive) -> Command {
        let instrument_id = InstrumentId(self.some_instrument());
        let near = self.near(venue, instrument_id);
        let price = PriceTicks(if self.hostile() { self.rng.pick(&NUMBERS) } else { near });
        Command::SetMarkPrice(SetMarkPrice { instrument_id, price })
    }

    // Risk

    /// A bound close to what the scope has now, on one or two things.
    fn risk_limits(&mut self, venue: &Naive) -> Command {
        let account_id = self.account(venue);
        let scope = match self.rng.below(10) {
            0..=5 => RiskScope::Account(account_id),
            6..=7 => RiskScope::Group(GroupId(self.rng.pick(&GROUPS))),
            _ => RiskScope::Key(account_id, KeyId(self.rng.pick(&[1, 1, 2, 4_095, 0]))),
        };
        let all = self.rng.chance(200);
        let instrument_id = if all { InstrumentId::NONE } else { InstrumentId(self.some_instrument()) };
        let own = |order: &&crate::naive::Order| {
            order.account == account_id.0 && (all || order.instrument == instrument_id.0)
        };
        let open: Vec<_> = venue.open_orders().filter(own).collect();
        let leaves: i128 = open.iter().map(|order| order.leaves).sum();
        let place = instrument_id.index().and_then(|place| venue.instruments.get(place));
        let unit = place.map_or(1, |instrument| instrument.last_price.max(1) * instrument.tick_lot_units);
        let known = (1..=venue.counts().1).contains(&account_id.0);
        let position =
            if known && place.is_some() { venue.position(account_id.0, instrument_id.0).lots.abs() } else { 0 };
        let worth = (position + leaves).saturating_mul(unit);

        let mut limits = RiskLimits::default();
        for _ in 0..self.rng.between(1, 2) {
            let kind = if all { self.rng.pick(&[2, 2, 3, 8]) } else { self.rng.below(9) };
            let slack = i128::from(self.rng.between(0, 30));
            match kind {
                0 => limits.max_order_quantity = Lots(self.rng.between(3, 25)),
                1 => limits.max_order_notional = Amount(unit.saturating_mul(slack + 2)),
                2 => limits.max_open_orders = open.len() as u32 + self.rng.between(0, 3) as u32,
                3 => limits.max_open_conditional_orders = self.rng.between(1, 4) as u32,
                4 => limits.max_position = Lots((position + leaves + slack).clamp(0, i128::from(MAX)) as i64),
                5 => limits.max_exposure = Amount(worth.saturating_add(unit.saturating_mul(slack))),
                6 => limits.fat_finger_bps = self.rng.pick(&[1, 100, 500, 20_000, u32::MAX]),
                7 => {
                    limits.duplicate_window_ns = self.rng.pick(&[1, 10 * SECOND, 60 * SECOND, HOUR]);
                    self.pending.duplicates = true;
                }
                _ => {
                    limits.max_order_rate = self.rng.between(1, 6) as u32;
                    limits.rate_window_ns = self.rng.pick(&[MILLISECOND, SECOND, 10 * SECOND, 60 * SECOND]);
                }
            }
        }
        let of_key = matches!(scope, RiskScope::Key(..));
        if of_key && !self.hostile() {
            limits.max_position = Lots(0);
            limits.max_exposure = Amount(0);
        }
        let mut scope = scope;
        if self.hostile() || self.rng.chance(30) {
            match self.rng.below(9) {
                0 => limits.max_order_quantity = Lots(self.rng.pick(&NUMBERS)),
                1 => limits.max_order_notional = Amount(self.rng.pick(&AMOUNTS)),
                2 => limits.max_position = Lots(self.rng.pick(&NUMBERS)),
                3 => limits.max_exposure = Amount(self.rng.pick(&AMOUNTS)),
                4 => limits.rate_window_ns = self.rng.pick(&[-1, 1, MILLISECOND, DAY, DAY + 1, i64::MAX]),
                5 => limits.max_order_rate = self.rng.pick(&[0, 1, u32::MAX]),
                6 => limits.duplicate_window_ns = self.rng.pick(&[-1, HOUR + 1, i64::MAX]),
                7 => scope = RiskScope::Key(account_id, KeyId(self.rng.pick(&[4_096, u16::MAX]))),
                _ => limits.fat_finger_bps = u32::MAX,
            }
        }
        self.pending.limits.push((scope, instrument_id));
        Command::SetRiskLimits(Box::new(SetRiskLimits { scope, instrument_id, limits }))
    }

    fn account_mode(&mut self, venue: &Naive) -> Command {
        let account_id = self.account(venue);
        self.pending.modes.push(account_id);
        Command::SetAccountMode(SetAccountMode { account_id, mode: self.rng.pick(AccountMode::ALL) })
    }

    fn kill_switch(&mut self, venue: &Naive) -> Command {
        let account_id = self.account(venue);
        let key_id = KeyId(if self.hostile() { 4_096 } else { self.rng.pick(&[1, 2, 0]) });
        let scope = match self.rng.below(8) {
            0 => KillScope::All,
            1..=2 => KillScope::Instrument(InstrumentId(self.some_instrument())),
            3 => KillScope::Group(GroupId(self.rng.pick(&GROUPS))),
            4..=5 => KillScope::Account(account_id),
            _ => KillScope::Key(account_id, key_id),
        };
        Command::KillSwitch(KillSwitch { scope, engaged: self.rng.chance(900) })
    }

    // Fees and corrections

    fn fee_rule(&mut self) -> Command {
        let instrument_id = InstrumentId(self.some_instrument());
        let group_id = GroupId(self.rng.pick(&GROUPS));
        let mut taker_ppm = self.rng.pick(&[0, 1, 333, 2_500, 100_000, 1_000_000]);
        let mut maker_ppm = self.rng.pick(&[-taker_ppm, -(taker_ppm / 2), 0, 100]);
        if self.hostile() || self.rng.chance(20) {
            (maker_ppm, taker_ppm) = self.rng.pick(&[(-1, 0), (0, -1), (1_000_001, 5), (0, i32::MAX), (i32::MIN, 0)]);
        }
        match self.rng.below(3) {
            0 => {
                let mut tier = self.rng.between(1, 4) as u8;
                let mut min_volume = 10_i128.pow(self.rng.below(14) as u32) * i128::from(self.rng.between(0, 5));
                if self.hostile() || self.rng.chance(40) {
                    tier = self.rng.pick(&[0, 15, 16, 255]);
                    min_volume = self.rng.pick(&AMOUNTS);
                }
                let min_volume = Amount(min_volume);
                Command::SetFeeTier(SetFeeTier { instrument_id, group_id, tier, min_volume, maker_ppm, taker_ppm })
            }
            1 => {
                let from_ns = self.time_ns + self.rng.pick(&[-SECOND, 0, 1, SECOND, HOUR]);
                let mut until_ns = from_ns.saturating_add(self.rng.pick(&[0, 1, SECOND, 60 * SECOND, DAY]));
                if self.rng.chance(100) {
                    until_ns = self.rng.pick(&[i64::MIN, i64::MAX, 0]);
                }
                let (from_ns, until_ns) = if self.rng.chance(50) { (i64::MIN, until_ns) } else { (from_ns, until_ns) };
                let set = SetFeePromotion { instrument_id, group_id, from_ns, until_ns, maker_ppm, taker_ppm };
                Command::SetFeePromotion(set)
            }
            _ => {
                let mut max_fee = self.rng.pick(&[0, 1, 7, 100, 10_000, 10_i128.pow(15), 10_i128.pow(30)]);
                if self.hostile() || self.rng.chance(40) {
                    max_fee = self.rng.pick(&AMOUNTS);
                }
                Command::SetFeeCap(SetFeeCap { instrument_id, group_id, max_fee: Amount(max_fee) })
            }
        }
    }

    /// Of a trade that there was, lately or long ago, or with something else in it.
    fn correction(&mut self, venue: &Naive) -> Command {
        let trades = &venue.corrections.trades;
        let recent = trades.len().min(30) as u64;
        let mut bust = BustTrade {
            trade_id: TradeId(self.rng.below(4)),
            instrument_id: InstrumentId(1),
            buyer: AccountId(2),
            seller: AccountId(3),
            price: PriceTicks(50),
            quantity: Lots(1),
            buyer_fee: Amount(0),
            seller_fee: Amount(0),
        };
        if recent > 0 {
            let back = if self.rng.chance(800) { self.rng.below(recent) } else { self.rng.below(trades.len() as u64) };
            let trade = trades[trades.len() - 1 - back as usize];
            bust = BustTrade {
                trade_id: TradeId(trade.trade_id),
                instrument_id: InstrumentId(trade.instrument),
                buyer: AccountId(trade.buyer),
                seller: AccountId(trade.seller),
                price: PriceTicks(trade.price as i64),
                quantity: Lots(trade.quantity as i64),
                buyer_fee: Amount(trade.buyer_fee),
                seller_fee: Amount(trade.seller_fee),
            };
        }
        let again = self.rng.chance(60).then(|| venue.corrections.busted.last().copied()).flatten();
        if let Some(trade_id) = again {
            bust.trade_id = TradeId(trade_id);
        }
        if self.hostile() || self.rng.chance(100) {
            match self.rng.below(8) {
                0 => bust.trade_id = TradeId(self.rng.pick(&[0, u64::MAX, 1 << 40])),
                1 => bust.instrument_id = InstrumentId(self.rng.pick(&[0, 1, 2, 9_999])),
                2 => bust.buyer = self.account(venue),
                3 => bust.seller = self.rng.pick(&[bust.buyer, AccountId(0), AccountId(1)]),
                4 => bust.price = PriceTicks(self.rng.pick(&NUMBERS)),
                5 => bust.quantity = Lots(self.rng.pick(&NUMBERS)),
                6 => bust.buyer_fee = Amount(self.rng.pick(&AMOUNTS)),
                _ => bust.seller_fee = Amount(self.rng.pick(&AMOUNTS)),
            }
        }
        if self.rng.chance(600) {
            return Command::BustTrade(bust);
        }
        let moved = bust.price.0.saturating_add(self.rng.between(-3, 3));
        let new_price = PriceTicks(if self.hostile() { self.rng.pick(&NUMBERS) } else { moved });
        let BustTrade { trade_id, instrument_id, buyer, seller, price, quantity, .. } = bust;
        Command::AdjustTrade(AdjustTrade { trade_id, instrument_id, buyer, seller, price, quantity, new_price })
    }

    // Settings

    fn matching(&mut self, instrument: u32, algorithm: MatchingAlgorithm) -> Command {
        Command::SetMatching(SetMatching {
            instrument_id: InstrumentId(instrument),
            algorithm,
            top_max: Lots(self.rng.pick(&[0, 0, 1, 5, 1_000])),
            lead_percent: self.rng.pick(&[0, 0, 10, 40, 100]),
            fifo_percent: self.rng.pick(&[0, 0, 20, 50, 100]),
            min_allocation: Lots(self.rng.pick(&[1, 1, 2, 5])),
            leveling: self.rng.chance(500),
        })
    }

    fn setting(&mut self, venue: &Naive) -> Command {
        let instrument_id = InstrumentId(self.some_instrument());
        let account_id = self.account(venue);
        let wrong = self.hostile() || self.rng.chance(60);
        match self.rng.below(8) {
            0 => {
                let group = self.rng.pick(&[0, 1, 1, 2]);
                let instrument_group_id = InstrumentGroupId(group);
                Command::SetInstrumentGroup(SetInstrumentGroup { instrument_id, instrument_group_id })
            }
            1 | 2 => {
                let algorithm = self.rng.pick(MatchingAlgorithm::ALL);
                // Where nothing is open it can be changed.
                let empty = (1..=venue.instruments.len() as u32)
                    .find(|id| !venue.open_orders().any(|order| order.instrument == *id));
                let instrument = empty.filter(|_| self.rng.chance(700)).unwrap_or(instrument_id.0);
                let mut command = self.matching(instrument, algorithm);
                if let (Command::SetMatching(set), true) = (&mut command, wrong) {
                    match self.rng.below(4) {
                        0 => set.lead_percent = self.rng.pick(&[101, 255]),
                        1 => set.fifo_percent = self.rng.pick(&[101, 255]),
                        2 => set.min_allocation = Lots(self.rng.pick(&NUMBERS)),
                        _ => set.top_max = Lots(self.rng.pick(&NUMBERS)),
                    }
                }
                command
            }
            3 => {
                let share = if wrong { self.rng.pick(&[10_001, u16::MAX]) } else { self.rng.pick(&[0, 1, 50, 10_000]) };
                let instrument_id = if self.rng.chance(700) { InstrumentId(3) } else { instrument_id };
                Command::SetLeadMarketMaker(SetLeadMarketMaker { instrument_id, account_id, share })
            }
            4 | 5 => {
                // One kind may be missing for a while, not for long.
                let mut features = feature::ALL;
                if self.rng.chance(400) {
                    features &= !(1 << self.rng.below(8));
                }
                let mut max_triggers = self.rng.pick(&[1, 2, 3, 5, 10, 100_000]);
                if wrong {
                    features = self.rng.pick(&[256, u32::MAX, features]);
                    max_triggers = self.rng.pick(&[0, 100_001, u32::MAX]);
                }
                Command::SetFeatures(SetFeatures { instrument_id, features, max_triggers })
            }
            6 => Command::SetRandomSeed(SetRandomSeed { seed: self.rng.bits() }),
            _ => {
                let trade_group_id = self.rng.pick(&[0, 1, 1, 2, u32::MAX]);
                Command::SetTradeGroup(SetTradeGroup { account_id, trade_group_id })
            }
        }
    }

    /// What a replace says of the terms: mostly nothing.
    pub(super) fn replaced_terms(&mut self, venue: &Naive, order_id: u64) -> (PriceTicks, Lots) {
        let (mut trigger_price, mut display_quantity) = (PriceTicks(0), Lots(0));
        let Some(order) = venue.open_orders().find(|order| order.order_id == order_id) else {
            return (trigger_price, display_quantity);
        };
        let (instrument_id, quantity) = (InstrumentId(order.instrument), order.quantity.max(1) as i64);
        let conditional = order.terms.trigger_price.0 != 0 || order.terms.trail_bps != 0;
        if self.rng.chance(if conditional { 400 } else { 10 }) {
            trigger_price = PriceTicks(self.near(venue, instrument_id));
        }
        if self.rng.chance(if order.terms.display_quantity.0 != 0 { 300 } else { 10 }) {
            display_quantity = Lots(self.rng.between(1, quantity));
        }
        if self.hostile() {
            trigger_price = PriceTicks(self.rng.pick(&NUMBERS));
            display_quantity = Lots(self.rng.pick(&NUMBERS));
        }
        (trigger_price, display_quantity)
    }
}
