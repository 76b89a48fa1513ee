//! The invariants of the whole state, checked by looking at all of it.
//!
//! Asserted after every command in debug builds (every 256th one once there are more than 2,000 open orders, where looking
//! at everything would be all that a test does), and now and then in release builds ([`Engine::check_sample`]).

use crate::engine::{active, Engine};
use crate::extra::Stand;
use crate::ledger::Ledger;
use crate::pool::NIL;
use crate::timers::Due;
use crate::types::{Peg, PriceTicks, Side, TradingStatus, MAX_ISSUED};
use std::collections::BTreeMap;

/// Fails with the name of an invariant that does not hold.
macro_rules! hold {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err(format!($($what)+));
        }
    };
}

impl Engine {
    /// Checks every invariant over the whole state.
    ///
    /// # Panics
    /// With the name of one that does not hold.
    pub fn check_invariants(&self) {
        if let Err(what) = self.audit() {
            panic!("invariant broken after sequence {}: {what}", self.sequence);
        }
    }

    /// As [`Self::check_invariants`], for states small enough to look at after every command.
    #[cfg(debug_assertions)]
    pub(crate) fn check_after_command(&self) {
        if self.arena.orders.len() <= 2_000 || self.sequence % 256 == 0 {
            self.check_invariants();
        }
    }

    /// Checks a part of the state that depends on `turn`: one account's money and one book's touch. Costs as much as that
    /// account has open orders, of which at most 10,000 are looked at.
    ///
    /// # Panics
    /// With the name of an invariant that does not hold.
    pub fn check_sample(&self, turn: u64) {
        let checked = self.audit_account((turn % self.ledger.accounts.len() as u64) as usize, 10_000).and_then(|()| {
            match self.books.len() as u64 {
                0 => Ok(()),
                books => self.audit_touch((turn % books) as usize),
            }
        });
        if let Err(what) = checked {
            panic!("invariant broken after sequence {}: {what}", self.sequence);
        }
    }

    pub(crate) fn audit(&self) -> Result<(), String> {
        for account in 0..self.ledger.accounts.len() {
            self.audit_account(account, usize::MAX)?;
        }
        for (at, asset) in self.assets.iter().enumerate() {
            let mut sum = 0_i128;
            for account in &self.ledger.accounts {
                let balance = account.balance(at);
                hold!(0 <= balance.held && balance.held <= balance.total, "0 <= held <= total: {balance:?}");
                hold!(balance.total <= MAX_ISSUED, "a balance is within what was issued");
                sum += balance.total;
            }
            hold!(sum == asset.issued, "money of {} is conserved: {sum} of {}", asset.code, asset.issued);
        }
        self.audit_waiting()?;
        self.audit_special()?;
        self.audit_positions()?;
        self.audit_limits()?;
        let guards = !self.risk.modes.is_empty() || !self.risk.engaged.is_empty();
        hold!(self.risk.guarded == guards, "modes and kill switches are looked at while there are any");
        let mut orders = 0;
        for at in 0..self.books.len() {
            self.audit_touch(at)?;
            self.audit_session(at)?;
            for &side in Side::ALL {
                orders += self.audit_half(at, side)?;
            }
        }
        let outside = |&slot: &u32| self.arena.orders.get(slot).level == crate::pool::NIL;
        orders += self.arena.orders.slots().filter(outside).count() as u32;
        hold!(orders == self.arena.orders.len(), "every open order is in one book, or waits");
        let listed: u64 = self.ledger.accounts.iter().map(|account| u64::from(account.open_orders)).sum();
        hold!(listed == u64::from(orders), "every open order is in one account's list");
        Ok(())
    }

    /// Held is the sum of the open orders' holds; the list is in ascending order_id.
    fn audit_account(&self, account: usize, most: usize) -> Result<(), String> {
        let mut held = vec![0_i128; self.assets.len()];
        let mut last = 0;
        let mut count = 0;
        for slot in self.account_slots(account).take(most) {
            let order = self.arena.orders.get(slot);
            let (at, side) = self.arena.half_of(slot);
            let listing = &self.listings[at];
            hold!(order.account as usize == account, "an account's list has its own orders");
            hold!(order.order_id > last, "an account's list ascends");
            hold!(self.arena.orders.find(order.order_id) == Some(slot), "an open order is found by its id");
            hold!(order.fee_carry() < 1_000_000, "a carry is less than one unit");
            hold!(self.fees.of(order).most >= 0, "an order has not paid more than its cap");
            last = order.order_id;
            count += 1;
            held[listing.instrument.hold_index(side)] += listing.hold_of(&self.arena, &self.fees, slot);
            held[listing.instrument.hold_index(side)] -= self.spared(slot);
        }
        let info = &self.ledger.accounts[account];
        if count == most && info.open_orders as usize > most {
            return Ok(());
        }
        hold!(count == info.open_orders as usize, "an account's orders are counted");
        for (asset, held) in held.into_iter().enumerate() {
            let balance = info.balance(asset);
            hold!(
                balance.held == held,
                "held is the sum of holds: {} and {held}, account {}",
                balance.held,
                account + 1
            );
            hold!(balance.held <= balance.total, "available is not negative, account {}", account + 1);
            let venue = account == Ledger::VENUE;
            hold!(balance.total >= 0, "a total is not negative, venue: {venue}");
        }
        Ok(())
    }

    /// Special orders stand where they say, and lists have their orders.
    fn audit_special(&self) -> Result<(), String> {
        let mut waiting = vec![0_usize; self.listings.len()];
        let mut of_lists = 0;
        let mut pegs = vec![BTreeMap::new(); self.listings.len()];
        for slot in self.arena.orders.slots() {
            let order = self.arena.orders.get(slot);
            let Some(extra) = self.arena.orders.some_extra(slot) else {
                hold!(order.level != NIL, "a plain order is in a level");
                continue;
            };
            let (at, expires_ns) = (self.arena.half_of(slot).0, extra.terms.expire_time_ns);
            hold!((order.level != NIL) == (extra.stand == Stand::Working), "an order that works is in a level");
            hold!(extra.half == at as u32 * 2 + self.arena.half_of(slot).1.index() as u32, "an extra knows its half");
            waiting[at] += usize::from(extra.stand.waits() && extra.stand != Stand::List);
            let trails = self.listings[at].triggers.trailing(order.order_id).is_some();
            hold!(trails == (extra.stand == Stand::Trail), "an order trails if it says so");
            hold!(expires_ns == 0 || self.timers.has(expires_ns, Due::Expiry(order.order_id)), "an expiry has a timer");
            if extra.terms.peg != Peg::None {
                pegs[at].insert(order.order_id, slot);
                let (level, worst) = (self.arena.level_of(slot), PriceTicks(extra.limit));
                let bounded = !level.side().sorts_before(PriceTicks(level.price), worst);
                hold!(bounded, "a pegged order is not beyond its worst price");
            }
            if !extra.list_id.is_none() {
                let list = self.lists.open.get(&extra.list_id.0);
                hold!(list.is_some_and(|list| list.orders.contains(&order.order_id)), "a list has its order");
                of_lists += 1;
            }
        }
        for (listing, waiting) in self.listings.iter().zip(waiting) {
            hold!(listing.triggers.len() == waiting, "who waits for a price is among those that do");
            hold!(waiting == 0 || listing.active & active::TRIGGERS != 0, "prices are observed where orders wait");
        }
        for (listing, pegs) in self.listings.iter().zip(pegs) {
            let priced = listing.active & active::PEGS != 0;
            hold!(pegs == listing.pegs.open && priced != pegs.is_empty(), "pegged orders are known");
        }
        let mut listed = 0;
        for list in self.lists.open.values() {
            let open = list.orders.iter().filter(|&&order_id| order_id != 0);
            listed += open.clone().count();
            hold!(list.orders != [0; 3], "a list has open orders");
            for &order_id in open {
                let slot = self.arena.orders.find(order_id);
                hold!(slot.is_some_and(|slot| self.arena.orders.get(slot).account == list.account), "a list's account");
            }
            for (order_id, hold) in list.live_pair().into_iter().flatten() {
                let of = |slot| self.listings[self.arena.half_of(slot).0].hold_of(&self.arena, &self.fees, slot);
                hold!(self.arena.orders.find(order_id).map(of) == Some(hold), "a live pair's holds are known");
            }
        }
        hold!(of_lists == listed && self.lists.filled.is_empty(), "lists have their orders");
        for (account, info) in self.ledger.accounts.iter().enumerate() {
            let (deadline_ns, due) = (info.deadline_ns, Due::CancelAllAfter(account as u32));
            hold!(deadline_ns == 0 || self.timers.has(deadline_ns, due), "an armed account has a timer");
        }
        Ok(())
    }

    /// Every trade has two sides, so what some are long others are short.
    fn audit_positions(&self) -> Result<(), String> {
        let mut open = vec![0_i128; self.listings.len()];
        for account in &self.ledger.accounts {
            for (instrument, position) in account.positions.iter() {
                hold!(position.is_sound(), "a position is possible: {position:?}");
                let Some(sum) = open[instrument as usize].checked_add(position.quantity) else {
                    return Err("positions are what trades can come to".into());
                };
                open[instrument as usize] = sum;
            }
        }
        hold!(open.iter().all(|&sum| sum == 0), "the positions of an instrument sum to 0");
        Ok(())
    }

    /// What the first of a live pair does not hold because the pair holds the larger of its two holds.
    fn spared(&self, slot: u32) -> i128 {
        let Some(extra) = self.arena.orders.some_extra(slot) else {
            return 0;
        };
        let pair = self.lists.open.get(&extra.list_id.0).and_then(|list| list.live_pair());
        pair.filter(|[first, _]| first.0 == self.arena.orders.get(slot).order_id)
            .map_or(0, |[first, second]| first.1.min(second.1))
    }

    /// The book is not crossed while orders match. What an auction leaves crossed is beyond the static band that it had, or
    /// above the bound of a market buy in it.
    fn audit_touch(&self, at: usize) -> Result<(), String> {
        let listing = &self.listings[at];
        let matches = matches!(listing.instrument.status, TradingStatus::Open | TradingStatus::PostOnly);
        if !matches || listing.session.bands.is_some() {
            return Ok(());
        }
        let best = |side| self.books[at].best_price(&self.arena, side);
        if let (Some(bid), Some(ask)) = (best(Side::Buy), best(Side::Sell)) {
            hold!(bid < ask, "the book is not crossed: bid {bid:?}, ask {ask:?}");
        }
        Ok(())
    }

    /// What belongs to an instrument's status is whole, and so are its timers.
    fn audit_session(&self, at: usize) -> Result<(), String> {
        let listing = &self.listings[at];
        let (session, status) = (&listing.session, listing.instrument.status);
        let runs = |time_ns, due| self.timers.has(time_ns, due);
        let number = at as u32;
        hold!(session.end_time_ns == 0 || status == TradingStatus::Auction, "only an auction has an end");
        hold!(
            session.end_time_ns == 0 || runs(session.end_time_ns, Due::AuctionEnd(number)),
            "an auction's end has a timer"
        );
        hold!(!session.band_reached, "an auction begins within the command that gave cause for it");
        hold!(session.limit.map(|limit| limit.side) == self.limit_side(at), "the limit state is that of the book");
        if let Some(limit) = session.limit {
            hold!(runs(limit.deadline_ns, Due::LimitState(number)), "a limit state has a timer");
        }
        let mut last = None;
        for entry in &session.schedule {
            hold!(last < Some(entry.slot), "a schedule's slots ascend");
            hold!(entry.is_valid() && entry.weekdays != 0, "an entry of a schedule is valid");
            let never = entry.due_ns == i64::MAX;
            hold!(never || runs(entry.due_ns, Due::Schedule(number, entry.slot)), "an entry has a timer");
            last = Some(entry.slot);
        }
        Ok(())
    }

    /// Levels are in order of price and add up; queues are whole and linked both ways. Returns how many orders there are.
    fn audit_half(&self, at: usize, side: Side) -> Result<u32, String> {
        let mut orders = 0;
        let mut last = None;
        for level in self.books[at].levels(&self.arena, side) {
            let price = crate::types::PriceTicks(level.price);
            hold!(level.side() == side && level.instrument() == at, "a level knows its place");
            hold!(last.is_none_or(|last| side.sorts_before(last, price)), "levels are in order of price");
            last = Some(price);
            let (mut quantity, mut count, mut previous, mut slot) = (0_u128, 0, crate::pool::NIL, level.head);
            let (mut concealed, mut hidden_orders, mut first_hidden) = (0_u128, 0, crate::pool::NIL);
            while slot != crate::pool::NIL {
                let order = self.arena.orders.get(slot);
                hold!(order.leaves > 0 && order.filled >= 0, "a resting order has leaves");
                hold!(order.prev == previous, "a queue is linked both ways");
                hold!(std::ptr::eq(self.arena.level_of(slot), level), "an order knows its level");
                let shown = self.arena.displayed(slot);
                let hidden = order.flags.hidden();
                let least = i64::from(!hidden);
                hold!((least..=order.leaves).contains(&shown), "an order shows a part of its leaves: {shown}");
                hold!(hidden || hidden_orders == 0, "hidden orders stand behind displayed ones");
                if let Some(extra) = self.arena.orders.some_extra(slot) {
                    let most = if extra.terms.display_quantity.0 == 0 { 0 } else { shown };
                    hold!(extra.terms.hidden == hidden, "a hidden order is marked");
                    hold!(extra.peak == most && most <= extra.terms.display_quantity.0, "an iceberg shows its peak");
                }
                if hidden {
                    first_hidden = if hidden_orders == 0 { slot } else { first_hidden };
                    hidden_orders += 1;
                }
                concealed += (order.leaves - shown) as u128;
                quantity += order.leaves as u128;
                count += 1;
                previous = slot;
                slot = order.next;
            }
            hold!(level.tail == previous && count == level.orders && count > 0, "a level's queue is whole");
            hold!(
                (concealed, hidden_orders, first_hidden) == (level.concealed, level.hidden_orders, level.first_hidden),
                "a level knows what it conceals"
            );
            hold!(quantity == level.quantity, "a level's quantity is the sum of its leaves");
            orders += count;
        }
        Ok(orders)
    }
}
