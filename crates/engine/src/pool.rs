//! The orders that rest in books, as small records in one pool, and the hash chains that find them by id.
//!
//! Invariants: a record is one cache line; a slot is either in use (`order_id != 0`) or on the free list; a slot is
//! found again only by comparing the whole id, so a reused slot never answers to a stale one.

use crate::extra::Extra;
use crate::index::{Buckets, Chained};
use crate::types::{ClientOrderId, KeyId, SelfTradePrevention, TimeInForce};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

pub(crate) use crate::index::NIL;

/// A resting order. Its price, side and instrument are those of its level.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Order {
    pub order_id: u64,
    pub filled: i64,
    pub leaves: i64,
    pub level: u32,
    pub account: u32,
    /// Neighbours in the level's queue.
    pub next: u32,
    pub prev: u32,
    /// Neighbours in the account's list, which is in ascending order_id.
    pub account_next: u32,
    pub account_prev: u32,
    /// The next order in the same bucket of the index by order_id.
    id_next: u32,
    /// The same, of the index by client_order_id.
    client_next: u32,
    /// What was paid too much in fees, in millionths of the quote unit, below 10^6, in the lower 20 bits; the number of the
    /// key that it was sent with in the others.
    carry_and_key: u32,
    /// Which fee schedule, as interned by the engine.
    pub fees: u16,
    pub flags: Flags,
}

const _: () = assert!(std::mem::size_of::<Order>() == 64);

/// The small facts of an order in 16 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u16);

impl Flags {
    const STP: u16 = 0b111;
    const POST_ONLY: u16 = 1 << 3;
    const TIME_IN_FORCE_SHIFT: u32 = 4;
    const CLIENT_SHORT: u16 = 1 << 8;
    const CLIENT_LONG: u16 = 1 << 9;
    const SPECIAL: u16 = 1 << 10;
    const HIDDEN: u16 = 1 << 11;
    const ICEBERG: u16 = 1 << 12;

    pub fn new(self_trade_prevention: SelfTradePrevention, post_only: bool, time_in_force: TimeInForce) -> Self {
        let mut bits = self_trade_prevention as u16 & Self::STP;
        if post_only {
            bits |= Self::POST_ONLY;
        }
        Self(bits | (time_in_force as u16) << Self::TIME_IN_FORCE_SHIFT)
    }

    #[inline]
    pub fn self_trade_prevention(self) -> SelfTradePrevention {
        // Looked up rather than matched: a load, in nearly every report.
        const MODES: [SelfTradePrevention; Flags::STP as usize + 1] = {
            let mut modes = [SelfTradePrevention::None; Flags::STP as usize + 1];
            let mut at = 0;
            while at < SelfTradePrevention::ALL.len() {
                modes[SelfTradePrevention::ALL[at] as usize] = SelfTradePrevention::ALL[at];
                at += 1;
            }
            modes
        };
        MODES[(self.0 & Self::STP) as usize]
    }

    #[inline]
    pub fn post_only(self) -> bool {
        self.0 & Self::POST_ONLY != 0
    }

    #[inline]
    pub fn time_in_force(self) -> TimeInForce {
        const TIMES: [TimeInForce; 16] = {
            let mut times = [TimeInForce::Gtc; 16];
            let mut at = 0;
            while at < TimeInForce::ALL.len() {
                times[TimeInForce::ALL[at] as usize] = TimeInForce::ALL[at];
                at += 1;
            }
            times
        };
        TIMES[(self.0 >> Self::TIME_IN_FORCE_SHIFT & 0b1111) as usize]
    }

    /// Whether it has an [`Extra`].
    #[inline]
    pub fn special(self) -> bool {
        self.0 & Self::SPECIAL != 0
    }

    /// Whether nothing of it is shown.
    #[inline]
    pub fn hidden(self) -> bool {
        self.0 & Self::HIDDEN != 0
    }

    /// Whether it shows a part of it at a time.
    #[inline]
    pub fn iceberg(self) -> bool {
        self.0 & Self::ICEBERG != 0
    }

    /// Whether it may show less than its leaves: hidden, or an iceberg.
    #[inline]
    pub fn conceals(self) -> bool {
        self.0 & (Self::HIDDEN | Self::ICEBERG) != 0
    }

    #[inline]
    pub fn has_client_order_id(self) -> bool {
        self.0 & (Self::CLIENT_SHORT | Self::CLIENT_LONG) != 0
    }
}

impl Order {
    /// A record that is in no list yet.
    pub fn new(order_id: u64, account: u32, leaves: i64, fees: u16, flags: Flags) -> Self {
        Self {
            order_id,
            filled: 0,
            leaves,
            level: NIL,
            account,
            next: NIL,
            prev: NIL,
            account_next: NIL,
            account_prev: NIL,
            id_next: NIL,
            client_next: NIL,
            carry_and_key: 0,
            fees,
            flags,
        }
    }

    /// What was paid too much in fees, in millionths of the quote unit; below 10^6.
    #[inline]
    pub fn fee_carry(&self) -> u32 {
        self.carry_and_key & Self::CARRY
    }

    #[inline]
    pub fn set_fee_carry(&mut self, carry: u32) {
        debug_assert!(carry < 1_000_000);
        self.carry_and_key = (self.carry_and_key & !Self::CARRY) | carry;
    }

    /// The key that it was sent with.
    #[inline]
    pub fn key_id(&self) -> KeyId {
        KeyId((self.carry_and_key >> Self::KEY_SHIFT) as u16)
    }

    /// Sets the key of a new order, at most [`KeyId::MAX`].
    #[inline]
    pub fn set_key_id(&mut self, key_id: KeyId) {
        debug_assert!(key_id.0 <= KeyId::MAX);
        self.carry_and_key = (self.carry_and_key & Self::CARRY) | u32::from(key_id.0) << Self::KEY_SHIFT;
    }

    const KEY_SHIFT: u32 = 20;
    const CARRY: u32 = (1 << Self::KEY_SHIFT) - 1;
}

/// A hasher that takes a 64-bit hash as it is. Deterministic; nothing depends on a map's order anyway.
#[derive(Clone, Copy, Default)]
pub(crate) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
    fn write_u32(&mut self, value: u32) {
        self.0 = u64::from(value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

pub(crate) type Identity = BuildHasherDefault<IdentityHasher>;

/// The 64-bit FNV-1a hash of an account id and a client_order_id
/// (G. Fowler, L. Noll, K.-P. Vo; <http://www.isthe.com/chongo/tech/comp/fnv/>).
#[inline]
pub(crate) fn client_hash(account: u32, client_order_id: &ClientOrderId) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in account.to_le_bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    for &byte in client_order_id.as_bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

/// The records, seen by the index by order_id.
struct ById<'a>(&'a mut [Order]);

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

/// The records, seen by the index by client_order_id.
struct ByClient<'a> {
    orders: &'a mut [Order],
    names: &'a Names,
}

impl Chained for ByClient<'_> {
    #[inline]
    fn link(&mut self, at: u32) -> &mut u32 {
        &mut self.orders[at as usize].client_next
    }
    #[inline]
    fn hash(&self, at: u32) -> u64 {
        let order = &self.orders[at as usize];
        client_hash(order.account + 1, &self.names.get(at, order.flags))
    }
}

/// The client_order_ids of the orders that have one, by slot.
#[derive(Clone, Debug, Default)]
struct Names {
    /// Those of up to 15 bytes; the last byte is the length. Empty until the first one comes.
    short: Vec<[u8; 16]>,
    long: HashMap<u32, ClientOrderId, Identity>,
}

impl Names {
    #[inline]
    fn get(&self, slot: u32, flags: Flags) -> ClientOrderId {
        if flags.0 & Flags::CLIENT_SHORT != 0 {
            ClientOrderId::from_short(&self.short[slot as usize])
        } else if flags.0 & Flags::CLIENT_LONG != 0 {
            self.long.get(&slot).copied().unwrap_or_default()
        } else {
            ClientOrderId::EMPTY
        }
    }
}

/// All resting orders of the venue, or of one stand-alone book.
#[derive(Clone, Debug)]
pub(crate) struct OrderPool {
    orders: Vec<Order>,
    free: u32,
    in_use: u32,
    by_id: Buckets,
    by_client: Buckets,
    names: Names,
    extras: HashMap<u32, Extra, Identity>,
}

impl OrderPool {
    pub fn new() -> Self {
        let nobody = Order::new(0, 0, 0, 0, Flags::default());
        Self {
            orders: vec![nobody],
            free: NIL,
            in_use: 0,
            by_id: Buckets::new(),
            by_client: Buckets::new(),
            names: Names::default(),
            extras: HashMap::default(),
        }
    }

    /// Makes an order special.
    pub fn set_extra(&mut self, slot: u32, extra: Extra) {
        let flags = &mut self.orders[slot as usize].flags;
        flags.0 |= Flags::SPECIAL;
        if extra.terms.hidden {
            flags.0 |= Flags::HIDDEN;
        }
        if extra.terms.display_quantity.0 != 0 {
            flags.0 |= Flags::ICEBERG;
        }
        self.extras.insert(slot, extra);
    }

    /// What a special order has beyond its record.
    ///
    /// # Panics
    /// If the order is not special.
    #[inline]
    pub fn extra(&self, slot: u32) -> &Extra {
        self.extras.get(&slot).expect("a special order has an extra") // An invariant: see `crate::extra`.
    }

    /// As [`Self::extra`], to change.
    #[inline]
    pub fn extra_mut(&mut self, slot: u32) -> &mut Extra {
        self.extras.get_mut(&slot).expect("a special order has an extra") // As above.
    }

    /// The extra of an order that may be plain.
    #[inline(always)] // One look at the flags for plain orders.
    pub fn some_extra(&self, slot: u32) -> Option<&Extra> {
        if self.orders[slot as usize].flags.special() {
            Some(self.extra(slot))
        } else {
            None
        }
    }

    #[inline]
    pub fn len(&self) -> u32 {
        self.in_use
    }

    #[inline]
    pub fn get(&self, slot: u32) -> &Order {
        &self.orders[slot as usize]
    }

    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.orders[slot as usize]
    }

    /// Puts an order into a slot and into the index by order_id.
    #[inline]
    pub fn insert(&mut self, order: Order) -> u32 {
        let mut slot = self.free;
        if slot == NIL {
            slot = self.orders.len() as u32;
            self.orders.push(order);
        } else {
            let place = &mut self.orders[slot as usize];
            self.free = place.next;
            *place = order;
        }
        self.in_use += 1;
        self.by_id.insert(&mut ById(&mut self.orders), slot, order.order_id);
        slot
    }

    /// Takes an order out of the index by order_id and frees its slot. It must be out of its level and account list, and
    /// without a client_order_id.
    #[inline]
    pub fn remove(&mut self, slot: u32) {
        let order = &mut self.orders[slot as usize];
        debug_assert!(!order.flags.has_client_order_id(), "the client_order_id is taken away first");
        let order_id = std::mem::replace(&mut order.order_id, 0);
        order.next = self.free;
        let special = order.flags.special();
        self.free = slot;
        self.in_use -= 1;
        if special {
            self.extras.remove(&slot);
        }
        self.by_id.remove(&mut ById(&mut self.orders), slot, order_id);
    }

    /// The slot of an open order.
    #[inline]
    pub fn find(&self, order_id: u64) -> Option<u32> {
        if order_id == 0 {
            return None;
        }
        let mut slot = self.by_id.head(order_id);
        while slot != NIL {
            let order = &self.orders[slot as usize];
            if order.order_id == order_id {
                return Some(slot);
            }
            slot = order.id_next;
        }
        None
    }

    /// The slot of an account's open order. `hash` is that of [`client_hash`].
    #[inline]
    pub fn find_client(&self, account: u32, client_order_id: &ClientOrderId, hash: u64) -> Option<u32> {
        let mut slot = self.by_client.head(hash);
        while slot != NIL {
            let order = &self.orders[slot as usize];
            if order.account == account && self.client_order_id(slot) == *client_order_id {
                return Some(slot);
            }
            slot = order.client_next;
        }
        None
    }

    /// The client's id of the order in a slot; empty if it has none.
    #[inline(always)] // Often there is nothing to do.
    pub fn client_order_id(&self, slot: u32) -> ClientOrderId {
        let flags = self.orders[slot as usize].flags;
        if !flags.has_client_order_id() {
            return ClientOrderId::EMPTY;
        }
        self.names.get(slot, flags)
    }

    /// Gives an order without a client_order_id this one, and puts it into the index. Nothing for the empty one.
    #[inline(always)] // Often there is nothing to do.
    pub fn set_client_order_id(&mut self, slot: u32, client_order_id: &ClientOrderId) {
        if !client_order_id.is_empty() {
            self.name(slot, client_order_id);
        }
    }

    fn name(&mut self, slot: u32, client_order_id: &ClientOrderId) {
        let flag = if client_order_id.len() <= 15 {
            if self.names.short.len() <= slot as usize {
                self.names.short.resize(self.orders.len(), [0; 16]);
            }
            self.names.short[slot as usize] = client_order_id.to_short();
            Flags::CLIENT_SHORT
        } else {
            self.names.long.insert(slot, *client_order_id);
            Flags::CLIENT_LONG
        };
        let order = &mut self.orders[slot as usize];
        order.flags.0 |= flag;
        let hash = client_hash(order.account + 1, client_order_id);
        self.by_client.insert(&mut ByClient { orders: &mut self.orders, names: &self.names }, slot, hash);
    }

    /// Takes an order's client_order_id away, from the index too. Returns its hash, if it had one.
    #[inline(always)] // Often there is nothing to do.
    pub fn take_client_order_id(&mut self, slot: u32) -> Option<u64> {
        self.orders[slot as usize].flags.has_client_order_id().then(|| self.unname(slot))
    }

    fn unname(&mut self, slot: u32) -> u64 {
        let order = &self.orders[slot as usize];
        let flags = order.flags;
        let hash = client_hash(order.account + 1, &self.names.get(slot, flags));
        self.by_client.remove(&mut ByClient { orders: &mut self.orders, names: &self.names }, slot, hash);
        if flags.0 & Flags::CLIENT_LONG != 0 {
            self.names.long.remove(&slot);
        }
        self.orders[slot as usize].flags.0 &= !(Flags::CLIENT_SHORT | Flags::CLIENT_LONG);
        hash
    }

    /// The slots in use, in no particular order.
    pub fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.orders.iter().enumerate().filter(|(_, order)| order.order_id != 0).map(|(slot, _)| slot as u32)
    }

    /// Asks the processor to fetch where the search for an order_id begins.
    #[inline]
    pub fn prefetch_index(&self, order_id: u64) {
        self.by_id.prefetch(order_id);
    }

    /// Asks the processor to fetch the first order that such a search looks at.
    #[inline]
    pub fn prefetch_order(&self, order_id: u64) {
        crate::prefetch(&self.orders, self.by_id.head(order_id) as usize);
    }

    /// Asks the processor to fetch what canceling such an order touches beside it.
    #[inline]
    pub fn prefetch_neighbours(&self, order_id: u64) {
        let order = &self.orders[self.by_id.head(order_id) as usize];
        for slot in [order.next, order.prev, order.account_next, order.account_prev] {
            crate::prefetch(&self.orders, slot as usize);
        }
    }

    /// Bytes of heap memory in use: by records up to the highest slot ever used, and by the indexes.
    pub fn memory_bytes(&self) -> usize {
        self.orders.len() * size_of::<Order>()
            + self.names.short.len() * size_of::<[u8; 16]>()
            + self.names.long.capacity() * (size_of::<(u32, ClientOrderId)>() + 1)
            + self.extras.capacity() * (size_of::<(u32, Extra)>() + 1)
            + self.by_id.memory_bytes()
            + self.by_client.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{SelfTradePrevention, TimeInForce};

    fn order(order_id: u64, account: u32) -> Order {
        Order::new(order_id, account, 1, 0, Flags::new(SelfTradePrevention::None, false, TimeInForce::Gtc))
    }

    #[test]
    fn orders_are_found_by_both_ids_through_growth_and_removal() {
        let mut pool = OrderPool::new();
        let name = |id: u64| {
            let text = if id % 3 == 0 { format!("a-rather-long-client-id-{id}") } else { format!("c{id}") };
            ClientOrderId::new(text.as_bytes()).expect("valid")
        };
        let mut open = std::collections::BTreeMap::new();
        for id in 1..=20_000_u64 {
            let account = (id % 7) as u32;
            let slot = pool.insert(order(id, account));
            pool.set_client_order_id(slot, &name(id));
            open.insert(id, slot);
            if id % 2 == 0 {
                let gone = id / 2;
                let slot = open.remove(&gone).expect("open");
                pool.take_client_order_id(slot);
                pool.remove(slot);
                assert_eq!(pool.find(gone), None);
            }
        }
        assert_eq!(pool.len() as usize, open.len());
        for (&id, &slot) in &open {
            let account = (id % 7) as u32;
            assert_eq!(pool.find(id), Some(slot));
            let hash = client_hash(account + 1, &name(id));
            assert_eq!(pool.find_client(account, &name(id), hash), Some(slot));
            let other = client_hash(account + 8, &name(id));
            assert_eq!(pool.find_client(account + 7, &name(id), other), None);
        }
    }

    #[test]
    fn fnv_1a_matches_the_published_value() {
        // FNV-1a of "foobar" is 85944171f73967e8 (reference vectors of draft-eastlake-fnv); the account is its start.
        let account = u32::from_le_bytes(*b"foob");
        assert_eq!(client_hash(account, &ClientOrderId::new(b"ar").expect("valid")), 0x8594_4171_f739_67e8);
    }
}
