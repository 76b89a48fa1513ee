//! Hash chains through records that live elsewhere.
//!
//! Buckets grow one at a time (linear hashing, W. Litwin 1980), so that no single command ever pays for rehashing
//! everything. Invariant: every item is in the chain of the bucket of its hash, once.

/// The record, slot, level or page that is not there. Record 0 exists but is never used, so that a link to nothing can be
/// written through without asking whether it is one.
pub(crate) const NIL: u32 = 0;

/// Records with a link for one index.
pub(crate) trait Chained {
    /// Where record `at` says which record of its bucket comes next.
    fn link(&mut self, at: u32) -> &mut u32;
    /// The hash of record `at`.
    fn hash(&self, at: u32) -> u64;
}

/// The heads of the chains.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    heads: Vec<u32>,
    len: usize,
}

impl Buckets {
    const SMALLEST: usize = 64;

    pub fn new() -> Self {
        Self { heads: vec![NIL; Self::SMALLEST], len: 0 }
    }

    #[inline]
    fn bucket(&self, hash: u64) -> usize {
        let count = self.heads.len();
        // All ones up to the top bit of the greatest bucket number.
        let mask = usize::MAX >> (count - 1).leading_zeros();
        let bucket = hash as usize & mask;
        if bucket < count {
            bucket
        } else {
            bucket & (mask >> 1)
        }
    }

    /// The first record in the chain of a hash, or NIL.
    #[inline]
    pub fn head(&self, hash: u64) -> u32 {
        self.heads[self.bucket(hash)]
    }

    /// Asks the processor to fetch the head of a chain.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        crate::prefetch(&self.heads, self.bucket(hash));
    }

    /// Puts a record into its chain. `hash` is the record's.
    #[inline]
    pub fn insert(&mut self, records: &mut impl Chained, at: u32, hash: u64) {
        let bucket = self.bucket(hash);
        *records.link(at) = std::mem::replace(&mut self.heads[bucket], at);
        self.len += 1;
        if self.len > self.heads.len() {
            self.split(records);
        }
    }

    /// Takes a record out of its chain. `hash` is the record's.
    #[inline]
    pub fn remove(&mut self, records: &mut impl Chained, at: u32, hash: u64) {
        self.len -= 1;
        let bucket = self.bucket(hash);
        let after = *records.link(at);
        let mut before = self.heads[bucket];
        if before == at {
            self.heads[bucket] = after;
            return;
        }
        loop {
            let link = records.link(before);
            if *link == at {
                *link = after;
                return;
            }
            before = *link;
        }
    }

    /// Adds one bucket and moves the records that belong into it.
    fn split(&mut self, records: &mut impl Chained) {
        let added = self.heads.len();
        // The bucket that is divided: the new number without its top bit.
        let divided = added & !(1 << added.ilog2());
        let mut at = std::mem::replace(&mut self.heads[divided], NIL);
        self.heads.push(NIL);
        while at != NIL {
            let bucket = self.bucket(records.hash(at));
            let link = records.link(at);
            let after = std::mem::replace(link, self.heads[bucket]);
            self.heads[bucket] = at;
            at = after;
        }
    }

    /// Bytes of heap memory in use.
    pub fn memory_bytes(&self) -> usize {
        self.heads.len() * size_of::<u32>()
    }
}
