//! Section 5 of the rulebook: cancel-replace, and orders that depend on each other.

use beurs_engine::command::{feature, CancelReplace, NewOrder, NewOrderList};
use beurs_engine::event::{Event, OrderListStatus, Rejected};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, CancelReason, CancelReplaceMode, Contingency, ExecType, InstrumentId, ListId, ListStatus, OrderType,
    Peg, TimeInForce,
};

use super::{cancel_rejected, new_order_rejected, refuse, report, Defect, Naive, Order, Waits};

/// Orders that depend on each other, from their entry until the last of them ends.
#[derive(Clone, Debug)]
pub(crate) struct OrderList {
    pub(crate) list_id: u64,
    pub(crate) contingency: Contingency,
    pub(crate) account: u32,
    pub(crate) instrument: u32,
    /// In the order of the command.
    pub(crate) orders: Vec<u64>,
    /// Those of them that are open.
    pub(crate) open: Vec<u64>,
    /// Those of them that have traded.
    pub(crate) traded: Vec<u64>,
    /// One of its pair has traded, triggered or been reduced: the end of the other one ends nothing.
    pub(crate) decided: bool,
}

impl OrderList {
    /// Whether the first order releases the others.
    pub(crate) fn has_first(&self) -> bool {
        self.contingency != Contingency::Oco
    }

    fn is_first(&self, order_id: u64) -> bool {
        self.has_first() && self.orders[0] == order_id
    }

    fn status(&self, status: ListStatus) -> Event {
        Event::OrderListStatus(OrderListStatus {
            list_id: ListId(self.list_id),
            account_id: AccountId(self.account),
            instrument_id: InstrumentId(self.instrument),
            contingency: self.contingency,
            status,
        })
    }
}

/// Whether orders like these can depend on each other so.
fn valid_list(c: &NewOrderList) -> bool {
    let wanted = if c.contingency == Contingency::Otoco { 3 } else { 2 };
    if c.orders.len() != wanted {
        return false;
    }
    let together = c.orders.iter().all(|order| {
        let terms = order.terms.as_deref().copied().unwrap_or_default();
        (order.account_id, order.instrument_id) == (c.orders[0].account_id, c.orders[0].instrument_id)
            && order.quote_quantity.0 == 0
            && !terms.auction_only
            && terms.peg == Peg::None
            && order.order_type != OrderType::MarketToLimit
    });
    let lasts = |order: &NewOrder| !matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    let limit_that_rests = |order: &NewOrder| order.order_type == OrderType::Limit && lasts(order);
    let is_pair = |pair: &[NewOrder]| {
        let first = match pair[0].order_type {
            OrderType::Limit => limit_that_rests(&pair[0]),
            OrderType::TakeProfit | OrderType::TakeProfitLimit => true,
            _ => false,
        };
        first && matches!(pair[1].order_type, OrderType::Stop | OrderType::StopLimit) && pair[0].side == pair[1].side
    };
    together
        && match c.contingency {
            Contingency::Oco => is_pair(&c.orders),
            Contingency::Oto => limit_that_rests(&c.orders[0]),
            Contingency::Otoco => limit_that_rests(&c.orders[0]) && is_pair(&c.orders[1..]),
        }
}

impl Naive {
    pub(crate) fn cancel_replace(&mut self, c: &CancelReplace, events: &mut Vec<Event>) -> Result<(), Rejected> {
        let refused =
            |reason| Rejected { instrument_id: c.new_order.instrument_id, ..cancel_rejected(&c.cancel, reason) };
        if c.cancel.account_id.is_none() || c.cancel.account_id != c.new_order.account_id {
            return Err(refused(RejectReason::UnknownAccount));
        }
        match (self.check_cancel(&c.cancel), c.mode) {
            (Err(reason), CancelReplaceMode::StopOnFailure) => Err(refused(reason)),
            (Err(reason), CancelReplaceMode::AllowFailure) => {
                // If the new order is refused too, only that is told.
                let order = self.check_new_order(&c.new_order).map_err(refused)?;
                events.push(Event::Rejected(cancel_rejected(&c.cancel, reason)));
                self.accept(order, events);
                Ok(())
            }
            (Ok(order_id), _) => {
                let order = self.take_out(order_id);
                self.cancel(&order, CancelReason::Requested, events);
                self.settle(order.instrument, events);
                match self.check_new_order(&c.new_order) {
                    Ok(order) => self.accept(order, events),
                    Err(reason) => events.push(Event::Rejected(new_order_rejected(&c.new_order, reason))),
                }
                Ok(())
            }
        }
    }

    pub(crate) fn new_order_list(&mut self, c: &NewOrderList, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        let first = c.orders.first().ok_or(R::InvalidOrderList)?;
        refuse(!self.has_account(first.account_id), R::UnknownAccount)?;
        refuse(!self.has_instrument(first.instrument_id), R::UnknownInstrument)?;
        self.check_status_of_list(first.instrument_id.0)?;
        let lacks = self.instrument(first.instrument_id.0).features & feature::ORDER_LISTS == 0;
        refuse(lacks, R::OrderTypeNotAllowed)?;
        refuse(!valid_list(c), R::InvalidOrderList)?;
        let list_id = self.last_list_id + 1;
        let mut orders = Vec::new();
        for (place, command) in c.orders.iter().enumerate() {
            let mut order = self.check_fields(command)?;
            order.list = list_id;
            order.pair = c.contingency == Contingency::Oco || (c.contingency == Contingency::Otoco && place > 0);
            if c.contingency != Contingency::Oco && place > 0 {
                order.waits = Waits::List;
            }
            self.check_market(&mut order)?;
            let name = command.client_order_id;
            let named_before = c.orders[..place].iter().any(|other| other.client_order_id == name);
            refuse(!name.is_empty() && named_before, R::DuplicateClientOrderId)?;
            orders.push(order);
        }

        let instrument = orders[0].instrument;
        self.last_list_id = list_id;
        let ids: Vec<u64> = (1..=orders.len() as u64).map(|place| self.last_order_id + place).collect();
        let list = OrderList {
            list_id,
            contingency: c.contingency,
            account: orders[0].account,
            instrument: orders[0].instrument,
            orders: ids.clone(),
            open: ids.clone(),
            traded: Vec::new(),
            decided: false,
        };
        events.push(list.status(ListStatus::Executing));
        self.lists.push(list);
        let mut first = None;
        for (order, order_id) in orders.into_iter().zip(&ids) {
            let order = self.tell_new(order, events);
            if order.waits != Waits::No {
                self.waiting.push(order);
            } else {
                assert_eq!(order.order_id, ids[0], "only the first is executed");
                first = Some(order);
            }
            assert_eq!(self.last_order_id, *order_id);
        }
        if let Some(first) = first {
            self.execute(first, true, events);
        }
        self.settle(instrument, events);
        Ok(())
    }

    /// The other order of an OCO pair, if it is open.
    fn partner(&self, order: &Order) -> Option<u64> {
        let list = self.lists.iter().find(|list| order.pair && list.list_id == order.list)?;
        list.open.iter().copied().find(|other| *other != order.order_id && !list.is_first(*other))
    }

    /// What the other order of a pair holds for both.
    pub(crate) fn pair_reserve(&self, order: &Order) -> i128 {
        self.partner(order).map_or(0, |partner| self.hold(self.order(partner)))
    }

    /// An order is about to trade: the other one of its pair holds nothing any more.
    pub(crate) fn let_go(&mut self, order: &Order) {
        let partner = self.partner(order).filter(|_| self.defect != Some(Defect::PairSurvives));
        for other in self.waiting.iter_mut().filter(|other| Some(other.order_id) == partner) {
            other.waits = Waits::List;
        }
    }

    /// One of a pair has traded, triggered or been reduced: the other is over.
    pub(crate) fn pair_acts(&mut self, order: &Order, events: &mut Vec<Event>) {
        if let Some(partner) = self.partner(order).filter(|_| self.defect != Some(Defect::PairSurvives)) {
            for list in self.lists.iter_mut().filter(|list| list.list_id == order.list) {
                list.decided = true;
            }
            let partner = self.take_out(partner);
            self.cancel(&partner, CancelReason::OrderList, events);
        }
    }

    /// What a trade of one of its orders means for a list, before that order's end.
    pub(crate) fn pair_trades(&mut self, order: &Order, events: &mut Vec<Event>) {
        let Some(list) = self.lists.iter_mut().find(|list| list.list_id == order.list) else { return };
        if !list.traded.contains(&order.order_id) {
            list.traded.push(order.order_id);
        }
        self.pair_acts(order, events);
    }

    /// What the end of one of its orders means for a list.
    pub(crate) fn list_end(&mut self, order: &Order, events: &mut Vec<Event>) {
        let Some(list) = self.lists.iter_mut().find(|list| list.list_id == order.list) else { return };
        list.open.retain(|open| *open != order.order_id);
        let list_id = list.list_id;
        let (first, decided) = (list.is_first(order.order_id), list.decided);
        if first && order.complete() && !list.open.is_empty() {
            self.released.push(list_id);
            return;
        }
        let bound: Vec<u64> =
            if first { list.open.clone() } else { self.partner(order).into_iter().filter(|_| !decided).collect() };
        for other in bound {
            // The end of one may have ended the next.
            if self.lists.iter().any(|list| list.list_id == list_id && list.open.contains(&other)) {
                let other = self.take_out(other);
                self.cancel(&other, CancelReason::OrderList, events);
            }
        }
        if let Some(place) = self.lists.iter().position(|list| list.list_id == list_id && list.open.is_empty()) {
            let list = self.lists.remove(place);
            events.push(list.status(ListStatus::AllDone));
        }
    }

    /// The orders behind a filled first one begin to work, or to wait for a price.
    pub(crate) fn release(&mut self, list_id: u64, events: &mut Vec<Event>) {
        let Some(list) = self.lists.iter_mut().find(|list| list.list_id == list_id) else { return };
        let (account, open) = (list.account, list.open.clone());
        let mut orders: Vec<Order> = open.iter().map(|order_id| self.order(*order_id).clone()).collect();
        for order in &mut orders {
            order.waits = if order.is_conditional() { self.first_wait(order) } else { Waits::No };
            if order.waits == Waits::No {
                self.slide(order);
            }
        }
        let needed = orders.iter().map(|order| self.hold(order)).max().unwrap_or(0);
        let Some(first) = orders.first() else { return };
        let asset = self.instrument(first.instrument).hold_asset(first.side);
        if needed > self.available(account, asset) {
            for list in self.lists.iter_mut().filter(|list| list.list_id == list_id) {
                list.decided = true; // None of them ends another one.
            }
            for order in orders {
                self.take_out(order.order_id);
                self.cancel(&order, CancelReason::InsufficientFunds, events);
            }
            return;
        }
        for order in &orders {
            let place = self.waiting.iter().position(|other| other.order_id == order.order_id).expect("it waits");
            self.waiting[place] = order.clone();
            events.push(Event::Execution(report(order, ExecType::Restated, self.hold(order))));
            order.tell_terms(events);
        }
        if first.waits == Waits::No {
            let first = self.take_out(first.order_id);
            self.execute_later(first, events);
        }
    }
}
