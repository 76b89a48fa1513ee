//! The conditional orders of one instrument that wait for a price.
//!
//! A *fixed* one waits until the watched price has risen, or fallen, to its trigger price. A *trailing* one follows the
//! best price that was seen since it began, its *extreme* (a sell the highest, a buy the lowest), and waits until the
//! price has come back from it by `trail_bps` ten-thousandths. Only keys are kept here; the orders live elsewhere.
//!
//! A new extreme must not touch every order that trails. Trailing orders with one extreme are one *segment*: a balanced
//! tree by (trail_bps, order_id), so that its first order triggers first. A price beyond the extremes of some segments
//! makes one segment of them, by a union of trees whose steps add up to O(log n) an order over all unions (G. Blelloch,
//! D. Ferizovic, Y. Sun, "Just Join for Parallel Ordered Sets", SPAA 2016). A price at which nothing happens costs two
//! comparisons, as [`Triggers::quiet`] is kept up to date.
//!
//! A trailing order takes 36 bytes, and each distinct extreme about 80. What has to be merged is merged at once: the one
//! price that goes beyond n extremes bears the cost of all n.
//!
//! Prices of a *lane* (one watch and one direction) are kept as keys, `price` for a rise and `-price` for a fall, so that
//! in either direction what has the smaller trigger key triggers first, and extremes move to smaller keys.
//!
//! Invariants: an order waits once; the segments of a lane have distinct extremes and at least one order each; a
//! segment's `trigger` is that of its first order; trees are balanced as AVL trees are, so that nobody can choose orders
//! that make one deep; a root, and only a root, names its segment where other nodes name their parent.
#![allow(dead_code)] // The engine does not have conditional orders yet.

use crate::index::{Buckets, Chained, NIL};
use crate::types::Side;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// The price that an order waits for. Of the best price a buy order watches the ask and a sell order the bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Last = 0,
    Ask = 1,
    Bid = 2,
    Mark = 3,
}

/// Whether an order waits until the price is at its trigger price or above, or at it or below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Rise = 0,
    Fall = 1,
}

impl Direction {
    /// Where a trailing order's trigger price is: above for a buy, below for a sell.
    pub const fn of_trailing(side: Side) -> Self {
        match side {
            Side::Buy => Self::Rise,
            Side::Sell => Self::Fall,
        }
    }
}

const BPS: i64 = 10_000;
const WATCHES: usize = 4;
const LANES: usize = WATCHES * 2;
/// The bounds when nobody waits. Symmetric, so that they can be negated.
const ALWAYS_QUIET: (i64, i64) = (-i64::MAX, i64::MAX);

/// The price at which an order that trails `extreme` triggers: a sell's is rounded down, a buy's up. A sell's may be 0
/// and a buy's beyond the largest price; no price gets there, so such an order waits until its extreme has moved.
pub(crate) const fn trigger_price(side: Side, trail_bps: u16, extreme: i64) -> i64 {
    let lane = Lane::number(Watch::Last, Direction::of_trailing(side));
    Lane::key(lane, Lane::trailing_key(lane, trail_bps, Lane::key(lane, extreme)))
}

/// What waits for one watched price in one direction.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// From (trigger key, order_id) to slot.
    fixed: BTreeMap<(i64, u64), u32>,
    /// From the key of an extreme to its segment.
    extremes: BTreeMap<i64, u32>,
    /// The trigger key of each segment's first order, and the segment.
    firsts: BTreeSet<(i64, u32)>,
}

impl Lane {
    const fn number(watch: Watch, direction: Direction) -> usize {
        watch as usize * 2 + direction as usize
    }

    /// From a price to its key in this lane, and back.
    const fn key(lane: usize, price: i64) -> i64 {
        price * Self::sign(lane)
    }

    const fn sign(lane: usize) -> i64 {
        1 - 2 * (lane as i64 & 1)
    }

    /// The trigger key of an order that trails an extreme: `ceil(extreme * (10^4 ± trail_bps) / 10^4)`, which is in keys
    /// one formula for both directions. In two parts, each of which fits: a key is below 2^53, and what comes out is at
    /// most twice that.
    const fn trailing_key(lane: usize, trail_bps: u16, extreme: i64) -> i64 {
        let factor = BPS + Self::sign(lane) * trail_bps as i64;
        extreme.div_euclid(BPS) * factor + (extreme.rem_euclid(BPS) * factor + BPS - 1) / BPS
    }

    /// The trigger key of whoever triggers first.
    fn first(&self) -> Option<i64> {
        let fixed = self.fixed.first_key_value().map(|(&(key, _), _)| key);
        let trailing = self.firsts.first().map(|&(key, _)| key);
        match (fixed, trailing) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The keys between which, exclusive, a price changes nothing.
    fn quiet(&self) -> (i64, i64) {
        let low = self.extremes.last_key_value().map_or(ALWAYS_QUIET.0, |(&extreme, _)| extreme - 1);
        (low, self.first().unwrap_or(ALWAYS_QUIET.1))
    }
}

/// A trailing order, as a node of its segment's tree.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    order_id: u64,
    slot: u32,
    /// Left and right. Of a free node, the first is the next free one.
    children: [u32; 2],
    /// Of a root: its segment.
    parent: u32,
    /// The next node in the same bucket of the index by order_id.
    id_next: u32,
    trail_bps: u16,
    height: u8,
    is_root: bool,
}

const _: () = assert!(std::mem::size_of::<Node>() == 32);

/// The nodes, seen by the index by order_id.
struct ById<'a>(&'a mut [Node]);

impl Chained for ById<'_> {
    #[inline]
    fn link(&mut self, at: u32) -> &mut u32 {
        &mut self.0[at as usize].id_next
    }
    #[inline]
    fn hash(&self, at: u32) -> u64 {
        self.0[at as usize].order_id
    }
}

/// Ordered sets of nodes: AVL trees made of `join` alone. Recursion goes as deep as a tree is high.
#[derive(Clone, Debug)]
struct Trees {
    /// Node 0 is the empty tree: its height is 0, and its parent is written but never read.
    nodes: Vec<Node>,
    first_free: u32,
    in_use: usize,
    by_id: Buckets,
    /// How often a node was given its children.
    #[cfg(test)]
    steps: u64,
}

impl Trees {
    fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
            first_free: NIL,
            in_use: 0,
            by_id: Buckets::new(),
            #[cfg(test)]
            steps: 0,
        }
    }

    /// A tree of one order.
    fn insert(&mut self, order_id: u64, slot: u32, trail_bps: u16) -> u32 {
        let node = Node { order_id, slot, trail_bps, height: 1, ..Node::default() };
        let mut at = self.first_free;
        if at == NIL {
            at = self.nodes.len() as u32;
            self.nodes.push(node);
        } else {
            self.first_free = std::mem::replace(&mut self.nodes[at as usize], node).children[0];
        }
        self.in_use += 1;
        self.by_id.insert(&mut ById(&mut self.nodes), at, order_id);
        at
    }

    /// Frees a node that is in no tree.
    fn free(&mut self, at: u32) {
        let order_id = self.get(at).order_id;
        self.by_id.remove(&mut ById(&mut self.nodes), at, order_id);
        self.nodes[at as usize] = Node { children: [self.first_free, NIL], ..Node::default() };
        self.first_free = at;
        self.in_use -= 1;
    }

    fn find(&self, order_id: u64) -> Option<u32> {
        let mut at = self.by_id.head(order_id);
        while at != NIL && self.get(at).order_id != order_id {
            at = self.get(at).id_next;
        }
        (at != NIL).then_some(at)
    }

    #[inline]
    fn get(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    #[inline]
    fn key(&self, at: u32) -> (u16, u64) {
        let node = self.get(at);
        (node.trail_bps, node.order_id)
    }

    #[inline]
    fn height(&self, at: u32) -> u8 {
        self.get(at).height
    }

    /// The segment whose tree an order is in.
    fn segment(&self, mut at: u32) -> u32 {
        while !self.get(at).is_root {
            at = self.get(at).parent;
        }
        self.get(at).parent
    }

    fn set_segment(&mut self, root: u32, segment: u32) {
        let root = &mut self.nodes[root as usize];
        root.parent = segment;
        root.is_root = true;
    }

    /// The first order whose key is this one or a later one, or NIL.
    fn at_or_after(&self, root: u32, key: (u16, u64)) -> u32 {
        let (mut at, mut found) = (root, NIL);
        while at != NIL {
            let before = self.key(at) < key;
            if !before {
                found = at;
            }
            at = self.get(at).children[usize::from(before)];
        }
        found
    }

    /// Gives a node its children: `near` on `side` (0 is left), `far` on the other one.
    fn link(&mut self, side: usize, near: u32, middle: u32, far: u32) -> u32 {
        for child in [near, far] {
            let child = &mut self.nodes[child as usize];
            child.parent = middle;
            child.is_root = false;
        }
        let height = 1 + self.height(near).max(self.height(far));
        let node = &mut self.nodes[middle as usize];
        node.children[side] = near;
        node.children[1 - side] = far;
        node.height = height;
        #[cfg(test)]
        {
            self.steps += 1;
        }
        middle
    }

    /// One tree of all of `left`, then `middle`, then all of `right`. Takes as many steps as the heights differ.
    fn join(&mut self, left: u32, middle: u32, right: u32) -> u32 {
        if self.height(left) > self.height(right) + 1 {
            self.lean(0, left, middle, right)
        } else if self.height(right) > self.height(left) + 1 {
            self.lean(1, right, middle, left)
        } else {
            self.link(0, left, middle, right)
        }
    }

    /// [`Self::join`] of a tree that is too high, and stands on `side`, with a low one.
    fn lean(&mut self, side: usize, high: u32, middle: u32, low: u32) -> u32 {
        let children = self.get(high).children;
        let (outer, inner) = (children[side], children[1 - side]);
        if self.height(inner) > self.height(low) + 1 {
            let joined = self.lean(side, inner, middle, low);
            if self.height(joined) <= self.height(outer) + 1 {
                return self.link(side, outer, high, joined);
            }
            let halves = self.get(joined).children;
            let near = self.link(side, outer, high, halves[side]);
            return self.link(side, near, joined, halves[1 - side]);
        }
        if self.height(inner).max(self.height(low)) <= self.height(outer) {
            let joined = self.link(side, inner, middle, low);
            return self.link(side, outer, high, joined);
        }
        // `inner` is higher than both of its neighbours: it goes to the top.
        let halves = self.get(inner).children;
        let near = self.link(side, outer, high, halves[side]);
        let far = self.link(side, halves[1 - side], middle, low);
        self.link(side, near, inner, far)
    }

    /// The orders before a key that is not in the tree, and those after it.
    fn split(&mut self, root: u32, key: (u16, u64)) -> (u32, u32) {
        if root == NIL {
            return (NIL, NIL);
        }
        let [left, right] = self.get(root).children;
        if key < self.key(root) {
            let (before, after) = self.split(left, key);
            // With nothing on the other side the tree is as it was.
            let after = if before == NIL { root } else { self.join(after, root, right) };
            (before, after)
        } else {
            let (before, after) = self.split(right, key);
            let before = if after == NIL { root } else { self.join(left, root, before) };
            (before, after)
        }
    }

    /// One tree of two that have no key in common: O(m log(n/m + 1)) steps for m orders and n others.
    fn union(&mut self, a: u32, b: u32) -> u32 {
        if a == NIL || b == NIL {
            return a | b;
        }
        let [left, right] = self.get(a).children;
        let (before, after) = self.split(b, self.key(a));
        let left = self.union(left, before);
        let right = self.union(right, after);
        self.join(left, a, right)
    }

    /// The tree without the order of this key, which is in it.
    fn without(&mut self, root: u32, key: (u16, u64)) -> u32 {
        let [left, right] = self.get(root).children;
        match key.cmp(&self.key(root)) {
            std::cmp::Ordering::Less => {
                let left = self.without(left, key);
                self.join(left, root, right)
            }
            std::cmp::Ordering::Greater => {
                let right = self.without(right, key);
                self.join(left, root, right)
            }
            std::cmp::Ordering::Equal if left == NIL => right,
            std::cmp::Ordering::Equal => {
                let (left, last) = self.without_last(left);
                self.join(left, last, right)
            }
        }
    }

    /// A tree that is not empty, without its last order, and that order.
    fn without_last(&mut self, root: u32) -> (u32, u32) {
        let [left, right] = self.get(root).children;
        if right == NIL {
            return (left, root);
        }
        let (right, last) = self.without_last(right);
        (self.join(left, root, right), last)
    }
}

/// The trailing orders of a lane that have the same extreme.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// As a key.
    extreme: i64,
    /// The trigger key of the first order.
    trigger: i64,
    /// Of a free segment: the next free one.
    root: u32,
    lane: u32,
}

#[derive(Clone, Debug)]
struct Waiting {
    lanes: [Lane; LANES],
    trees: Trees,
    segments: Vec<Segment>,
    /// Beyond the last segment if there is no free one.
    free_segment: u32,
}

impl Waiting {
    fn new() -> Self {
        Self { lanes: Default::default(), trees: Trees::new(), segments: Vec::new(), free_segment: 0 }
    }

    /// Adds a tree of orders to the segment with this extreme.
    fn add(&mut self, lane: usize, extreme: i64, tree: u32) {
        if let Some(&segment) = self.lanes[lane].extremes.get(&extreme) {
            let root = self.trees.union(self.segments[segment as usize].root, tree);
            return self.set_root(segment, root);
        }
        let number = self.free_segment;
        let trigger = self.first_trigger(lane, extreme, tree);
        let segment = Segment { extreme, trigger, root: tree, lane: lane as u32 };
        match self.segments.get_mut(number as usize) {
            Some(free) => self.free_segment = std::mem::replace(free, segment).root,
            None => {
                self.segments.push(segment);
                self.free_segment += 1;
            }
        }
        self.trees.set_segment(tree, number);
        self.lanes[lane].extremes.insert(extreme, number);
        self.lanes[lane].firsts.insert((trigger, number));
    }

    fn first_trigger(&self, lane: usize, extreme: i64, root: u32) -> i64 {
        let first = self.trees.at_or_after(root, (0, 0));
        Lane::trailing_key(lane, self.trees.get(first).trail_bps, extreme)
    }

    /// Gives a segment another tree. With an empty one it is gone.
    fn set_root(&mut self, number: u32, root: u32) {
        if root == NIL {
            self.remove_segment(number);
            return;
        }
        self.trees.set_segment(root, number);
        let Segment { extreme, trigger: before, lane, .. } = self.segments[number as usize];
        let trigger = self.first_trigger(lane as usize, extreme, root);
        let segment = &mut self.segments[number as usize];
        segment.root = root;
        segment.trigger = trigger;
        if trigger != before {
            let firsts = &mut self.lanes[lane as usize].firsts;
            firsts.remove(&(before, number));
            firsts.insert((trigger, number));
        }
    }

    /// Returns the segment's tree.
    fn remove_segment(&mut self, number: u32) -> u32 {
        let segment = &mut self.segments[number as usize];
        let root = std::mem::replace(&mut segment.root, self.free_segment);
        self.free_segment = number;
        let lane = &mut self.lanes[segment.lane as usize];
        lane.extremes.remove(&segment.extreme);
        lane.firsts.remove(&(segment.trigger, number));
        root
    }

    fn remove_node(&mut self, at: u32) {
        let segment = self.trees.segment(at);
        let root = self.trees.without(self.segments[segment as usize].root, self.trees.key(at));
        self.trees.free(at);
        self.set_root(segment, root);
    }

    /// Moves the extremes that a price is beyond to that price.
    fn follow(&mut self, lane: usize, price: i64) {
        let mut tree = NIL;
        while let Some((&extreme, &segment)) = self.lanes[lane].extremes.last_key_value() {
            if extreme <= price {
                break;
            }
            let other = self.remove_segment(segment);
            tree = self.trees.union(tree, other);
        }
        if tree != NIL {
            self.add(lane, price, tree);
        }
    }

    /// Takes out who triggers, until `out` is `full` long.
    fn take(&mut self, lane: usize, price: i64, full: usize, out: &mut Vec<(u64, u32)>) {
        while out.len() < full {
            match self.lanes[lane].first() {
                Some(level) if level <= price => self.take_level(lane, level, full, out),
                _ => return,
            }
        }
    }

    /// Takes out who triggers at one price, which nobody triggers before, by ascending order_id.
    ///
    /// What is equal in trail_bps and segment is in that order already and need only be merged. So an order costs
    /// O(log n), and a call as many lookups as there are such groups at the price: one, or a few by rounding.
    fn take_level(&mut self, lane: usize, level: i64, full: usize, out: &mut Vec<(u64, u32)>) {
        let mut groups = BinaryHeap::new();
        for &(_, segment) in self.lanes[lane].firsts.range((level, 0)..=(level, u32::MAX)) {
            let Segment { extreme, root, .. } = self.segments[segment as usize];
            let mut at = self.trees.at_or_after(root, (0, 0));
            while at != NIL && Lane::trailing_key(lane, self.trees.get(at).trail_bps, extreme) == level {
                groups.push(Reverse((self.trees.get(at).order_id, at)));
                at = self.trees.at_or_after(root, (self.trees.get(at).trail_bps + 1, 0));
            }
        }
        while out.len() < full {
            let trailing = groups.peek().map(|&Reverse(first)| first);
            let fixed = self.lanes[lane].fixed.first_entry().filter(|entry| {
                let &(key, order_id) = entry.key();
                key == level && trailing.is_none_or(|(other, _)| order_id < other)
            });
            if let Some(entry) = fixed {
                let ((_, order_id), slot) = entry.remove_entry();
                out.push((order_id, slot));
            } else if let Some((order_id, at)) = trailing {
                let Node { slot, trail_bps, .. } = *self.trees.get(at);
                out.push((order_id, slot));
                groups.pop();
                let root = self.segments[self.trees.segment(at) as usize].root;
                let next = self.trees.at_or_after(root, (trail_bps, order_id + 1));
                if self.trees.get(next).trail_bps == trail_bps {
                    groups.push(Reverse((self.trees.get(next).order_id, next)));
                }
                self.remove_node(at);
            } else {
                return;
            }
        }
    }
}

/// See the module. Nothing is allocated until the first order waits.
#[derive(Clone, Debug)]
pub(crate) struct Triggers {
    /// By watch: see [`Self::quiet`].
    quiet: [(i64, i64); WATCHES],
    waiting: Option<Box<Waiting>>,
}

impl Default for Triggers {
    fn default() -> Self {
        Self { quiet: [ALWAYS_QUIET; WATCHES], waiting: None }
    }
}

impl Triggers {
    /// An order, which does not wait yet, waits until the watched price has come to `price`.
    pub fn insert_fixed(&mut self, watch: Watch, direction: Direction, price: i64, order_id: u64, slot: u32) {
        let lane = Lane::number(watch, direction);
        let waiting = self.waiting.get_or_insert_with(|| Box::new(Waiting::new()));
        let before = waiting.lanes[lane].fixed.insert((Lane::key(lane, price), order_id), slot);
        debug_assert!(before.is_none(), "an order waits once");
        self.update_quiet(watch as usize);
    }

    /// An order, which does not wait yet, trails the watched price by `trail_bps`, from 1 to 9,999. `extreme` is the
    /// price from which it begins, or its extreme when it was saved.
    pub fn insert_trailing(
        &mut self,
        watch: Watch,
        side: Side,
        trail_bps: u16,
        extreme: i64,
        order_id: u64,
        slot: u32,
    ) {
        debug_assert!(0 < trail_bps && i64::from(trail_bps) < BPS, "a trail is a part of the price");
        let lane = Lane::number(watch, Direction::of_trailing(side));
        let waiting = self.waiting.get_or_insert_with(|| Box::new(Waiting::new()));
        debug_assert!(waiting.trees.find(order_id).is_none(), "an order waits once");
        let tree = waiting.trees.insert(order_id, slot, trail_bps);
        waiting.add(lane, Lane::key(lane, extreme), tree);
        self.update_quiet(watch as usize);
    }

    /// Takes out an order. Returns whether it was there.
    pub fn remove_fixed(&mut self, watch: Watch, direction: Direction, price: i64, order_id: u64) -> bool {
        let lane = Lane::number(watch, direction);
        let Some(waiting) = &mut self.waiting else { return false };
        let found = waiting.lanes[lane].fixed.remove(&(Lane::key(lane, price), order_id)).is_some();
        self.update_quiet(watch as usize);
        found
    }

    /// Takes out an order. Returns whether it was there.
    pub fn remove_trailing(&mut self, order_id: u64) -> bool {
        let Some(waiting) = &mut self.waiting else { return false };
        let Some(at) = waiting.trees.find(order_id) else { return false };
        let lane = waiting.segments[waiting.trees.segment(at) as usize].lane;
        waiting.remove_node(at);
        self.update_quiet(lane as usize / 2);
        true
    }

    /// The watched price is now `price`. Moves the extremes, then takes out who triggers and appends their (order_id,
    /// slot) to `out`, at most `most`. Returns whether there are more: those keep waiting, for the next observation that
    /// triggers them.
    ///
    /// The order is: who waited for a rise by ascending trigger price, then who waited for a fall by descending trigger
    /// price; at one trigger price by ascending order_id.
    #[inline]
    pub fn observe(&mut self, watch: Watch, price: i64, most: usize, out: &mut Vec<(u64, u32)>) -> bool {
        let (low, high) = self.quiet(watch);
        if low < price && price < high {
            return false;
        }
        self.disturb(watch, price, most, out)
    }

    fn disturb(&mut self, watch: Watch, price: i64, most: usize, out: &mut Vec<(u64, u32)>) -> bool {
        let Some(waiting) = &mut self.waiting else { return false };
        let full = out.len().saturating_add(most);
        let mut more = false;
        for direction in [Direction::Rise, Direction::Fall] {
            let lane = Lane::number(watch, direction);
            let price = Lane::key(lane, price);
            waiting.follow(lane, price);
            waiting.take(lane, price, full, out);
            more |= waiting.lanes[lane].first().is_some_and(|first| first <= price);
        }
        self.update_quiet(watch as usize);
        more
    }

    /// The extreme and the trigger price of a trailing order; for the latter see [`trigger_price`].
    pub fn trailing(&self, order_id: u64) -> Option<(i64, i64)> {
        let waiting = self.waiting.as_deref()?;
        let at = waiting.trees.find(order_id)?;
        let segment = &waiting.segments[waiting.trees.segment(at) as usize];
        let lane = segment.lane as usize;
        let trigger = Lane::trailing_key(lane, waiting.trees.get(at).trail_bps, segment.extreme);
        Some((Lane::key(lane, segment.extreme), Lane::key(lane, trigger)))
    }

    /// How many orders wait.
    pub fn len(&self) -> usize {
        self.waiting.as_deref().map_or(0, |waiting| {
            waiting.trees.in_use + waiting.lanes.iter().map(|lane| lane.fixed.len()).sum::<usize>()
        })
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.quiet == [ALWAYS_QUIET; WATCHES]
    }

    /// Whether anybody waits for this price.
    #[inline]
    pub fn watches(&self, watch: Watch) -> bool {
        self.quiet[watch as usize] != ALWAYS_QUIET
    }

    /// Bounds (low, high) such that no observed price with `low < price && price < high` changes anything.
    #[inline]
    pub fn quiet(&self, watch: Watch) -> (i64, i64) {
        self.quiet[watch as usize]
    }

    fn update_quiet(&mut self, watch: usize) {
        let Some(waiting) = &self.waiting else { return };
        let rise = waiting.lanes[watch * 2].quiet();
        let fall = waiting.lanes[watch * 2 + 1].quiet();
        self.quiet[watch] = (rise.0.max(-fall.1), rise.1.min(-fall.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::MAX_TICKS_OR_LOTS;

    const ALL: [Watch; WATCHES] = [Watch::Last, Watch::Ask, Watch::Bid, Watch::Mark];

    /// SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014).
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % bound
        }
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Kind {
        Fixed(Direction, i64),
        Trailing(Side, u16, i64),
    }

    #[derive(Clone, Copy, Debug)]
    struct Order {
        watch: Watch,
        kind: Kind,
        order_id: u64,
        slot: u32,
    }

    impl Order {
        fn insert(&self, triggers: &mut Triggers) {
            let &Self { watch, kind, order_id, slot } = self;
            match kind {
                Kind::Fixed(direction, price) => triggers.insert_fixed(watch, direction, price, order_id, slot),
                Kind::Trailing(side, bps, extreme) => {
                    triggers.insert_trailing(watch, side, bps, extreme, order_id, slot);
                }
            }
        }

        fn remove(&self, triggers: &mut Triggers) -> bool {
            match self.kind {
                Kind::Fixed(direction, price) => triggers.remove_fixed(self.watch, direction, price, self.order_id),
                Kind::Trailing(..) => triggers.remove_trailing(self.order_id),
            }
        }

        /// In which direction and at which price it triggers.
        fn trigger(&self) -> (Direction, i64) {
            match self.kind {
                Kind::Fixed(direction, price) => (direction, price),
                Kind::Trailing(Side::Buy, bps, extreme) => {
                    let up = i128::from(extreme) * (10_000 + i128::from(bps));
                    (Direction::Rise, i64::try_from((up + 9_999) / 10_000).expect("below 2^54"))
                }
                Kind::Trailing(Side::Sell, bps, extreme) => {
                    let down = i128::from(extreme) * (10_000 - i128::from(bps));
                    (Direction::Fall, i64::try_from(down / 10_000).expect("below 2^53"))
                }
            }
        }
    }

    /// Looks at every order at every price.
    #[derive(Clone, Default)]
    struct Twin(Vec<Order>);

    impl Twin {
        fn observe(&mut self, watch: Watch, price: i64, most: usize, out: &mut Vec<(u64, u32)>) -> bool {
            let mut due = Vec::new();
            for order in self.0.iter_mut().filter(|order| order.watch == watch) {
                match &mut order.kind {
                    Kind::Trailing(Side::Buy, _, extreme) => *extreme = price.min(*extreme),
                    Kind::Trailing(Side::Sell, _, extreme) => *extreme = price.max(*extreme),
                    Kind::Fixed(..) => {}
                }
                match order.trigger() {
                    (Direction::Rise, trigger) if price >= trigger => due.push((0, trigger, *order)),
                    (Direction::Fall, trigger) if price <= trigger => due.push((1, -trigger, *order)),
                    _ => {}
                }
            }
            due.sort_by_key(|&(direction, key, order)| (direction, key, order.order_id));
            let more = due.len() > most;
            due.truncate(most);
            out.extend(due.iter().map(|(_, _, order)| (order.order_id, order.slot)));
            self.0.retain(|order| due.iter().all(|(_, _, gone)| gone.order_id != order.order_id));
            more
        }
    }

    /// The order of a tree's nodes, and that it is one.
    fn walk(trees: &Trees, at: u32, parent: u32, out: &mut Vec<(u16, u64)>) {
        if at == NIL {
            return;
        }
        let node = trees.get(at);
        assert_eq!(node.is_root, parent == NIL);
        assert!(parent == NIL || node.parent == parent);
        let [left, right] = node.children;
        assert!(trees.height(left).abs_diff(trees.height(right)) <= 1);
        assert_eq!(node.height, 1 + trees.height(left).max(trees.height(right)));
        walk(trees, left, at, out);
        out.push(trees.key(at));
        walk(trees, right, at, out);
    }

    fn check(triggers: &Triggers) {
        let Some(waiting) = triggers.waiting.as_deref() else { return };
        assert_eq!(waiting.trees.height(NIL), 0);
        let mut orders = 0;
        for (number, lane) in waiting.lanes.iter().enumerate() {
            assert_eq!(lane.extremes.len(), lane.firsts.len());
            for (&extreme, &at) in &lane.extremes {
                let segment = waiting.segments[at as usize];
                assert_eq!((segment.extreme, segment.lane as usize), (extreme, number));
                assert_eq!(segment.trigger, waiting.first_trigger(number, extreme, segment.root));
                assert!(lane.firsts.contains(&(segment.trigger, at)));
                assert_eq!(waiting.trees.get(segment.root).parent, at);
                let mut keys = Vec::new();
                walk(&waiting.trees, segment.root, NIL, &mut keys);
                assert!(!keys.is_empty() && keys.is_sorted_by(|a, b| a < b));
                orders += keys.len();
            }
        }
        assert_eq!(orders, waiting.trees.in_use);
    }

    fn same(triggers: &Triggers, twin: &Twin) {
        check(triggers);
        assert_eq!(triggers.len(), twin.0.len());
        assert_eq!(triggers.is_empty(), twin.0.is_empty());
        for watch in ALL {
            assert_eq!(triggers.watches(watch), twin.0.iter().any(|order| order.watch == watch));
        }
        for order in &twin.0 {
            match order.kind {
                Kind::Fixed(..) => assert_eq!(triggers.trailing(order.order_id), None),
                Kind::Trailing(side, bps, extreme) => {
                    let trigger = order.trigger().1;
                    assert_eq!(triggers.trailing(order.order_id), Some((extreme, trigger)));
                    assert_eq!(trigger_price(side, bps, extreme), trigger);
                }
            }
        }
    }

    /// Nothing changes at the outermost quiet prices, and something does just beyond them.
    fn quiet_is_quiet(triggers: &Triggers, twin: &Twin, watch: Watch, largest: i64) {
        let (low, high) = triggers.quiet(watch);
        let changes = |price: i64| {
            let (mut copy, mut out) = (twin.clone(), Vec::new());
            copy.observe(watch, price, usize::MAX, &mut out);
            !out.is_empty() || copy.0.iter().zip(&twin.0).any(|(a, b)| a.kind != b.kind)
        };
        for price in [low.saturating_add(1).max(1), high.saturating_sub(1).min(largest)] {
            if low < price && price < high {
                assert!(!changes(price), "{price} is between {low} and {high}");
            }
        }
        for price in [low, high] {
            if (1..=largest).contains(&price) {
                assert!(changes(price), "{price} is not between {low} and {high}");
            }
        }
    }

    fn some_price(random: &mut Random, middle: i64, largest: i64) -> i64 {
        let spread = [2, 20, 300, largest as u64 / 2][random.below(4) as usize].max(1);
        (middle + random.below(2 * spread + 1) as i64 - spread as i64).clamp(1, largest)
    }

    #[test]
    fn the_same_as_looking_at_every_order() {
        for (seed, largest) in [
            (1, 12),
            (2, 60),
            (3, 500),
            (4, 9_000),
            (5, 200_000),
            (6, 1 << 40),
            (7, MAX_TICKS_OR_LOTS),
            (8, 60),
            (9, 3_000),
        ] {
            let mut random = Random(seed);
            let mut prices = [0; WATCHES].map(|_| 1 + random.below(largest as u64) as i64);
            let (mut triggers, mut twin) = (Triggers::default(), Twin::default());
            for order_id in 1..=20_000_u64 {
                let watch = ALL[random.below(4) as usize];
                let middle = prices[watch as usize];
                match random.below(10) {
                    0..=4 if twin.0.len() < 400 => {
                        let near = some_price(&mut random, middle, largest);
                        let rises = random.below(2) == 0;
                        let kind = if random.below(3) == 0 {
                            Kind::Fixed(if rises { Direction::Rise } else { Direction::Fall }, near)
                        } else {
                            let widest = [3, 50, 9_999][random.below(3) as usize];
                            let bps = 1 + random.below(widest) as u16;
                            let extreme = if random.below(4) == 0 { near } else { middle };
                            Kind::Trailing(if rises { Side::Buy } else { Side::Sell }, bps, extreme)
                        };
                        // Ids do not come in order: an order may be activated later, or be restored.
                        let order_id = order_id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1;
                        let order = Order { watch, kind, order_id, slot: random.below(1 << 32) as u32 };
                        order.insert(&mut triggers);
                        twin.0.push(order);
                    }
                    0..=5 if !twin.0.is_empty() => {
                        let order = twin.0.swap_remove(random.below(twin.0.len() as u64) as usize);
                        assert!(order.remove(&mut triggers));
                        assert!(!order.remove(&mut triggers));
                    }
                    _ => {
                        let price = some_price(&mut random, middle, largest);
                        prices[watch as usize] = price;
                        let most = [0, 1, 2, 5, usize::MAX][random.below(5) as usize];
                        let (mut found, mut expected) = (vec![(0, 0)], vec![(0, 0)]);
                        let more = triggers.observe(watch, price, most, &mut found);
                        assert_eq!(more, twin.observe(watch, price, most, &mut expected));
                        assert_eq!(found, expected, "seed {seed}, step {order_id}");
                    }
                }
                if order_id % 8 == 0 {
                    same(&triggers, &twin);
                }
                quiet_is_quiet(&triggers, &twin, watch, largest);
            }
            // What is left comes out in pieces, in the same order.
            for watch in ALL {
                for price in [1, largest] {
                    loop {
                        let (mut found, mut expected) = (Vec::new(), Vec::new());
                        let more = triggers.observe(watch, price, 7, &mut found);
                        assert_eq!(more, twin.observe(watch, price, 7, &mut expected));
                        assert_eq!(found, expected, "seed {seed}");
                        if !more {
                            break;
                        }
                    }
                }
            }
            same(&triggers, &twin);
        }
    }

    #[test]
    fn nothing_waits_at_first_and_a_copy_is_its_own() {
        let mut triggers = Triggers::default();
        assert!(triggers.is_empty() && triggers.waiting.is_none());
        assert!(!triggers.remove_trailing(1) && !triggers.remove_fixed(Watch::Last, Direction::Rise, 1, 1));
        assert!(!triggers.observe(Watch::Last, 5, 1, &mut Vec::new()));
        triggers.insert_fixed(Watch::Mark, Direction::Fall, 5, 1, 10);
        let mut copy = triggers.clone();
        let mut out = Vec::new();
        assert!(!copy.observe(Watch::Mark, 5, 1, &mut out));
        assert_eq!(out, [(1, 10)]);
        assert!(copy.is_empty() && triggers.watches(Watch::Mark) && !triggers.watches(Watch::Last));
    }

    #[test]
    fn rises_come_before_falls_and_then_by_trigger_price_and_order_id() {
        let mut triggers = Triggers::default();
        let watch = Watch::Last;
        triggers.insert_trailing(watch, Side::Sell, 5_000, 2_001, 1, 0); // 1,000
        triggers.insert_fixed(watch, Direction::Fall, 1_000, 2, 0);
        triggers.insert_trailing(watch, Side::Sell, 5_000, 2_000, 3, 0); // 1,000
        triggers.insert_fixed(watch, Direction::Fall, 1_001, 4, 0);
        triggers.insert_fixed(watch, Direction::Rise, 900, 5, 0);
        triggers.insert_trailing(watch, Side::Buy, 100, 800, 6, 0); // 808
        triggers.insert_fixed(watch, Direction::Rise, 808, 7, 0);
        let mut out = Vec::new();
        assert!(triggers.observe(watch, 1_000, 5, &mut out));
        assert!(!triggers.observe(watch, 1_000, 2, &mut out));
        assert_eq!(out.iter().map(|&(order_id, _)| order_id).collect::<Vec<_>>(), [6, 7, 5, 4, 1, 2, 3]);
        assert!(triggers.is_empty());
    }

    #[test]
    fn a_trigger_price_out_of_reach_waits_for_its_extreme_to_move() {
        let mut triggers = Triggers::default();
        let (watch, mut out) = (Watch::Mark, Vec::new());
        triggers.insert_trailing(watch, Side::Buy, 9_999, MAX_TICKS_OR_LOTS, 1, 0);
        triggers.insert_trailing(watch, Side::Sell, 1, 1, 2, 0);
        assert_eq!(triggers.trailing(2), Some((1, 0)));
        assert!(!triggers.observe(watch, 1, 9, &mut out));
        assert_eq!(triggers.trailing(1), Some((1, 2)));
        assert!(!triggers.observe(watch, MAX_TICKS_OR_LOTS, 9, &mut out));
        assert_eq!(out, [(1, 0)]);
        assert_eq!(triggers.trailing(2), Some((MAX_TICKS_OR_LOTS, trigger_price(Side::Sell, 1, MAX_TICKS_OR_LOTS))));
        triggers.insert_trailing(watch, Side::Buy, 1, MAX_TICKS_OR_LOTS, 3, 0);
        assert!(!triggers.observe(watch, MAX_TICKS_OR_LOTS, 9, &mut out));
        assert_eq!(out.len(), 1);
    }

    /// Binance's trailing stops wait for `stop` first and trail from there (binance-spot-api-docs,
    /// faqs/trailing-stop-faq.md). Returns the extreme and the price at which the order triggered.
    fn trailing_stop(side: Side, stop: i64, trail_bps: u16, prices: &[i64]) -> Option<(i64, i64)> {
        let activation = Direction::of_trailing(side);
        let (mut triggers, watch, mut extreme) = (Triggers::default(), Watch::Last, None);
        triggers.insert_fixed(watch, activation, stop, 1, 7);
        for &price in prices {
            let mut out = Vec::new();
            assert!(!triggers.observe(watch, price, 10, &mut out));
            match (out.is_empty(), extreme) {
                (true, _) => {}
                (false, None) => triggers.insert_trailing(watch, side, trail_bps, stop, 1, 7),
                (false, Some(extreme)) => return Some((extreme, price)),
            }
            extreme = triggers.trailing(1).map(|(extreme, _)| extreme);
        }
        None
    }

    #[test]
    fn binance_scenario_a_a_buy_that_trails_from_its_stop() {
        let prices = [40_000, 37_000, 45_000, 46_000, 42_000, 44_100];
        assert_eq!(trailing_stop(Side::Buy, 44_000, 500, &prices[..5]), None);
        assert_eq!(trailing_stop(Side::Buy, 44_000, 500, &prices), Some((42_000, 44_100)));
    }

    #[test]
    fn binance_scenario_b_a_sell_that_trails_from_its_stop() {
        let prices = [40_000, 41_500, 39_000, 37_000, 41_000, 36_900];
        assert_eq!(trailing_stop(Side::Sell, 39_000, 1_000, &prices[..5]), None);
        assert_eq!(trailing_stop(Side::Sell, 39_000, 1_000, &prices), Some((41_000, 36_900)));
    }

    const MANY: u64 = 1_000_000;

    fn steps(triggers: &Triggers) -> u64 {
        triggers.waiting.as_ref().map_or(0, |waiting| waiting.trees.steps)
    }

    /// A million sells whose extremes are given, and their merges while the price makes 100,000 new highs up to
    /// 2,000,000. Returns the steps of the merges.
    fn merge_a_million(extreme: impl Fn(u64) -> i64) -> u64 {
        let mut random = Random(11);
        let (mut triggers, mut out) = (Triggers::default(), Vec::new());
        for order_id in 1..=MANY {
            let bps = 6_000 + random.below(3_000) as u16;
            triggers.insert_trailing(Watch::Last, Side::Sell, bps, extreme(order_id), order_id, 0);
        }
        let before = steps(&triggers);
        for price in (1_000_010..=2_000_000).step_by(10) {
            assert!(!triggers.observe(Watch::Last, price, 100, &mut out));
        }
        check(&triggers);
        let merged = steps(&triggers) - before;
        // A million trailing orders wait in one segment: further highs and falls take no step at all.
        for price in [2_100_000, 900_000, 2_200_000] {
            assert!(!triggers.observe(Watch::Last, price, 100, &mut out));
        }
        assert_eq!((steps(&triggers) - before, out.len(), triggers.len()), (merged, 0, MANY as usize));
        merged
    }

    #[test]
    fn a_million_orders_are_merged_in_n_log_n_steps() {
        // A step is a node that is given its children, those of rotations included.
        let bound = 2 * MANY * u64::from(MANY.ilog2());
        // Every order alone with its extreme; a hundred at each; all but one at the highest.
        for (name, merged) in [
            ("alone", merge_a_million(|order_id| 2_000_000 - order_id as i64)),
            ("hundreds", merge_a_million(|order_id| 2_000_000 - order_id as i64 / 100 * 100)),
            ("shuffled", merge_a_million(|order_id| 1_000_000 + (order_id * 7_919 % 99_991 * 10) as i64)),
        ] {
            assert!(merged <= bound, "{name}: {merged} steps, at most {bound}");
        }
    }

    #[test]
    fn a_million_orders_at_one_price_trigger_a_few_at_a_time() {
        let mut triggers = Triggers::default();
        for order_id in (1..=MANY).rev() {
            triggers.insert_trailing(Watch::Bid, Side::Sell, 100, 1_000_000, order_id, 0);
        }
        let before = steps(&triggers);
        let mut out = Vec::new();
        while triggers.observe(Watch::Bid, 990_000, 10, &mut out) {}
        assert_eq!(out.len(), MANY as usize);
        assert!(out.is_sorted());
        let taken = steps(&triggers) - before;
        assert!(taken <= 2 * MANY * u64::from(MANY.ilog2()), "{taken} steps");
    }
}
