//! The price levels of the instruments that sessions have subscribed to, and what is told of them.
//!
//! A book is read from the engine when it has changed, not built from events: what is told leads from what was told before
//! to what is. All subscribers of a book to the same depth get the same bytes.
//!
//! Invariant: the levels of a feed are those at its sequence; a client that has its `previous` and gets its update has them.

use std::collections::BTreeMap;

use beurs_engine::types::{InstrumentId, PriceTicks, Side};
use beurs_engine::Engine;

use crate::sbe::{put, update_flags, BookBegin, BookEnd, BookLevel, LevelUpdate, Message, HEADER};

/// The most price levels of each side that can be subscribed to.
pub(super) const DEPTH_MAX: u16 = 1_000;

/// One price level, as it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Level {
    pub(super) side: Side,
    pub(super) price: i64,
    pub(super) quantity: i128,
    pub(super) orders: u32,
}

/// A book to one depth.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) depth: u16,
    subscribers: usize,
    /// Bids from the best one on, then asks.
    levels: Vec<Level>,
    /// 0 before the first look.
    pub(super) sequence: u64,
    /// The sequence that the update leads from.
    pub(super) previous: u64,
    pub(super) update: Vec<u8>,
}

/// An instrument that somebody has subscribed to.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// The sessions, by their slot, each once.
    pub(super) slots: Vec<usize>,
    /// Its book may have changed since the last look.
    pub(super) dirty: bool,
    pub(super) feeds: Vec<Feed>,
}

/// What a look at one book found.
pub(super) type Found = (u32, Vec<Level>);

/// All of them, by instrument.
#[derive(Debug, Default)]
pub(super) struct Books {
    watched: BTreeMap<u32, Watched>,
    dirty: Vec<u32>,
}

impl Books {
    pub(super) fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    pub(super) fn get(&mut self, instrument_id: u32) -> Option<&mut Watched> {
        self.watched.get_mut(&instrument_id)
    }

    /// Adds a session, with a depth for its book if it is not 0.
    pub(super) fn add(&mut self, instrument_id: u32, slot: usize, depth: u16) {
        let watched = self.watched.entry(instrument_id).or_default();
        watched.slots.push(slot);
        if depth == 0 {
            return;
        }
        match watched.feeds.iter_mut().find(|feed| feed.depth == depth) {
            Some(feed) => feed.subscribers += 1,
            None => {
                let (levels, update) = (Vec::new(), Vec::new());
                watched.feeds.push(Feed { depth, subscribers: 1, levels, sequence: 0, previous: 0, update });
                self.mark(instrument_id);
            }
        }
    }

    /// Takes a session away, with the depth it was added with.
    pub(super) fn remove(&mut self, instrument_id: u32, slot: usize, depth: u16) {
        let Some(watched) = self.watched.get_mut(&instrument_id) else { return };
        watched.slots.retain(|&other| other != slot);
        if let Some(at) = watched.feeds.iter().position(|feed| feed.depth == depth) {
            watched.feeds[at].subscribers -= 1;
            if watched.feeds[at].subscribers == 0 {
                watched.feeds.swap_remove(at);
            }
        }
        if watched.slots.is_empty() {
            self.watched.remove(&instrument_id);
        }
    }

    /// The book may have changed.
    pub(super) fn mark(&mut self, instrument_id: u32) {
        if let Some(watched) = self.watched.get_mut(&instrument_id) {
            if !watched.dirty && !watched.feeds.is_empty() {
                watched.dirty = true;
                self.dirty.push(instrument_id);
            }
        }
    }

    pub(super) fn any_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Takes the books to look at, with the depth that is needed, at most so many.
    pub(super) fn take_dirty(&mut self, most: usize) -> Vec<(u32, u16)> {
        let count = most.min(self.dirty.len());
        let mut wanted = Vec::with_capacity(count);
        for instrument_id in self.dirty.drain(..count) {
            let Some(watched) = self.watched.get_mut(&instrument_id) else { continue };
            watched.dirty = false;
            if let Some(depth) = watched.feeds.iter().map(|feed| feed.depth).max() {
                wanted.push((instrument_id, depth));
            }
        }
        wanted
    }

    /// Has what a look found told from now on, if it is newer than what is told.
    pub(super) fn found(&mut self, sequence: u64, instrument_id: u32, levels: &[Level]) {
        let Some(watched) = self.watched.get_mut(&instrument_id) else { return };
        for feed in &mut watched.feeds {
            feed.found(sequence, instrument_id, levels);
        }
    }
}

/// Reads books to a depth.
pub(super) fn look(engine: &Engine, wanted: &[(u32, u16)]) -> Vec<Found> {
    let book = |&(instrument_id, depth): &(u32, u16)| {
        let mut levels = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            let depth = engine.depth(InstrumentId(instrument_id), side).take(usize::from(depth));
            levels.extend(depth.map(|level| Level {
                side,
                price: level.price.0,
                quantity: level.quantity,
                orders: level.orders,
            }));
        }
        (instrument_id, levels)
    };
    wanted.iter().map(book).collect()
}

impl Feed {
    fn found(&mut self, sequence: u64, instrument_id: u32, all: &[Level]) {
        if sequence <= self.sequence {
            return;
        }
        let depth = usize::from(self.depth);
        let bids = all.iter().filter(|level| level.side == Side::Buy).take(depth);
        let asks = all.iter().filter(|level| level.side == Side::Sell).take(depth);
        let levels: Vec<Level> = bids.chain(asks).copied().collect();
        if self.sequence == 0 {
            self.sequence = sequence; // Nobody has anything yet: everybody gets a snapshot.
        } else {
            let changes = changes(&self.levels, &levels);
            if changes.is_empty() {
                return;
            }
            self.previous = self.sequence;
            self.sequence = sequence;
            self.update.clear();
            for (at, level) in changes.iter().enumerate() {
                let last = if at + 1 == changes.len() { update_flags::LAST } else { 0 };
                put(
                    &mut self.update,
                    &LevelUpdate {
                        instrument_id,
                        sequence,
                        previous_sequence: self.previous,
                        side: level.side as u8,
                        update_flags: last,
                        price: level.price,
                        quantity: level.quantity,
                        orders: level.orders,
                    },
                );
            }
        }
        self.levels = levels;
    }

    /// Appends the whole book.
    pub(super) fn put_snapshot(&self, out: &mut Vec<u8>, instrument_id: u32) {
        let sequence = self.sequence;
        let bids = self.levels.iter().filter(|level| level.side == Side::Buy).count();
        let asks = self.levels.len() - bids;
        out.reserve(self.levels.len() * (HEADER + BookLevel::SIZE) + 100);
        put(out, &BookBegin { instrument_id, sequence, bids: bids as u32, asks: asks as u32 });
        for level in &self.levels {
            put(
                out,
                &BookLevel {
                    instrument_id,
                    sequence,
                    side: level.side as u8,
                    price: level.price,
                    quantity: level.quantity,
                    orders: level.orders,
                },
            );
        }
        put(out, &BookEnd { instrument_id, sequence });
    }
}

/// What leads from one book to another, both in order; a level that goes has quantity 0.
fn changes(old: &[Level], new: &[Level]) -> Vec<Level> {
    let before = |a: &Level, b: &Level| match (a.side, b.side) {
        (Side::Buy, Side::Sell) => true,
        (Side::Sell, Side::Buy) => false,
        (side, _) => side.sorts_before(PriceTicks(a.price), PriceTicks(b.price)),
    };
    let (mut at, mut to) = (0, 0);
    let mut changes = Vec::new();
    while at < old.len() || to < new.len() {
        match (old.get(at), new.get(to)) {
            (Some(gone), next) if next.is_none_or(|next| before(gone, next)) => {
                changes.push(Level { quantity: 0, orders: 0, ..*gone });
                at += 1;
            }
            (here, Some(next)) if here.is_none_or(|here| before(next, here)) => {
                changes.push(*next);
                to += 1;
            }
            (Some(here), Some(next)) => {
                if here != next {
                    changes.push(*next);
                }
                at += 1;
                to += 1;
            }
            _ => break, // One of them is there.
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn book(mut numbers: u64) -> Vec<Level> {
        let mut levels = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            let prices: Vec<i64> = (1..9)
                .filter(|_| {
                    numbers /= 2;
                    numbers & 1 == 0
                })
                .collect();
            let ordered: Vec<i64> = if side == Side::Buy { prices.into_iter().rev().collect() } else { prices };
            levels.extend(ordered.into_iter().map(|price| Level {
                side,
                price,
                quantity: i128::from(1 + (numbers % 3) as i64),
                orders: 1,
            }));
            numbers = numbers.rotate_left(17) ^ 0x5bd1_e995;
        }
        levels
    }

    #[test]
    fn the_changes_lead_from_one_book_to_the_other_and_there_are_no_more_than_needed() {
        let mut number = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..2_000 {
            let old = book(number);
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let new = book(number);
            let key = |level: &Level| (level.side, level.price);
            let mut naive: BTreeMap<_, _> = old.iter().map(|level| (key(level), *level)).collect();
            let changes = changes(&old, &new);
            for change in &changes {
                let before = if change.quantity == 0 {
                    naive.remove(&key(change)).map(|_| None)
                } else {
                    Some(naive.insert(key(change), *change))
                };
                assert_ne!(before, None, "what goes was there");
                assert_ne!(before, Some(Some(*change)), "what is told is new");
            }
            let expected: BTreeMap<_, _> = new.iter().map(|level| (key(level), *level)).collect();
            assert_eq!(naive, expected);
        }
    }
}
