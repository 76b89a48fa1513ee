//! One instrument's book: two halves of price levels, each level a queue of orders in time.
//!
//! Invariants: a level is in its half's index exactly while it has orders; its quantity is the sum of its orders' leaves;
//! its queue has the displayed orders first and the hidden ones behind them, each in order of time; what it conceals is the
//! sum of what its orders have beyond what they show; the cached best level is the one with the best price. Nothing here
//! scans a level or a half: every operation touches the order, its neighbours, its level, and at most a few words of the
//! price index.

use crate::levels::PriceIndex;
use crate::pool::{Order, OrderPool, NIL};
use crate::pro_rata::ProRata;
use crate::types::{PriceTicks, Side};
use std::collections::BTreeMap;

/// The orders of one side at one price.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Level {
    /// The sum of the leaves, in lots. 2^32 orders of 2^53 lots fit.
    pub quantity: u128,
    /// What of it is not shown.
    pub concealed: u128,
    pub price: i64,
    /// The oldest and the youngest order.
    pub head: u32,
    pub tail: u32,
    pub orders: u32,
    /// How many of them are hidden, and the oldest of these. They are the last ones of the queue.
    pub hidden_orders: u32,
    pub first_hidden: u32,
    /// Instrument index and side, as `instrument * 2 + side`.
    pub half: u32,
}

const _: () = assert!(std::mem::size_of::<Level>() == 64);

impl Level {
    /// What the book shows of it.
    #[inline]
    pub fn displayed(&self) -> u128 {
        self.quantity - self.concealed
    }

    /// How many orders it shows.
    #[inline]
    pub fn displayed_orders(&self) -> u32 {
        self.orders - self.hidden_orders
    }

    #[inline]
    pub fn side(&self) -> Side {
        if self.half & 1 == 0 {
            Side::Buy
        } else {
            Side::Sell
        }
    }

    /// The instrument's place in the venue's list.
    #[inline]
    pub fn instrument(&self) -> usize {
        (self.half >> 1) as usize
    }
}

/// Orders and levels of all books, side by side in memory.
#[derive(Clone, Debug)]
pub(crate) struct Arena {
    pub orders: OrderPool,
    levels: Vec<Level>,
    free_level: u32,
}

impl Arena {
    pub fn new() -> Self {
        let nowhere = Level {
            quantity: 0,
            concealed: 0,
            price: 0,
            head: NIL,
            tail: NIL,
            orders: 0,
            hidden_orders: 0,
            first_hidden: NIL,
            half: 0,
        };
        Self { orders: OrderPool::new(), levels: vec![nowhere], free_level: NIL }
    }

    #[inline]
    pub fn level(&self, level: u32) -> &Level {
        &self.levels[level as usize]
    }

    #[inline]
    fn level_mut(&mut self, level: u32) -> &mut Level {
        &mut self.levels[level as usize]
    }

    /// The instrument's place and the side of an open order, in a level or not.
    #[inline(always)] // A few instructions.
    pub fn half_of(&self, slot: u32) -> (usize, Side) {
        let order = self.orders.get(slot);
        let half = match order.level {
            NIL => self.orders.extra(slot).half,
            level => self.level(level).half,
        };
        ((half >> 1) as usize, if half & 1 == 0 { Side::Buy } else { Side::Sell })
    }

    /// What the book shows of an order that is in a level.
    #[inline]
    pub fn displayed(&self, slot: u32) -> i64 {
        let order = self.orders.get(slot);
        match () {
            () if !order.flags.conceals() => order.leaves,
            () if order.flags.hidden() => 0,
            () => self.orders.extra(slot).peak,
        }
    }

    /// Lets an iceberg show as much as it may, in its place. Nothing for other orders.
    pub fn show_peak(&mut self, slot: u32) {
        let &Order { leaves, level, flags, .. } = self.orders.get(slot);
        if !flags.iceberg() {
            return;
        }
        let extra = self.orders.extra_mut(slot);
        let shown = std::mem::replace(&mut extra.peak, extra.terms.display_quantity.0.min(leaves));
        let shows = extra.peak;
        if level != NIL {
            let level = self.level_mut(level);
            level.concealed = level.concealed + shown as u128 - shows as u128;
        }
    }

    /// The slots of a level's queue from one on.
    pub fn queue_from(&self, head: u32) -> impl Iterator<Item = u32> + '_ {
        let mut at = head;
        std::iter::from_fn(move || {
            let slot = at;
            if slot == NIL {
                return None;
            }
            at = self.orders.get(slot).next;
            Some(slot)
        })
    }

    /// The level of the order in a slot.
    #[inline]
    pub fn level_of(&self, slot: u32) -> &Level {
        self.level(self.orders.get(slot).level)
    }

    #[inline]
    fn add_level(&mut self, level: Level) -> u32 {
        let number = self.free_level;
        if number == NIL {
            self.levels.push(level);
            return (self.levels.len() - 1) as u32;
        }
        let place = self.level_mut(number);
        let free = place.head;
        *place = level;
        self.free_level = free;
        number
    }

    #[inline]
    fn free_level(&mut self, number: u32) {
        self.level_mut(number).head = self.free_level;
        self.free_level = number;
    }

    /// Takes `quantity` lots off an order that stays in its place. What an iceberg shows shrinks only if it is more than what
    /// is left.
    #[inline]
    pub fn reduce(&mut self, slot: u32, quantity: i64) {
        let order = self.orders.get_mut(slot);
        debug_assert!(0 < quantity && quantity <= order.leaves);
        order.leaves -= quantity;
        let (level, conceals) = (order.level, order.flags.conceals());
        self.level_mut(level).quantity -= quantity as u128;
        if conceals {
            self.reduce_concealed(slot, quantity);
        }
    }

    #[cold]
    fn reduce_concealed(&mut self, slot: u32, quantity: i64) {
        let &Order { leaves, level, flags, .. } = self.orders.get(slot);
        let mut shrinks = 0;
        if !flags.hidden() {
            let extra = self.orders.extra_mut(slot);
            shrinks = (extra.peak - leaves).max(0);
            extra.peak -= shrinks;
        }
        self.level_mut(level).concealed -= (quantity - shrinks) as u128;
    }

    /// An iceberg trades `quantity` lots of what it shows. Returns whether it shows nothing any more and has leaves.
    #[cold]
    pub fn trade_peak(&mut self, slot: u32, quantity: i64) -> bool {
        let order = self.orders.get_mut(slot);
        order.leaves -= quantity;
        let (level, leaves) = (order.level, order.leaves);
        let extra = self.orders.extra_mut(slot);
        extra.peak -= quantity;
        let shows_nothing = extra.peak == 0;
        self.level_mut(level).quantity -= quantity as u128;
        shows_nothing && leaves > 0
    }

    /// Links an order at the back of its part of its level's queue, the displayed or the hidden one. `counts`: what it
    /// conceals is not counted yet.
    #[cold]
    fn queue_up(&mut self, slot: u32, counts: bool) {
        let &Order { leaves, level: number, flags, .. } = self.orders.get(slot);
        let shown = self.displayed(slot);
        let level = self.level_mut(number);
        if counts {
            level.concealed += (leaves - shown) as u128;
            level.hidden_orders += u32::from(flags.hidden());
        }
        let next = if flags.hidden() { NIL } else { level.first_hidden };
        if flags.hidden() && level.first_hidden == NIL {
            level.first_hidden = slot;
        }
        let tail = level.tail;
        let prev = if next == NIL { tail } else { self.orders.get(next).prev };
        let level = self.level_mut(number);
        level.tail = if next == NIL { slot } else { level.tail };
        level.head = if prev == NIL { slot } else { level.head };
        // Links to nothing are written to the order that nobody is.
        self.orders.get_mut(prev).next = slot;
        self.orders.get_mut(next).prev = slot;
        let order = self.orders.get_mut(slot);
        order.prev = prev;
        order.next = next;
    }

    /// An iceberg that shows nothing any more shows its next peak, at the back of the displayed orders of its level.
    #[cold]
    pub fn next_peak(&mut self, slot: u32) {
        self.show_peak(slot);
        let &Order { level: number, prev, next, .. } = self.orders.get(slot);
        let level = self.level_mut(number);
        if next == level.first_hidden {
            return; // It is the last one: of all, if there are no hidden ones.
        }
        // It has a displayed order behind it.
        level.head = if prev == NIL { next } else { level.head };
        self.orders.get_mut(prev).next = next;
        self.orders.get_mut(next).prev = prev;
        self.queue_up(slot, false);
    }

    /// An order that conceals something leaves its level: that is not counted any more.
    #[cold]
    fn forget_concealed(&mut self, slot: u32) {
        let &Order { leaves, level: number, flags, next, .. } = self.orders.get(slot);
        let shown = self.displayed(slot);
        let level = self.level_mut(number);
        level.concealed -= (leaves - shown) as u128;
        if flags.hidden() {
            level.hidden_orders -= 1;
            level.first_hidden = if level.first_hidden == slot { next } else { level.first_hidden };
        }
    }

    /// Bytes of heap memory in use.
    pub fn memory_bytes(&self) -> usize {
        self.orders.memory_bytes() + self.levels.len() * size_of::<Level>()
    }
}

#[derive(Clone, Debug)]
struct Half<P> {
    index: P,
    /// The best level, or NIL.
    best: u32,
}

/// How orders at one price share what comes in, where time alone does not decide.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sharing {
    /// `None` if they trade by time after all.
    pub rule: Option<ProRata>,
    /// By account, the shares of the lead market makers.
    pub leads: BTreeMap<u32, u16>,
    /// By side, the order that made a new best price, 0 for none. It need not be open any more; one that is open has not left
    /// its level since.
    pub top: [u64; 2],
}

/// The bids and asks of one instrument.
#[derive(Clone, Debug)]
pub(crate) struct Book<P> {
    halves: [Half<P>; 2],
    /// `instrument * 2`.
    half: u32,
    pub sharing: Option<Box<Sharing>>,
}

impl<P: PriceIndex> Book<P> {
    pub fn new(instrument: u32) -> Self {
        let half = || Half { index: P::default(), best: NIL };
        Self { halves: [half(), half()], half: instrument * 2, sharing: None }
    }

    /// How orders at one price share what comes in; `None` if they trade by time.
    #[inline]
    pub fn rule(&self) -> Option<ProRata> {
        self.sharing.as_ref()?.rule
    }

    /// An order that has been taken out of its level is no longer the one that made a new best price, wherever it goes.
    pub fn lose_top(&mut self, order_id: u64) {
        if let Some(sharing) = &mut self.sharing {
            for top in &mut sharing.top {
                *top = if *top == order_id { 0 } else { *top };
            }
        }
    }

    /// The best level of a side, or NIL.
    #[inline]
    pub fn best_level(&self, side: Side) -> u32 {
        self.halves[side.index()].best
    }

    /// The best price of a side.
    #[inline]
    pub fn best_price(&self, arena: &Arena, side: Side) -> Option<PriceTicks> {
        let level = self.best_level(side);
        (level != NIL).then(|| PriceTicks(arena.level(level).price))
    }

    /// Whether an order of `side` at `price` would trade.
    #[inline(always)] // A few instructions.
    pub fn would_match(&self, arena: &Arena, side: Side, price: PriceTicks) -> bool {
        self.best_price(arena, side.opposite()).is_some_and(|best| side.crosses(price, best))
    }

    /// The level at a price, or NIL.
    #[inline]
    pub fn level_at(&self, side: Side, price: PriceTicks) -> u32 {
        self.halves[side.index()].index.get(price.0)
    }

    /// The next worse level after one at `price`, or NIL.
    #[inline]
    pub fn worse_level(&self, side: Side, price: i64) -> u32 {
        let index = &self.halves[side.index()].index;
        let next = match side {
            Side::Buy => index.below(price),
            Side::Sell => index.above(price),
        };
        next.map_or(NIL, |(_, level)| level)
    }

    /// Puts an order at the back of the queue at its price, a displayed one before the hidden ones. What an iceberg shows is
    /// known already.
    #[inline]
    pub fn rest(&mut self, arena: &mut Arena, slot: u32, side: Side, price: PriceTicks) {
        let half = &mut self.halves[side.index()];
        let &Order { leaves, flags, .. } = arena.orders.get(slot);
        let leaves = leaves as u128;
        let mut number = half.index.get(price.0);
        if number == NIL {
            let mut level = Level {
                quantity: leaves,
                concealed: 0,
                price: price.0,
                head: slot,
                tail: slot,
                orders: 1,
                hidden_orders: 0,
                first_hidden: NIL,
                half: self.half | side.index() as u32,
            };
            if flags.conceals() {
                level.concealed = leaves - arena.displayed(slot) as u128;
                level.hidden_orders = u32::from(flags.hidden());
                level.first_hidden = if flags.hidden() { slot } else { NIL };
            }
            number = arena.add_level(level);
            half.index.insert(price.0, number);
            if half.best == NIL || side.sorts_before(price, PriceTicks(arena.level(half.best).price)) {
                half.best = number;
                half.index.follow(price.0);
                if let Some(sharing) = &mut self.sharing {
                    // A hidden order takes no part in sharing.
                    let order_id = arena.orders.get(slot).order_id;
                    sharing.top[side.index()] = if flags.hidden() { 0 } else { order_id };
                }
            }
            let order = arena.orders.get_mut(slot);
            order.level = number;
            order.prev = NIL;
            order.next = NIL;
            return;
        }
        let level = arena.level_mut(number);
        level.quantity += leaves;
        level.orders += 1;
        if flags.conceals() || level.first_hidden != NIL {
            arena.orders.get_mut(slot).level = number;
            return arena.queue_up(slot, true);
        }
        let tail = std::mem::replace(&mut level.tail, slot);
        arena.orders.get_mut(tail).next = slot;
        let order = arena.orders.get_mut(slot);
        order.level = number;
        order.prev = tail;
        order.next = NIL;
    }

    /// Takes an order out of its queue; an empty level goes too.
    #[inline]
    pub fn unlink(&mut self, arena: &mut Arena, slot: u32) {
        let &Order { level: number, leaves, prev, next, flags, .. } = arena.orders.get(slot);
        if flags.conceals() {
            arena.forget_concealed(slot);
        }
        let level = arena.level_mut(number);
        level.quantity -= leaves as u128;
        level.orders -= 1;
        if level.orders == 0 {
            let (side, price) = (level.side(), level.price);
            self.remove_level(arena, number, side, price);
            return;
        }
        // Where an order stands in its queue cannot be predicted, so nothing here branches on it: links to nothing are
        // written to the order that nobody is.
        level.head = if prev == NIL { next } else { level.head };
        level.tail = if next == NIL { prev } else { level.tail };
        arena.orders.get_mut(prev).next = next;
        arena.orders.get_mut(next).prev = prev;
    }

    #[inline]
    fn remove_level(&mut self, arena: &mut Arena, number: u32, side: Side, price: i64) {
        let half = &mut self.halves[side.index()];
        half.index.remove(price);
        if half.best == number {
            let next = match side {
                Side::Buy => half.index.below(price),
                Side::Sell => half.index.above(price),
            };
            half.best = NIL;
            if let Some((price, level)) = next {
                half.best = level;
                half.index.follow(price);
            }
        }
        arena.free_level(number);
    }

    /// The levels of a side from the best on.
    pub fn levels<'a>(&'a self, arena: &'a Arena, side: Side) -> impl Iterator<Item = &'a Level> + 'a {
        let mut at = self.best_level(side);
        std::iter::from_fn(move || {
            if at == NIL {
                return None;
            }
            let level = arena.level(at);
            at = self.worse_level(side, level.price);
            Some(level)
        })
    }

    /// The slots of a side's orders in priority.
    pub fn queue<'a>(&'a self, arena: &'a Arena, side: Side) -> impl Iterator<Item = u32> + 'a {
        self.levels(arena, side).flat_map(move |level| arena.queue_from(level.head))
    }

    /// Bytes of heap memory in use by the price indexes.
    pub fn memory_bytes(&self) -> usize {
        self.halves.iter().map(|half| half.index.memory_bytes()).sum()
    }
}
