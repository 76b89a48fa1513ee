//! What the public reports say about orders, trades and money, and the rules that they must keep. Nothing here computes
//! what an order does: it is read from the reports and held against what the rulebook promises about any order.
//!
//! Invariant: every report has been checked against the one before it before it is believed.

use std::collections::{BTreeMap, BTreeSet};

use beurs_engine::event::{Event, ExecutionReport, OrderTerms, Posted};
use beurs_engine::types::{
    AccountId, AssetId, BandAction, ClientOrderId, ExecType, InstrumentId, Liquidity, OrderId, OrderStatus, OrderType,
    Side, TimeInForce, TradingStatus,
};

use super::Finding;

/// What the venue has published about an instrument.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    /// What is traded.
    pub base: AssetId,
    /// What pays.
    pub quote: AssetId,
    /// Smallest units of base in a lot.
    pub lot_units: i128,
    /// Smallest units of quote in a lot at one tick.
    pub tick_lot_units: i128,
    /// Whether the oldest order of a price trades first.
    pub by_time: bool,
    /// What happens at its price bands; `None` without bands.
    pub bands: Option<BandAction>,
}

/// An order as its reports tell it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) account: AccountId,
    pub(super) instrument: InstrumentId,
    pub(super) client_order_id: ClientOrderId,
    pub(super) open: bool,
    side: Side,
    order_type: OrderType,
    time_in_force: TimeInForce,
    price: i64,
    /// The worst price of a pegged order; 0 for others.
    worst: i64,
    quantity: i64,
    filled: i64,
    leaves: i64,
    displayed: i64,
    quote_quantity: i128,
    notional: i128,
    hold: i128,
    waits: bool,
    hidden: bool,
    peak: i64,
    pegged: bool,
    auction_only: bool,
    /// It is told at the price it got, not at the one that was asked for.
    slides: bool,
    /// An iceberg of which self-trade prevention has taken something: whether it then shows its next peak in its place or
    /// at the back is not among the promises. Or one that slides and was replaced: at another price that was asked for it
    /// goes to the back, and that price is not told.
    place_unknown: bool,
    in_list: bool,
    expire_time_ns: i64,
    /// When it came to its place, in reports counted since the beginning.
    place: u64,
    /// The command that gave it its place.
    placed_by: u64,
    maker_ppm: i128,
    taker_ppm: i128,
    /// Millionths of a unit that it has paid too much.
    carry: i128,
}

impl Order {
    fn rests(&self) -> bool {
        let lives = !matches!(self.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        let priced = !matches!(self.order_type, OrderType::Market | OrderType::Stop | OrderType::TakeProfit);
        self.open && lives && priced && !self.waits && !self.auction_only && self.leaves > 0
    }

    /// What of it the book shows; no report has said so yet if it has come to rest within its command.
    fn shown(&self) -> i64 {
        if self.displayed > 0 || self.peak == 0 {
            self.displayed
        } else {
            self.peak.min(self.leaves)
        }
    }

    /// Whether a price is at least as good for it as its limit.
    fn allows(&self, price: i64) -> bool {
        let limit = if self.worst > 0 { self.worst } else { self.price };
        limit == 0
            || match self.side {
                Side::Buy => price <= limit,
                Side::Sell => price >= limit,
            }
    }

    /// Whether its price goes before another's on its side.
    fn better_than(&self, price: i64) -> bool {
        match self.side {
            Side::Buy => self.price > price,
            Side::Sell => self.price < price,
        }
    }
}

/// The first half of a trade, which the second must fit.
#[derive(Clone, Copy)]
struct Half {
    report: ExecutionReport,
    at: u64,
}

#[derive(Default)]
pub(super) struct Market {
    listings: BTreeMap<u32, Listing>,
    statuses: BTreeMap<u32, TradingStatus>,
    fees: BTreeMap<(u32, u16), (i32, i32)>,
    groups: BTreeMap<u32, u16>,
    pub(super) orders: BTreeMap<u64, Order>,
    open: BTreeSet<u64>,
    /// What exists of each asset by deposits less withdrawals.
    issued: BTreeMap<u32, i128>,
    totals: BTreeMap<(u32, u32), i128>,
    used: BTreeSet<(u32, ClientOrderId)>,
    last_trade_id: u64,
    half: Option<Half>,
    /// What has traded in the auction that this command ends.
    uncrossed: BTreeMap<u32, (i64, i128)>,
    reports: u64,
    /// The command that is being looked at.
    sequence: u64,
}

/// The account that fees go to.
const VENUE: u32 = 1;

fn units(amount: i128) -> i128 {
    // Rounded up: against the payer.
    amount.div_euclid(1_000_000) + i128::from(amount.rem_euclid(1_000_000) != 0)
}

impl Market {
    pub(super) fn list(&mut self, instrument_id: InstrumentId, listing: Listing) {
        self.listings.insert(instrument_id.0, listing);
        self.statuses.insert(instrument_id.0, TradingStatus::Open);
    }

    pub(super) fn change_listing(&mut self, instrument_id: InstrumentId, change: impl FnOnce(&mut Listing)) {
        if let Some(listing) = self.listings.get_mut(&instrument_id.0) {
            change(listing);
        }
    }

    pub(super) fn status(&self, instrument_id: InstrumentId) -> Option<TradingStatus> {
        self.statuses.get(&instrument_id.0).copied()
    }

    pub(super) fn has_used(&self, account_id: AccountId, client_order_id: ClientOrderId) -> bool {
        self.used.contains(&(account_id.0, client_order_id))
    }

    /// The account's open order that this names.
    pub(super) fn named(
        &self,
        account_id: AccountId,
        order_id: OrderId,
        client_order_id: ClientOrderId,
    ) -> Option<(u64, &Order)> {
        let fits = |order: &Order| {
            order.account == account_id && (client_order_id.is_empty() || order.client_order_id == client_order_id)
        };
        if order_id.0 != 0 {
            return self.open_orders().find(|(id, order)| *id == order_id.0 && fits(order));
        }
        self.open_orders().find(|(_, order)| fits(order) && !client_order_id.is_empty())
    }

    pub(super) fn open_orders(&self) -> impl Iterator<Item = (u64, &Order)> + '_ {
        self.open.iter().filter_map(|id| Some((*id, self.orders.get(id)?)))
    }

    pub(super) fn begin(&mut self, sequence: u64, event_time_ns: i64, is_timer: bool) -> Result<(), Finding> {
        self.sequence = sequence;
        self.half = None;
        self.uncrossed.clear();
        if !is_timer {
            // The node puts an `AdvanceTime` before whatever comes at a time at which something is due.
            let late = |order: &Order| order.expire_time_ns != 0 && order.expire_time_ns <= event_time_ns;
            if let Some((id, order)) = self.open_orders().find(|(_, order)| late(order)) {
                let what =
                    format!("order {id} was to expire at {} and is open at {event_time_ns}", order.expire_time_ns);
                return Err(Finding::new("expiry", what));
            }
        }
        Ok(())
    }

    pub(super) fn event(&mut self, event: &Event) -> Result<(), Finding> {
        self.reports += 1;
        if self.half.is_some() && !matches!(event, Event::Execution(_)) {
            return Err(Finding::new("both sides of a trade", "the second report of a trade is missing".into()));
        }
        match event {
            Event::Execution(report) => self.report(report),
            Event::Terms(terms) => self.terms(terms),
            Event::Posted(posted) => self.posted(posted),
            Event::FeesSet(set) => {
                self.fees.insert((set.instrument_id.0, set.group_id.0), (set.maker_ppm, set.taker_ppm));
                Ok(())
            }
            Event::AccountOpened(opened) => {
                self.groups.insert(opened.account_id.0, opened.group_id.0);
                Ok(())
            }
            Event::AccountGroupSet(set) => {
                self.groups.insert(set.account_id.0, set.group_id.0);
                Ok(())
            }
            Event::TradingStatusSet(set) => {
                self.statuses.insert(set.instrument_id.0, set.status);
                Ok(())
            }
            Event::AuctionEnded(ended) => {
                let traded = self.uncrossed.remove(&ended.instrument_id.0).unwrap_or((0, 0));
                if traded != (ended.price.0, ended.volume) {
                    let what = format!("said {} lots at {}, traded {traded:?}", ended.volume, ended.price.0);
                    return Err(Finding::new("one auction price", what));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn report(&mut self, report: &ExecutionReport) -> Result<(), Finding> {
        let id = report.order_id.0;
        let fail = |rule, what: &str| Err(Finding::new(rule, format!("order {id}: {what}: {report:?}")));
        if let Some(half) = self.half.filter(|half| half.at + 1 != self.reports || report.exec_type != ExecType::Trade)
        {
            return fail("both sides of a trade", &format!("trade {} has one report only", half.report.trade_id));
        }
        if report.exec_type == ExecType::New {
            return self.entered(report);
        }
        let Some(before) = self.orders.get(&id).cloned() else {
            return fail("known orders", "nobody has entered it");
        };
        if !before.open {
            return fail("ended orders", "it had ended");
        }
        if (report.account_id, report.instrument_id, report.side) != (before.account, before.instrument, before.side) {
            return fail("known orders", "another account, instrument or side");
        }
        let mut order = before.clone();
        let by_quote = order.quote_quantity != 0;
        let ended = matches!(report.exec_type, ExecType::Canceled | ExecType::Expired);
        let traded = report.exec_type == ExecType::Trade;
        if !traded && report.filled_quantity.0 != before.filled {
            return fail("quantities", "filled has changed without a trade");
        }
        if report.filled_quantity.0 != before.filled + report.last_quantity.0 || (traded && report.last_quantity.0 <= 0)
        {
            return fail("quantities", "filled is not the sum of its trades");
        }
        let leaves = if ended || by_quote { 0 } else { report.quantity.0 - report.filled_quantity.0 };
        if report.leaves_quantity.0 != leaves || leaves < 0 {
            return fail("quantities", "filled + canceled + leaves is not what was ordered");
        }
        if !matches!(report.exec_type, ExecType::Replaced | ExecType::Restated) && report.quantity.0 != before.quantity
        {
            return fail("quantities", "the quantity has changed");
        }
        let filled = report.filled_quantity.0 > 0;
        let status = match report.exec_type {
            ExecType::Canceled => OrderStatus::Canceled,
            ExecType::Expired => OrderStatus::Expired,
            _ if !by_quote && leaves == 0 => OrderStatus::Filled,
            _ if by_quote && report.status == OrderStatus::Filled => OrderStatus::Filled,
            _ if filled => OrderStatus::PartiallyFilled,
            _ => OrderStatus::New,
        };
        if report.status != status {
            return fail("status", "the status does not fit the quantities");
        }
        let over = ended || status == OrderStatus::Filled;
        if report.hold.0 < 0 || (over && report.hold.0 != 0) {
            return fail("holds", "it has ended and holds money, or holds less than nothing");
        }
        if report.client_order_id != before.client_order_id {
            if report.exec_type != ExecType::Replaced {
                return fail("known orders", "another client_order_id");
            }
            self.use_name(report)?;
        }
        let same_place = match report.exec_type {
            ExecType::Replaced => report.price.0 == before.price && report.quantity.0 <= before.quantity,
            ExecType::Restated => report.price.0 == before.price,
            ExecType::Triggered => false,
            // An iceberg that has shown all of its peak goes to the back with the next one, but not in an auction.
            _ => {
                !traded
                    || before.peak == 0
                    || report.liquidity != Liquidity::Maker
                    || report.last_quantity.0 < before.shown()
            }
        };
        if !same_place {
            (order.place, order.placed_by) = (self.reports, self.sequence);
        }
        order.place_unknown |= report.exec_type == ExecType::Restated && before.peak > 0;
        order.place_unknown |= report.exec_type == ExecType::Replaced && same_place && before.slides;
        if report.exec_type == ExecType::Triggered && !before.waits {
            return fail("triggers", "it did not wait");
        }
        order.client_order_id = report.client_order_id;
        order.price = report.price.0;
        order.quantity = report.quantity.0;
        order.filled = report.filled_quantity.0;
        order.leaves = leaves;
        order.displayed = report.displayed_quantity.0;
        order.hold = report.hold.0;
        order.open = !over;
        if report.exec_type == ExecType::Triggered {
            order.waits = false;
        }
        if traded {
            self.traded(report, &before, &mut order)?;
        }
        if over {
            self.open.remove(&id);
        }
        self.orders.insert(id, order);
        Ok(())
    }

    fn use_name(&mut self, report: &ExecutionReport) -> Result<(), Finding> {
        let name = (report.account_id.0, report.client_order_id);
        if !report.client_order_id.is_empty() && !self.used.insert(name) {
            let what = format!("account {} has used {} before", name.0, name.1);
            return Err(Finding::new("one effect", what));
        }
        Ok(())
    }

    fn entered(&mut self, report: &ExecutionReport) -> Result<(), Finding> {
        let id = report.order_id.0;
        let fail = |rule, what: &str| Err(Finding::new(rule, format!("order {id}: {what}: {report:?}")));
        // Order ids are a dense count over accepted orders.
        if id != self.orders.last_key_value().map_or(0, |(id, _)| *id) + 1 {
            return fail("dense ids", "the order_id is not the next one");
        }
        self.use_name(report)?;
        let by_quote = report.quote_quantity.0 != 0;
        let leaves = if by_quote { 0 } else { report.quantity.0 };
        if report.filled_quantity.0 != 0 || report.leaves_quantity.0 != leaves || report.status != OrderStatus::New {
            return fail("quantities", "a new order has traded or has no leaves");
        }
        match self.status(report.instrument_id) {
            Some(TradingStatus::Halted | TradingStatus::CancelOnly | TradingStatus::Closed) | None => {
                return fail("trading status", "the instrument does not take orders");
            }
            Some(TradingStatus::PostOnly) if !report.post_only => {
                return fail("trading status", "the instrument takes post-only orders");
            }
            _ => {}
        }
        let group = self.groups.get(&report.account_id.0).copied().unwrap_or(0);
        let fees = [group, 0].iter().find_map(|group| self.fees.get(&(report.instrument_id.0, *group)));
        let (maker_ppm, taker_ppm) = fees.copied().unwrap_or((0, 0));
        let order = Order {
            account: report.account_id,
            instrument: report.instrument_id,
            client_order_id: report.client_order_id,
            open: true,
            side: report.side,
            order_type: report.order_type,
            time_in_force: report.time_in_force,
            price: report.price.0,
            worst: 0,
            quantity: report.quantity.0,
            filled: 0,
            leaves,
            displayed: 0,
            quote_quantity: report.quote_quantity.0,
            notional: 0,
            hold: report.hold.0,
            waits: false,
            hidden: false,
            peak: 0,
            pegged: false,
            auction_only: false,
            slides: false,
            place_unknown: false,
            in_list: false,
            expire_time_ns: 0,
            place: self.reports,
            placed_by: self.sequence,
            maker_ppm: maker_ppm.into(),
            taker_ppm: taker_ppm.into(),
            carry: 0,
        };
        self.orders.insert(id, order);
        self.open.insert(id);
        Ok(())
    }

    fn terms(&mut self, told: &OrderTerms) -> Result<(), Finding> {
        let (reports, sequence) = (self.reports, self.sequence);
        let Some(order) = self.orders.get_mut(&told.order_id.0) else {
            return Err(Finding::new("known orders", format!("terms of an order that nobody has entered: {told:?}")));
        };
        if order.waits && !told.waits {
            (order.place, order.placed_by) = (reports, sequence);
        }
        order.waits = told.waits;
        order.worst = told.limit_price.0;
        order.hidden = told.terms.hidden;
        order.peak = told.terms.display_quantity.0;
        order.pegged = told.terms.peg != beurs_engine::types::Peg::None;
        order.slides = told.terms.slide;
        order.auction_only = told.terms.auction_only;
        order.in_list = told.list_id.0 != 0;
        order.expire_time_ns = told.terms.expire_time_ns;
        Ok(())
    }

    fn traded(&mut self, report: &ExecutionReport, before: &Order, order: &mut Order) -> Result<(), Finding> {
        let id = report.order_id.0;
        let fail = |rule, what: &str| Err(Finding::new(rule, format!("order {id}: {what}: {report:?}")));
        let Some(listing) = self.listings.get(&report.instrument_id.0).copied() else {
            return fail("known orders", "on an instrument that is not listed");
        };
        let (price, quantity) = (report.last_price.0, report.last_quantity.0);
        if price < 1 || !order.allows(price) {
            return fail("limits", "it has traded at a price worse than its limit");
        }
        if report.last_notional.0 != i128::from(price) * i128::from(quantity) * listing.tick_lot_units {
            return fail("money", "the notional is not price times quantity");
        }
        order.notional += report.last_notional.0;
        if order.quote_quantity != 0 && order.notional > order.quote_quantity {
            return fail("limits", "it has traded more than its quote quantity");
        }
        let auction = report.liquidity == Liquidity::Auction;
        if !auction && self.status(report.instrument_id) != Some(TradingStatus::Open) {
            return fail("trading status", "it has traded while the instrument was not open");
        }
        let rate = match report.liquidity {
            Liquidity::Maker => {
                let taker = self.orders.get(&report.counter_order_id.0);
                taker.map_or(order.maker_ppm, |taker| order.maker_ppm.max(-taker.taker_ppm))
            }
            _ => order.taker_ppm,
        };
        let exact = rate * report.last_notional.0 - order.carry;
        if report.fee.0 != units(exact) {
            return fail("fees", &format!("the fee should be {}", units(exact)));
        }
        order.carry = report.fee.0 * 1_000_000 - exact;
        match self.half.take() {
            None => {
                self.last_trade_id += 1;
                if report.trade_id.0 != self.last_trade_id {
                    return fail("dense ids", "the trade_id is not the next one");
                }
                let first = if auction { report.side == Side::Buy } else { report.liquidity == Liquidity::Taker };
                if !first {
                    return fail("both sides of a trade", "the first report is not the taker's, or the buyer's");
                }
                if auction {
                    let (at, volume) = self.uncrossed.entry(report.instrument_id.0).or_insert((price, 0));
                    if *at != price {
                        return fail("one auction price", "its trades have several prices");
                    }
                    *volume += i128::from(quantity);
                }
                self.half = Some(Half { report: *report, at: self.reports });
            }
            Some(Half { report: taker, .. }) => {
                let same = (taker.trade_id, taker.last_price, taker.last_quantity, taker.instrument_id)
                    == (report.trade_id, report.last_price, report.last_quantity, report.instrument_id);
                let sides = taker.side == report.side.opposite()
                    && taker.counter_order_id == report.order_id
                    && report.counter_order_id == taker.order_id;
                let kinds = if auction { taker.liquidity } else { report.liquidity };
                if !same || !sides || kinds != if auction { Liquidity::Auction } else { Liquidity::Maker } {
                    return fail("both sides of a trade", &format!("it does not fit the other report {taker:?}"));
                }
                if !auction {
                    self.maker_was_first(id, before, price, listing)?;
                }
            }
        }
        let base = i128::from(quantity) * listing.lot_units;
        let (sign, account) = (if report.side == Side::Buy { 1 } else { -1 }, report.account_id.0);
        *self.totals.entry((account, listing.base.0)).or_insert(0) += sign * base;
        *self.totals.entry((account, listing.quote.0)).or_insert(0) -= sign * report.last_notional.0 + report.fee.0;
        *self.totals.entry((VENUE, listing.quote.0)).or_insert(0) += report.fee.0;
        Ok(())
    }

    /// Price before display before time, as far as reports tell: what has come to its place within this command is left out.
    fn maker_was_first(&self, id: u64, maker: &Order, price: i64, listing: Listing) -> Result<(), Finding> {
        if price != maker.price {
            let what = format!("order {id} rests at {} and has traded as a maker at {price}", maker.price);
            return Err(Finding::new("the maker's price", what));
        }
        for (other_id, other) in self.open_orders() {
            let rival = other_id != id
                && (other.instrument, other.side) == (maker.instrument, maker.side)
                && other.placed_by != self.sequence
                && other.rests();
            if !rival {
                continue;
            }
            if other.better_than(price) {
                let what = format!("order {id} traded at {price}, order {other_id} waited at {}", other.price);
                return Err(Finding::new("price priority", what));
            }
            let vague = |order: &Order| order.pegged || order.place_unknown;
            let known = listing.by_time && !vague(other) && !vague(maker) && other.price == price;
            if known && (other.hidden, other.place) < (maker.hidden, maker.place) {
                let what = format!("order {id} traded at {price} before order {other_id}, which was there first");
                return Err(Finding::new("time priority", what));
            }
        }
        Ok(())
    }

    fn posted(&mut self, posted: &Posted) -> Result<(), Finding> {
        *self.issued.entry(posted.asset_id.0).or_insert(0) += posted.amount.0;
        let key = (posted.account_id.0, posted.asset_id.0);
        let total = self.totals.entry(key).or_insert(0);
        *total += posted.amount.0;
        let total = *total;
        if posted.total.0 != total {
            return Err(Finding::new("money", format!("account {} should have {total}: {posted:?}", key.0)));
        }
        self.holds(posted.account_id, posted.asset_id, posted.held.0)
    }

    /// What an account's orders hold of an asset, and whether that is all: of an order list a pair holds less.
    fn held(&self, account_id: AccountId, asset_id: AssetId) -> (i128, bool) {
        let (mut held, mut exact) = (0, true);
        for (_, order) in self.open_orders().filter(|(_, order)| order.account == account_id) {
            let Some(listing) = self.listings.get(&order.instrument.0) else { continue };
            let asset = if order.side == Side::Buy { listing.quote } else { listing.base };
            if asset == asset_id {
                held += order.hold;
                exact &= !order.in_list;
            }
        }
        (held, exact)
    }

    fn holds(&self, account_id: AccountId, asset_id: AssetId, said: i128) -> Result<(), Finding> {
        let (held, exact) = self.held(account_id, asset_id);
        if said < 0 || said > held || (exact && said != held) {
            let what = format!("account {account_id} holds {said} of asset {asset_id}, its orders {held}");
            return Err(Finding::new("holds", what));
        }
        Ok(())
    }

    /// What must be true after every command.
    pub(super) fn end(&self) -> Result<(), Finding> {
        if self.half.is_some() {
            return Err(Finding::new("both sides of a trade", "the second report of a trade is missing".into()));
        }
        for (&(account, asset), &total) in &self.totals {
            let (held, exact) = self.held(AccountId(account), AssetId(asset));
            if total < 0 || (exact && held > total) {
                let what = format!("account {account} has {total} of asset {asset} and holds {held}");
                return Err(Finding::new("balances", what));
            }
        }
        for (&asset, &issued) in &self.issued {
            let total: i128 = self.totals.iter().filter(|((_, of), _)| *of == asset).map(|(_, total)| total).sum();
            if total != issued {
                let what = format!("{total} of asset {asset} exist, {issued} were brought in");
                return Err(Finding::new("money", what));
            }
        }
        for (&instrument, &status) in &self.statuses {
            let banded = self.listings.get(&instrument).is_some_and(|listing| listing.bands.is_some());
            if status != TradingStatus::Open || banded {
                continue;
            }
            let resting = |side| {
                let on_it = move |order: &&Order| order.instrument.0 == instrument && order.side == side;
                self.open_orders().map(|(_, order)| order).filter(|order| order.rests()).filter(on_it)
            };
            let bid = resting(Side::Buy).map(|order| order.price).max();
            let ask = resting(Side::Sell).map(|order| order.price).min();
            if let (Some(bid), Some(ask)) = (bid, ask) {
                if bid >= ask {
                    let what = format!("instrument {instrument} is open with a bid at {bid} and an ask at {ask}");
                    return Err(Finding::new("crossed book", what));
                }
            }
        }
        Ok(())
    }

    /// Compares with the balances and the open orders that the venue itself shows.
    pub(super) fn compare(&self, shown: &super::Shown) -> Result<(), Finding> {
        let mut shown_totals = BTreeMap::new();
        for &(account_id, asset_id, total, held) in &shown.balances {
            shown_totals.insert((account_id.0, asset_id.0), total);
            self.holds(account_id, asset_id, held)?;
        }
        for (key, total) in self.totals.iter().filter(|(_, total)| **total != 0) {
            if shown_totals.get(key) != Some(total) {
                let what = format!("{key:?} should have {total}, the venue shows {:?}", shown_totals.get(key));
                return Err(Finding::new("money", what));
            }
        }
        for (key, total) in shown_totals {
            if self.totals.get(&key).copied().unwrap_or(0) != total {
                return Err(Finding::new("money", format!("{key:?} should have nothing, the venue shows {total}")));
            }
        }
        let open: Vec<_> =
            self.open_orders().map(|(id, order)| (OrderId(id), order.filled, order.leaves, order.price)).collect();
        if let Some((ours, theirs)) = open.iter().zip(&shown.orders).find(|(ours, theirs)| ours != theirs) {
            return Err(Finding::new("open orders", format!("should be {ours:?}, the venue shows {theirs:?}")));
        }
        if open.len() != shown.orders.len() {
            let what = format!("{} should be open, the venue shows {}", open.len(), shown.orders.len());
            return Err(Finding::new("open orders", what));
        }
        Ok(())
    }
}
