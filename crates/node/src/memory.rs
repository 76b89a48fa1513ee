//! The engine without a journal and without a thread: the caller's own thread applies every command.
//!
//! For research and tests, where a thread hop would cost more than the command. What it holds is gone with it.
//!
//! Invariants: sequences are dense from 1; time never goes backwards; the latest events are kept, whole commands only as
//! far as [`MemoryNode::events_since`] gives them, older ones are overwritten; a batch that holds anything but commands
//! changes nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use beurs_engine::command::Command;
use beurs_engine::{Engine, EngineConfig};

use crate::wire::{CommandRecord, EventRecord, RecordSink, WireError, COMMAND_SIZE, EVENT_SIZE};

/// How many commands of a batch are decoded at a time.
const WINDOW: usize = 512;

/// The events asked for have been overwritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overwritten {
    /// The lowest sequence that may be asked from now.
    pub oldest_sequence: u64,
}

/// See the [module](self).
pub struct MemoryNode {
    engine: Engine,
    /// The latest events; when it is full, `next` is the oldest.
    ring: Vec<EventRecord>,
    ring_capacity: usize,
    next: usize,
    /// The sequence of the newest event that was overwritten; its command's events are no longer whole.
    overwritten_sequence: u64,
    /// The events of the last command or batch.
    last: Vec<EventRecord>,
    /// Commands of a batch, decoded.
    window: Vec<Command>,
}

impl MemoryNode {
    /// An empty venue that keeps the latest events in at most `ring_bytes`, room for at least one event.
    pub fn new(config: EngineConfig, ring_bytes: usize) -> Self {
        Self {
            engine: Engine::new(config),
            ring: Vec::new(),
            ring_capacity: (ring_bytes / EVENT_SIZE).max(1),
            next: 0,
            overwritten_sequence: 0,
            last: Vec::new(),
            window: Vec::with_capacity(WINDOW),
        }
    }

    /// The state.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Applies one command; gives its events.
    #[inline]
    pub fn execute(&mut self, command: &Command) -> &[EventRecord] {
        self.last.clear();
        let event_time_ns = self.now();
        let sequence = self.engine.sequence() + 1;
        let mut sink = RecordSink::new(&mut self.last, sequence, event_time_ns);
        self.engine.apply(sequence, event_time_ns, command, &mut sink);
        self.keep(0);
        &self.last
    }

    /// Applies COMMAND records, all with one time, and appends their EVENT records to `events`.
    ///
    /// # Errors
    /// The first record that is not a command; then nothing was applied.
    pub fn execute_records(&mut self, records: &[u8], events: &mut Vec<EventRecord>) -> Result<(), WireError> {
        let count = records.len() / COMMAND_SIZE;
        if records.len() % COMMAND_SIZE != 0 {
            let rule = "the bytes must be a whole number of COMMAND records";
            return Err(WireError {
                index: count,
                field: "record",
                rule,
            });
        }
        // All of them are checked before any is applied. They are decoded again then, a window at a time: for a large
        // batch that is cheaper than to keep all of them decoded.
        for index in 0..count {
            if let Err(error) = command_at(records, index) {
                return Err(WireError { index, ..error });
            }
        }
        let event_time_ns = self.now();
        std::mem::swap(&mut self.last, events);
        let before = self.last.len();
        for window in records.chunks(WINDOW * COMMAND_SIZE) {
            self.window.clear();
            // Checked above; a caller that writes to the records meanwhile loses commands, nothing else.
            let commands = (0..window.len() / COMMAND_SIZE).filter_map(|index| command_at(window, index).ok());
            self.window.extend(commands);
            for at in 0..self.window.len() {
                self.engine.prefetch(&self.window, at);
                let sequence = self.engine.sequence() + 1;
                let mut sink = RecordSink::new(&mut self.last, sequence, event_time_ns);
                self.engine.apply(sequence, event_time_ns, &self.window[at], &mut sink);
            }
        }
        self.keep(before);
        std::mem::swap(&mut self.last, events);
        Ok(())
    }

    /// The events of the last [`Self::execute`].
    pub fn last_events(&self) -> &[EventRecord] {
        &self.last
    }

    /// The events of the commands after `sequence`: whole commands, at most `max_bytes` of them but at least one.
    ///
    /// # Errors
    /// Some of them have been overwritten.
    pub fn events_since(&self, sequence: u64, max_bytes: usize) -> Result<Vec<u8>, Overwritten> {
        if sequence < self.overwritten_sequence {
            return Err(Overwritten {
                oldest_sequence: self.overwritten_sequence,
            });
        }
        let count = self.ring.len();
        let oldest = if count < self.ring_capacity { 0 } else { self.next };
        let at = |index: usize| self.ring[(oldest + index) % count].sequence;
        let first_after = |sequence: u64, mut low: usize| {
            let mut high = count;
            while low < high {
                let middle = low + (high - low) / 2;
                if at(middle) <= sequence {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low
        };
        let start = first_after(sequence, 0);
        let mut end = start.saturating_add((max_bytes / EVENT_SIZE).max(1)).min(count);
        if end < count {
            // Between two commands, unless the first command alone is too large.
            let cut = at(end);
            end = first_after(cut - 1, start);
            if end == start {
                end = first_after(cut, start);
            }
        }
        let mut out = Vec::with_capacity((end - start) * EVENT_SIZE);
        let (begin, wrap) = (oldest + start, oldest + end);
        for half in [
            begin.min(count)..wrap.min(count),
            begin.max(count) - count..wrap.max(count) - count,
        ] {
            out.extend_from_slice(EventRecord::slice_as_bytes(&self.ring[half]));
        }
        Ok(out)
    }

    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos())
            .unwrap_or(i64::MAX)
            .max(self.engine.event_time_ns())
    }

    /// Puts `last[from..]` into the ring.
    #[inline]
    fn keep(&mut self, from: usize) {
        let mut events = &self.last[from..];
        if events.len() > self.ring_capacity {
            let (gone, kept) = events.split_at(events.len() - self.ring_capacity);
            self.overwritten_sequence = gone[gone.len() - 1].sequence;
            self.ring.clear();
            self.next = 0;
            events = kept;
        }
        while !events.is_empty() {
            let room = self.ring_capacity - self.next;
            let (now, later) = events.split_at(events.len().min(room));
            if self.next == self.ring.len() {
                self.ring.extend_from_slice(now);
            } else {
                let end = self.next + now.len();
                self.overwritten_sequence = self.ring[end - 1].sequence;
                self.ring[self.next..end].copy_from_slice(now);
            }
            self.next = (self.next + now.len()) % self.ring_capacity;
            events = later;
        }
    }
}

/// The command of the record at `index`, which must be there.
#[inline]
fn command_at(records: &[u8], index: usize) -> Result<Command, WireError> {
    let mut bytes = [0; COMMAND_SIZE];
    bytes.copy_from_slice(&records[index * COMMAND_SIZE..][..COMMAND_SIZE]);
    CommandRecord::from_bytes(&bytes).to_command()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{command_kind, event_kind};
    use beurs_engine::command::{AddAsset, MassCancel, OpenAccount};
    use beurs_engine::types::{AccountCode, AccountId, AssetCode, InstrumentId};

    fn node(events: usize) -> MemoryNode {
        MemoryNode::new(EngineConfig::default(), events * EVENT_SIZE)
    }

    /// A command with one event.
    fn tick(node: &mut MemoryNode) -> u64 {
        let nobody = MassCancel {
            account_id: AccountId(1),
            instrument_id: InstrumentId::NONE,
            side: None,
        };
        node.execute(&Command::MassCancel(nobody))[0].sequence
    }

    fn sequences(bytes: &[u8]) -> Vec<u64> {
        crate::wire::event_records(bytes)
            .expect("whole records")
            .iter()
            .map(|event| event.sequence)
            .collect()
    }

    #[test]
    fn a_command_gives_its_events() {
        let mut node = node(8);
        let code = AccountCode::new(b"alice").expect("a code");
        let open = Command::OpenAccount(OpenAccount {
            code,
            group_id: Default::default(),
        });
        let events = node.execute(&open);
        assert_eq!(
            (events.len(), events[0].kind, events[0].account_id),
            (1, event_kind::ACCOUNT_OPENED, 2)
        );
        let events = node.execute(&open);
        assert_eq!(
            (events.len(), events[0].kind, events[0].sequence),
            (1, event_kind::REJECTED, 2)
        );
        assert_eq!(node.last_events().len(), 1);
    }

    #[test]
    fn the_latest_events_are_kept_and_older_ones_are_refused() {
        let mut node = node(5);
        assert_eq!(sequences(&node.events_since(0, 1 << 20).expect("nothing yet")), []);
        for last in 1..=23 {
            assert_eq!(tick(&mut node), last);
            for since in 0..=last + 1 {
                let kept = last.saturating_sub(5);
                match node.events_since(since, 1 << 20) {
                    Ok(bytes) => assert_eq!(sequences(&bytes), (since + 1..=last).collect::<Vec<_>>()),
                    Err(gone) => assert_eq!((gone.oldest_sequence, since < kept), (kept, true)),
                }
                assert_eq!(node.events_since(since, 1 << 20).is_err(), since < kept);
            }
        }
        assert_eq!(
            sequences(&node.events_since(20, 2 * EVENT_SIZE).expect("kept")),
            [21, 22]
        );
        assert_eq!(sequences(&node.events_since(20, 0).expect("kept")), [21]);
    }

    #[test]
    fn a_batch_gives_the_events_of_all_and_keeps_the_latest() {
        let mut node = node(4);
        node.execute(&Command::AddAsset(AddAsset {
            code: AssetCode::new(b"USD").expect("a code"),
            scale: 2,
        }));
        let deposit = CommandRecord {
            kind: command_kind::DEPOSIT,
            account_id: 1,
            asset_id: 1,
            amount_lo: 5,
            ..CommandRecord::ZERO
        };
        let mut events = Vec::new();
        let batch: Vec<u8> = deposit.as_bytes().repeat(10);
        node.execute_records(&batch, &mut events).expect("commands");
        assert_eq!(
            events.iter().map(|event| event.total_lo).collect::<Vec<_>>(),
            (1..=10).map(|n| 5 * n).collect::<Vec<_>>()
        );
        assert_eq!(sequences(&node.events_since(7, 1 << 20).expect("kept")), [8, 9, 10, 11]);
        assert!(node.events_since(6, 1 << 20).is_err());

        let bad = CommandRecord { kind: 77, ..deposit };
        let error = node
            .execute_records(&[&batch[..], bad.as_bytes()].concat(), &mut events)
            .expect_err("no command");
        assert_eq!((error.index, error.field, node.engine().sequence()), (10, "kind", 11));
    }
}
