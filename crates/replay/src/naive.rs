//! The naive twin of the engine's book: sorted lists, price then time, nothing clever. Tests only.

use crate::book_file::Level;
use crate::venue::{Entry, Fill, Front, Venue, Work};
use beurs_engine::types::{PriceTicks, Side};

#[derive(Clone, Copy)]
struct Order {
    order_id: u64,
    price: i64,
    filled: i64,
    leaves: i64,
}

/// Which rule of price-time priority the book breaks, to see that a replay notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// None.
    None,
    /// The youngest order of a level trades first.
    LastInFirstOut,
    /// A reduced order goes to the back of its level.
    ReduceLosesPlace,
}

/// Two sorted lists.
pub(crate) struct NaiveVenue {
    halves: [Vec<Order>; 2],
    last_order_id: u64,
    fault: Fault,
    work: Work,
}

impl NaiveVenue {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { halves: [Vec::new(), Vec::new()], last_order_id: 0, fault, work: Work::default() }
    }

    fn rest(&mut self, side: Side, order: Order) {
        let half = &mut self.halves[side.index()];
        let before = |resting: &Order| side.sorts_before(PriceTicks(resting.price), PriceTicks(order.price));
        let place = match self.fault {
            Fault::LastInFirstOut => half.partition_point(before),
            _ => half.partition_point(|resting| before(resting) || resting.price == order.price),
        };
        half.insert(place, order);
    }

    fn find(&self, order_id: u64) -> Option<(Side, usize)> {
        [Side::Buy, Side::Sell].into_iter().find_map(|side| {
            let place = self.halves[side.index()].iter().position(|order| order.order_id == order_id)?;
            Some((side, place))
        })
    }

    fn refuse(&mut self) -> bool {
        self.work.refused += 1;
        false
    }
}

impl Venue for NaiveVenue {
    fn set_time(&mut self, _time_ns: i64) {}

    fn enter(&mut self, side: Side, price: i64, quantity: i64, entry: Entry, fills: &mut Vec<Fill>) -> Option<u64> {
        self.work.commands += 1;
        let crosses = |maker: &Order| side.crosses(PriceTicks(price), PriceTicks(maker.price));
        if entry == Entry::PostOnly && self.halves[side.opposite().index()].first().is_some_and(crosses) {
            self.refuse();
            return None;
        }
        self.last_order_id += 1;
        let mut leaves = quantity;
        let makers = &mut self.halves[side.opposite().index()];
        while leaves > 0 && makers.first().is_some_and(crosses) {
            let maker = &mut makers[0];
            let traded = leaves.min(maker.leaves);
            fills.push(Fill { maker: maker.order_id, price: maker.price, quantity: traded });
            maker.filled += traded;
            maker.leaves -= traded;
            leaves -= traded;
            if maker.leaves == 0 {
                makers.remove(0);
            }
        }
        if entry != Entry::Ioc && leaves > 0 {
            let order = Order { order_id: self.last_order_id, price, filled: quantity - leaves, leaves };
            self.rest(side, order);
        }
        Some(self.last_order_id)
    }

    fn reduce(&mut self, order_id: u64, quantity: i64) -> bool {
        self.work.commands += 1;
        let Some((side, place)) = self.find(order_id) else {
            return self.refuse();
        };
        let order = &mut self.halves[side.index()][place];
        if quantity <= order.filled {
            return self.refuse();
        }
        order.leaves = quantity - order.filled;
        if self.fault == Fault::ReduceLosesPlace {
            let order = self.halves[side.index()].remove(place);
            self.rest(side, order);
        }
        true
    }

    fn cancel(&mut self, order_id: u64) -> bool {
        self.work.commands += 1;
        match self.find(order_id) {
            Some((side, place)) => {
                self.halves[side.index()].remove(place);
                true
            }
            None => self.refuse(),
        }
    }

    fn front(&self, side: Side) -> Option<Front> {
        let order = self.halves[side.index()].first()?;
        Some(Front { order_id: order.order_id, price: order.price, leaves: order.leaves })
    }

    fn depth(&self, side: Side, count: usize, out: &mut Vec<Level>) {
        out.clear();
        for order in &self.halves[side.index()] {
            let full = out.len() == count;
            match out.last_mut() {
                Some(level) if level.price == order.price => level.quantity += order.leaves,
                _ if full => break,
                _ => out.push(Level { price: order.price, quantity: order.leaves }),
            }
        }
    }

    fn work(&self) -> Work {
        self.work
    }
}
