//! The matching book on its own, without accounts or money, for programs that only want to match.
//!
//! ```
//! use beurs_engine::order_book::{OrderBook, Report};
//! use beurs_engine::types::{Lots, OrderId, PriceTicks, Side, TimeInForce};
//!
//! let mut book = OrderBook::new();
//! let mut reports = Vec::new();
//! let mut tell = |report: Report| reports.push(report);
//! book.new_order(OrderId(1), Side::Sell, PriceTicks(101), Lots(5), TimeInForce::Gtc, &mut tell);
//! book.new_order(OrderId(2), Side::Buy, PriceTicks(102), Lots(7), TimeInForce::Gtc, &mut tell);
//! assert_eq!(
//!     reports,
//!     [
//!         Report::New { order_id: OrderId(1) },
//!         Report::New { order_id: OrderId(2) },
//!         Report::Trade { maker: OrderId(1), taker: OrderId(2), price: PriceTicks(101), quantity: Lots(5) },
//!     ]
//! );
//! assert_eq!(book.best_price(Side::Buy), Some(PriceTicks(102)));
//! assert_eq!(book.depth_at(Side::Buy, PriceTicks(102)), 2);
//! assert_eq!(book.best_price(Side::Sell), None);
//! ```

use crate::book::{Arena, Book};
use crate::levels::{PagedLevels, PriceIndex};
use crate::matching::{self, Incoming, Venue};
use crate::pool::{Flags, Order, NIL};
use crate::types::{Lots, OrderId, PriceTicks, SelfTradePrevention, Side, TimeInForce, MAX_TICKS_OR_LOTS};

/// What happened to an order of an [`OrderBook`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// Accepted.
    New {
        /// Which order.
        order_id: OrderId,
    },
    /// Two orders traded, at the maker's price.
    Trade {
        /// The order that was in the book.
        maker: OrderId,
        /// The order that came in.
        taker: OrderId,
        /// At what price.
        price: PriceTicks,
        /// How much.
        quantity: Lots,
    },
    /// Ended with this much not traded.
    Canceled {
        /// Which order.
        order_id: OrderId,
        /// What did not trade.
        leaves: Lots,
    },
    /// Changed; reports of trades that follow from it come after.
    Replaced {
        /// Which order.
        order_id: OrderId,
        /// Its price now.
        price: PriceTicks,
        /// What may still trade of it.
        leaves: Lots,
    },
    /// Refused; nothing changed.
    Rejected {
        /// The order that was named.
        order_id: OrderId,
        /// Why.
        reason: BookReject,
    },
}

/// Why an [`OrderBook`] refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BookReject {
    /// The id is 0, or an open order has it.
    InvalidOrderId,
    /// No open order has the id.
    UnknownOrder,
    /// The price is not from 1 to [`MAX_TICKS_OR_LOTS`].
    InvalidPrice,
    /// The quantity is not from 1 to [`MAX_TICKS_OR_LOTS`].
    InvalidQuantity,
}

/// A price-time book whose orders have ids of the caller's choice. `P` chooses how prices are found.
#[derive(Clone, Debug)]
pub struct OrderBook<P = PagedLevels> {
    arena: Arena,
    book: Book<P>,
}

struct Teller<'a, R> {
    taker: OrderId,
    report: &'a mut R,
}

impl<P: PriceIndex, R: FnMut(Report)> Venue<P> for Teller<'_, R> {
    #[inline]
    fn traded(&mut self, arena: &mut Arena, _incoming: &Incoming, maker: u32, price: PriceTicks, quantity: i64) {
        let order = arena.orders.get_mut(maker);
        order.filled += quantity;
        let maker = OrderId(order.order_id);
        (self.report)(Report::Trade { maker, taker: self.taker, price, quantity: Lots(quantity) });
    }

    // No order of this book has an owner, so self-trade prevention never happens.
    fn maker_canceled(&mut self, _arena: &mut Arena, _maker: u32, _decremented: i64) {}
    fn maker_decremented(&mut self, _arena: &mut Arena, _maker: u32, _quantity: i64) {}
    fn taker_decremented(&mut self, _arena: &mut Arena, _incoming: &Incoming, _quantity: i64) {}

    #[inline]
    fn removed(&mut self, arena: &mut Arena, maker: u32, _filled: bool) {
        arena.orders.remove(maker);
    }
}

impl OrderBook {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<P: PriceIndex> Default for OrderBook<P> {
    fn default() -> Self {
        Self { arena: Arena::new(), book: Book::new(0) }
    }
}

impl<P: PriceIndex> OrderBook<P> {
    /// Enters a limit order. What does not trade rests (GTC) or is canceled (IOC); FOK trades whole or is canceled.
    #[inline]
    pub fn new_order(
        &mut self,
        order_id: OrderId,
        side: Side,
        price: PriceTicks,
        quantity: Lots,
        time_in_force: TimeInForce,
        report: &mut impl FnMut(Report),
    ) {
        let valid = match () {
            () if order_id.is_none() || self.arena.orders.find(order_id.0).is_some() => Err(BookReject::InvalidOrderId),
            () => check(price, quantity),
        };
        if let Err(reason) = valid {
            return report(Report::Rejected { order_id, reason });
        }
        report(Report::New { order_id });
        let mut incoming = incoming(side, price, quantity);
        if time_in_force == TimeInForce::Fok {
            let found = matching::walk(&self.arena, &self.book, &incoming, None, |_| false);
            if found.quantity < quantity.0 {
                return report(Report::Canceled { order_id, leaves: quantity });
            }
        }
        self.run(order_id, &mut incoming, report);
        if incoming.leaves == 0 {
            return;
        }
        if time_in_force != TimeInForce::Gtc {
            return report(Report::Canceled { order_id, leaves: Lots(incoming.leaves) });
        }
        let flags = Flags::new(SelfTradePrevention::None, false, time_in_force);
        let mut order = Order::new(order_id.0, 0, incoming.leaves, 0, flags);
        order.filled = quantity.0 - incoming.leaves;
        let slot = self.arena.orders.insert(order);
        self.book.rest(&mut self.arena, slot, side, price);
    }

    /// Cancels an order.
    #[inline]
    pub fn cancel(&mut self, order_id: OrderId, report: &mut impl FnMut(Report)) {
        let Some(slot) = self.arena.orders.find(order_id.0) else {
            return report(Report::Rejected { order_id, reason: BookReject::UnknownOrder });
        };
        let leaves = Lots(self.arena.orders.get(slot).leaves);
        self.book.unlink(&mut self.arena, slot);
        self.arena.orders.remove(slot);
        report(Report::Canceled { order_id, leaves });
    }

    /// Gives an order a new price and new leaves. It keeps its place only if the price stays and the leaves do not grow;
    /// otherwise it enters again, may trade, and what is left rests at the back.
    #[inline]
    pub fn replace(&mut self, order_id: OrderId, price: PriceTicks, leaves: Lots, report: &mut impl FnMut(Report)) {
        let Some(slot) = self.arena.orders.find(order_id.0) else {
            return report(Report::Rejected { order_id, reason: BookReject::UnknownOrder });
        };
        if let Err(reason) = check(price, leaves) {
            return report(Report::Rejected { order_id, reason });
        }
        let order = self.arena.orders.get(slot);
        let old_leaves = order.leaves;
        let level = self.arena.level_of(slot);
        let side = level.side();
        let keeps_place = price.0 == level.price && leaves.0 <= old_leaves;
        report(Report::Replaced { order_id, price, leaves });
        if keeps_place {
            if leaves.0 < old_leaves {
                self.arena.reduce(slot, old_leaves - leaves.0);
            }
            return;
        }
        self.book.unlink(&mut self.arena, slot);
        let mut incoming = incoming(side, price, leaves);
        self.run(order_id, &mut incoming, report);
        if incoming.leaves == 0 {
            self.arena.orders.remove(slot);
            return;
        }
        let order = self.arena.orders.get_mut(slot);
        order.filled += leaves.0 - incoming.leaves;
        order.leaves = incoming.leaves;
        self.book.rest(&mut self.arena, slot, side, price);
    }

    /// The best price of a side.
    #[inline]
    pub fn best_price(&self, side: Side) -> Option<PriceTicks> {
        self.book.best_price(&self.arena, side)
    }

    /// The quantity at a price, in lots.
    #[inline]
    pub fn depth_at(&self, side: Side, price: PriceTicks) -> u128 {
        match self.book.level_at(side, price) {
            NIL => 0,
            level => self.arena.level(level).quantity,
        }
    }

    /// Price, quantity and number of orders of each level, best first.
    pub fn depth(&self, side: Side) -> impl Iterator<Item = (PriceTicks, u128, u32)> + '_ {
        self.book.levels(&self.arena, side).map(|level| (PriceTicks(level.price), level.quantity, level.orders))
    }

    /// The leaves of an open order.
    pub fn leaves(&self, order_id: OrderId) -> Option<Lots> {
        self.arena.orders.find(order_id.0).map(|slot| Lots(self.arena.orders.get(slot).leaves))
    }

    /// How many orders are open.
    pub fn len(&self) -> usize {
        self.arena.orders.len() as usize
    }

    /// Whether no order is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap memory in use, all indexes included.
    pub fn memory_bytes(&self) -> usize {
        self.arena.memory_bytes() + self.book.memory_bytes()
    }

    #[inline]
    fn run(&mut self, taker: OrderId, incoming: &mut Incoming, report: &mut impl FnMut(Report)) {
        matching::run(&mut self.arena, &mut self.book, incoming, &mut Teller { taker, report });
    }
}

#[inline]
fn incoming(side: Side, price: PriceTicks, quantity: Lots) -> Incoming {
    Incoming {
        side,
        limit: price,
        leaves: quantity.0,
        account: 0,
        trade_group: 0,
        self_trade_prevention: SelfTradePrevention::None,
    }
}

#[inline]
fn check(price: PriceTicks, quantity: Lots) -> Result<(), BookReject> {
    if !(1..=MAX_TICKS_OR_LOTS).contains(&price.0) {
        return Err(BookReject::InvalidPrice);
    }
    if !(1..=MAX_TICKS_OR_LOTS).contains(&quantity.0) {
        return Err(BookReject::InvalidQuantity);
    }
    Ok(())
}
