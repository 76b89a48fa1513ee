//! What leaves the node: events wait here until their commands are durable, then go to the feed ring, to the callers
//! that wait, and to the completions queue.
//!
//! Invariants:
//! * Nothing can be seen here before it is durable: `released` never passes `durable`.
//! * Events leave in the order of their sequences, whole commands at a time.
//! * The ring holds a bounded number of bytes; the oldest go first, and a reader who wants those is told so.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::error::{NodeError, StopReason};
use crate::wire::{EventRecord, EVENT_SIZE};

/// Locks a mutex whose holder may have panicked: what it guards is kept whole by every holder at every step.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// The same for a time at the most.
pub(crate) fn wait_for<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>, most: Duration) -> MutexGuard<'a, T> {
    condvar.wait_timeout(guard, most).unwrap_or_else(PoisonError::into_inner).0
}

/// Vectors that are used again, because fresh memory costs more than filling it.
pub(crate) struct Pool<T> {
    vectors: Mutex<Vec<Vec<T>>>,
    most: usize,
}

impl<T> Pool<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { vectors: Mutex::new(Vec::new()), most }
    }

    pub(crate) fn take(&self) -> Vec<T> {
        lock(&self.vectors).pop().unwrap_or_default()
    }

    pub(crate) fn put(&self, mut vector: Vec<T>) {
        vector.clear();
        let mut vectors = lock(&self.vectors);
        if vectors.len() < self.most {
            vectors.push(vector);
        }
    }
}

/// Blocks with room for fewer events than this are not worth keeping.
const POOLED_EVENTS: usize = 256;

/// The events of one batch.
pub struct EventBlock {
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) records: Vec<EventRecord>,
    pub(crate) pool: Arc<Pool<EventRecord>>,
}

impl EventBlock {
    /// What it costs to keep.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.records.capacity() * EVENT_SIZE
    }
}

impl Drop for EventBlock {
    fn drop(&mut self) {
        if self.records.capacity() >= POOLED_EVENTS {
            self.pool.put(std::mem::take(&mut self.records));
        }
    }
}

/// Events of whole commands, in order, shared and not copied.
#[derive(Clone)]
pub struct EventSlice {
    block: Arc<EventBlock>,
    range: Range<usize>,
}

impl EventSlice {
    pub(crate) fn new(block: Arc<EventBlock>, range: Range<usize>) -> Self {
        Self { block, range }
    }

    pub(crate) fn whole(block: Arc<EventBlock>) -> Self {
        let range = 0..block.records.len();
        Self { block, range }
    }

    /// The records.
    pub fn records(&self) -> &[EventRecord] {
        &self.block.records[self.range.clone()]
    }

    /// The records' bytes.
    pub fn as_bytes(&self) -> &[u8] {
        EventRecord::slice_as_bytes(self.records())
    }
}

/// Events of whole commands, in order, in one or more pieces.
#[derive(Clone, Default)]
pub struct Events {
    slices: Vec<EventSlice>,
}

impl Events {
    pub(crate) fn push(&mut self, slice: EventSlice) {
        if !slice.range.is_empty() {
            self.slices.push(slice);
        }
    }

    /// The pieces.
    pub fn slices(&self) -> &[EventSlice] {
        &self.slices
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.slices.iter().map(|slice| slice.range.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// How many bytes [`Self::copy_to`] writes.
    pub fn byte_len(&self) -> usize {
        self.len() * EVENT_SIZE
    }

    /// Every record.
    pub fn iter(&self) -> impl Iterator<Item = &EventRecord> + '_ {
        self.slices.iter().flat_map(|slice| slice.records())
    }

    /// Copies the records' bytes to `out`.
    ///
    /// # Panics
    /// If `out` has not exactly [`Self::byte_len`] bytes.
    pub fn copy_to(&self, out: &mut [u8]) {
        assert_eq!(out.len(), self.byte_len());
        let mut at = 0;
        for slice in &self.slices {
            let bytes = slice.as_bytes();
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        }
    }

    /// The records' bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.byte_len());
        for slice in &self.slices {
            bytes.extend_from_slice(slice.as_bytes());
        }
        bytes
    }
}

/// The latest events, by sequence.
struct FeedRing {
    blocks: VecDeque<Arc<EventBlock>>,
    bytes: usize,
    capacity_bytes: usize,
    /// Events of this sequence and before are not here.
    oldest_sequence: u64,
}

impl FeedRing {
    fn push(&mut self, block: Arc<EventBlock>) {
        self.bytes += block.bytes();
        self.blocks.push_back(block);
        while self.bytes > self.capacity_bytes {
            let Some(oldest) = self.blocks.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.oldest_sequence = oldest.last_sequence;
        }
    }

    fn since(&self, sequence: u64, max_bytes: usize) -> Result<Events, NodeError> {
        if sequence < self.oldest_sequence {
            return Err(NodeError::Lagged { oldest_sequence: self.oldest_sequence });
        }
        let mut events = Events::default();
        let mut left = max_bytes / EVENT_SIZE;
        let first = self.blocks.partition_point(|block| block.last_sequence <= sequence);
        for block in self.blocks.range(first..) {
            let records = &block.records;
            let start = records.partition_point(|record| record.sequence <= sequence);
            let mut end = records.len().min(start + left);
            if end < records.len() && (end == start || records[end].sequence == records[end - 1].sequence) {
                // Not in the middle of a command: back to where it begins, or, if it is the first, on to its end.
                let cut = records[end].sequence;
                end = start + records[start..end].partition_point(|record| record.sequence < cut);
                if end == start && events.is_empty() {
                    let only = records[start].sequence;
                    end = start + records[start..].partition_point(|record| record.sequence == only);
                }
            }
            events.push(EventSlice::new(block.clone(), start..end));
            left = left.saturating_sub(end - start);
            if end < records.len() || left == 0 {
                break;
            }
        }
        Ok(events)
    }
}

/// The answer to a submitted command.
pub struct Completion {
    /// As given with the command.
    pub token: u64,
    /// Its events.
    pub events: EventSlice,
}

/// A batch that has been executed and may not be durable yet.
pub(crate) struct Pending {
    pub(crate) block: Arc<EventBlock>,
    /// Token and events of each submitted command.
    pub(crate) completions: Vec<(u64, EventSlice)>,
}

struct Inner {
    durable: u64,
    released: u64,
    pending: VecDeque<Pending>,
    ring: FeedRing,
    completions: Vec<Completion>,
    stopped: Option<StopReason>,
    /// Raised whenever something is released, and when the node stops.
    wakers: Vec<Weak<OwnedFd>>,
    /// Who waits in [`Outbox::wait_beyond`]: those are told of every release, others of what they wait for is enough.
    watchers: usize,
}

impl Inner {
    fn wake_all(&mut self) {
        self.wakers.retain(|waker| {
            waker.upgrade().is_some_and(|waker| {
                raise(&waker);
                true
            })
        });
    }
}

/// An eventfd.
pub(crate) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: a plain system call; the descriptor it returns is ours alone.
    unsafe {
        let descriptor = libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Makes an eventfd readable.
pub(crate) fn raise(descriptor: &OwnedFd) {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: the descriptor is open and the eight bytes are ours. It cannot fail: the counter is far from full.
    unsafe { libc::write(descriptor.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}

/// Makes an eventfd not readable.
pub(crate) fn lower(descriptor: &OwnedFd) {
    let mut count = [0_u8; 8];
    // SAFETY: the descriptor is open and the eight bytes are ours. It fails only when the counter is 0 already.
    unsafe { libc::read(descriptor.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
}

/// See the module.
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    changed: Condvar,
    signal: OwnedFd,
}

impl Outbox {
    /// An outbox of a node that has executed and made durable everything up to `sequence`.
    /// Without a journal everything counts as durable.
    pub(crate) fn new(sequence: u64, journalled: bool, ring_bytes: usize) -> io::Result<Self> {
        let signal = eventfd()?;
        let ring =
            FeedRing { blocks: VecDeque::new(), bytes: 0, capacity_bytes: ring_bytes, oldest_sequence: sequence };
        let inner = Inner {
            durable: if journalled { sequence } else { u64::MAX },
            released: sequence,
            pending: VecDeque::new(),
            ring,
            completions: Vec::new(),
            stopped: None,
            wakers: Vec::new(),
            watchers: 0,
        };
        Ok(Self { inner: Mutex::new(inner), changed: Condvar::new(), signal })
    }

    /// Readable while there are completions, or once the node has stopped.
    pub(crate) fn fd(&self) -> RawFd {
        self.signal.as_raw_fd()
    }

    /// Raises this eventfd whenever something is released, and when the node stops, for as long as it is there.
    pub(crate) fn watch(&self, waker: &Arc<OwnedFd>) {
        lock(&self.inner).wakers.push(Arc::downgrade(waker));
    }

    /// Takes the next executed batch. Returns whether it could leave at once.
    pub(crate) fn push(&self, pending: Pending) -> bool {
        let last = pending.block.last_sequence;
        let mut inner = lock(&self.inner);
        inner.pending.push_back(pending);
        self.release(&mut inner);
        let released = inner.released >= last;
        // Whoever executes looks for itself; the system call is for those who watch.
        let watched = released && inner.watchers > 0;
        drop(inner);
        if watched {
            self.changed.notify_all();
        }
        released
    }

    /// Everything up to this sequence is durable.
    pub(crate) fn set_durable(&self, sequence: u64) {
        let mut inner = lock(&self.inner);
        inner.durable = sequence;
        self.release(&mut inner);
        drop(inner);
        self.changed.notify_all();
    }

    fn release(&self, inner: &mut Inner) {
        let had_completions = !inner.completions.is_empty();
        let released = inner.released;
        while inner.pending.front().is_some_and(|pending| pending.block.last_sequence <= inner.durable) {
            let Some(Pending { block, completions }) = inner.pending.pop_front() else {
                break;
            };
            inner.released = block.last_sequence;
            inner.completions.extend(completions.into_iter().map(|(token, events)| Completion { token, events }));
            inner.ring.push(block);
        }
        if !had_completions && !inner.completions.is_empty() {
            raise(&self.signal);
        }
        if inner.released > released {
            inner.wake_all();
        }
    }

    /// The node has ended; what is not released never will be. The first reason stays.
    pub(crate) fn stop(&self, reason: StopReason) {
        let mut inner = lock(&self.inner);
        if inner.stopped.is_none() {
            inner.stopped = Some(reason);
            inner.pending.clear();
            raise(&self.signal);
            inner.wake_all();
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Why the node has ended, if it has.
    pub(crate) fn stopped(&self) -> Option<StopReason> {
        lock(&self.inner).stopped.clone()
    }

    /// Waits until a command's events may leave.
    pub(crate) fn wait_released(&self, sequence: u64) -> Result<(), NodeError> {
        let mut inner = lock(&self.inner);
        loop {
            if inner.released >= sequence {
                return Ok(());
            }
            if let Some(reason) = &inner.stopped {
                return Err(NodeError::Stopped(reason.clone()));
            }
            inner = wait(&self.changed, inner);
        }
    }

    /// Waits until more than `sequence` may be seen, or `look` says so, which is called again after every
    /// [`Self::nudge`]: the last sequence that may be seen.
    pub(crate) fn wait_beyond(&self, sequence: u64, look: impl Fn() -> bool) -> Result<u64, StopReason> {
        let mut inner = lock(&self.inner);
        loop {
            if inner.released > sequence {
                return Ok(inner.released);
            }
            if let Some(reason) = &inner.stopped {
                return Err(reason.clone());
            }
            if look() {
                return Ok(inner.released);
            }
            inner.watchers += 1;
            inner = wait(&self.changed, inner);
            inner.watchers -= 1;
        }
    }

    /// Has everybody who waits look again.
    pub(crate) fn nudge(&self) {
        drop(lock(&self.inner));
        self.changed.notify_all();
    }

    /// The last sequence whose events may be seen.
    pub(crate) fn released(&self) -> u64 {
        lock(&self.inner).released
    }

    /// Takes all completions there are. After the node has stopped, says so when there are none left.
    pub(crate) fn take_completions(&self) -> Result<Vec<Completion>, NodeError> {
        let mut inner = lock(&self.inner);
        let completions = std::mem::take(&mut inner.completions);
        match &inner.stopped {
            // The descriptor stays readable: there is always this answer to fetch.
            Some(reason) if completions.is_empty() => Err(NodeError::Stopped(reason.clone())),
            Some(_) => Ok(completions),
            None => {
                lower(&self.signal);
                Ok(completions)
            }
        }
    }

    pub(crate) fn since(&self, sequence: u64, max_bytes: usize) -> Result<Events, NodeError> {
        lock(&self.inner).ring.since(sequence, max_bytes)
    }

    /// Bytes in the ring, the sequence before its oldest event, completions that wait.
    pub(crate) fn sizes(&self) -> (usize, u64, usize) {
        let inner = lock(&self.inner);
        (inner.ring.bytes, inner.ring.oldest_sequence, inner.completions.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(pool: &Arc<Pool<EventRecord>>, counts: &[(u64, u32)]) -> Arc<EventBlock> {
        let mut records = Vec::new();
        for &(sequence, count) in counts {
            for event_index in 0..count {
                records.push(EventRecord { sequence, event_index, ..EventRecord::ZERO });
            }
        }
        let (first_sequence, last_sequence) = (counts[0].0, counts[counts.len() - 1].0);
        Arc::new(EventBlock { first_sequence, last_sequence, records, pool: pool.clone() })
    }

    fn pending(block: Arc<EventBlock>) -> Pending {
        Pending { block, completions: Vec::new() }
    }

    fn ids(events: &Events) -> Vec<(u64, u32)> {
        events.iter().map(|record| (record.sequence, record.event_index)).collect()
    }

    #[test]
    fn nothing_is_seen_before_it_is_durable() {
        let pool = Arc::new(Pool::new(4));
        let outbox = Outbox::new(10, true, 1 << 20).expect("an eventfd");
        assert!(!outbox.push(pending(block(&pool, &[(11, 1), (12, 2)]))));
        assert!(!outbox.push(pending(block(&pool, &[(13, 1)]))));
        assert!(outbox.since(10, 1 << 20).expect("not lagged").is_empty());
        outbox.set_durable(12);
        assert_eq!(ids(&outbox.since(10, 1 << 20).expect("not lagged")), [(11, 0), (12, 0), (12, 1)]);
        assert_eq!(outbox.released(), 12);
        outbox.set_durable(13);
        assert_eq!(ids(&outbox.since(12, 1 << 20).expect("not lagged")), [(13, 0)]);
        assert!(outbox.wait_released(13).is_ok());
    }

    #[test]
    fn a_reader_gets_whole_commands_up_to_the_bytes_it_wants() {
        let pool = Arc::new(Pool::new(4));
        let outbox = Outbox::new(0, false, 1 << 20).expect("an eventfd");
        outbox.push(pending(block(&pool, &[(1, 2), (2, 3)])));
        outbox.push(pending(block(&pool, &[(3, 1), (4, 4), (5, 1)])));
        let expected: Vec<(u64, u32)> =
            [(1, 2), (2, 3), (3, 1), (4, 4), (5, 1)].iter().flat_map(|&(s, n)| (0..n).map(move |i| (s, i))).collect();
        for max in 0..13 {
            let (mut sequence, mut seen) = (0, Vec::new());
            while sequence < 5 {
                let events = outbox.since(sequence, max * EVENT_SIZE).expect("not lagged");
                let got = ids(&events);
                let whole = got.len() <= max || got.iter().all(|&(s, _)| s == got[0].0);
                assert!(!got.is_empty() && whole, "{max}: {got:?}");
                sequence = got[got.len() - 1].0;
                seen.extend(got);
            }
            assert_eq!(seen, expected, "{max}");
            assert!(outbox.since(5, max * EVENT_SIZE).expect("not lagged").is_empty());
        }
    }

    #[test]
    fn a_reader_that_is_too_late_is_told_from_where_it_can_go_on() {
        let pool = Arc::new(Pool::new(4));
        let one = block(&pool, &[(1, 1)]).bytes();
        let outbox = Outbox::new(0, false, 3 * one).expect("an eventfd");
        for sequence in 1..=10 {
            outbox.push(pending(block(&pool, &[(sequence, 1)])));
        }
        assert!(matches!(outbox.since(6, 1 << 20), Err(NodeError::Lagged { oldest_sequence: 7 })));
        assert_eq!(ids(&outbox.since(7, 1 << 20).expect("not lagged")), [(8, 0), (9, 0), (10, 0)]);
        assert!(outbox.sizes().0 <= 3 * one);
    }

    #[test]
    fn a_ring_of_no_bytes_keeps_nothing_and_the_memory_is_used_again() {
        let pool = Arc::new(Pool::new(4));
        let outbox = Outbox::new(0, false, 0).expect("an eventfd");
        outbox.push(pending(block(&pool, &[(1, 300)])));
        assert!(matches!(outbox.since(0, 1 << 20), Err(NodeError::Lagged { oldest_sequence: 1 })));
        assert!(outbox.since(1, 1 << 20).expect("not lagged").is_empty());
        assert!(pool.take().capacity() >= 300);
    }

    #[test]
    fn completions_raise_the_descriptor_and_taking_them_lowers_it() {
        fn readable(outbox: &Outbox) -> bool {
            let mut poll = libc::pollfd { fd: outbox.fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one valid pollfd; no waiting.
            unsafe { libc::poll(&mut poll, 1, 0) == 1 }
        }
        let pool = Arc::new(Pool::new(4));
        let outbox = Outbox::new(0, true, 1 << 20).expect("an eventfd");
        let both = block(&pool, &[(1, 2), (2, 1)]);
        let completions = vec![(70, EventSlice::new(both.clone(), 0..2)), (71, EventSlice::new(both.clone(), 2..3))];
        outbox.push(Pending { block: both, completions });
        assert!(!readable(&outbox));
        outbox.set_durable(2);
        assert!(readable(&outbox));
        let completions = outbox.take_completions().expect("running");
        let seen: Vec<_> = completions.iter().map(|c| (c.token, c.events.records().len())).collect();
        assert_eq!(seen, [(70, 2), (71, 1)]);
        assert!(!readable(&outbox));
        outbox.stop(StopReason::Closed);
        assert!(readable(&outbox));
        assert!(matches!(outbox.take_completions(), Err(NodeError::Stopped(StopReason::Closed))));
        assert!(readable(&outbox));
    }

    #[test]
    fn those_who_wait_are_told_when_the_node_stops() {
        let outbox = Arc::new(Outbox::new(0, true, 0).expect("an eventfd"));
        let waiter = {
            let outbox = outbox.clone();
            std::thread::spawn(move || outbox.wait_released(1))
        };
        outbox.stop(StopReason::Closed);
        assert!(matches!(waiter.join().expect("no panic"), Err(NodeError::Stopped(_))));
    }
}
