//! Order lists: orders that cancel or release one another.
//!
//! Invariants: a list is kept while one of its orders is open; an OCO pair is *live* until one of its orders trades,
//! triggers, is reduced or ends; a live pair holds the larger of its two holds, so what an account holds is the sum over its
//! orders less, for each live pair, the smaller one.

use crate::book::Arena;
use crate::command::NewOrderList;
use crate::conditional::Floor;
use crate::engine::{active, Engine};
use crate::event::{Event, EventSink, OrderListStatus};
use crate::extra::Stand;
use crate::orders::{rests, Entering};
use crate::reject::RejectReason;
use crate::types::{
    AccountId, CancelReason, Contingency, ExecType, InstrumentId, ListId, ListStatus, OrderType, Peg, TradingStatus,
};
use std::collections::{BTreeMap, VecDeque};

/// One list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List {
    pub contingency: Contingency,
    pub account: u32,
    /// The orders that are open, by their place in the list; 0 for one that has ended or that there is not.
    pub orders: [u64; 3],
    /// What each of a live OCO pair holds by itself. The pair is the last two orders, or the two there are.
    pub live: Option<[i128; 2]>,
}

impl List {
    /// The orders of a live pair, and what each holds by itself.
    pub fn live_pair(&self) -> Option<[(u64, i128); 2]> {
        let [first, second] = self.live?;
        match self.contingency {
            Contingency::Oco => Some([(self.orders[0], first), (self.orders[1], second)]),
            Contingency::Otoco => Some([(self.orders[1], first), (self.orders[2], second)]),
            Contingency::Oto => None,
        }
    }
}

/// All lists with open orders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    pub last_list_id: u64,
    pub open: BTreeMap<u64, List>,
    /// Lists whose first order has been filled, and whose others have not been released yet. Empty between commands.
    pub filled: VecDeque<u64>,
}

impl<S: EventSink> Floor<'_, S> {
    /// An order works, or ends, for itself from now on: if it is one of a live pair the other one holds and waits for
    /// nothing any more. Returns the slot of the other one, which the caller ends when this one's report is out.
    pub fn dissolve_pair(&mut self, arena: &mut Arena, slot: u32) -> Option<u32> {
        let order_id = arena.orders.get(slot).order_id;
        let list = self.lists.open.get_mut(&arena.orders.some_extra(slot)?.list_id.0)?;
        let Some([first, second]) = list.live_pair() else {
            return self.other_of_waiting_pair(arena, slot);
        };
        let (own, other) = match order_id {
            id if id == first.0 => (first, second),
            id if id == second.0 => (second, first),
            _ => return None, // The first order of an OTOCO list.
        };
        list.live = None;
        let (account, hold_asset) = (list.account as usize, self.listing.instrument.hold_index(arena.half_of(slot).1));
        self.ledger.balance_mut(account, hold_asset).held -= (other.1 - own.1).max(0);
        let other = arena.orders.find(other.0)?;
        self.stop_waiting(arena, other);
        arena.orders.extra_mut(other).stand = Stand::List;
        Some(other)
    }

    /// The same of a pair that still waits for the first order of its list.
    fn other_of_waiting_pair(&mut self, arena: &Arena, slot: u32) -> Option<u32> {
        let order_id = arena.orders.get(slot).order_id;
        let list = self.lists.open.get_mut(&arena.orders.extra(slot).list_id.0)?;
        match list.orders {
            [leader, own, other] | [leader, other, own] if leader != 0 && own == order_id => arena.orders.find(other),
            _ => None,
        }
    }

    /// An order of a list has ended and has left the pool.
    pub fn list_ended(&mut self, arena: &mut Arena, list_id: ListId, order_id: u64, filled: bool) {
        let Some(list) = self.lists.open.get_mut(&list_id.0) else {
            return;
        };
        let first_of_oto = list.orders[0] == order_id && list.contingency != Contingency::Oco;
        for open in &mut list.orders {
            *open = if *open == order_id { 0 } else { *open };
        }
        if first_of_oto && filled {
            // One of which nothing is left to release takes no place in the queue.
            if list.orders != [0; 3] {
                self.lists.filled.push_back(list_id.0);
            }
        } else if first_of_oto {
            for waiting in list.orders {
                if let Some(slot) = arena.orders.find(waiting) {
                    self.end_waiting(arena, slot, CancelReason::OrderList);
                }
            }
        }
        if let Some(list) = self.lists.open.get(&list_id.0).filter(|list| list.orders == [0; 3]) {
            let instrument_id = self.listing.instrument.instrument_id;
            let status = list_status(list_id, list, instrument_id, ListStatus::AllDone);
            self.events.emit(Event::OrderListStatus(status));
            self.lists.open.remove(&list_id.0);
        }
    }
}

fn list_status(list_id: ListId, list: &List, instrument_id: InstrumentId, status: ListStatus) -> OrderListStatus {
    OrderListStatus {
        list_id,
        account_id: AccountId(list.account + 1),
        instrument_id,
        contingency: list.contingency,
        status,
    }
}

impl Engine {
    pub(crate) fn new_order_list<S: EventSink>(
        &mut self,
        command: &NewOrderList,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let Some(first) = command.orders.first() else {
            return Err(RejectReason::InvalidOrderList);
        };
        self.account_index(first.account_id)?;
        let at = self.instrument_index(first.instrument_id)?;
        match self.listings[at].instrument.status {
            TradingStatus::Open => {}
            TradingStatus::PreOpen | TradingStatus::Auction => return Err(RejectReason::NotInAuction),
            TradingStatus::PostOnly => return Err(RejectReason::InstrumentPostOnly),
            TradingStatus::CancelOnly => return Err(RejectReason::InstrumentCancelOnly),
            TradingStatus::Halted => return Err(RejectReason::InstrumentHalted),
            TradingStatus::Closed => return Err(RejectReason::InstrumentClosed),
        }
        if self.listings[at].features & crate::command::feature::ORDER_LISTS == 0 {
            return Err(RejectReason::OrderTypeNotAllowed);
        }
        check_list(command)?;
        let works = |place: usize| place == 0 || command.contingency == Contingency::Oco;
        let mut entries = Vec::with_capacity(command.orders.len());
        for (place, order) in command.orders.iter().enumerate() {
            let entering = if works(place) { Entering::Now } else { Entering::Later };
            entries.push(self.check_new_order::<false>(order, entering)?);
            let named = !order.client_order_id.is_empty();
            if named && command.orders[..place].iter().any(|other| other.client_order_id == order.client_order_id) {
                return Err(RejectReason::DuplicateClientOrderId);
            }
        }
        // After this point the list must be entered.

        self.lists.last_list_id += 1;
        let list_id = ListId(self.lists.last_list_id);
        let mut list = List {
            contingency: command.contingency,
            account: entries[0].account as u32,
            orders: [0; 3],
            live: (command.contingency == Contingency::Oco).then(|| [entries[0].needed, entries[1].needed]),
        };
        let status = list_status(list_id, &list, first.instrument_id, ListStatus::Executing);
        events.emit(Event::OrderListStatus(status));
        if let Some([one, other]) = list.live {
            // Both are about to hold; together they hold the larger of the two.
            let spared = one.min(other);
            let hold_asset = self.listings[at].instrument.hold_index(first.side);
            self.ledger.balance_mut(entries[0].account, hold_asset).held -= spared;
        }
        let mut slots = Vec::with_capacity(entries.len());
        for (place, (order, entry)) in command.orders.iter().zip(&entries).enumerate() {
            let slot = self.enter_special(order, entry, Some((list_id, !works(place))), events);
            list.orders[place] = self.arena.orders.get(slot).order_id;
            slots.push(slot);
        }
        self.lists.open.insert(list_id.0, list);
        self.listings[at].active |= active::LISTS;
        self.work(slots[0], events);
        self.after_execution(at, events);
        Ok(())
    }

    /// Lets the orders work that waited for the first of their list.
    pub(crate) fn release_list<S: EventSink>(&mut self, list_id: u64, events: &mut S) {
        let Some(list) = self.lists.open.get(&list_id) else {
            return;
        };
        let slots: Vec<u32> = list.orders.iter().filter_map(|&order_id| self.arena.orders.find(order_id)).collect();
        let Some(&first) = slots.first() else {
            return;
        };
        if !self.arena.orders.extra(first).order_type.is_conditional() {
            self.slide(first);
        }
        let (at, side) = self.arena.half_of(first);
        let account = self.arena.orders.get(first).account as usize;
        let hold_asset = self.listings[at].instrument.hold_index(side);
        for &slot in &slots {
            if !self.arena.orders.extra(slot).order_type.is_conditional() {
                self.slide(slot);
            }
        }
        let holds: Vec<i128> =
            slots.iter().map(|&slot| self.listings[at].released_hold(&self.arena, &self.fees, slot)).collect();
        let needed = holds.iter().copied().max().unwrap_or(0);
        if self.ledger.accounts[account].balance(hold_asset).available() < needed {
            for (slot, order_id) in
                slots.iter().map(|&slot| (slot, self.arena.orders.get(slot).order_id)).collect::<Vec<_>>()
            {
                if self.arena.orders.get(slot).order_id == order_id {
                    self.cancel_special(slot, CancelReason::InsufficientFunds, events);
                }
            }
            return;
        }
        self.ledger.balance_mut(account, hold_asset).held += needed;
        if let (Some(list), &[one, other]) = (self.lists.open.get_mut(&list_id), holds.as_slice()) {
            list.live = Some([one, other]);
        }
        for &slot in &slots {
            self.begin_to_wait(slot);
            self.report_open(slot, ExecType::Restated, events);
        }
        if self.arena.orders.extra(first).stand == Stand::Working {
            self.begin(first, events);
        }
    }
}

/// Which orders make a list.
fn check_list(command: &NewOrderList) -> Result<(), RejectReason> {
    let orders = &command.orders;
    let count = if command.contingency == Contingency::Otoco { 3 } else { 2 };
    let same = |order: &crate::command::NewOrder| {
        order.account_id == orders[0].account_id
            && order.instrument_id == orders[0].instrument_id
            && order.quote_quantity.0 == 0
            && !order.terms().auction_only
            && order.terms().peg == Peg::None
            && order.order_type != OrderType::MarketToLimit
    };
    let mut fits = orders.len() == count && orders.iter().all(same);
    let is_pair = |first: &crate::command::NewOrder, second: &crate::command::NewOrder| {
        let takes_profit = match first.order_type {
            OrderType::Limit => rests::<false>(first.order_type, first.time_in_force),
            kind => matches!(kind, OrderType::TakeProfit | OrderType::TakeProfitLimit),
        };
        takes_profit && matches!(second.order_type, OrderType::Stop | OrderType::StopLimit) && first.side == second.side
    };
    fits = fits
        && match command.contingency {
            Contingency::Oco => is_pair(&orders[0], &orders[1]),
            Contingency::Oto | Contingency::Otoco => {
                let first = &orders[0];
                let leads =
                    first.order_type == OrderType::Limit && rests::<false>(first.order_type, first.time_in_force);
                leads && (command.contingency == Contingency::Oto || is_pair(&orders[1], &orders[2]))
            }
        };
    if fits {
        Ok(())
    } else {
        Err(RejectReason::InvalidOrderList)
    }
}
