//! The one matching loop: price, then time or a share of what comes in, at the maker's price.
//!
//! What a trade means (money, reports) is the [`Venue`]'s business; the loop owns the order of events and keeps the book
//! right. It is used by the engine and by the stand-alone book.

use crate::book::{Arena, Book};
use crate::levels::PriceIndex;
use crate::pool::NIL;
use crate::pro_rata::{self, ProRata, Resting};
use crate::types::{PriceTicks, SelfTradePrevention, Side, MAX_TICKS_OR_LOTS};
use std::collections::BTreeSet;

/// What comes in, as far as matching needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub side: Side,
    /// The worst price it takes; [`Incoming::any_price`] for a market order.
    pub limit: PriceTicks,
    pub leaves: i64,
    pub account: u32,
    /// The trade group of its account; 0 for none, and where self-trade prevention is off.
    pub trade_group: u32,
    pub self_trade_prevention: SelfTradePrevention,
}

impl Incoming {
    /// The limit that crosses every price.
    #[inline]
    pub const fn any_price(side: Side) -> PriceTicks {
        match side {
            Side::Buy => PriceTicks(MAX_TICKS_OR_LOTS),
            Side::Sell => PriceTicks(0),
        }
    }
}

/// What follows from a match. The loop calls these in the order in which they happen.
pub(crate) trait Venue<P: PriceIndex> {
    /// Whether the taker and an order of this account have the same owner.
    fn same_owner(&self, incoming: &Incoming, account: u32) -> bool {
        incoming.account == account
    }
    /// How much the taker takes of `available` lots at this price; nothing ends matching.
    fn affordable(&mut self, _price: PriceTicks, available: i64) -> i64 {
        available
    }
    /// A trade of `quantity`; the maker's leaves, its level and `incoming.leaves` are reduced already. The maker is in
    /// the pool still, even if nothing is left of it.
    fn traded(&mut self, arena: &mut Arena, incoming: &Incoming, maker: u32, price: PriceTicks, quantity: i64);
    /// A maker is canceled by self-trade prevention; it is still in the book. `decremented` lots were taken off it first.
    fn maker_canceled(&mut self, arena: &mut Arena, maker: u32, decremented: i64);
    /// Both sides were reduced by `quantity` without a trade, and the maker has leaves.
    fn maker_decremented(&mut self, arena: &mut Arena, maker: u32, quantity: i64);
    /// The taker was reduced by `quantity` without a trade, and has leaves.
    fn taker_decremented(&mut self, arena: &mut Arena, incoming: &Incoming, quantity: i64);
    /// A maker has left the book, `filled` or canceled: take it out of every other list and free its slot.
    fn removed(&mut self, arena: &mut Arena, maker: u32, filled: bool);
}

/// How matching ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// Nothing is left of the taker.
    Filled,
    /// There is nothing more that it can trade with, or afford.
    Exhausted,
    /// Self-trade prevention ends the taker. `decremented` lots of it went with its last maker.
    SelfTrade { decremented: i64 },
}

/// Trades `incoming` against the opposite half until it is filled, its limit is reached, or it is stopped.
#[inline]
pub(crate) fn run<P: PriceIndex, V: Venue<P>>(
    arena: &mut Arena,
    book: &mut Book<P>,
    incoming: &mut Incoming,
    venue: &mut V,
) -> Ended {
    if let Some(rule) = book.rule() {
        return run_shared(arena, book, incoming, venue, &rule);
    }
    let side = incoming.side.opposite();
    loop {
        let best = book.best_level(side);
        if best == NIL {
            return Ended::Exhausted;
        }
        let level = arena.level(best);
        let price = PriceTicks(level.price);
        if !incoming.side.crosses(incoming.limit, price) {
            return Ended::Exhausted;
        }
        let maker = level.head;
        let order = arena.orders.get(maker);
        let iceberg = order.flags.iceberg();
        let shown = if iceberg { arena.displayed(maker) } else { order.leaves };
        let available = shown.min(incoming.leaves);
        let quantity = venue.affordable(price, available);
        if quantity == 0 {
            return Ended::Exhausted;
        }
        if incoming.self_trade_prevention != SelfTradePrevention::None && venue.same_owner(incoming, order.account) {
            match prevent(arena, book, incoming, venue, maker) {
                None => continue,
                Some(ended) => return ended,
            }
        }
        trade(arena, book, incoming, venue, maker, price, quantity);
        if incoming.leaves == 0 {
            return Ended::Filled;
        }
    }
}

/// The taker trades with a maker at most what that shows, or at most its leaves if it is hidden.
#[inline(always)] // As a part of the loop above.
fn trade<P: PriceIndex, V: Venue<P>>(
    arena: &mut Arena,
    book: &mut Book<P>,
    incoming: &mut Incoming,
    venue: &mut V,
    maker: u32,
    price: PriceTicks,
    quantity: i64,
) {
    if !arena.orders.get(maker).flags.iceberg() {
        arena.reduce(maker, quantity);
    } else if arena.trade_peak(maker, quantity) {
        arena.next_peak(maker);
    }
    incoming.leaves -= quantity;
    venue.traded(arena, incoming, maker, price, quantity);
    if arena.orders.get(maker).leaves == 0 {
        book.unlink(arena, maker);
        venue.removed(arena, maker, true);
    }
}

/// As [`run`], where the orders at one price share what comes in: own orders are dealt with first, then what is displayed is
/// shared, round by round, then hidden orders trade by time.
#[cold]
fn run_shared<P: PriceIndex, V: Venue<P>>(
    arena: &mut Arena,
    book: &mut Book<P>,
    incoming: &mut Incoming,
    venue: &mut V,
    rule: &ProRata,
) -> Ended {
    let side = incoming.side.opposite();
    let (mut slots, mut resting, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let best = book.best_level(side);
        if best == NIL {
            return Ended::Exhausted;
        }
        let level = *arena.level(best);
        let price = PriceTicks(level.price);
        if !incoming.side.crosses(incoming.limit, price) {
            return Ended::Exhausted;
        }
        if incoming.self_trade_prevention != SelfTradePrevention::None {
            slots.clear();
            let own = |slot: &u32| venue.same_owner(incoming, arena.orders.get(*slot).account);
            slots.extend(arena.queue_from(level.head).filter(own));
            for &maker in &slots {
                let available = arena.orders.get(maker).leaves.min(incoming.leaves);
                if venue.affordable(price, available) == 0 {
                    return Ended::Exhausted;
                }
                if let Some(ended) = prevent(arena, book, incoming, venue, maker) {
                    return ended;
                }
            }
            if !slots.is_empty() {
                continue; // They have left the level, which may have gone with them.
            }
        }
        slots.clear();
        resting.clear();
        let hidden = level.head == level.first_hidden;
        if hidden {
            // What is hidden is not shared: only the oldest one is there to trade.
            slots.push(level.head);
            resting.push(Resting { leaves: arena.orders.get(level.head).leaves, top: false, lead_share: 0 });
        } else {
            slots.extend(arena.queue_from(level.head).take_while(|&slot| slot != level.first_hidden));
            displayed(arena, book, &slots, side, &mut resting);
        }
        let there: i128 = resting.iter().map(|order| i128::from(order.leaves)).sum();
        let available = i64::try_from(there).map_or(incoming.leaves, |there| there.min(incoming.leaves));
        let quantity = venue.affordable(price, available);
        if quantity == 0 {
            return Ended::Exhausted;
        }
        if hidden {
            shares.clear();
            shares.push((0, quantity));
        } else {
            pro_rata::allocate(quantity, &resting, rule, &mut shares);
        }
        for &(place, quantity) in &shares {
            trade(arena, book, incoming, venue, slots[place as usize], price, quantity);
        }
        if incoming.leaves == 0 {
            return Ended::Filled;
        }
    }
}

/// The displayed orders of a level as they share: the share of a lead market maker goes with its first order.
fn displayed<P: PriceIndex>(arena: &Arena, book: &Book<P>, slots: &[u32], side: Side, resting: &mut Vec<Resting>) {
    let Some(sharing) = &book.sharing else {
        return;
    };
    let mut counted = BTreeSet::new();
    for &slot in slots {
        let order = arena.orders.get(slot);
        let mut lead_share = 0;
        if let Some(&share) = sharing.leads.get(&order.account) {
            lead_share = if counted.insert(order.account) { share } else { 0 };
        }
        let top = sharing.top[side.index()] == order.order_id;
        resting.push(Resting { leaves: arena.displayed(slot), top, lead_share });
    }
}

/// The taker meets its own order: does what its mode says. `None` to go on matching.
#[cold]
fn prevent<P: PriceIndex, V: Venue<P>>(
    arena: &mut Arena,
    book: &mut Book<P>,
    incoming: &mut Incoming,
    venue: &mut V,
    maker: u32,
) -> Option<Ended> {
    let mut cancel_maker = |arena: &mut Arena, venue: &mut V, decremented| {
        venue.maker_canceled(arena, maker, decremented);
        book.unlink(arena, maker);
        venue.removed(arena, maker, false);
    };
    match incoming.self_trade_prevention {
        SelfTradePrevention::None | SelfTradePrevention::ExpireTaker => Some(Ended::SelfTrade { decremented: 0 }),
        SelfTradePrevention::ExpireMaker => {
            cancel_maker(arena, venue, 0);
            None
        }
        SelfTradePrevention::ExpireBoth => {
            cancel_maker(arena, venue, 0);
            Some(Ended::SelfTrade { decremented: 0 })
        }
        SelfTradePrevention::Decrement => {
            let quantity = arena.orders.get(maker).leaves.min(incoming.leaves);
            arena.reduce(maker, quantity);
            if arena.orders.get(maker).leaves == 0 {
                cancel_maker(arena, venue, quantity);
            } else {
                venue.maker_decremented(arena, maker, quantity);
            }
            incoming.leaves -= quantity;
            if incoming.leaves == 0 {
                return Some(Ended::SelfTrade { decremented: quantity });
            }
            venue.taker_decremented(arena, incoming, quantity);
            None
        }
    }
}

/// What `incoming` would trade with the book as it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Walk {
    pub quantity: i64,
    /// The sum of price × quantity.
    pub tick_lots: i128,
}

/// Follows the same path as [`run`] without changing anything. `most` bounds the sum of price × quantity.
///
/// `same_owner` says whether an order of an account is the taker's own. Visits levels only, unless self-trade prevention makes it look at every order. Costs as much as the trading that it
/// foresees, so a client cannot make it long for nothing.
pub(crate) fn walk<P: PriceIndex>(
    arena: &Arena,
    book: &Book<P>,
    incoming: &Incoming,
    most: Option<i128>,
    same_owner: impl Fn(u32) -> bool,
) -> Walk {
    let mut found = Walk::default();
    let mut wanted = incoming.leaves;
    for level in book.levels(arena, incoming.side.opposite()) {
        if wanted == 0 || !incoming.side.crosses(incoming.limit, PriceTicks(level.price)) {
            break;
        }
        let price = i128::from(level.price);
        // Takes up to `available` lots at this price; false when the bound is reached.
        let take = |found: &mut Walk, available: i64, wanted: &mut i64| {
            let mut quantity = available.min(*wanted);
            if let Some(most) = most {
                let affordable = (most - found.tick_lots) / price;
                quantity = i64::try_from(affordable).map_or(quantity, |affordable| affordable.min(quantity));
            }
            found.quantity += quantity;
            found.tick_lots += price * i128::from(quantity);
            *wanted -= quantity;
            quantity == available || *wanted == 0
        };
        if incoming.self_trade_prevention == SelfTradePrevention::None {
            let available = i64::try_from(level.quantity).unwrap_or(i64::MAX);
            if !take(&mut found, available, &mut wanted) {
                return found;
            }
            continue;
        }
        if book.rule().is_some() {
            let mut others = 0_u128;
            for slot in arena.queue_from(level.head) {
                let order = arena.orders.get(slot);
                if !same_owner(order.account) {
                    others += order.leaves as u128;
                    continue;
                }
                if most.is_some_and(|most| most - found.tick_lots < price) || wanted == 0 {
                    return found;
                }
                match incoming.self_trade_prevention {
                    SelfTradePrevention::ExpireMaker => {}
                    SelfTradePrevention::Decrement => wanted -= order.leaves.min(wanted),
                    _ => return found,
                }
            }
            if !take(&mut found, i64::try_from(others).unwrap_or(i64::MAX), &mut wanted) {
                return found;
            }
            continue;
        }
        let mut at = level.head;
        // Every displayed order is met once before an iceberg is met again, and then only others' icebergs are left.
        let mut reserve = 0_u128;
        loop {
            if at == level.first_hidden && reserve > 0 {
                let available = i64::try_from(std::mem::take(&mut reserve)).unwrap_or(i64::MAX);
                if !take(&mut found, available, &mut wanted) {
                    return found;
                }
            }
            if at == NIL || wanted == 0 {
                break;
            }
            let order = arena.orders.get(at);
            let shown = if order.flags.iceberg() { arena.displayed(at) } else { order.leaves };
            at = order.next;
            if same_owner(order.account) {
                if most.is_some_and(|most| most - found.tick_lots < price) {
                    // Not a lot of it can be paid, so it is not met.
                    return found;
                }
                match incoming.self_trade_prevention {
                    SelfTradePrevention::ExpireMaker => {}
                    SelfTradePrevention::Decrement => wanted -= order.leaves.min(wanted),
                    _ => return found,
                }
            } else {
                if !take(&mut found, shown, &mut wanted) {
                    return found;
                }
                reserve += (order.leaves - shown) as u128;
            }
        }
    }
    found
}
