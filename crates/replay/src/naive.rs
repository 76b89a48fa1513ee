//! The naive twin of the engine's book: sorted lists, price then time, nothing clever. Tests only.

use crate::book_file::Level;
use crate::venue::{EngineVenue, Entry, Fill, Front, Venue, Work};
use beurs_engine::types::{PriceTicks, Side};

#[path = "../tests/support/mod.rs"]
pub(crate) mod support;

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

/// The engine and its twin side by side: both get every command, and must answer alike and show the same book.
pub(crate) struct Twin {
    engine: EngineVenue,
    naive: NaiveVenue,
}

impl Twin {
    pub(crate) fn open() -> Self {
        Self { engine: EngineVenue::open().expect("the venue opens"), naive: NaiveVenue::new(Fault::None) }
    }

    fn assert_same_book(&self) {
        let (mut engine, mut naive) = (Vec::new(), Vec::new());
        for side in [Side::Buy, Side::Sell] {
            self.engine.depth(side, 20, &mut engine);
            self.naive.depth(side, 20, &mut naive);
            assert_eq!(engine, naive, "{side:?}, after command {}", self.naive.work.commands);
            assert_eq!(self.engine.front(side), self.naive.front(side));
        }
    }
}

impl Venue for Twin {
    fn set_time(&mut self, time_ns: i64) {
        self.engine.set_time(time_ns);
    }

    fn enter(&mut self, side: Side, price: i64, quantity: i64, entry: Entry, fills: &mut Vec<Fill>) -> Option<u64> {
        let mut naive_fills = fills.clone();
        let order_id = self.engine.enter(side, price, quantity, entry, fills);
        assert_eq!(order_id, self.naive.enter(side, price, quantity, entry, &mut naive_fills));
        assert_eq!(*fills, naive_fills);
        self.assert_same_book();
        order_id
    }

    fn reduce(&mut self, order_id: u64, quantity: i64) -> bool {
        let accepted = self.engine.reduce(order_id, quantity);
        assert_eq!(accepted, self.naive.reduce(order_id, quantity));
        self.assert_same_book();
        accepted
    }

    fn cancel(&mut self, order_id: u64) -> bool {
        let accepted = self.engine.cancel(order_id);
        assert_eq!(accepted, self.naive.cancel(order_id));
        self.assert_same_book();
        accepted
    }

    fn front(&self, side: Side) -> Option<Front> {
        self.engine.front(side)
    }

    fn depth(&self, side: Side, count: usize, out: &mut Vec<Level>) {
        self.engine.depth(side, count, out);
    }

    fn work(&self) -> Work {
        Work { time: std::time::Duration::ZERO, ..self.engine.work() }
    }
}
