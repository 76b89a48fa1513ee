//! Special orders: how they are entered, wait, trigger, are executed and end.
//!
//! Invariants: an order that waits for a price is in its instrument's [`Triggers`] exactly once and in no level; prices are
//! observed after every execution while the instrument is open, so that nothing waits whose condition is met.

use crate::book::Arena;
use crate::command::{NewOrder, ReplaceOrder};
use crate::engine::{active, Engine, Listing};
use crate::event::{Event, EventSink, OrderTerms};
use crate::extra::{Extra, Stand};
use crate::fees::{worst_cost, FeeSchedule, FeeTable};
use crate::ledger::Ledger;
use crate::lists::Lists;
use crate::matching;
use crate::orders::{check_notional, check_price, check_quantity, check_replaced_terms, market_cost, rests, Entry};
use crate::pool::NIL;
use crate::reject::RejectReason;
use crate::remembered::Remembered;
use crate::risk::Asked;
use crate::settlement::{self, Taker};
use crate::terms::shows_enough;
use crate::timers::{Due, Timers};
use crate::triggers::{Direction, Watch};
use crate::types::{
    AccountId, Amount, CancelReason, ExecType, ListId, Lots, OrderId, OrderType, Peg, PriceTicks, Side, StatusReason,
    TimeInForce, TradingStatus, TriggerBy, MAX_TICKS_OR_LOTS,
};
use std::collections::VecDeque;

/// The parts of the venue that ending an order touches, beside the arena.
pub(crate) struct Floor<'a, S> {
    pub ledger: &'a mut Ledger,
    pub remembered: &'a mut Remembered,
    pub fees: &'a mut FeeTable,
    pub listing: &'a mut Listing,
    pub lists: &'a mut Lists,
    pub timers: &'a mut Timers,
    pub events: &'a mut S,
}

/// What is to be done next in a cascade.
enum Next {
    Trigger { order_id: u64, slot: u32 },
    Release { list_id: u64 },
}

impl Extra {
    /// The price that it watches.
    fn watch(&self) -> Watch {
        match (self.terms.trigger_by, self.side()) {
            (TriggerBy::Last, _) => Watch::Last,
            (TriggerBy::Best, Side::Buy) => Watch::Ask,
            (TriggerBy::Best, Side::Sell) => Watch::Bid,
            (TriggerBy::Mark, _) => Watch::Mark,
        }
    }

    /// Where it waits for the price to go: to trigger, or to begin to trail.
    fn direction(&self) -> Direction {
        let stop = matches!(self.order_type, OrderType::Stop | OrderType::StopLimit);
        match (self.side(), stop) {
            (Side::Buy, true) | (Side::Sell, false) => Direction::Rise,
            (Side::Buy, false) | (Side::Sell, true) => Direction::Fall,
        }
    }

    /// Its side, while it is in no level.
    pub fn side(&self) -> Side {
        if self.half & 1 == 0 {
            Side::Buy
        } else {
            Side::Sell
        }
    }

    /// Whether it trades at any price once it works.
    pub fn is_market(&self) -> bool {
        matches!(self.order_type, OrderType::Market | OrderType::Stop | OrderType::TakeProfit)
    }
}

/// The extreme of an order that has seen no price yet: the first one moves it.
const fn unseen(side: Side) -> i64 {
    match side {
        Side::Buy => MAX_TICKS_OR_LOTS + 1,
        Side::Sell => 0,
    }
}

impl Listing {
    /// What an open order holds by itself.
    pub(crate) fn hold_of(&self, arena: &Arena, fees: &FeeTable, slot: u32) -> i128 {
        let order = arena.orders.get(slot);
        let Some(extra) = arena.orders.some_extra(slot) else {
            let level = arena.level_of(slot);
            return self.instrument.hold(level.side(), level.price, order.leaves, fees.of(order), order.fee_carry());
        };
        match extra.stand {
            Stand::List => 0,
            // About to work, and it will not rest. One that has waited for a price holds until then.
            Stand::Working
                if order.level == NIL
                    && !extra.order_type.is_conditional()
                    && !rests::<false>(extra.order_type, order.flags.time_in_force()) =>
            {
                0
            }
            Stand::Working if extra.terms.peg == Peg::None && order.level != NIL => {
                let level = arena.level_of(slot);
                let schedule = fees.of(order);
                self.instrument.hold(level.side(), level.price, order.leaves, schedule, order.fee_carry())
            }
            _ => self.hold_outside(extra, order.leaves, fees.of(order), order.fee_carry()),
        }
    }

    /// What an order holds that waits, is pegged, or is on its way to the book.
    pub(crate) fn hold_outside(&self, extra: &Extra, leaves: i64, schedule: FeeSchedule, carry: u32) -> i128 {
        let side = extra.side();
        if extra.limit != 0 {
            self.instrument.hold(side, extra.limit, leaves, schedule, carry)
        } else if side == Side::Sell && extra.quote_quantity == 0 {
            i128::from(leaves) * i128::from(self.instrument.lot_units)
        } else {
            0
        }
    }

    /// What a new order will hold that waits, or is collected for an auction.
    pub(crate) fn waiting_hold(&self, command: &NewOrder, schedule: FeeSchedule) -> Result<i128, RejectReason> {
        let limit = match command.order_type {
            OrderType::Market if command.side == Side::Buy => self.auction_limit()?,
            kind if kind.has_limit() => command.price.0,
            _ => 0,
        };
        let instrument = &self.instrument;
        Ok(match (command.side, limit) {
            (Side::Sell, 0) if command.quote_quantity.0 != 0 => 0,
            (Side::Sell, _) => i128::from(command.quantity.0) * i128::from(instrument.lot_units),
            (Side::Buy, 0) => 0,
            (Side::Buy, limit) => {
                let notional = instrument.notional(PriceTicks(limit), command.quantity);
                worst_cost(notional.ok_or(RejectReason::NotionalOverflow)?, schedule, 0)
            }
        })
    }

    /// What an order of a list will hold when it is released.
    pub(crate) fn released_hold(&self, arena: &Arena, fees: &FeeTable, slot: u32) -> i128 {
        let (order, extra) = (arena.orders.get(slot), arena.orders.extra(slot));
        if extra.order_type.is_conditional() || rests::<false>(extra.order_type, order.flags.time_in_force()) {
            self.hold_outside(extra, order.leaves, fees.of(order), order.fee_carry())
        } else {
            0
        }
    }
}

impl<S: EventSink> Floor<'_, S> {
    /// Takes an order that waits for a price from those that do.
    pub fn stop_waiting(&mut self, arena: &Arena, slot: u32) {
        let order_id = arena.orders.get(slot).order_id;
        let extra = arena.orders.extra(slot);
        match extra.stand {
            // An order in the queue of a cascade is not there any more.
            Stand::Trigger | Stand::Activation => {
                self.listing.triggers.remove_fixed(
                    extra.watch(),
                    extra.direction(),
                    extra.terms.trigger_price.0,
                    order_id,
                );
            }
            Stand::Trail => {
                self.listing.triggers.remove_trailing(order_id);
            }
            Stand::Working | Stand::List | Stand::AuctionMarket => {}
        }
    }

    /// Ends an order that is in no level: reports it, releases its hold, frees its slot.
    pub fn end_waiting(&mut self, arena: &mut Arena, slot: u32, reason: CancelReason) {
        self.stop_waiting(arena, slot);
        let hold = self.listing.hold_of(arena, self.fees, slot);
        let (account, side) = (arena.orders.get(slot).account as usize, arena.half_of(slot).1);
        self.ledger.balance_mut(account, self.listing.instrument.hold_index(side)).held -= hold;
        let report = settlement::ended_report(arena, &self.listing.instrument, slot, reason);
        self.events.emit(Event::Execution(report));
        self.retire(arena, slot, false);
    }

    /// Takes an order that has ended out of everything but its level, and does what its list wants.
    #[inline(always)] // One look at the flags for plain orders.
    pub fn retire(&mut self, arena: &mut Arena, slot: u32, filled: bool) {
        if arena.orders.get(slot).flags.special() {
            self.retire_special(arena, slot, filled);
        } else {
            self.ledger.retire(arena, self.remembered, slot);
        }
    }

    fn retire_special(&mut self, arena: &mut Arena, slot: u32, filled: bool) {
        let extra = arena.orders.extra(slot);
        let (list_id, order_id) = (extra.list_id, arena.orders.get(slot).order_id);
        if extra.terms.expire_time_ns != 0 {
            self.timers.clear(extra.terms.expire_time_ns, Due::Expiry(order_id));
        }
        self.listing.forget_terms(extra, order_id);
        self.ledger.retire(arena, self.remembered, slot);
        if !list_id.is_none() {
            self.list_ended(arena, list_id, order_id, filled);
        }
    }
}

impl Engine {
    /// The parts that ending an order of the instrument at `at` touches, and the arena.
    pub(crate) fn floor<'a, S: EventSink>(&'a mut self, at: usize, events: &'a mut S) -> (Floor<'a, S>, &'a mut Arena) {
        let floor = Floor {
            ledger: &mut self.ledger,
            remembered: &mut self.remembered,
            fees: &mut self.fees,
            listing: &mut self.listings[at],
            lists: &mut self.lists,
            timers: &mut self.timers,
            events,
        };
        (floor, &mut self.arena)
    }

    /// Gives an order its record, its extra and its hold, and tells of it. It is in no level yet, and if it waits for a price
    /// it is among those that do. `list`: its list, and whether it waits for another order of it.
    pub(crate) fn enter_special<S: EventSink>(
        &mut self,
        command: &NewOrder,
        entry: &Entry,
        list: Option<(ListId, bool)>,
        events: &mut S,
    ) -> u32 {
        let (account, at) = (entry.account, entry.at);
        let taker = self.taker(command, entry);
        let order_id = taker.order.order_id;
        self.last_order_id += 1;
        self.note_order(account, at, command);
        let slot = self.arena.orders.insert(taker.order);
        self.arena.orders.set_client_order_id(slot, &command.client_order_id);
        self.ledger.append_order(&mut self.arena, account, slot);
        let terms = command.terms();
        let waits_for_list = list.is_some_and(|(_, waits)| waits);
        let auction_market = command.order_type == OrderType::Market && terms.auction_only;
        let extra = Extra {
            terms,
            order_type: command.order_type,
            stand: match () {
                () if waits_for_list => Stand::List,
                () if auction_market => Stand::AuctionMarket,
                () => Stand::Working,
            },
            half: at as u32 * 2 + command.side.index() as u32,
            limit: if terms.peg == Peg::None { entry.price.0 } else { command.price.0 },
            quote_quantity: command.quote_quantity.0,
            list_id: list.map_or(ListId::NONE, |(list_id, _)| list_id),
            peak: 0,
            entered: false,
        };
        self.arena.orders.set_extra(slot, extra);
        if auction_market && command.side == Side::Buy {
            self.arena.orders.extra_mut(slot).limit = self.listings[at].auction_limit().unwrap_or(0);
        }
        self.note_terms(slot);
        let holds = command.order_type.is_conditional() || auction_market || taker.rests;
        if holds && !waits_for_list {
            let hold_asset = self.listings[at].instrument.hold_index(command.side);
            self.ledger.balance_mut(account, hold_asset).held += entry.needed;
        }
        if terms.expire_time_ns != 0 {
            self.timers.set(terms.expire_time_ns, Due::Expiry(order_id));
        }
        if !waits_for_list {
            self.begin_to_wait(slot);
        }
        let mut report = taker.report(command.instrument_id, ExecType::New, CancelReason::None);
        report.hold = Amount(self.listings[at].hold_of(&self.arena, &self.fees, slot));
        if !holds {
            report.hold = Amount::ZERO;
        }
        events.emit(Event::Execution(report));
        events.emit(Event::Terms(self.order_terms(slot)));
        slot
    }

    /// Puts a conditional order among those that wait for a price.
    pub(crate) fn begin_to_wait(&mut self, slot: u32) {
        let at = self.arena.half_of(slot).0;
        let order_id = self.arena.orders.get(slot).order_id;
        let extra = self.arena.orders.extra_mut(slot);
        let (watch, direction, side) = (extra.watch(), extra.direction(), extra.side());
        let terms = extra.terms;
        if !extra.order_type.is_conditional() {
            if extra.stand == Stand::List {
                extra.stand = Stand::Working;
            }
            return;
        }
        let trails_now = terms.trail_bps != 0 && terms.trigger_price.0 == 0;
        extra.stand = match terms.trail_bps {
            0 => Stand::Trigger,
            _ if trails_now => Stand::Trail,
            _ => Stand::Activation,
        };
        let seen = self.watched_price(at, watch);
        let listing = &mut self.listings[at];
        if listing.active & active::TRIGGERS == 0 {
            listing.active |= active::TRIGGERS;
            listing.first_price = 0;
        }
        if trails_now {
            let extreme = seen.unwrap_or(unseen(side));
            listing.triggers.insert_trailing(watch, side, terms.trail_bps, extreme, order_id, slot);
        } else {
            listing.triggers.insert_fixed(watch, direction, terms.trigger_price.0, order_id, slot);
        }
    }

    /// Puts a restored order that is in no level among those that wait for a price, if it does. `extreme`: of one that trails.
    pub(crate) fn wait_again(&mut self, slot: u32, extreme: i64) {
        let at = self.arena.half_of(slot).0;
        let order_id = self.arena.orders.get(slot).order_id;
        let extra = self.arena.orders.extra(slot);
        let listing = &mut self.listings[at];
        match extra.stand {
            Stand::Trigger | Stand::Activation => {
                let trigger = extra.terms.trigger_price.0;
                listing.triggers.insert_fixed(extra.watch(), extra.direction(), trigger, order_id, slot);
            }
            Stand::Trail => {
                let (side, trail_bps) = (extra.side(), extra.terms.trail_bps);
                listing.triggers.insert_trailing(extra.watch(), side, trail_bps, extreme, order_id, slot);
            }
            Stand::Working | Stand::List | Stand::AuctionMarket => return,
        }
        listing.active |= active::TRIGGERS;
    }

    /// The price that a watch shows now, if there is one.
    fn watched_price(&self, at: usize, watch: Watch) -> Option<i64> {
        let price = match watch {
            Watch::Last => self.listings[at].instrument.last_price.0,
            Watch::Mark => self.listings[at].mark_price,
            Watch::Ask => self.books[at].best_price(&self.arena, Side::Sell).map_or(0, |price| price.0),
            Watch::Bid => self.books[at].best_price(&self.arena, Side::Buy).map_or(0, |price| price.0),
        };
        (price != 0).then_some(price)
    }

    /// The terms of a special order as they are now.
    pub(crate) fn order_terms(&self, slot: u32) -> OrderTerms {
        let order = self.arena.orders.get(slot);
        let extra = self.arena.orders.extra(slot);
        let at = self.arena.half_of(slot).0;
        let mut terms = extra.terms;
        if extra.stand == Stand::Trail {
            terms.trigger_price = PriceTicks(match self.listings[at].triggers.trailing(order.order_id) {
                Some((extreme, trigger)) if extreme != unseen(extra.side()) => trigger,
                _ => 0,
            });
        }
        OrderTerms {
            order_id: OrderId(order.order_id),
            account_id: AccountId(order.account + 1),
            instrument_id: self.listings[at].instrument.instrument_id,
            list_id: extra.list_id,
            waits: extra.stand.waits(),
            limit_price: PriceTicks(if extra.terms.peg == Peg::None { 0 } else { extra.limit }),
            terms,
        }
    }

    /// Reports a special order as it stands, and its terms.
    pub(crate) fn report_open<S: EventSink>(&mut self, slot: u32, exec_type: ExecType, events: &mut S) {
        let at = self.arena.half_of(slot).0;
        let hold = self.listings[at].hold_of(&self.arena, &self.fees, slot);
        let mut report = settlement::open_report(&self.arena, &self.listings[at].instrument, slot, exec_type);
        report.hold = Amount(hold);
        events.emit(Event::Execution(report));
        events.emit(Event::Terms(self.order_terms(slot)));
    }

    /// Lets a special order work that waits for no other order: executes it, unless it waits for a price.
    pub(crate) fn work<S: EventSink>(&mut self, slot: u32, events: &mut S) {
        if self.arena.orders.extra(slot).stand == Stand::Working {
            self.execute(slot, events);
        }
    }

    /// Executes a special order that is in no level and does not wait: a new one, a triggered or a released one, or one whose
    /// replace makes it enter again.
    pub(crate) fn execute<S: EventSink>(&mut self, slot: u32, events: &mut S) {
        let mut taker = self.taker_of(slot);
        let at = self.arena.half_of(slot).0;
        if let Err(reason) = self.prepare(at, &mut taker) {
            return self.cancel_special(slot, reason, events);
        }
        self.execute_prepared(taker, events);
    }

    /// As [`Self::execute`], of one that has passed what it is refused for.
    fn execute_prepared<S: EventSink>(&mut self, mut taker: Taker, events: &mut S) {
        let slot = taker.slot;
        let (at, side) = self.arena.half_of(slot);
        let account = taker.order.account as usize;
        let held = self.listings[at].hold_of(&self.arena, &self.fees, slot);
        let held = if self.holds(slot) { held } else { 0 };
        let hold_asset = self.listings[at].instrument.hold_index(side);
        if taker.rests {
            let listing = &self.listings[at];
            let schedule = self.fees.of(&taker.order);
            let limit = listing.hold_limit(&self.arena, slot, taker.price);
            taker.hold = listing.instrument.hold(side, limit, taker.order.leaves, schedule, taker.order.fee_carry());
        }
        self.ledger.balance_mut(account, hold_asset).held += taker.hold - held;
        self.arena.orders.extra_mut(slot).stand = Stand::Working;
        if self.listings[at].collects() {
            return self.collect(at, slot, taker, events);
        }
        if let Err(reason) = self.check_execution(at, &mut taker) {
            // What it holds by now is in `taker.hold`.
            self.cancel_taker(at, &mut taker, reason, 0, events);
            return self.retire_taker(at, slot, false, events);
        }
        self.arena.orders.extra_mut(slot).entered = true;
        let rests = self.match_taker(at, &mut taker, events);
        self.write_back(slot, &taker);
        if rests {
            self.rest(at, slot, side, taker.price);
        } else {
            let filled = taker.is_filled();
            self.retire_taker(at, slot, filled, events);
        }
    }

    /// Whether an order holds money in its present stand. One that is about to work as an IOC, FOK or market order and never
    /// waited does not.
    fn holds(&self, slot: u32) -> bool {
        let (order, extra) = (self.arena.orders.get(slot), self.arena.orders.extra(slot));
        extra.order_type.is_conditional() || rests::<false>(extra.order_type, order.flags.time_in_force())
    }

    /// Writes to the record what matching has changed. The order kept its slot, and its links there may have changed.
    pub(crate) fn write_back(&mut self, slot: u32, taker: &Taker) {
        let place = self.arena.orders.get_mut(slot);
        place.filled = taker.order.filled;
        place.leaves = taker.order.leaves;
        place.set_fee_carry(taker.order.fee_carry());
    }

    /// The end of a taker that has a slot.
    pub(crate) fn retire_taker<S: EventSink>(&mut self, at: usize, slot: u32, filled: bool, events: &mut S) {
        let (mut floor, arena) = self.floor(at, events);
        let other = floor.dissolve_pair(arena, slot);
        floor.retire(arena, slot, filled);
        self.end_other(other, events);
    }

    /// Ends the other order of a pair that was dissolved. It may be in the book.
    fn end_other<S: EventSink>(&mut self, other: Option<u32>, events: &mut S) {
        if let Some(other) = other {
            self.cancel_special(other, CancelReason::OrderList, events);
        }
    }

    /// The order in a slot on its way in.
    fn taker_of(&self, slot: u32) -> Taker {
        let order = *self.arena.orders.get(slot);
        let extra = self.arena.orders.extra(slot);
        let market = extra.is_market();
        let side = extra.side();
        Taker {
            order,
            client_order_id: self.arena.orders.client_order_id(slot),
            side,
            order_type: extra.order_type,
            price: PriceTicks(extra.limit),
            bound: if market { matching::Incoming::any_price(side) } else { PriceTicks(extra.limit) },
            market,
            quote_quantity: Amount(extra.quote_quantity),
            quote_left: extra.quote_quantity,
            rests: rests::<false>(extra.order_type, order.flags.time_in_force()),
            hold: 0,
            slot,
            first_price: 0,
        }
    }

    /// Whether an order could trade as it wants: enough for FOK and minimum quantity, and enough money for one that does not
    /// rest. Sets the worst price it may trade at.
    fn check_execution(&self, at: usize, taker: &mut Taker) -> Result<(), CancelReason> {
        taker.bound = self.trading_bound(at, taker);
        let extra = self.arena.orders.extra(taker.slot);
        let instrument = &self.listings[at].instrument;
        let fill_or_kill = taker.order.flags.time_in_force() == TimeInForce::Fok;
        let by_quote = taker.quote_quantity.0 != 0;
        let first_time = !extra.entered;
        let least = (if first_time { extra.terms.min_quantity.0 } else { 0 }).max(if fill_or_kill {
            taker.order.leaves
        } else {
            0
        });
        let costs = taker.market && (taker.side == Side::Buy) != by_quote;
        if least == 0 && !costs && taker.rests {
            return Ok(());
        }
        let most = by_quote.then(|| taker.quote_left / i128::from(instrument.tick_lot_units));
        let walked = self.walk(at, taker, most);
        if walked.quantity < least {
            return Err(if fill_or_kill { CancelReason::FillOrKill } else { CancelReason::MinimumQuantity });
        }
        if taker.rests {
            return Ok(());
        }
        let schedule = self.fees.of(&taker.order);
        let lot_units = i128::from(instrument.lot_units);
        let carry = taker.order.fee_carry();
        let needed = match taker.side {
            Side::Buy if by_quote => worst_cost(taker.quote_left, schedule, carry),
            Side::Buy if taker.market => market_cost(instrument, walked, schedule),
            Side::Buy => {
                let notional = instrument.known_notional(taker.price.0, taker.order.leaves);
                worst_cost(notional, schedule, carry)
            }
            Side::Sell if by_quote => i128::from(walked.quantity) * lot_units,
            Side::Sell => i128::from(taker.order.leaves) * lot_units,
        };
        let balance = self.ledger.accounts[taker.order.account as usize].balance(instrument.hold_index(taker.side));
        if balance.available() < needed {
            return Err(CancelReason::InsufficientFunds);
        }
        Ok(())
    }

    /// Cancels or expires a special order, wherever it stands, with what follows for its list.
    pub(crate) fn cancel_special<S: EventSink>(&mut self, slot: u32, reason: CancelReason, events: &mut S) {
        let (at, side) = self.arena.half_of(slot);
        let in_book = self.arena.orders.get(slot).level != NIL;
        let (mut floor, arena) = self.floor(at, events);
        let other = floor.dissolve_pair(arena, slot);
        if in_book {
            let hold = floor.listing.hold_of(arena, floor.fees, slot);
            let account = arena.orders.get(slot).account as usize;
            floor.ledger.balance_mut(account, floor.listing.instrument.hold_index(side)).held -= hold;
            let report = settlement::ended_report(arena, &floor.listing.instrument, slot, reason);
            floor.events.emit(Event::Execution(report));
            self.books[at].unlink(&mut self.arena, slot);
            let (mut floor, arena) = self.floor(at, events);
            floor.retire(arena, slot, false);
        } else {
            floor.end_waiting(arena, slot, reason);
        }
        self.end_other(other, events);
    }

    /// What follows from an execution, a cancel or a change: pegged orders follow their prices, orders of lists are released,
    /// conditional orders trigger one another, an auction's indication changes. Nothing for a plain instrument.
    #[inline(always)] // One look for plain instruments.
    pub(crate) fn after_execution<S: EventSink>(&mut self, at: usize, events: &mut S) {
        let active = self.listings[at].active;
        if active != 0 && !(active == active::TRIGGERS && self.is_quiet(at)) {
            self.follow_up(at, events);
        }
    }

    /// Whether nothing that waits for a price minds the prices there are, so that they need not be observed.
    #[inline(never)] // Plain instruments never ask.
    fn is_quiet(&mut self, at: usize) -> bool {
        let listing = &self.listings[at];
        let quiet = |watch, price: i64| {
            let (low, high) = listing.triggers.quiet(watch);
            price == 0 || low < price && price < high
        };
        let best = |watch, side| {
            !listing.triggers.watches(watch)
                || quiet(watch, self.books[at].best_price(&self.arena, side).map_or(0, |price| price.0))
        };
        let is_quiet = quiet(Watch::Last, listing.first_price)
            && quiet(Watch::Last, listing.instrument.last_price.0)
            && quiet(Watch::Mark, listing.mark_price)
            && best(Watch::Ask, Side::Sell)
            && best(Watch::Bid, Side::Buy);
        if is_quiet {
            self.listings[at].first_price = 0;
        }
        is_quiet
    }

    #[cold]
    fn follow_up<S: EventSink>(&mut self, at: usize, events: &mut S) {
        let mut queue = VecDeque::new();
        let mut left = self.listings[at].max_triggers as usize;
        let mut overflows = false;
        loop {
            self.follow_bands(at, events);
            self.price_pegs(at, events);
            while let Some(list_id) = self.lists.filled.pop_front() {
                queue.push_back(Next::Release { list_id });
            }
            let mut activated = false;
            if !overflows && self.listings[at].active & active::TRIGGERS != 0 {
                (overflows, activated) = self.observe(at, &mut left, &mut queue);
            }
            match queue.pop_front() {
                Some(Next::Trigger { order_id, slot }) => self.trigger(order_id, slot, events),
                Some(Next::Release { list_id }) => self.release_list(list_id, events),
                None if activated => {}
                None => break,
            }
        }
        // What an emptied queue has traded at is observed by nobody.
        self.listings[at].first_price = 0;
        if overflows {
            self.volatility_auction(at, StatusReason::TriggerCascade, events);
            self.price_pegs(at, events);
        }
        self.touch(at);
    }

    /// Observes the watched prices. What triggers joins the queue; what begins to trail does so. Returns whether more would
    /// have triggered than may, and whether anything has begun to trail.
    fn observe(&mut self, at: usize, left: &mut usize, queue: &mut VecDeque<Next>) -> (bool, bool) {
        let first = std::mem::take(&mut self.listings[at].first_price);
        if self.listings[at].instrument.status != TradingStatus::Open {
            return (false, false);
        }
        let mut found = Vec::new();
        let mut activated = false;
        let seen = |watch| self.watched_price(at, watch).unwrap_or(0);
        let prices = [
            (Watch::Last, first),
            (Watch::Last, seen(Watch::Last)),
            (Watch::Ask, seen(Watch::Ask)),
            (Watch::Bid, seen(Watch::Bid)),
            (Watch::Mark, seen(Watch::Mark)),
        ];
        for (watch, price) in prices {
            if price == 0 {
                continue;
            }
            found.clear();
            let more = self.listings[at].triggers.observe(watch, price, *left, &mut found);
            *left -= found.len();
            for &(order_id, slot) in &found {
                let extra = self.arena.orders.extra_mut(slot);
                if extra.stand != Stand::Activation {
                    queue.push_back(Next::Trigger { order_id, slot });
                    continue;
                }
                activated = true;
                extra.stand = Stand::Trail;
                let begin = extra.terms.trigger_price.0;
                let (side, trail_bps) = (extra.side(), extra.terms.trail_bps);
                let extreme = match side {
                    Side::Buy => begin.min(price),
                    Side::Sell => begin.max(price),
                };
                self.listings[at].triggers.insert_trailing(watch, side, trail_bps, extreme, order_id, slot);
            }
            if more {
                return (true, activated);
            }
        }
        if self.listings[at].triggers.is_empty() {
            self.listings[at].active &= !active::TRIGGERS;
        }
        (false, activated)
    }

    /// Triggers an order of the queue, unless it has ended meanwhile.
    fn trigger<S: EventSink>(&mut self, order_id: u64, slot: u32, events: &mut S) {
        if self.arena.orders.get(slot).order_id != order_id || !self.arena.orders.extra(slot).stand.waits() {
            return;
        }
        self.slide(slot);
        let at = self.arena.half_of(slot).0;
        let hold = self.listings[at].hold_of(&self.arena, &self.fees, slot);
        let mut report = settlement::open_report(&self.arena, &self.listings[at].instrument, slot, ExecType::Triggered);
        report.hold = Amount(hold);
        events.emit(Event::Execution(report));
        self.arena.orders.extra_mut(slot).stand = Stand::Working;
        events.emit(Event::Terms(self.order_terms(slot)));
        let (mut floor, arena) = self.floor(at, events);
        let other = floor.dissolve_pair(arena, slot);
        self.end_other(other, events);
        self.begin(slot, events);
    }

    /// Lets an order work that was entered before it could: executes it if a new one like it would be taken now.
    pub(crate) fn begin<S: EventSink>(&mut self, slot: u32, events: &mut S) {
        let taker = self.taker_of(slot);
        match self.check_begin(self.arena.half_of(slot).0, &taker) {
            Ok(()) => self.execute(slot, events),
            Err(reason) => self.cancel_special(slot, reason, events),
        }
    }
}

impl Engine {
    /// Lets a pegged order enter again that a replace has taken from `old_price`.
    fn enter_pegged<S: EventSink>(&mut self, slot: u32, old_price: i64, events: &mut S) {
        let (at, side) = self.arena.half_of(slot);
        let listing = &self.listings[at];
        let extra = self.arena.orders.extra(slot);
        let mut taker = self.taker_of(slot);
        // While orders are collected it stays as near to its place as its worst price allows.
        let stays = match side {
            Side::Buy => old_price.min(extra.limit),
            Side::Sell => old_price.max(extra.limit),
        };
        let price = match listing.collects() {
            true => None,
            false => self.peg_price(at, side, &extra.terms, extra.limit, Some(old_price)),
        };
        taker.price = price.unwrap_or(PriceTicks(stays));
        taker.bound = taker.price;
        let hold = listing.hold_of(&self.arena, &self.fees, slot);
        let mut report = settlement::open_report(&self.arena, &listing.instrument, slot, ExecType::Replaced);
        report.hold = Amount(hold);
        report.price = taker.price;
        events.emit(Event::Execution(report));
        events.emit(Event::Terms(self.order_terms(slot)));
        self.execute_prepared(taker, events);
    }

    /// As [`Self::replace_order`], of a special order.
    pub(crate) fn replace_special<S: EventSink>(
        &mut self,
        slot: u32,
        command: &ReplaceOrder,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let order = *self.arena.orders.get(slot);
        let extra = self.arena.orders.extra(slot).clone();
        let account = order.account as usize;
        let (at, side) = self.arena.half_of(slot);
        let listing = &self.listings[at];
        let instrument = &listing.instrument;
        let post_only = self.check_replace_status(at, order.flags.post_only())?;
        self.check_authority(account, at, order.key_id())?;
        self.check_client_order_id(account, &command.client_order_id)?;
        let in_level = order.level != NIL;
        let pegged = extra.terms.peg != Peg::None;
        let has_limit = extra.order_type.has_limit() || extra.order_type == OrderType::MarketToLimit;
        let old_limit = if in_level && !pegged { self.arena.level_of(slot).price } else { extra.limit };
        let mut price = PriceTicks(if command.price.0 == 0 { old_limit } else { command.price.0 });
        if has_limit {
            check_price(price)?;
        }
        let by_quote = extra.quote_quantity != 0;
        let old_quantity = if by_quote { 0 } else { order.filled + order.leaves };
        let quantity = if command.quantity.0 == 0 { Lots(old_quantity) } else { command.quantity };
        if !by_quote {
            check_quantity(instrument, quantity)?;
            if quantity.0 <= order.filled {
                return Err(RejectReason::QuantityNotAboveFilled);
            }
            if has_limit {
                check_notional(instrument, price, quantity)?;
            }
        }
        let old_trigger = extra.terms.trigger_price;
        let trigger = if command.trigger_price.0 == 0 { old_trigger } else { command.trigger_price };
        let old_display = extra.terms.display_quantity;
        let display = if command.display_quantity.0 == 0 { old_display } else { command.display_quantity };
        if command.trigger_price.0 != 0 || command.display_quantity.0 != 0 {
            check_replaced_terms(command, quantity)?;
        }
        if old_display.0 != 0 && !shows_enough(display.0.min(quantity.0), quantity.0) {
            return Err(RejectReason::InvalidDisplayQuantity);
        }
        let not_allowed = !extra.list_id.is_none()
            || command.price.0 != 0 && !has_limit
            || command.quantity.0 != 0 && by_quote
            || command.trigger_price.0 != 0 && !matches!(extra.stand, Stand::Trigger | Stand::Activation)
            || command.display_quantity.0 != 0 && old_display.0 == 0;
        if not_allowed {
            return Err(RejectReason::ReplaceNotAllowed);
        }
        if has_limit && listing.active & active::BANDS != 0 {
            self.check_static_band(listing, price)?;
        }
        let asked = Asked {
            key_id: order.key_id(),
            side,
            order_type: extra.order_type,
            price: if has_limit { price } else { PriceTicks(0) },
            quantity: if by_quote { Lots::ZERO } else { quantity },
            quote_quantity: Amount(extra.quote_quantity),
            replaces: Some(slot),
        };
        self.check_risk(account, at, &asked)?;
        let old_price = if in_level { self.arena.level_of(slot).price } else { 0 };
        let keeps_place = price.0 == old_limit && quantity.0 <= old_quantity && display == old_display;
        let matches = in_level && !keeps_place && !listing.collects() && !pegged;
        if post_only && matches && self.books[at].would_match(&self.arena, side, price) {
            let slid = if extra.terms.slide { self.slid(at, side, price, quantity) } else { None };
            price = slid.ok_or(RejectReason::PostOnlyWouldMatch)?;
        }
        let mut new = extra.clone();
        new.limit = if has_limit || extra.stand == Stand::AuctionMarket { price.0 } else { 0 };
        let leaves = if by_quote { order.leaves } else { quantity.0 - order.filled };
        let schedule = self.fees.of(&order);
        let old_hold = listing.hold_of(&self.arena, &self.fees, slot);
        let hold = listing.hold_outside(&new, leaves, schedule, order.fee_carry());
        let hold_asset = instrument.hold_index(side);
        if self.ledger.accounts[account].balance(hold_asset).available() < hold - old_hold {
            return Err(RejectReason::InsufficientFunds);
        }
        // After this point the replace must succeed.

        self.note_replace(account, at, order.key_id());
        self.ledger.balance_mut(account, hold_asset).held += hold - old_hold;
        if !command.client_order_id.is_empty() {
            if let Some(hash) = self.arena.orders.take_client_order_id(slot) {
                self.ledger.remember(&mut self.remembered, account, hash);
            }
            self.arena.orders.set_client_order_id(slot, &command.client_order_id);
        }
        if in_level && !keeps_place {
            self.books[at].unlink(&mut self.arena, slot);
            self.books[at].lose_top(order.order_id);
            self.arena.orders.get_mut(slot).level = NIL;
        }
        if in_level && keeps_place {
            if leaves < order.leaves {
                self.reduce_resting(slot, order.leaves - leaves);
            }
        } else {
            self.arena.orders.get_mut(slot).leaves = leaves;
        }
        if trigger != old_trigger {
            let (mut floor, arena) = self.floor(at, events);
            floor.stop_waiting(arena, slot);
        }
        let place = self.arena.orders.extra_mut(slot);
        place.limit = new.limit;
        place.terms.display_quantity = display;
        place.terms.trigger_price = trigger;
        if trigger != old_trigger {
            self.begin_to_wait(slot);
        }
        if extra.stand == Stand::AuctionMarket {
            self.keep_auction_market(slot);
        }
        if in_level && pegged && !keeps_place {
            self.enter_pegged(slot, old_price, events);
        } else {
            self.report_open(slot, ExecType::Replaced, events);
            if in_level && !keeps_place {
                self.execute(slot, events);
            }
        }
        self.after_execution(at, events);
        Ok(())
    }
}
