//! What clients ask for: new orders, cancels, replaces, mass cancels.
//!
//! A plain order (limit or market, no terms) takes the short way: it gets a record only when it comes to rest. A special one
//! gets its record and its `Extra` first, and is executed from there; so is a conditional order when it triggers.

use crate::bands::Stopped;
use crate::command::{CancelOrder, CancelReplace, MassCancel, NewOrder, ReplaceOrder};
use crate::conditional::Floor;
use crate::engine::{active, Engine, Instrument, Listing};
use crate::event::{Event, EventSink, MassCanceled, Rejected};
use crate::fees::{worst_cost, FeeSchedule};
use crate::matching::{self, Ended, Incoming, Walk};
use crate::pool::{client_hash, Flags, Order, NIL};
use crate::reject::RejectReason;
use crate::risk::Asked;
use crate::settlement::{cancel_reason, new_report, Desk, Taker};
use crate::terms::check_terms;
use crate::types::{
    AccountId, Amount, AssetId, CancelReason, CancelReplaceMode, ClientOrderId, ExecType, InstrumentId, KeyId, Lots,
    OrderId, OrderType, PriceTicks, Side, TimeInForce, TradingStatus, MAX_ISSUED, MAX_NOTIONAL, MAX_TICKS_OR_LOTS, PPM,
};

/// When an order begins to work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entering {
    /// On entry; a conditional order begins to wait for its price.
    Now,
    /// When another order of its list has been filled.
    Later,
}

/// What is known of a new order that has passed every check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub account: usize,
    pub at: usize,
    /// Its fee schedule.
    pub fees: u16,
    /// Its price, which a slide, a peg or the book may have decided; 0 for none.
    pub price: PriceTicks,
    /// What it holds if it comes to rest or waits, or what it costs.
    pub needed: i128,
    /// Whether it may come to rest.
    pub rests: bool,
    /// A FOK order that cannot trade whole.
    pub killed: bool,
    /// Orders are collected for an auction.
    pub collects: bool,
}

/// The refusal of a cancel.
pub(crate) fn rejected_cancel(reason: RejectReason, cancel: &CancelOrder) -> Rejected {
    Rejected {
        reason,
        account_id: cancel.account_id,
        instrument_id: InstrumentId::NONE,
        order_id: cancel.order_id,
        client_order_id: cancel.client_order_id,
    }
}

/// The refusal of a new order.
pub(crate) fn rejected_new_order(reason: RejectReason, order: &NewOrder) -> Rejected {
    Rejected {
        reason,
        account_id: order.account_id,
        instrument_id: order.instrument_id,
        order_id: OrderId::NONE,
        client_order_id: order.client_order_id,
    }
}

/// Whether an order of this kind has a limit. `PLAIN`: it is a limit or a market order.
#[inline(always)] // An instruction or two.
fn has_limit<const PLAIN: bool>(order_type: OrderType) -> bool {
    if PLAIN {
        order_type == OrderType::Limit
    } else {
        order_type.has_limit()
    }
}

/// Whether an order of this kind may come to rest. `PLAIN`: it is a limit or a market order.
#[inline(always)] // As above.
pub(crate) fn rests<const PLAIN: bool>(order_type: OrderType, time_in_force: TimeInForce) -> bool {
    let lasting = time_in_force as u8 & !1 != TimeInForce::Ioc as u8; // IOC is 2 and FOK 3.
    lasting && (has_limit::<PLAIN>(order_type) || !PLAIN && order_type == OrderType::MarketToLimit)
}

impl Engine {
    #[inline(always)] // Nearly every command is one of these.
    pub(crate) fn new_order<S: EventSink>(&mut self, command: &NewOrder, events: &mut S) -> Result<(), RejectReason> {
        let is_plain = |listing: &Listing| listing.active == 0 && listing.instrument.status == TradingStatus::Open;
        let listing = command.instrument_id.index().and_then(|at| self.listings.get(at));
        if !command.is_special() && listing.is_some_and(is_plain) && !self.is_watched() {
            let entry = self.check_new_order::<true>(command, Entering::Now)?;
            // After this point the order must succeed.
            self.enter_plain::<true, S>(command, &entry, events);
            return Ok(());
        }
        self.new_other_order(command, events)
    }

    /// A new order that is not plain, or that its instrument or the venue does not take as one.
    #[inline(never)] // The frequent way stays small.
    fn new_other_order<S: EventSink>(&mut self, command: &NewOrder, events: &mut S) -> Result<(), RejectReason> {
        let entry = self.check_new_order::<false>(command, Entering::Now)?;
        // After this point the order must succeed.
        if command.is_special() {
            let slot = self.enter_special(command, &entry, None, events);
            self.work(slot, events);
        } else {
            self.enter_plain::<false, S>(command, &entry, events);
        }
        self.after_execution(entry.at, events);
        Ok(())
    }

    /// Whether anything looks at orders beside the instruments' own rules: kill switches, account modes, risk limits, or fee
    /// caps whose table is to be looked through. One condition spares a venue without them several.
    #[inline]
    fn is_watched(&self) -> bool {
        self.risk.guarded | !self.limits.bounds.is_empty() | self.fees.is_crowded()
    }

    /// Everything that may be against a new order, in the order of the reasons' numbers. `PLAIN`: the order is known to be
    /// plain, its instrument to be open with nothing active, and the venue not to be watched, so that most of it need not be
    /// looked at.
    #[inline(always)] // The way of nearly every command; its other callers are rare.
    pub(crate) fn check_new_order<const PLAIN: bool>(
        &self,
        command: &NewOrder,
        entering: Entering,
    ) -> Result<Entry, RejectReason> {
        let account = self.account_index(command.account_id)?;
        let at = self.instrument_index(command.instrument_id)?;
        let listing = &self.listings[at];
        let instrument = &listing.instrument;
        let collects = !PLAIN && self.check_status(listing, command)?;
        if !PLAIN {
            self.check_authority(account, at, command.key_id)?;
        }
        self.check_client_order_id(account, &command.client_order_id)?;
        check_form::<PLAIN>(command)?;
        let by_quote = command.quote_quantity.0 != 0;
        let mut notional = if by_quote {
            check_quote_quantity(instrument, command.quote_quantity)?
        } else {
            check_quantity(instrument, command.quantity)?;
            match has_limit::<PLAIN>(command.order_type) {
                true => check_notional(instrument, command.price, command.quantity)?,
                false if collects => listing.check_auction_notional(command)?,
                false if !PLAIN && command.order_type == OrderType::MarketToLimit => {
                    match self.books[at].best_price(&self.arena, command.side.opposite()) {
                        Some(best) => check_notional(instrument, best, command.quantity)?,
                        None => 0, // That there is no price is another reason's.
                    }
                }
                false => 0,
            }
        };
        let special = !PLAIN && command.is_special();
        if special {
            check_terms(listing, command, self.event_time_ns)?;
        }
        if command.key_id.0 > KeyId::MAX {
            return Err(RejectReason::InvalidKey);
        }
        let fees = self.fees_for(listing, account);
        let waits = !PLAIN && (command.order_type.is_conditional() || entering == Entering::Later);
        let rests = rests::<PLAIN>(command.order_type, command.time_in_force);
        let mut entry = Entry { account, at, fees, price: command.price, needed: 0, rests, killed: false, collects };
        if !PLAIN && listing.active & active::BANDS != 0 && entering == Entering::Now {
            self.check_static_band(listing, command.price)?;
        }
        if !PLAIN && entering == Entering::Now {
            self.check_risk(account, at, &Asked::of_new_order(command))?;
        }
        if special && !waits && !collects {
            entry.price = self.entry_price(at, command)?;
            if command.post_only {
                // It may have slid; that its notional fits was looked at.
                notional = instrument.known_notional(entry.price.0, command.quantity.0);
            }
        }
        if collects && command.order_type == OrderType::Market && command.side == Side::Buy {
            listing.auction_limit()?;
        }
        let market = command.order_type == OrderType::Market;
        if collects || !market && (waits || rests) {
            self.check_open_orders(account)?;
        }
        if entering == Entering::Later {
            return Ok(entry);
        }
        let book = &self.books[at];
        let would_match = |price| book.would_match(&self.arena, command.side, price);
        if command.post_only && !waits && !collects && would_match(entry.price) {
            return Err(RejectReason::PostOnlyWouldMatch);
        }
        let schedule = self.fees.schedule(fees);
        let lot_units = i128::from(instrument.lot_units);
        let needed = if waits || collects {
            listing.waiting_hold(command, schedule)?
        } else if !PLAIN && command.order_type == OrderType::MarketToLimit {
            [worst_cost(notional, schedule, 0), i128::from(command.quantity.0) * lot_units][command.side.index()]
        } else {
            let fill_or_kill = command.time_in_force == TimeInForce::Fok;
            let market = command.order_type == OrderType::Market;
            let walked = if fill_or_kill || market && (command.side == Side::Buy) != by_quote {
                let mut taker = self.taker(command, &entry);
                if !PLAIN {
                    taker.bound = self.trading_bound(at, &taker);
                }
                let most = by_quote.then(|| command.quote_quantity.0 / i128::from(instrument.tick_lot_units));
                self.walk(at, &taker, most)
            } else {
                Walk::default()
            };
            entry.killed = fill_or_kill && walked.quantity < command.quantity.0;
            match (command.order_type, command.side) {
                // Both sides are computed, because which one it will be cannot be predicted.
                (OrderType::Limit, side) => {
                    let cost = worst_cost(notional, schedule, 0);
                    [cost, i128::from(command.quantity.0) * lot_units][side.index()]
                }
                (_, Side::Buy) if by_quote => worst_cost(notional, schedule, 0),
                (_, Side::Buy) if entry.killed => 0,
                (_, Side::Buy) => market_cost(instrument, walked, schedule),
                (_, Side::Sell) if by_quote => i128::from(walked.quantity) * lot_units,
                (_, Side::Sell) => i128::from(command.quantity.0) * lot_units,
            }
        };
        if self.ledger.accounts[account].balance(instrument.hold_index(command.side)).available() < needed {
            return Err(RejectReason::InsufficientFunds);
        }
        entry.needed = needed;
        Ok(entry)
    }

    /// The record of a command's order, which gets the next id.
    #[inline]
    fn next_order(&self, command: &NewOrder, entry: &Entry) -> Order {
        let flags = Flags::new(command.self_trade_prevention, command.post_only, command.time_in_force);
        let leaves = if command.quote_quantity.0 != 0 { i64::MAX } else { command.quantity.0 };
        let mut order = Order::new(self.last_order_id + 1, entry.account as u32, leaves, entry.fees, flags);
        order.set_key_id(command.key_id);
        order
    }

    /// The order of a command on its way in.
    #[inline(always)] // Large: made in its place, it is written once.
    pub(crate) fn taker(&self, command: &NewOrder, entry: &Entry) -> Taker {
        let market = command.order_type == OrderType::Market;
        Taker {
            order: self.next_order(command, entry),
            client_order_id: command.client_order_id,
            side: command.side,
            order_type: command.order_type,
            price: entry.price,
            bound: if market { Incoming::any_price(command.side) } else { entry.price },
            market,
            quote_quantity: command.quote_quantity,
            quote_left: command.quote_quantity.0,
            rests: entry.rests,
            hold: 0,
            slot: NIL,
            first_price: 0,
        }
    }

    /// Enters a plain limit or market order: it gets a record only if it comes to rest.
    #[inline(always)] // As `check_new_order`.
    fn enter_plain<const PLAIN: bool, S: EventSink>(&mut self, command: &NewOrder, entry: &Entry, events: &mut S) {
        let (account, at) = (entry.account, entry.at);
        if !PLAIN {
            self.note_order(account, at, command);
        }
        let collected = !PLAIN && entry.collects;
        let mut held = 0;
        if entry.rests {
            held = entry.needed;
            let hold_asset = self.listings[at].instrument.hold_index(command.side);
            self.ledger.balance_mut(account, hold_asset).held += held;
            if !collected && !self.books[at].would_match(&self.arena, command.side, command.price) {
                let order = self.next_order(command, entry);
                self.last_order_id += 1;
                events.emit(Event::Execution(new_report(&order, command, held)));
                return self.rest_new(command, entry, order);
            }
        }
        let mut taker = self.taker(command, entry);
        self.last_order_id += 1;
        taker.hold = held;
        events.emit(Event::Execution(taker.report(command.instrument_id, ExecType::New, CancelReason::None)));
        if entry.killed {
            self.cancel_taker(at, &mut taker, CancelReason::FillOrKill, 0, events);
            self.remember(account, &taker.client_order_id);
            return;
        }
        if !PLAIN {
            taker.bound = self.trading_bound(at, &taker);
        }
        if collected || self.match_taker(at, &mut taker, events) {
            self.rest_new(command, entry, taker.order);
        } else {
            self.remember(account, &taker.client_order_id);
        }
    }

    /// Gives a plain order its record and puts it into the book.
    #[inline]
    fn rest_new(&mut self, command: &NewOrder, entry: &Entry, order: Order) {
        let slot = self.arena.orders.insert(order);
        self.arena.orders.set_client_order_id(slot, &command.client_order_id);
        self.ledger.append_order(&mut self.arena, entry.account, slot);
        self.books[entry.at].rest(&mut self.arena, slot, command.side, command.price);
    }

    #[inline(always)] // As `new_order`.
    pub(crate) fn cancel_order<S: EventSink>(
        &mut self,
        command: &CancelOrder,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let slot = self.find_order(command.account_id, command.order_id, &command.client_order_id)?;
        let at = self.arena.half_of(slot).0;
        if !command.account_id.is_none() {
            if self.listings[at].instrument.status == TradingStatus::Halted {
                return Err(RejectReason::InstrumentHalted);
            }
            self.check_may_cancel(command.account_id)?;
        }
        // After this point the cancel must succeed.
        if self.arena.orders.get(slot).flags.special() {
            self.cancel_special(slot, CancelReason::Requested, events);
        } else {
            self.cancel_plain(at, slot, CancelReason::Requested, events);
        }
        self.after_execution(at, events);
        Ok(())
    }

    pub(crate) fn replace_order<S: EventSink>(
        &mut self,
        command: &ReplaceOrder,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        if command.account_id.is_none() {
            return Err(RejectReason::UnknownAccount);
        }
        let slot = self.find_order(command.account_id, command.order_id, &command.original_client_order_id)?;
        let order = *self.arena.orders.get(slot);
        if order.flags.special() {
            return self.replace_special(slot, command, events);
        }
        let account = order.account as usize;
        let level = *self.arena.level_of(slot);
        let (at, side) = (level.instrument(), level.side());
        let (instrument, collects) = (&self.listings[at].instrument, self.listings[at].collects());
        let post_only = self.check_replace_status(at, order.flags.post_only())?;
        self.check_authority(account, at, order.key_id())?;
        self.check_client_order_id(account, &command.client_order_id)?;
        let price = if command.price.0 == 0 { PriceTicks(level.price) } else { command.price };
        check_price(price)?;
        let old_quantity = order.filled + order.leaves;
        let quantity = if command.quantity.0 == 0 { Lots(old_quantity) } else { command.quantity };
        check_quantity(instrument, quantity)?;
        if quantity.0 <= order.filled {
            return Err(RejectReason::QuantityNotAboveFilled);
        }
        check_notional(instrument, price, quantity)?;
        if command.trigger_price.0 != 0 || command.display_quantity.0 != 0 {
            check_replaced_terms(command, quantity)?;
            return Err(RejectReason::ReplaceNotAllowed);
        }
        if self.listings[at].active & active::BANDS != 0 {
            self.check_static_band(&self.listings[at], price)?;
        }
        let asked = Asked {
            key_id: order.key_id(),
            side,
            order_type: OrderType::Limit,
            price,
            quantity,
            quote_quantity: Amount::ZERO,
            replaces: Some(slot),
        };
        self.check_risk(account, at, &asked)?;
        let keeps_place = price.0 == level.price && quantity.0 <= old_quantity;
        if post_only && !keeps_place && !collects && self.books[at].would_match(&self.arena, side, price) {
            return Err(RejectReason::PostOnlyWouldMatch);
        }
        let schedule = self.fees.of(&order);
        let leaves = quantity.0 - order.filled;
        let old_hold = instrument.hold(side, level.price, order.leaves, schedule, order.fee_carry());
        let hold = instrument.hold(side, price.0, leaves, schedule, order.fee_carry());
        let hold_asset = instrument.hold_index(side);
        if self.ledger.accounts[account].balance(hold_asset).available() < hold - old_hold {
            return Err(RejectReason::InsufficientFunds);
        }
        // After this point the replace must succeed.

        let instrument_id = instrument.instrument_id;
        self.note_replace(account, at, order.key_id());
        self.ledger.balance_mut(account, hold_asset).held += hold - old_hold;
        if !command.client_order_id.is_empty() {
            if let Some(hash) = self.arena.orders.take_client_order_id(slot) {
                self.ledger.remember(&mut self.remembered, account, hash);
            }
            self.arena.orders.set_client_order_id(slot, &command.client_order_id);
        }
        if !keeps_place {
            self.books[at].unlink(&mut self.arena, slot);
            self.books[at].lose_top(order.order_id);
            self.arena.orders.get_mut(slot).leaves = leaves;
        } else if leaves < order.leaves {
            self.arena.reduce(slot, order.leaves - leaves);
        }
        let mut taker = Taker {
            order: *self.arena.orders.get(slot),
            client_order_id: self.arena.orders.client_order_id(slot),
            side,
            order_type: OrderType::Limit,
            price,
            bound: price,
            market: false,
            quote_quantity: Amount::ZERO,
            quote_left: 0,
            rests: true,
            hold,
            slot: NIL,
            first_price: 0,
        };
        let mut report = taker.report(instrument_id, ExecType::Replaced, CancelReason::None);
        if keeps_place {
            report.displayed_quantity = Lots(taker.order.leaves);
        }
        events.emit(Event::Execution(report));
        if keeps_place {
            self.after_execution(at, events);
            return Ok(());
        }
        if !collects {
            taker.bound = self.trading_bound(at, &taker);
        }
        let rests = collects || self.match_taker(at, &mut taker, events);
        self.write_back(slot, &taker);
        if rests {
            self.rest(at, slot, side, price);
        } else {
            self.ledger.retire(&mut self.arena, &mut self.remembered, slot);
        }
        self.after_execution(at, events);
        Ok(())
    }

    /// Whether the instrument's status allows a replace, and whether it must not match.
    pub(crate) fn check_replace_status(&self, at: usize, post_only: bool) -> Result<bool, RejectReason> {
        match self.listings[at].instrument.status {
            TradingStatus::Open | TradingStatus::PreOpen | TradingStatus::Auction => Ok(post_only),
            TradingStatus::PostOnly => Ok(true),
            TradingStatus::CancelOnly => Err(RejectReason::InstrumentCancelOnly),
            TradingStatus::Halted => Err(RejectReason::InstrumentHalted),
            TradingStatus::Closed => Err(RejectReason::InstrumentClosed),
        }
    }

    /// Cancels an order and enters another.
    pub(crate) fn cancel_replace<S: EventSink>(
        &mut self,
        command: &CancelReplace,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        if command.cancel.account_id.is_none() || command.cancel.account_id != command.new_order.account_id {
            return Err(RejectReason::UnknownAccount);
        }
        let mut canceled = Vec::new();
        let cancel = self.cancel_order(&command.cancel, &mut canceled);
        if let (Err(reason), CancelReplaceMode::StopOnFailure) = (cancel, command.mode) {
            return Err(reason);
        }
        self.recount_after(&canceled);
        let mut entered = Vec::new();
        let new_order = self.new_order(&command.new_order, &mut entered);
        if let (Err(_), Err(reason)) = (cancel, new_order) {
            return Err(reason);
        }
        if let Err(reason) = cancel {
            canceled.push(Event::Rejected(rejected_cancel(reason, &command.cancel)));
        }
        if let Err(reason) = new_order {
            entered.push(Event::Rejected(rejected_new_order(reason, &command.new_order)));
        }
        for event in canceled.into_iter().chain(entered) {
            events.emit(event);
        }
        Ok(())
    }

    pub(crate) fn mass_cancel<S: EventSink>(
        &mut self,
        command: &MassCancel,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let by_venue = command.account_id.is_none();
        if !by_venue {
            self.account_index(command.account_id)?;
        }
        if !command.instrument_id.is_none() {
            let at = self.instrument_index(command.instrument_id)?;
            if !by_venue && self.listings[at].instrument.status == TradingStatus::Halted {
                return Err(RejectReason::InstrumentHalted);
            }
        }
        if !by_venue {
            self.check_may_cancel(command.account_id)?;
        }
        // After this point the mass cancel must succeed.

        let mut slots: Vec<u32> = match (command.account_id.index(), command.instrument_id.index()) {
            (Some(account), _) => self.account_slots(account).collect(),
            (None, Some(at)) => self.instrument_slots(at),
            (None, None) => self.arena.orders.slots().collect(),
        };
        slots.retain(|&slot| {
            let (at, side) = self.arena.half_of(slot);
            let instrument = &self.listings[at].instrument;
            (command.instrument_id.is_none() || command.instrument_id == instrument.instrument_id)
                && command.side.is_none_or(|asked| asked == side)
                && (by_venue || instrument.status != TradingStatus::Halted)
        });
        let count = self.cancel_all(slots, command.reason.cancel_reason(), events);
        events.emit(Event::MassCanceled(MassCanceled {
            account_id: command.account_id,
            instrument_id: command.instrument_id,
            side: command.side,
            count,
        }));
        Ok(())
    }

    /// What a taker would trade with the book as it stands, within a bound on the sum of price × quantity.
    pub(crate) fn walk(&self, at: usize, taker: &Taker, most: Option<i128>) -> Walk {
        let incoming = taker.incoming(&self.ledger);
        let same_owner = |account| self.ledger.same_owner(incoming.account, incoming.trade_group, account);
        matching::walk(&self.arena, &self.books[at], &incoming, most, same_owner)
    }

    /// Matches a taker, and cancels what is left of it if it does not rest. Returns whether it has leaves to rest.
    pub(crate) fn match_taker<S: EventSink>(&mut self, at: usize, taker: &mut Taker, events: &mut S) -> bool {
        let mut incoming = taker.incoming(&self.ledger);
        let banded = self.listings[at].active & active::BANDS != 0;
        let collar = if banded { self.collar(at, taker) } else { PriceTicks(0) };
        let floor = Floor {
            ledger: &mut self.ledger,
            remembered: &mut self.remembered,
            fees: &mut self.fees,
            listing: &mut self.listings[at],
            lists: &mut self.lists,
            timers: &mut self.timers,
            events,
        };
        let mut desk = Desk { floor, last_trade_id: &mut self.last_trade_id, taker };
        let ended = matching::run(&mut self.arena, &mut self.books[at], &mut incoming, &mut desk);
        taker.order.leaves = incoming.leaves;
        let listing = &mut self.listings[at];
        if listing.first_price == 0 {
            listing.first_price = taker.first_price;
        }
        if banded && ended == Ended::Exhausted {
            if let Some(stopped) = self.stopped(at, taker, collar) {
                self.listings[at].session.band_reached |= stopped == Stopped::Auction;
                if stopped == Stopped::Cancel || !taker.rests {
                    self.cancel_taker(at, taker, CancelReason::PriceBand, 0, events);
                    return false;
                }
            }
        }
        match cancel_reason(taker, ended) {
            Some((reason, decremented)) => {
                self.cancel_taker(at, taker, reason, decremented, events);
                false
            }
            None => taker.rests && taker.order.leaves > 0,
        }
    }

    /// Reports the end of a taker that is in no book, and releases its hold. `decremented` lots were just taken off it.
    pub(crate) fn cancel_taker<S: EventSink>(
        &mut self,
        at: usize,
        taker: &mut Taker,
        reason: CancelReason,
        decremented: i64,
        events: &mut S,
    ) {
        let instrument = &self.listings[at].instrument;
        if taker.hold != 0 {
            let hold_asset = instrument.hold_index(taker.side);
            self.ledger.balance_mut(taker.order.account as usize, hold_asset).held -= taker.hold;
            taker.hold = 0;
        }
        taker.order.leaves += decremented;
        events.emit(Event::Execution(taker.report(instrument.instrument_id, ExecType::Canceled, reason)));
    }

    /// Cancels an open order, wherever it stands.
    pub(crate) fn cancel_open<S: EventSink>(&mut self, slot: u32, reason: CancelReason, events: &mut S) {
        if self.arena.orders.get(slot).flags.special() {
            return self.cancel_special(slot, reason, events);
        }
        let at = self.arena.level_of(slot).instrument();
        self.cancel_plain(at, slot, reason, events);
    }

    /// Cancels a plain order, which is in the book of the instrument at `at`.
    #[inline(always)] // Of two callers one is rare.
    fn cancel_plain<S: EventSink>(&mut self, at: usize, slot: u32, reason: CancelReason, events: &mut S) {
        let instrument = &self.listings[at].instrument;
        events.emit(Event::Execution(self.ledger.cancel_maker(&self.arena, instrument, &self.fees, slot, reason, 0)));
        self.books[at].unlink(&mut self.arena, slot);
        self.ledger.retire(&mut self.arena, &mut self.remembered, slot);
    }

    /// Cancels those of these orders that are still open when their turn comes, by ascending order_id, and does what follows
    /// from it. Returns how many there were.
    pub(crate) fn cancel_all<S: EventSink>(&mut self, slots: Vec<u32>, reason: CancelReason, events: &mut S) -> u32 {
        let mut orders: Vec<(u64, u32)> =
            slots.into_iter().map(|slot| (self.arena.orders.get(slot).order_id, slot)).collect();
        orders.sort_unstable();
        let mut touched = std::collections::BTreeSet::new();
        let mut count = 0;
        for (order_id, slot) in orders {
            // The cancel of an order of a list cancels others.
            if self.arena.orders.get(slot).order_id == order_id {
                let at = self.arena.half_of(slot).0;
                if self.listings[at].active != 0 {
                    touched.insert(at);
                }
                self.cancel_open(slot, reason, events);
                count += 1;
            }
        }
        for at in touched {
            self.after_execution(at, events);
        }
        count
    }

    // --- look-ups ---------------------------------------------------------------------------------------------------

    #[inline]
    pub(crate) fn account_index(&self, account_id: AccountId) -> Result<usize, RejectReason> {
        account_id.index().filter(|&at| at < self.ledger.accounts.len()).ok_or(RejectReason::UnknownAccount)
    }

    #[inline]
    pub(crate) fn asset_index(&self, asset_id: AssetId) -> Result<usize, RejectReason> {
        asset_id.index().filter(|&at| at < self.assets.len()).ok_or(RejectReason::UnknownAsset)
    }

    #[inline]
    pub(crate) fn instrument_index(&self, instrument_id: InstrumentId) -> Result<usize, RejectReason> {
        instrument_id.index().filter(|&at| at < self.listings.len()).ok_or(RejectReason::UnknownInstrument)
    }

    /// The slot of an open order of this account, or of any account for the venue.
    #[inline]
    pub(crate) fn find_order(
        &self,
        account_id: AccountId,
        order_id: OrderId,
        client_order_id: &ClientOrderId,
    ) -> Result<u32, RejectReason> {
        let account = if account_id.is_none() { None } else { Some(self.account_index(account_id)? as u32) };
        if order_id.is_none() {
            let account = account.filter(|_| !client_order_id.is_empty()).ok_or(RejectReason::OrderReferenceMissing)?;
            let hash = client_hash(account_id.0, client_order_id);
            return self.arena.orders.find_client(account, client_order_id, hash).ok_or(RejectReason::UnknownOrder);
        }
        let slot = self.arena.orders.find(order_id.0).ok_or(RejectReason::UnknownOrder)?;
        let owned = account.is_none_or(|account| self.arena.orders.get(slot).account == account);
        let named = client_order_id.is_empty() || self.arena.orders.client_order_id(slot) == *client_order_id;
        if owned && named {
            Ok(slot)
        } else {
            Err(RejectReason::UnknownOrder)
        }
    }

    /// Whether the account may use this client_order_id now.
    #[inline(always)] // Often there is nothing to do.
    pub(crate) fn check_client_order_id(
        &self,
        account: usize,
        client_order_id: &ClientOrderId,
    ) -> Result<(), RejectReason> {
        if client_order_id.is_empty() {
            return Ok(());
        }
        self.check_name(account, client_order_id)
    }

    pub(crate) fn check_name(&self, account: usize, client_order_id: &ClientOrderId) -> Result<(), RejectReason> {
        let hash = client_hash(account as u32 + 1, client_order_id);
        let open = self.arena.orders.find_client(account as u32, client_order_id, hash).is_some();
        if open || self.remembered.contains(hash) {
            return Err(RejectReason::DuplicateClientOrderId);
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn check_open_orders(&self, account: usize) -> Result<(), RejectReason> {
        let at_venue = self.arena.orders.len() >= self.config.max_open_orders;
        let own = self.ledger.accounts[account].open_orders >= self.config.max_open_orders_per_account;
        if at_venue || own {
            return Err(RejectReason::TooManyOpenOrders);
        }
        Ok(())
    }

    /// Remembers the client_order_id of an order that closed without ever resting.
    pub(crate) fn remember(&mut self, account: usize, client_order_id: &ClientOrderId) {
        if !client_order_id.is_empty() {
            let hash = client_hash(account as u32 + 1, client_order_id);
            self.ledger.remember(&mut self.remembered, account, hash);
        }
    }

    /// The slots of an instrument's open orders, in no particular order.
    pub(crate) fn instrument_slots(&self, at: usize) -> Vec<u32> {
        let on_it = |&slot: &u32| self.arena.half_of(slot).0 == at;
        if self.listings[at].active == 0 {
            // Nothing waits, so all of them are in its book.
            let queue = |side| self.books[at].queue(&self.arena, side);
            return queue(Side::Buy).chain(queue(Side::Sell)).collect();
        }
        self.arena.orders.slots().filter(on_it).collect()
    }

    /// The slots of an account's open orders by ascending order_id.
    pub(crate) fn account_slots(&self, account: usize) -> impl Iterator<Item = u32> + '_ {
        let mut at = self.ledger.accounts[account].first_order;
        std::iter::from_fn(move || {
            let slot = at;
            if slot == NIL {
                return None;
            }
            at = self.arena.orders.get(slot).account_next;
            Some(slot)
        })
    }
}

/// Type, time in force, price and kind of quantity go together.
#[inline(always)] // A part of the way of nearly every command.
pub(crate) fn check_form<const PLAIN: bool>(command: &NewOrder) -> Result<(), RejectReason> {
    let kind = command.order_type;
    let market = if PLAIN { kind == OrderType::Market } else { !kind.has_limit() && kind != OrderType::MarketToLimit };
    let by_quote = command.quote_quantity.0 != 0;
    let in_auction = || !PLAIN && kind == OrderType::Market && command.terms().auction_only;
    let fits = || match command.time_in_force {
        TimeInForce::Ioc => !(market && in_auction()),
        TimeInForce::Fok => {
            !(market && by_quote) && (PLAIN || kind != OrderType::MarketToLimit) && !(market && in_auction())
        }
        TimeInForce::Gtc => !market || in_auction(),
        TimeInForce::Gtd | TimeInForce::Day => !market,
    };
    // Every time in force fits a plain limit order, so that nothing need branch on it.
    if (!PLAIN || market) && !fits() {
        return Err(RejectReason::InvalidTimeInForce);
    }
    if command.post_only && !(has_limit::<PLAIN>(kind) && rests::<PLAIN>(kind, command.time_in_force)) {
        return Err(RejectReason::InvalidPostOnly);
    }
    if !has_limit::<PLAIN>(kind) {
        if command.price.0 != 0 {
            return Err(RejectReason::PriceNotAllowed);
        }
    } else {
        check_price(command.price)?;
    }
    if by_quote && (!market || command.quantity.0 != 0 || command.terms().auction_only) {
        return Err(RejectReason::QuoteQuantityNotAllowed);
    }
    Ok(())
}

/// Whether what a replace gives besides price and quantity could be of an order.
#[cold]
pub(crate) fn check_replaced_terms(command: &ReplaceOrder, quantity: Lots) -> Result<(), RejectReason> {
    if !(0..=MAX_TICKS_OR_LOTS).contains(&command.trigger_price.0) {
        return Err(RejectReason::InvalidTriggerPrice);
    }
    let display = command.display_quantity.0;
    if display != 0 && !(1..=quantity.0).contains(&display) {
        return Err(RejectReason::InvalidDisplayQuantity);
    }
    Ok(())
}

#[inline]
pub(crate) fn check_price(price: PriceTicks) -> Result<(), RejectReason> {
    if (1..=MAX_TICKS_OR_LOTS).contains(&price.0) {
        Ok(())
    } else {
        Err(RejectReason::InvalidPrice)
    }
}

#[inline]
pub(crate) fn check_quantity(instrument: &Instrument, quantity: Lots) -> Result<(), RejectReason> {
    if !(1..=MAX_TICKS_OR_LOTS).contains(&quantity.0) {
        return Err(RejectReason::InvalidQuantity);
    }
    if quantity < instrument.min_quantity {
        return Err(RejectReason::QuantityBelowMinimum);
    }
    if quantity > instrument.max_quantity {
        return Err(RejectReason::QuantityAboveMaximum);
    }
    Ok(())
}

/// The notional of a limit order.
#[inline(always)] // A part of the way of nearly every command.
pub(crate) fn check_notional(instrument: &Instrument, price: PriceTicks, quantity: Lots) -> Result<i128, RejectReason> {
    let notional = instrument.notional(price, quantity).ok_or(RejectReason::NotionalOverflow)?;
    if notional < instrument.min_notional.0 {
        return Err(RejectReason::NotionalBelowMinimum);
    }
    Ok(notional)
}

/// The notional of an order given by quote quantity.
#[inline]
pub(crate) fn check_quote_quantity(instrument: &Instrument, quote_quantity: Amount) -> Result<i128, RejectReason> {
    let notional = quote_quantity.0;
    if notional < 1 {
        return Err(RejectReason::InvalidQuantity);
    }
    if notional > MAX_NOTIONAL {
        return Err(RejectReason::NotionalOverflow);
    }
    if notional < instrument.min_notional.0 {
        return Err(RejectReason::NotionalBelowMinimum);
    }
    Ok(notional)
}

/// What a market buy pays for what it walked over; more than anybody can have if it is out of range.
pub(crate) fn market_cost(instrument: &Instrument, walked: Walk, schedule: FeeSchedule) -> i128 {
    // Nobody has more than MAX_ISSUED, so a larger notional need not be computed.
    match walked.tick_lots.checked_mul(i128::from(instrument.tick_lot_units)) {
        Some(notional) if notional <= MAX_ISSUED => {
            let parts = notional / PPM;
            let rest = notional % PPM;
            let rate = i128::from(schedule.taker_ppm);
            notional + (parts * rate + crate::fees::ceil_millionths(rest * rate)).min(schedule.most)
        }
        _ => i128::MAX,
    }
}
