//! What a match means: money moves, holds shrink, reports are made, and what has ended is taken out of every list.

use crate::book::Arena;
use crate::command::NewOrder;
use crate::conditional::Floor;
use crate::engine::{Instrument, REMEMBERED_CLIENT_ORDER_IDS};
use crate::event::{Event, EventSink, ExecutionReport};
use crate::extra::Stand;
use crate::fees::{fill_fee, FeeSchedule, FeeTable, UNCAPPED};
use crate::ledger::{Ledger, Settlement};
use crate::levels::PriceIndex;
use crate::matching::{Ended, Incoming, Venue};
use crate::pool::{Order, NIL};
use crate::remembered::Remembered;
use crate::types::{
    AccountId, Amount, CancelReason, ClientOrderId, ExecType, InstrumentId, Liquidity, Lots, OrderId, OrderStatus,
    OrderType, Peg, PriceTicks, SelfTradePrevention, Side, TimeInForce, TradeId,
};

/// An order on its way in: what its record cannot hold while it has no level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    pub order: Order,
    pub client_order_id: ClientOrderId,
    pub side: Side,
    pub order_type: OrderType,
    pub price: PriceTicks,
    /// The worst price it may trade at now: its limit, or closer.
    pub bound: PriceTicks,
    /// Whether it trades at any price: a market order, or what a stop order has become.
    pub market: bool,
    pub quote_quantity: Amount,
    /// What of the quote quantity has not been traded.
    pub quote_left: i128,
    /// Whether it may rest, and so holds money.
    pub rests: bool,
    pub hold: i128,
    /// Its record, if it has one already, or NIL.
    pub slot: u32,
    /// The first price that it traded at; 0 for none.
    pub first_price: i64,
}

impl Taker {
    /// What matching needs to know of it.
    #[inline]
    pub fn incoming(&self, ledger: &Ledger) -> Incoming {
        let prevents = self.order.flags.self_trade_prevention() != SelfTradePrevention::None;
        Incoming {
            side: self.side,
            limit: self.bound,
            leaves: self.order.leaves,
            account: self.order.account,
            trade_group: if prevents { ledger.accounts[self.order.account as usize].trade_group } else { 0 },
            self_trade_prevention: match self.order.flags.self_trade_prevention() {
                // Without a quantity there is nothing to decrement.
                SelfTradePrevention::Decrement if self.by_quote() => SelfTradePrevention::ExpireTaker,
                mode => mode,
            },
        }
    }

    /// Whether nothing of it is left to trade.
    pub fn is_filled(&self) -> bool {
        if self.by_quote() {
            self.quote_left == 0
        } else {
            self.order.leaves == 0
        }
    }

    #[inline]
    fn by_quote(&self) -> bool {
        self.quote_quantity.0 != 0
    }

    /// A report of the order as it is now.
    #[inline(always)] // Reports are large: made where they are emitted, they are written once.
    pub fn report(&self, instrument_id: InstrumentId, exec_type: ExecType, reason: CancelReason) -> ExecutionReport {
        let mut report = report(&self.order, self.client_order_id, instrument_id, self.side, self.price, exec_type);
        report.order_type = self.order_type;
        report.quote_quantity = self.quote_quantity;
        report.hold = Amount(self.hold);
        report.cancel_reason = reason;
        if self.by_quote() {
            report.quantity = Lots::ZERO;
            report.leaves_quantity = Lots::ZERO;
            if exec_type == ExecType::Trade && self.quote_left == 0 {
                report.status = OrderStatus::Filled;
            }
        }
        report
    }
}

/// Why a taker is canceled after matching, and how many lots were taken off it last; `None` if it is not.
#[inline]
pub(crate) fn cancel_reason(taker: &Taker, ended: Ended) -> Option<(CancelReason, i64)> {
    match ended {
        Ended::Filled => None,
        Ended::SelfTrade { decremented } => Some((CancelReason::SelfTrade, decremented)),
        Ended::Exhausted if taker.rests || taker.by_quote() && taker.quote_left == 0 => None,
        Ended::Exhausted if taker.market => Some((CancelReason::NoLiquidity, 0)),
        Ended::Exhausted => match taker.order.flags.time_in_force() {
            TimeInForce::Fok => Some((CancelReason::FillOrKill, 0)),
            _ => Some((CancelReason::ImmediateOrCancel, 0)),
        },
    }
}

/// A report of a limit order with what its record holds; what is not in the record is "none".
#[inline(always)] // As `Taker::report`.
fn report(
    order: &Order,
    client_order_id: ClientOrderId,
    instrument_id: InstrumentId,
    side: Side,
    price: PriceTicks,
    exec_type: ExecType,
) -> ExecutionReport {
    let status = match exec_type {
        ExecType::Canceled => OrderStatus::Canceled,
        ExecType::Expired => OrderStatus::Expired,
        _ if order.leaves == 0 => OrderStatus::Filled,
        _ if order.filled > 0 => OrderStatus::PartiallyFilled,
        _ => OrderStatus::New,
    };
    ExecutionReport {
        order_id: OrderId(order.order_id),
        client_order_id,
        account_id: AccountId(order.account + 1),
        instrument_id,
        exec_type,
        status,
        side,
        order_type: OrderType::Limit,
        time_in_force: order.flags.time_in_force(),
        post_only: order.flags.post_only(),
        self_trade_prevention: order.flags.self_trade_prevention(),
        cancel_reason: CancelReason::None,
        key_id: order.key_id(),
        price,
        // An order by quote quantity has no quantity, and leaves that mean nothing; its taker says so.
        quantity: Lots(order.filled.wrapping_add(order.leaves)),
        quote_quantity: Amount::ZERO,
        filled_quantity: Lots(order.filled),
        leaves_quantity: match exec_type {
            ExecType::Canceled | ExecType::Expired => Lots::ZERO,
            _ => Lots(order.leaves),
        },
        displayed_quantity: Lots::ZERO,
        hold: Amount::ZERO,
        trade_id: TradeId::NONE,
        last_price: PriceTicks(0),
        last_quantity: Lots::ZERO,
        last_notional: Amount::ZERO,
        fee: Amount::ZERO,
        liquidity: Liquidity::None,
        counter_order_id: OrderId::NONE,
    }
}

/// The first report of a plain limit order that meets nobody.
#[inline(always)] // As `Taker::report`.
pub(crate) fn new_report(order: &Order, command: &NewOrder, hold: i128) -> ExecutionReport {
    let NewOrder { client_order_id, instrument_id, side, price, .. } = *command;
    let mut report = report(order, client_order_id, instrument_id, side, price, ExecType::New);
    report.hold = Amount(hold);
    report
}

/// Adds to a report what the order's record does not hold: what it was entered as, and what the book shows of it.
#[inline]
pub(crate) fn dress(arena: &Arena, slot: u32, report: &mut ExecutionReport) {
    let ended = matches!(report.exec_type, ExecType::Canceled | ExecType::Expired);
    let order = arena.orders.get(slot);
    report.displayed_quantity = if ended || order.level == NIL { Lots::ZERO } else { Lots(arena.displayed(slot)) };
    if let Some(extra) = arena.orders.some_extra(slot) {
        report.order_type = extra.order_type;
        if extra.quote_quantity != 0 {
            report.quote_quantity = Amount(extra.quote_quantity);
            report.quantity = Lots::ZERO;
            report.leaves_quantity = Lots::ZERO;
        }
    }
}

/// A report of an order that is open, in the book or not. What it holds is left to the caller.
pub(crate) fn open_report(arena: &Arena, instrument: &Instrument, slot: u32, exec_type: ExecType) -> ExecutionReport {
    let order = arena.orders.get(slot);
    let (_, side) = arena.half_of(slot);
    let price = match arena.orders.some_extra(slot) {
        Some(extra) if order.level == NIL && extra.stand == Stand::AuctionMarket => 0,
        Some(extra) if order.level == NIL => extra.limit,
        _ => arena.level_of(slot).price,
    };
    let client_order_id = arena.orders.client_order_id(slot);
    let mut report = report(order, client_order_id, instrument.instrument_id, side, PriceTicks(price), exec_type);
    dress(arena, slot, &mut report);
    report
}

/// The last report of an order that is canceled or expires.
pub(crate) fn ended_report(arena: &Arena, instrument: &Instrument, slot: u32, reason: CancelReason) -> ExecutionReport {
    let expired = matches!(reason, CancelReason::Expired | CancelReason::EndOfDay);
    let mut report = open_report(arena, instrument, slot, if expired { ExecType::Expired } else { ExecType::Canceled });
    report.cancel_reason = reason;
    report
}

/// What the engine does about a match.
pub(crate) struct Desk<'a, S> {
    pub floor: Floor<'a, S>,
    pub last_trade_id: &'a mut u64,
    pub taker: &'a mut Taker,
}

/// A fill of one order, as both its sides need it.
#[derive(Clone, Copy)]
struct Fill {
    trade_id: TradeId,
    price: PriceTicks,
    quantity: i64,
    notional: i128,
}

impl<S: EventSink> Floor<'_, S> {
    /// Books a fill on an order whose leaves are reduced already. Returns its fee and the hold that is left.
    #[inline(always)] // Of its callers one is rare, and the others know much of what it does.
    #[allow(clippy::too_many_arguments)] // All of them are facts of one fill; a struct would only be unpacked again.
    fn settle(
        &mut self,
        order: &mut Order,
        side: Side,
        limit: PriceTicks,
        holds: bool,
        schedule: FeeSchedule,
        rate_ppm: i32,
        fill: Fill,
    ) -> (i128, i128) {
        let before = order.leaves + fill.quantity;
        let old_carry = order.fee_carry();
        let (mut fee, mut carry) = fill_fee(fill.notional, rate_ppm, old_carry);
        order.filled += fill.quantity;
        if fee < 0 {
            let payable = self.payable_rebate(fee);
            if payable != fee {
                // Or a buy would hold a unit more than it has.
                carry = carry.max(old_carry);
            }
            fee = payable;
        }
        order.set_fee_carry(carry);
        let mut left = schedule;
        if schedule.most != UNCAPPED {
            fee = fee.min(schedule.most);
            left.most -= fee;
            self.fees.pay(order.order_id, fee);
        }
        let instrument = &self.listing.instrument;
        let (hold, release) = if holds {
            let hold = match order.leaves {
                0 => 0,
                leaves => instrument.hold(side, limit.0, leaves, left, carry),
            };
            (hold, instrument.hold(side, limit.0, before, schedule, old_carry) - hold)
        } else {
            (0, 0)
        };
        self.ledger.settle(Settlement {
            account: order.account as usize,
            instrument: instrument.instrument_id.0 - 1,
            side,
            price: fill.price.0,
            quantity: fill.quantity,
            base: instrument.base_index(),
            quote: instrument.quote_index(),
            base_amount: i128::from(fill.quantity) * i128::from(instrument.lot_units),
            notional: fill.notional,
            fee,
            release,
        });
        (fee, hold)
    }

    /// A rebate as far as the venue has the money. It always has, unless it took its own fees out: what a taker's carry
    /// has paid in advance may be gone then.
    #[cold]
    fn payable_rebate(&self, fee: i128) -> i128 {
        let quote = self.listing.instrument.quote_index();
        -(-fee).min(self.ledger.accounts[Ledger::VENUE].balance(quote).available())
    }
}

impl<S: EventSink> Desk<'_, S> {
    #[inline(always)] // As `Taker::report`.
    fn complete(report: &mut ExecutionReport, fill: Fill, fee: i128, liquidity: Liquidity, counter: u64) {
        report.trade_id = fill.trade_id;
        report.last_price = fill.price;
        report.last_quantity = Lots(fill.quantity);
        report.last_notional = Amount(fill.notional);
        report.fee = Amount(fee);
        report.liquidity = liquidity;
        report.counter_order_id = OrderId(counter);
    }
}

impl<S: EventSink, P: PriceIndex> Venue<P> for Desk<'_, S> {
    #[inline]
    fn same_owner(&self, incoming: &Incoming, account: u32) -> bool {
        self.floor.ledger.same_owner(incoming.account, incoming.trade_group, account)
    }

    #[inline]
    fn affordable(&mut self, price: PriceTicks, available: i64) -> i64 {
        if !self.taker.by_quote() {
            return available;
        }
        let lots = self.taker.quote_left / self.floor.listing.instrument.known_notional(price.0, 1);
        i64::try_from(lots).map_or(available, |lots| lots.min(available))
    }

    #[inline]
    fn traded(&mut self, arena: &mut Arena, incoming: &Incoming, maker: u32, price: PriceTicks, quantity: i64) {
        *self.last_trade_id += 1;
        self.floor.listing.instrument.last_price = price;
        let instrument_id = self.floor.listing.instrument.instrument_id;
        if self.taker.first_price == 0 {
            self.taker.first_price = price.0;
        }
        let notional = self.floor.listing.instrument.known_notional(price.0, quantity);
        let taker_slot = self.taker.slot;
        let special = taker_slot != NIL || arena.orders.get(maker).flags.special();
        let others = if special { self.dissolve_pairs(arena, taker_slot, maker) } else { [None; 2] };
        let fill = Fill { trade_id: TradeId(*self.last_trade_id), price, quantity, notional };

        let mut taker = self.taker.order;
        taker.leaves = incoming.leaves;
        let schedule = self.floor.fees.of(&taker);
        let taker_ppm = schedule.taker_ppm;
        let (side, limit, rests) = (self.taker.side, self.taker.price, self.taker.rests);
        let (fee, hold) = self.floor.settle(&mut taker, side, limit, rests, schedule, taker_ppm, fill);
        self.taker.order = taker;
        self.taker.hold = hold;
        if self.taker.by_quote() {
            self.taker.quote_left -= notional;
        }
        let counter = arena.orders.get(maker).order_id;
        let mut report = self.taker.report(instrument_id, ExecType::Trade, CancelReason::None);
        Self::complete(&mut report, fill, fee, Liquidity::Taker, counter);
        self.floor.events.emit(Event::Execution(report));

        let mut order = *arena.orders.get(maker);
        let schedule = self.floor.fees.of(&order);
        // A rebate never exceeds what the taker pays in the same trade.
        let maker_ppm = schedule.maker_ppm.max(-taker_ppm);
        let limit = if special { self.floor.listing.held_at(arena, maker, price) } else { price };
        let (fee, hold) = self.floor.settle(&mut order, side.opposite(), limit, true, schedule, maker_ppm, fill);
        let place = arena.orders.get_mut(maker);
        place.filled = order.filled;
        place.set_fee_carry(order.fee_carry());
        let client_order_id = arena.orders.client_order_id(maker);
        let mut report = self::report(&order, client_order_id, instrument_id, side.opposite(), price, ExecType::Trade);
        report.hold = Amount(hold);
        report.displayed_quantity = Lots(order.leaves);
        Self::complete(&mut report, fill, fee, Liquidity::Maker, taker.order_id);
        if !special {
            // Apart from the other way, so that the report is made in its place.
            return self.floor.events.emit(Event::Execution(report));
        }
        self::dress(arena, maker, &mut report);
        self.floor.events.emit(Event::Execution(report));
        for slot in others.into_iter().flatten() {
            self.floor.end_waiting(arena, slot, CancelReason::OrderList);
        }
    }

    fn maker_canceled(&mut self, arena: &mut Arena, maker: u32, decremented: i64) {
        let other = self.floor.dissolve_pair(arena, maker);
        let instrument = &self.floor.listing.instrument;
        let fees = &*self.floor.fees;
        let mut report =
            self.floor.ledger.cancel_maker(arena, instrument, fees, maker, CancelReason::SelfTrade, decremented);
        self::dress(arena, maker, &mut report);
        self.floor.events.emit(Event::Execution(report));
        if let Some(other) = other {
            self.floor.end_waiting(arena, other, CancelReason::OrderList);
        }
    }

    fn maker_decremented(&mut self, arena: &mut Arena, maker: u32, quantity: i64) {
        let other = self.floor.dissolve_pair(arena, maker);
        let order = *arena.orders.get(maker);
        let level = arena.level_of(maker);
        let (side, price) = (level.side(), PriceTicks(level.price));
        let limit = self.floor.listing.held_at(arena, maker, price);
        let hold = self.restate(&order, side, limit, quantity);
        let client_order_id = arena.orders.client_order_id(maker);
        let mut report = self::report(
            &order,
            client_order_id,
            self.floor.listing.instrument.instrument_id,
            side,
            price,
            ExecType::Restated,
        );
        report.hold = Amount(hold);
        report.cancel_reason = CancelReason::SelfTrade;
        self::dress(arena, maker, &mut report);
        self.floor.events.emit(Event::Execution(report));
        if let Some(other) = other {
            self.floor.end_waiting(arena, other, CancelReason::OrderList);
        }
    }

    fn taker_decremented(&mut self, arena: &mut Arena, incoming: &Incoming, quantity: i64) {
        let slot = self.taker.slot;
        let other = if slot == NIL { None } else { self.floor.dissolve_pair(arena, slot) };
        self.taker.order.leaves = incoming.leaves;
        if self.taker.rests {
            let order = self.taker.order;
            self.taker.hold = self.restate(&order, self.taker.side, self.taker.price, quantity);
        }
        let instrument_id = self.floor.listing.instrument.instrument_id;
        let report = self.taker.report(instrument_id, ExecType::Restated, CancelReason::SelfTrade);
        self.floor.events.emit(Event::Execution(report));
        if let Some(other) = other {
            self.floor.end_waiting(arena, other, CancelReason::OrderList);
        }
    }

    #[inline]
    fn removed(&mut self, arena: &mut Arena, maker: u32, filled: bool) {
        self.floor.retire(arena, maker, filled);
    }
}

impl<S: EventSink> Floor<'_, S> {
    /// Two orders, a buy and a sell, trade in an auction. Their leaves, and those of their levels, are reduced already; they
    /// are in the book, or wait for the auction, still.
    pub fn cross(
        &mut self,
        arena: &mut Arena,
        last_trade_id: &mut u64,
        pair: [u32; 2],
        price: PriceTicks,
        quantity: i64,
    ) {
        *last_trade_id += 1;
        self.listing.instrument.last_price = price;
        // It fits: the buyer's limit is not below the price.
        let notional = self.listing.instrument.known_notional(price.0, quantity);
        let fill = Fill { trade_id: TradeId(*last_trade_id), price, quantity, notional };
        let [buyer, seller] = pair;
        let others = [self.dissolve_pair(arena, buyer), self.dissolve_pair(arena, seller)];
        for (slot, counter, side) in [(buyer, seller, Side::Buy), (seller, buyer, Side::Sell)] {
            let mut order = *arena.orders.get(slot);
            let limit = match order.level {
                NIL => arena.orders.extra(slot).limit,
                _ if order.flags.special() => {
                    self.listing.hold_limit(arena, slot, PriceTicks(arena.level_of(slot).price))
                }
                _ => arena.level_of(slot).price,
            };
            let schedule = self.fees.of(&order);
            let taker_ppm = schedule.taker_ppm;
            let (fee, hold) = self.settle(&mut order, side, PriceTicks(limit), true, schedule, taker_ppm, fill);
            let place = arena.orders.get_mut(slot);
            place.filled = order.filled;
            place.set_fee_carry(order.fee_carry());
            let mut report = open_report(arena, &self.listing.instrument, slot, ExecType::Trade);
            report.hold = Amount(hold);
            Desk::<S>::complete(&mut report, fill, fee, Liquidity::Auction, arena.orders.get(counter).order_id);
            self.events.emit(Event::Execution(report));
        }
        for slot in others.into_iter().flatten() {
            self.end_waiting(arena, slot, CancelReason::OrderList);
        }
    }
}

impl<S: EventSink> Desk<'_, S> {
    /// Two orders are about to trade: the other ones of their live pairs, to be ended when the trade is told.
    #[cold]
    fn dissolve_pairs(&mut self, arena: &mut Arena, taker: u32, maker: u32) -> [Option<u32>; 2] {
        let of_taker = if taker == NIL { None } else { self.floor.dissolve_pair(arena, taker) };
        [of_taker, self.floor.dissolve_pair(arena, maker)]
    }

    /// Shrinks the hold of an order that was just reduced by `quantity` without a trade. Returns what it holds now.
    fn restate(&mut self, order: &Order, side: Side, price: PriceTicks, quantity: i64) -> i128 {
        let instrument = &self.floor.listing.instrument;
        let schedule = self.floor.fees.of(order);
        let hold = instrument.hold(side, price.0, order.leaves, schedule, order.fee_carry());
        let before = instrument.hold(side, price.0, order.leaves + quantity, schedule, order.fee_carry());
        let balance = self.floor.ledger.balance_mut(order.account as usize, instrument.hold_index(side));
        balance.held -= before - hold;
        hold
    }
}

impl Ledger {
    /// Releases the hold of an order in a book that is being canceled, and makes its report. `decremented` lots were taken
    /// off it just before, and are shown, and held, as its own still.
    #[inline(always)] // As `Taker::report`.
    pub fn cancel_maker(
        &mut self,
        arena: &Arena,
        instrument: &Instrument,
        fees: &FeeTable,
        slot: u32,
        reason: CancelReason,
        decremented: i64,
    ) -> ExecutionReport {
        let mut order = *arena.orders.get(slot);
        let level = arena.level_of(slot);
        order.leaves += decremented;
        let limit = match arena.orders.some_extra(slot) {
            Some(extra) if extra.terms.peg != Peg::None => extra.limit,
            _ => level.price,
        };
        let hold = instrument.hold(level.side(), limit, order.leaves, fees.of(&order), order.fee_carry());
        self.balance_mut(order.account as usize, instrument.hold_index(level.side())).held -= hold;
        let client_order_id = arena.orders.client_order_id(slot);
        let price = PriceTicks(level.price);
        let mut report =
            report(&order, client_order_id, instrument.instrument_id, level.side(), price, ExecType::Canceled);
        report.cancel_reason = reason;
        report
    }

    /// Puts an order at the end of its account's list. Order ids ascend, so the list does.
    #[inline]
    pub fn append_order(&mut self, arena: &mut Arena, account: usize, slot: u32) {
        let account = &mut self.accounts[account];
        account.open_orders += 1;
        let last = std::mem::replace(&mut account.last_order, slot);
        account.first_order = if last == NIL { slot } else { account.first_order };
        arena.orders.get_mut(last).account_next = slot;
        let order = arena.orders.get_mut(slot);
        order.account_prev = last;
        order.account_next = NIL;
    }

    /// Takes an order that is in no book any more out of its account's list and the indexes, and frees its slot.
    #[inline]
    pub fn retire(&mut self, arena: &mut Arena, remembered: &mut Remembered, slot: u32) {
        let &Order { account: owner, account_prev: before, account_next: after, .. } = arena.orders.get(slot);
        let account = &mut self.accounts[owner as usize];
        account.open_orders -= 1;
        // As in `Book::unlink`: no branch on where the order stands.
        account.first_order = if before == NIL { after } else { account.first_order };
        account.last_order = if after == NIL { before } else { account.last_order };
        arena.orders.get_mut(before).account_next = after;
        arena.orders.get_mut(after).account_prev = before;
        if let Some(hash) = arena.orders.take_client_order_id(slot) {
            self.remember(remembered, owner as usize, hash);
        }
        arena.orders.remove(slot);
    }

    /// Remembers the client_order_id of an order that has closed; forgets the account's oldest if there are too many.
    #[inline]
    pub fn remember(&mut self, remembered: &mut Remembered, account: usize, hash: u64) {
        let list = &mut self.accounts[account].remembered;
        if list.len() == REMEMBERED_CLIENT_ORDER_IDS {
            remembered.pop_oldest(list);
        }
        remembered.push(list, hash);
    }
}
