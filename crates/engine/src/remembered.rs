//! The client_order_ids of orders that have closed, as hashes, for each account oldest first.
//!
//! Invariant: a hash is here once (it holds the account's id), and in the list of one account.

use crate::index::{Buckets, Chained, NIL};

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    /// The next in the same bucket.
    chain: u32,
    /// The next younger of the same account, or the next free entry.
    younger: u32,
}

#[derive(Clone, Debug)]
struct Entries(Vec<Entry>);

impl Chained for Entries {
    #[inline]
    fn link(&mut self, at: u32) -> &mut u32 {
        &mut self.0[at as usize].chain
    }
    #[inline]
    fn hash(&self, at: u32) -> u64 {
        self.0[at as usize].hash
    }
}

/// One account's list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    oldest: u32,
    youngest: u32,
    len: u32,
}

impl List {
    pub const EMPTY: Self = Self { oldest: NIL, youngest: NIL, len: 0 };

    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }
}

/// All accounts' entries and the index over them.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    entries: Entries,
    free: u32,
    index: Buckets,
}

impl Remembered {
    pub fn new() -> Self {
        let unused = Entry { hash: 0, chain: NIL, younger: NIL };
        Self { entries: Entries(vec![unused]), free: NIL, index: Buckets::new() }
    }

    #[inline]
    pub fn contains(&self, hash: u64) -> bool {
        let mut at = self.index.head(hash);
        while at != NIL {
            let entry = &self.entries.0[at as usize];
            if entry.hash == hash {
                return true;
            }
            at = entry.chain;
        }
        false
    }

    /// Adds a hash to a list as its youngest.
    #[inline]
    pub fn push(&mut self, list: &mut List, hash: u64) {
        let entry = Entry { hash, chain: NIL, younger: NIL };
        let mut at = self.free;
        if at == NIL {
            at = self.entries.0.len() as u32;
            self.entries.0.push(entry);
        } else {
            let place = &mut self.entries.0[at as usize];
            self.free = place.younger;
            *place = entry;
        }
        self.index.insert(&mut self.entries, at, hash);
        if list.youngest == NIL {
            list.oldest = at;
        } else {
            self.entries.0[list.youngest as usize].younger = at;
        }
        list.youngest = at;
        list.len += 1;
    }

    /// Forgets the oldest of a list.
    #[inline]
    pub fn pop_oldest(&mut self, list: &mut List) {
        let at = list.oldest;
        if at == NIL {
            return;
        }
        let Entry { hash, younger, .. } = self.entries.0[at as usize];
        self.index.remove(&mut self.entries, at, hash);
        self.entries.0[at as usize].younger = self.free;
        self.free = at;
        list.oldest = younger;
        if younger == NIL {
            list.youngest = NIL;
        }
        list.len -= 1;
    }

    /// The hashes of a list, oldest first.
    pub fn iter<'a>(&'a self, list: &List) -> impl Iterator<Item = u64> + 'a {
        let mut at = list.oldest;
        std::iter::from_fn(move || {
            let entry = &self.entries.0[at as usize];
            let found = (at != NIL).then_some(entry.hash);
            at = entry.younger;
            found
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashSet, VecDeque};

    #[test]
    fn lists_agree_with_queues_and_the_index_with_a_set() {
        let mut remembered = Remembered::new();
        let mut lists = [List::EMPTY; 3];
        let mut queues = [const { VecDeque::new() }; 3];
        let mut set = HashSet::<u64>::new();
        for step in 0..30_000_u64 {
            let which = (step % 7 % 3) as usize;
            let hash = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (step % 5 * 8) | step << 40;
            if queues[which].len() > 500 * (which + 1) {
                remembered.pop_oldest(&mut lists[which]);
                let oldest = queues[which].pop_front().expect("not empty");
                set.remove(&oldest);
                assert!(!remembered.contains(oldest));
            }
            if set.insert(hash) {
                remembered.push(&mut lists[which], hash);
                queues[which].push_back(hash);
            }
            assert!(remembered.contains(hash));
        }
        for (list, queue) in lists.iter().zip(&queues) {
            assert_eq!(list.len(), queue.len());
            assert!(remembered.iter(list).eq(queue.iter().copied()));
        }
    }
}
