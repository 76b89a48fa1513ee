//! Matching: whom a taker meets is planned on a copy of the book, and what was planned is then carried out. Price and
//! time, icebergs, hidden orders (section 3 of the rulebook) and sharing in proportion (section 8).

use beurs_engine::event::{Event, ExecutionReport};
use beurs_engine::types::{
    Amount, CancelReason, ExecType, Liquidity, Lots, MatchingAlgorithm, OrderId, OrderType, PriceTicks,
    SelfTradePrevention, Side, TimeInForce, TradeId, TradingStatus,
};

use super::bands::Range;
use super::corrections::TradeRecord;
use super::{canceled, ceil_div, fees, report, Defect, Instrument, Naive, Order, MILLION, VENUE};

/// What happens between a taker and one maker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meeting {
    Trade { maker: u64, price: i128, quantity: i128 },
    CancelMaker { maker: u64 },
    CancelTaker,
    CancelBoth { maker: u64 },
    Decrement { maker: u64, quantity: i128 },
}

/// How an instrument's orders at one price share what comes in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matching {
    pub(crate) algorithm: MatchingAlgorithm,
    pub(crate) top_max: i128,
    pub(crate) lead_percent: i128,
    pub(crate) fifo_percent: i128,
    pub(crate) min_allocation: i128,
    pub(crate) leveling: bool,
}

impl Matching {
    pub(crate) const BY_TIME: Self = Self {
        algorithm: MatchingAlgorithm::PriceTime,
        top_max: 0,
        lead_percent: 0,
        fifo_percent: 0,
        min_allocation: 1,
        leveling: false,
    };
}

/// An order of a price level that is shared: what it shows, whether it is the top order, its lead market maker weight.
#[derive(Clone, Copy, Debug)]
struct Claim {
    shown: i128,
    top: bool,
    share: i128,
}

/// What each claim, oldest first, gets of `quantity`, which is less than all of them show together: first by the first
/// step, then by the second, and so on; a claim may be in the answer once for each step.
fn allocate(rules: &Matching, claims: &[Claim], quantity: i128) -> Vec<(usize, i128)> {
    let mut given: Vec<(usize, i128)> = Vec::new();
    let open = |given: &[(usize, i128)]| -> Vec<i128> {
        let got = |place| given.iter().filter(|(at, _)| *at == place).map(|(_, part)| part).sum::<i128>();
        claims.iter().enumerate().map(|(place, claim)| claim.shown - got(place)).collect()
    };
    let left = |given: &[(usize, i128)]| quantity - given.iter().map(|(_, part)| part).sum::<i128>();
    // Gives each what it wants in turn, as far as it is open and `most` lasts.
    let in_turn = |given: &mut Vec<(usize, i128)>, mut most: i128, wants: &[i128]| {
        let open = open(given);
        for (place, want) in wants.iter().enumerate() {
            let part = (*want).min(open[place]).min(most);
            if part > 0 {
                most -= part;
                given.push((place, part));
            }
        }
    };

    // The order that set the best price.
    let tops: Vec<i128> = claims.iter().map(|claim| if claim.top { rules.top_max } else { 0 }).collect();
    in_turn(&mut given, quantity, &tops);

    // Lead market makers, each by its weight among those that have something open.
    let lead = left(&given) * rules.lead_percent / 100;
    let weights: Vec<i128> =
        claims.iter().zip(open(&given)).map(|(claim, open)| if open > 0 { claim.share } else { 0 }).collect();
    let all_weights: i128 = weights.iter().sum();
    if all_weights > 0 {
        let parts: Vec<i128> = weights.iter().map(|weight| lead * weight / all_weights).collect();
        in_turn(&mut given, lead, &parts);
    }

    // A part by time.
    let by_time = left(&given) * rules.fifo_percent / 100;
    let everything = vec![quantity; claims.len()];
    in_turn(&mut given, by_time, &everything);

    // In proportion to what is open of each, rounded down; too little is nothing.
    let opens = open(&given);
    let (all_open, to_share) = (opens.iter().sum::<i128>(), left(&given));
    let parts: Vec<i128> = opens
        .iter()
        .map(|open| to_share * open / all_open)
        .map(|part| if part < rules.min_allocation { 0 } else { part })
        .collect();
    in_turn(&mut given, to_share, &parts);

    // A lot for each that got nothing in proportion.
    if rules.leveling {
        let lots: Vec<i128> = parts.iter().map(|part| i128::from(*part == 0)).collect();
        let most = left(&given);
        in_turn(&mut given, most, &lots);
    }

    // The rest by time.
    let rest = left(&given);
    in_turn(&mut given, rest, &everything);
    given
}

pub(crate) fn traded_lots(plan: &[Meeting]) -> i128 {
    plan.iter().map(|meeting| if let Meeting::Trade { quantity, .. } = meeting { *quantity } else { 0 }).sum()
}

/// Whether it is a FOK order that would not trade whole.
fn killed(taker: &Order, plan: &[Meeting]) -> bool {
    taker.time_in_force == TimeInForce::Fok && traded_lots(plan) < taker.leaves
}

/// The fee of one fill, and the order's carry after it.
fn fee(notional: i128, ppm: i128, carry: i128) -> (i128, i128) {
    let due = ppm * notional - carry;
    let fee = ceil_div(due, MILLION);
    (fee, MILLION * fee - due)
}

fn place_of(half: &[Order], order_id: u64) -> usize {
    half.iter().position(|order| order.order_id == order_id).expect("a maker that is met is in the book")
}

/// Puts an order at the back of the displayed or of the hidden orders of its price level.
fn insert(half: &mut Vec<Order>, order: Order, defect: Option<Defect>) {
    let newest_first = defect == Some(Defect::NewestFirst);
    let rank = |order: &Order| {
        let price = match order.side {
            _ if order.is_auction_market() => i128::from(order.order_id),
            Side::Buy => -order.price,
            Side::Sell => order.price,
        };
        (!order.is_auction_market(), price, order.terms.hidden != (defect == Some(Defect::HiddenFirst)))
    };
    let own = rank(&order);
    let stands_before = |other: &Order| if newest_first { rank(other) < own } else { rank(other) <= own };
    let place = half.iter().position(|other| !stands_before(other)).unwrap_or(half.len());
    half.insert(place, order);
}

/// Takes a trade's quantity from a maker: it keeps its place, shows its next peak at the back, or is gone. Gives it as
/// it is then.
fn take_from(half: &mut Vec<Order>, order_id: u64, quantity: i128, defect: Option<Defect>) -> Order {
    let place = place_of(half, order_id);
    let maker = &mut half[place];
    assert!(quantity <= maker.at_hand(), "a visit trades at most what is there to see");
    maker.filled += quantity;
    maker.leaves -= quantity;
    if !maker.terms.hidden {
        maker.displayed -= quantity;
    }
    if maker.leaves == 0 {
        return half.remove(place);
    }
    if !maker.terms.hidden && maker.displayed == 0 {
        maker.displayed = maker.peak();
        let maker = half.remove(place);
        insert(half, maker.clone(), defect);
        return maker;
    }
    half[place].clone()
}

/// Reduces a maker in its place; it is gone if nothing is left. Gives it as it is then.
fn shrink(half: &mut Vec<Order>, order_id: u64, quantity: i128) -> Order {
    let place = place_of(half, order_id);
    let maker = &mut half[place];
    maker.leaves -= quantity;
    maker.quantity -= quantity;
    maker.displayed = maker.displayed.min(maker.leaves);
    if maker.leaves == 0 {
        return half.remove(place);
    }
    maker.clone()
}

/// A taker on its way through a copy of the book.
struct Walk {
    taker: Order,
    makers: Vec<Order>,
    tick_lot_units: i128,
    defect: Option<Defect>,
    plan: Vec<Meeting>,
}

impl Walk {
    /// How many lots it would still trade at a price.
    fn wanted(&self, price: i128) -> i128 {
        if self.taker.by_quote() {
            self.taker.quote_left / (price * self.tick_lot_units)
        } else {
            self.taker.leaves
        }
    }

    fn trade(&mut self, maker: u64, price: i128, quantity: i128) {
        self.plan.push(Meeting::Trade { maker, price, quantity });
        if self.taker.by_quote() {
            self.taker.quote_left -= quantity * price * self.tick_lot_units;
        } else {
            self.taker.leaves -= quantity;
        }
        take_from(&mut self.makers, maker, quantity, self.defect);
    }

    /// Meets an own order in the taker's mode. Gives false if that ends the taker.
    fn meet_own(&mut self, maker: u64) -> bool {
        let mode = self.taker.self_trade_prevention;
        match mode {
            SelfTradePrevention::ExpireMaker => {
                self.plan.push(Meeting::CancelMaker { maker });
                let place = place_of(&self.makers, maker);
                self.makers.remove(place);
                true
            }
            SelfTradePrevention::ExpireBoth => {
                self.plan.push(Meeting::CancelBoth { maker });
                false
            }
            SelfTradePrevention::Decrement if !self.taker.by_quote() => {
                let quantity = self.makers[place_of(&self.makers, maker)].leaves.min(self.taker.leaves);
                self.plan.push(Meeting::Decrement { maker, quantity });
                shrink(&mut self.makers, maker, quantity);
                self.taker.leaves -= quantity;
                self.taker.leaves > 0
            }
            SelfTradePrevention::Decrement | SelfTradePrevention::ExpireTaker => {
                self.plan.push(Meeting::CancelTaker);
                false
            }
            SelfTradePrevention::None => unreachable!("without prevention there are no own orders"),
        }
    }
}

impl Naive {
    /// Whom an order meets, in order, if it is matched against the book as it stands, at the prices that `range` allows.
    pub(super) fn plan(&self, taker: &Order, range: &Range) -> Vec<Meeting> {
        let instrument = self.instrument(taker.instrument);
        let mut walk = Walk {
            taker: taker.clone(),
            makers: instrument.half(taker.side.opposite()).clone(),
            tick_lot_units: instrument.tick_lot_units,
            defect: self.defect,
            plan: Vec::new(),
        };
        let prevents = taker.self_trade_prevention != SelfTradePrevention::None;
        let own = |maker: &Order| prevents && self.same_owner(maker.account, taker.account);
        while let Some(first) = walk.makers.first().cloned() {
            let price = first.price;
            let wanted = walk.wanted(price);
            if !taker.accepts(price) || !range.allows(price) || wanted == 0 {
                break;
            }
            let level = || walk.makers.iter().take_while(|maker| maker.price == price);
            let shown: Vec<Order> = level().filter(|maker| !maker.terms.hidden).cloned().collect();
            if instrument.matching.algorithm == MatchingAlgorithm::PriceTime {
                if own(&first) {
                    if walk.meet_own(first.order_id) {
                        continue;
                    }
                    break;
                }
                let quantity = first.at_hand().min(wanted);
                walk.trade(first.order_id, price, quantity);
                if quantity < first.at_hand() {
                    break; // It stays, and nobody behind it is reached.
                }
                continue;
            }

            // The whole level at once, the own orders of it first.
            let own_order = level().find(|maker| own(maker)).map(|maker| maker.order_id);
            if let Some(own_order) = own_order {
                if walk.meet_own(own_order) {
                    continue;
                }
                break;
            }
            let all: i128 = shown.iter().map(|maker| maker.displayed).sum();
            if shown.is_empty() {
                let quantity = first.leaves.min(wanted);
                walk.trade(first.order_id, price, quantity);
                if quantity < first.leaves {
                    break;
                }
            } else if wanted >= all {
                for maker in &shown {
                    walk.trade(maker.order_id, price, maker.displayed);
                }
            } else {
                let claims = instrument.claims(&shown);
                let parts = allocate(&instrument.matching, &claims, wanted);
                for (place, part) in parts {
                    walk.trade(shown[place].order_id, price, part);
                }
                break;
            }
        }
        walk.plan
    }

    /// Whether two accounts count as one owner.
    pub(crate) fn same_owner(&self, a: u32, b: u32) -> bool {
        let group = |account: u32| self.accounts[account as usize - 1].trade_group;
        a == b || (group(a) != 0 && group(a) == group(b))
    }

    /// What a new order must find available, in the asset that it pays with.
    pub(crate) fn needed_for(&self, order: &Order) -> i128 {
        let instrument = self.instrument(order.instrument);
        let worst_fee = |notional: i128| order.worst_fee(notional);
        if order.has_price() || order.is_auction_market() {
            return instrument.rested_hold(order);
        }
        let mut plan = self.plan(order, &instrument.trading_limit(order));
        if killed(order, &plan) {
            plan.clear();
        }
        match order.side {
            Side::Buy if order.by_quote() => order.quote_quantity + worst_fee(order.quote_quantity),
            Side::Buy => {
                let mut cost = 0;
                let mut carry = 0;
                let mut paid = 0;
                for meeting in &plan {
                    if let Meeting::Trade { price, quantity, .. } = meeting {
                        let notional = instrument.notional(*price, *quantity);
                        let (fee, carry_after) = fee(notional, order.taker_ppm, carry);
                        let fee = fees::capped(fee, order.fee_cap, paid);
                        paid += fee;
                        cost += notional + fee;
                        carry = carry_after;
                    }
                }
                cost
            }
            Side::Sell if order.by_quote() => traded_lots(&plan) * instrument.lot_units,
            Side::Sell => order.quantity * instrument.lot_units,
        }
    }

    /// Matches an order that is in no book against the other half, and lets what is left rest or cancels it.
    /// `enters` is false for one that was in the book and comes back with another price or quantity.
    pub(crate) fn execute(&mut self, order: Order, enters: bool, events: &mut Vec<Event>) {
        let instrument = order.instrument;
        if matches!(self.instrument(instrument).status, TradingStatus::PreOpen | TradingStatus::Auction) {
            assert!(order.can_rest(), "only orders that can rest are taken in an auction");
            self.rest(order);
        } else {
            let range = self.instrument(instrument).trading_limit(&order);
            let plan = self.plan(&order, &range);
            let minimum = i128::from(order.terms.min_quantity.0);
            if killed(&order, &plan) {
                self.cancel(&order, CancelReason::FillOrKill, events);
            } else if enters && traded_lots(&plan) < minimum {
                self.cancel(&order, CancelReason::MinimumQuantity, events);
            } else {
                self.carry_out(order, &plan, &range, events);
            }
        }
    }

    fn carry_out(&mut self, mut taker: Order, plan: &[Meeting], range: &Range, events: &mut Vec<Event>) {
        let defect = self.defect;
        for meeting in plan {
            match *meeting {
                Meeting::Trade { maker, quantity, .. } => {
                    self.trade(&mut taker, maker, quantity, defect, events);
                }
                Meeting::CancelMaker { maker } => {
                    let maker = self.take_out(maker);
                    self.cancel_maker(&maker, events);
                }
                Meeting::CancelTaker => {
                    self.cancel(&taker, CancelReason::SelfTrade, events);
                    return;
                }
                Meeting::CancelBoth { maker } => {
                    let maker = self.take_out(maker);
                    self.cancel_maker(&maker, events);
                    self.cancel(&taker, CancelReason::SelfTrade, events);
                    return;
                }
                Meeting::Decrement { maker, quantity } => {
                    let half = self.instrument_mut(taker.instrument).half_mut(taker.side.opposite());
                    let before = half[place_of(half, maker)].clone();
                    let after = shrink(half, maker, quantity);
                    if after.leaves == 0 {
                        self.cancel_maker(&before, events);
                    } else {
                        self.tell_decrement(&before, &after, events);
                    }
                    let before = taker.clone();
                    taker.leaves -= quantity;
                    taker.quantity -= quantity;
                    self.tell_decrement(&before, &taker, events);
                    if taker.leaves == 0 {
                        return;
                    }
                }
            }
        }
        if taker.complete() {
            // Its last trade has said so. It is remembered after the makers.
            self.remember(taker.account, &taker.client_order_id);
            self.list_end(&taker, events);
        } else if let Some(beyond) = self.stopped_by(&taker, range) {
            self.stop_at_bands(taker, beyond, events);
        } else if taker.can_rest() {
            self.rest(taker);
        } else if taker.has_price() {
            self.cancel_rest(&taker, CancelReason::ImmediateOrCancel, events);
        } else {
            self.cancel_rest(&taker, CancelReason::NoLiquidity, events);
        }
    }

    /// Self-trade prevention ends an order in the book. The name of the other order of its pair is remembered first.
    fn cancel_maker(&mut self, maker: &Order, events: &mut Vec<Event>) {
        events.push(canceled(maker, CancelReason::SelfTrade));
        if maker.pair {
            self.list_end(maker, events);
            self.remember(maker.account, &maker.client_order_id);
        } else {
            self.remember(maker.account, &maker.client_order_id);
            self.list_end(maker, events);
        }
    }

    fn cancel_rest(&mut self, taker: &Order, reason: CancelReason, events: &mut Vec<Event>) {
        assert_ne!(taker.time_in_force, TimeInForce::Fok, "a FOK order trades whole or not at all");
        self.cancel(taker, reason, events);
    }

    /// At the back of its price level.
    pub(crate) fn rest(&mut self, mut order: Order) {
        let defect = self.defect;
        let half = self.instrument_mut(order.instrument).half_mut(order.side);
        let best = half.iter().find(|other| !other.is_auction_market()).map(|other| other.price);
        let sets_the_best_price = best.is_none_or(|best| match order.side {
            Side::Buy => order.price > best,
            Side::Sell => order.price < best,
        });
        order.displayed = order.peak();
        if sets_the_best_price && !order.is_auction_market() {
            let top = if order.terms.hidden { 0 } else { order.order_id };
            self.instrument_mut(order.instrument).tops[usize::from(order.side == Side::Sell)] = top;
        }
        let half = self.instrument_mut(order.instrument).half_mut(order.side);
        insert(half, order, defect);
    }

    /// One trade at the maker's price.
    fn trade(
        &mut self,
        taker: &mut Order,
        maker: u64,
        quantity: i128,
        defect: Option<Defect>,
        events: &mut Vec<Event>,
    ) {
        self.last_trade_id += 1;
        let instrument = self.instrument_mut(taker.instrument);
        let half = instrument.half(taker.side.opposite());
        let first_maker = half[place_of(half, maker)].clone();
        let price = first_maker.price;
        instrument.last_price = price;
        let notional = instrument.notional(price, quantity);
        let base_units = quantity * instrument.lot_units;
        let quote = instrument.quote;
        self.traded = Some((self.traded.map_or(price, |(first, _)| first), price));

        self.let_go(taker);
        self.let_go(&first_maker);

        // The taker's side first.
        taker.filled += quantity;
        if taker.by_quote() {
            taker.quote_left -= notional;
        } else {
            taker.leaves -= quantity;
        }
        let taker_fee = self.charge(taker, notional, taker.taker_ppm);
        self.exchange(taker, base_units, notional, taker_fee);

        // Then the maker's. Its rebate is paid out of what the venue has available now, with all holds as they are.
        let venue_available = self.total(VENUE, quote) - self.held_with(VENUE, quote, Some(taker));
        let half = self.instrument_mut(taker.instrument).half_mut(taker.side.opposite());
        let place = place_of(half, maker);
        let mut charged = half[place].clone();
        let maker_ppm = charged.maker_ppm.max(-taker.taker_ppm);
        let maker_due = self.charge(&mut charged, notional, maker_ppm);
        let maker_fee = maker_due.max(-venue_available);
        let half = self.instrument_mut(taker.instrument).half_mut(taker.side.opposite());
        // A rebate that is lost does not make the carry smaller.
        let lost = maker_fee != maker_due;
        half[place].carry = if lost { charged.carry.max(half[place].carry) } else { charged.carry };
        half[place].fees_paid = charged.fees_paid + maker_fee - maker_due;
        let maker = take_from(half, maker, quantity, defect);
        self.exchange(&maker, base_units, notional, maker_fee);

        let buys = taker.side == Side::Buy;
        self.after_trade(&TradeRecord {
            trade_id: self.last_trade_id,
            instrument: taker.instrument,
            buyer: if buys { taker.account } else { maker.account },
            seller: if buys { maker.account } else { taker.account },
            price,
            quantity,
            buyer_fee: if buys { taker_fee } else { maker_fee },
            seller_fee: if buys { maker_fee } else { taker_fee },
            seller_first: !buys,
        });
        let sides = [(&*taker, &maker, taker_fee, Liquidity::Taker), (&maker, &*taker, maker_fee, Liquidity::Maker)];
        for (order, counter, fee, liquidity) in sides {
            events.push(Event::Execution(ExecutionReport {
                trade_id: TradeId(self.last_trade_id),
                last_price: PriceTicks(price as i64),
                last_quantity: Lots(quantity as i64),
                last_notional: Amount(notional),
                fee: Amount(fee),
                liquidity,
                counter_order_id: OrderId(counter.order_id),
                ..report(order, ExecType::Trade, self.hold(order))
            }));
        }
        self.pair_trades(taker, events);
        self.pair_trades(&maker, events);
        if maker.complete() {
            self.remember(maker.account, &maker.client_order_id);
            self.list_end(&maker, events);
        }
    }

    /// Moves one side's money of a trade, its fee to the venue.
    pub(crate) fn exchange(&mut self, order: &Order, base_units: i128, notional: i128, fee: i128) {
        let instrument = self.instrument(order.instrument);
        let (base, quote) = (instrument.base, instrument.quote);
        let sign = if order.side == Side::Buy { 1 } else { -1 };
        self.add_to_total(order.account, base, sign * base_units);
        self.add_to_total(order.account, quote, -sign * notional - fee);
        self.add_to_total(VENUE, quote, fee);
        *self.corrections.venue_fees.entry(quote).or_insert(0) += fee;
    }

    /// What one side of a trade pays.
    pub(crate) fn charge(&self, order: &mut Order, notional: i128, ppm: i128) -> i128 {
        if self.defect == Some(Defect::FeesRoundDown) {
            return (ppm * notional).div_euclid(MILLION);
        }
        let (fee, carry) = fee(notional, ppm, order.carry);
        order.carry = carry;
        let fee = fees::capped(fee, order.fee_cap, order.fees_paid);
        order.fees_paid += fee;
        fee
    }

    /// Self-trade prevention, decrement, of one of the two orders.
    fn tell_decrement(&mut self, before: &Order, after: &Order, events: &mut Vec<Event>) {
        if after.leaves == 0 {
            self.cancel(before, CancelReason::SelfTrade, events);
        } else {
            events.push(Event::Execution(ExecutionReport {
                cancel_reason: CancelReason::SelfTrade,
                ..report(after, ExecType::Restated, self.hold(after))
            }));
            self.pair_acts(after, events);
        }
    }
}

impl Order {
    /// The most that it may still pay in fees for trades of this notional.
    fn worst_fee(&self, notional: i128) -> i128 {
        let fee = ceil_div(self.worst_ppm() * notional - self.carry, MILLION).max(0);
        fees::capped(fee, self.fee_cap, self.fees_paid)
    }
}

impl Instrument {
    /// What the displayed orders of a level claim. The weight of a lead market maker goes with its first order.
    fn claims(&self, shown: &[Order]) -> Vec<Claim> {
        let each = |(place, maker): (usize, &Order)| {
            let first = !shown[..place].iter().any(|other| other.account == maker.account);
            let share = self.lead_market_makers.get(&maker.account).filter(|_| first);
            Claim {
                shown: maker.displayed,
                top: self.top(maker.side) == maker.order_id,
                share: share.copied().unwrap_or(0),
            }
        };
        shown.iter().enumerate().map(each).collect()
    }

    /// The order that made the last new best price of a side, unless it has been moved since; 0 for none.
    pub(crate) fn top(&self, side: Side) -> u64 {
        self.tops[usize::from(side == Side::Sell)]
    }

    /// What an order holds while it rests, or waits with a limit.
    pub(crate) fn rested_hold(&self, order: &Order) -> i128 {
        match order.side {
            Side::Buy => {
                let price = match order.order_type {
                    OrderType::Market => order.auction_bound,
                    _ if order.is_pegged() => order.worst_price,
                    _ => order.price,
                };
                let notional = self.notional(price, order.leaves);
                notional + order.worst_fee(notional)
            }
            Side::Sell => order.leaves * self.lot_units,
        }
    }
}
