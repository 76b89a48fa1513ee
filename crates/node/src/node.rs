//! The sequencer: the only giver of sequence numbers and event times, the engine, and the journal it writes ahead of.
//!
//! Invariants:
//! * A batch is handed to the journal when it has been executed, with the sequences and the event time it was executed
//!   with; the disk writes it while the next one is executed. A command in which the engine broke an invariant is
//!   journalled as one that has failed: nobody who reads the journal executes it.
//! * No command is stamped with a time at which something is due in the engine before the node itself has put an
//!   `AdvanceTime` there, with a sequence of its own. Recovery finds it in the journal like any other command.
//! * Recovered state = newest good checkpoint + the journal behind it = the state of an engine that is given the whole
//!   journal.
//! * After a failed append nothing more is executed: the state is ahead of what is durable. A state in which a command
//!   panicked is dropped: the one before the command is made again from checkpoint and journal.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::Arc;
use std::time::{Duration, Instant};

use beurs_engine::command::{Command, CommandFailed};
use beurs_engine::event::{Event, EventSink};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{AccountMode, Lots, OrderId, PriceTicks, TradingStatus};
use beurs_engine::{rejected, Engine, EngineConfig};

use crate::checkpoint::{self, SkippedCheckpoint};
use crate::checkpointer::{CheckpointJob, Checkpointer, Landmark, Source};
use crate::error::{JournalError, NodeError, StopReason};
use crate::feed::{EventBlock, EventSlice, Events, Outbox, Pending, Pool};
use crate::follower::Follower;
use crate::io::{Clock, DirectoryLock, Disk, RealDisk, SystemClock};
use crate::journal::{
    self, Journal, JournalReader, Limits, Log, Position, Room, SeekError, TornTail, MAX_BATCH_COMMANDS, MAX_RECORD,
    MAX_SEGMENT_BYTES, SEGMENT_HEADER,
};
use crate::retention::{Readers, Retention};
use crate::wire::{check_all_encodable, EventRecord, RecordSink};
use crate::writer::Writer;

/// Batches of fewer commands get memory of their own instead of a large vector from the pool.
const POOLED_COMMANDS: usize = 64;
/// So many commands may fail while a node is open, each of which costs making the state again; at the next one it stops.
const FAILED_COMMANDS_MAX: u64 = 64;
/// How many commands lie between two looks at a sample of the invariants.
const CHECK_INTERVAL: u64 = 1 << 16;

/// How a node is made.
#[derive(Clone)]
pub struct NodeConfig {
    /// The directory with journal and checkpoints; it is created. `None` for a node in memory.
    pub path: Option<PathBuf>,
    /// The engine's limits. A journal keeps those that it was begun with, and they must be given again.
    pub engine: EngineConfig,
    /// A checkpoint is made after so many commands, and on closing; 0 only on closing and on request. Those that are
    /// made while the node runs take a second engine's memory.
    pub checkpoint_interval: u64,
    /// How many checkpoints are kept, the newest; at least 1.
    pub checkpoints_kept: usize,
    /// What becomes of journal segments that lie behind all checkpoints that are kept and behind all readers.
    pub journal_retention: Retention,
    /// Readers that count as being at the beginning until they say where they are: see
    /// [`crate::NodeHandle::set_reader`].
    pub readers: Vec<String>,
    /// The size of a journal segment; at most 1 GiB.
    pub segment_bytes: u64,
    /// How many bytes of segments that end before the checkpoint are checked on opening, the newest first. What lies
    /// further back is checked by [`crate::verify`] only.
    pub check_bytes: u64,
    /// How many bytes the feed ring may hold; 0 for no feed.
    pub event_ring_bytes: usize,
    /// How many submitted commands may be under way, their completions not taken yet.
    pub queue_capacity: usize,
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// For tests: has the engine panic at the end of the commands, with their sequences, for which it says true.
    #[doc(hidden)]
    pub panic_on: Option<PanicOn>,
}

/// See [`NodeConfig::panic_on`].
#[doc(hidden)]
pub type PanicOn = Arc<dyn Fn(u64, &Command) -> bool + Send + Sync>;

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            path: None,
            engine: EngineConfig::default(),
            checkpoint_interval: 1_000_000,
            checkpoints_kept: 3,
            journal_retention: Retention::Keep,
            readers: Vec::new(),
            segment_bytes: 64 << 20,
            check_bytes: 1 << 30,
            event_ring_bytes: 64 << 20,
            queue_capacity: 65_536,
            disk: Arc::new(RealDisk),
            clock: Arc::new(SystemClock),
            panic_on: None,
        }
    }
}

impl NodeConfig {
    /// A node with its journal in a directory, and the defaults.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// The most commands that one batch may have, so that a whole write fits into a segment.
    pub(crate) fn batch_limit(&self) -> usize {
        let fit = self.segment_bytes.saturating_sub(SEGMENT_HEADER as u64) / MAX_RECORD as u64;
        // One less, for the `AdvanceTime` that may have to go before it.
        MAX_BATCH_COMMANDS.min(usize::try_from(fit.saturating_sub(1)).unwrap_or(MAX_BATCH_COMMANDS))
    }

    fn check(&self) -> Result<(), NodeError> {
        if self.batch_limit() == 0 {
            return Err(NodeError::Config { setting: "segment_bytes", rule: "must be at least 1152" });
        }
        if self.segment_bytes > MAX_SEGMENT_BYTES {
            return Err(NodeError::Config { setting: "segment_bytes", rule: "must be at most 1 GiB" });
        }
        if self.checkpoints_kept == 0 {
            return Err(NodeError::Config { setting: "checkpoints_kept", rule: "must be at least 1" });
        }
        if let (Retention::Archive(archive), Some(path)) = (&self.journal_retention, &self.path) {
            if archive.as_os_str().is_empty() || *archive == journal_directory(path) {
                let rule = "must be a directory of its own";
                return Err(NodeError::Config { setting: "journal_archive_directory", rule });
            }
        }
        if self.queue_capacity == 0 {
            return Err(NodeError::Config { setting: "queue_capacity", rule: "must be at least 1" });
        }
        Ok(())
    }
}

/// What opening a node found.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// The sequence that the node goes on behind.
    pub sequence: u64,
    /// The checkpoint that was used.
    pub checkpoint_sequence: Option<u64>,
    /// Newer checkpoints that could not be used.
    pub skipped_checkpoints: Vec<SkippedCheckpoint>,
    /// How many commands of the journal were executed again.
    pub commands_replayed: u64,
    /// What was cut from the journal's end.
    pub torn_tail: Option<TornTail>,
    /// How long it took.
    pub duration: Duration,
}

/// Where in a node's directory the journal is.
pub(crate) fn journal_directory(path: &Path) -> PathBuf {
    path.join("journal")
}

/// Where in a node's directory the checkpoints are.
pub(crate) fn checkpoint_directory(path: &Path) -> PathBuf {
    path.join("checkpoint")
}

/// The synchronous core of a node, for one thread. [`crate::NodeHandle`] shares one among many.
pub struct Node {
    engine: Engine,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    checkpoint_interval: u64,
    batch_limit: usize,
    last_checkpoint_sequence: u64,
    /// The state was made again: a checkpoint of it makes the next time faster.
    checkpoint_wanted: bool,
    failed_commands: Arc<AtomicU64>,
    path: Option<PathBuf>,
    engine_config: EngineConfig,
    panic_on: Option<PanicOn>,
    writer: Option<Writer>,
    outbox: Arc<Outbox>,
    readers: Arc<Readers>,
    commands: Arc<Pool<Command>>,
    records: Arc<Pool<EventRecord>>,
    /// Held as long as the node lives; the last field, so that it is given back last.
    _lock: Option<DirectoryLock>,
}

impl Node {
    /// Opens a node: locks the directory, restores the newest good checkpoint, executes the journal behind it.
    ///
    /// # Errors
    /// The directory is locked, cannot be read or written, or its journal is damaged; a setting is outside its range;
    /// a command of the journal breaks an invariant of the engine.
    pub fn open(config: &NodeConfig) -> Result<(Self, Recovery), NodeError> {
        Self::open_with(config, |log, outbox, pool, checkpointer, last_checkpoint_sequence| {
            Writer::start(log, config.batch_limit(), outbox, pool, checkpointer, last_checkpoint_sequence)
        })
    }

    /// The same with a writer of the caller's making, which is asked for only if there is a journal.
    pub(crate) fn open_with(
        config: &NodeConfig,
        start: impl FnOnce(Box<dyn Log>, Arc<Outbox>, Arc<Pool<Command>>, Checkpointer, u64) -> std::io::Result<Writer>,
    ) -> Result<(Self, Recovery), NodeError> {
        config.check()?;
        let begun = Instant::now();
        let commands = Arc::new(Pool::new(32));
        let readers = Arc::new(Readers::new(&config.readers));
        let records = Arc::new(Pool::new(16));
        let mut recovery = Recovery::default();
        let journalled = match &config.path {
            None => None,
            Some(path) => Some(recover(config, path, &mut recovery)?),
        };
        let (engine, mut journal, lock) = match journalled {
            None => (Engine::new(config.engine.clone()), None, None),
            Some((engine, journal, lock)) => (engine, Some(journal), Some(lock)),
        };
        recovery.sequence = engine.sequence();
        if let Some(journal) = &mut journal {
            journal.make_room().map_err(|error| NodeError::Stopped(StopReason::Journal(error)))?;
        }
        let failed = |error| {
            let path = config.path.as_deref().unwrap_or(Path::new(""));
            NodeError::Journal(JournalError::io("start threads or make descriptors for", path, error))
        };
        let outbox = Outbox::new(recovery.sequence, journal.is_some(), config.event_ring_bytes).map_err(failed)?;
        let outbox = Arc::new(outbox);
        let last_checkpoint_sequence = recovery.checkpoint_sequence.unwrap_or(0);
        let writer = match (journal, &config.path) {
            (Some(journal), Some(path)) => {
                let checkpointer = Checkpointer {
                    disk: config.disk.clone(),
                    path: path.clone(),
                    engine_config: config.engine.clone(),
                    kept: config.checkpoints_kept,
                    retention: config.journal_retention.clone(),
                    readers: readers.clone(),
                    state: Arc::default(),
                    follower: None,
                };
                let (outbox, pool) = (outbox.clone(), commands.clone());
                let writer = start(Box::new(journal), outbox, pool, checkpointer, last_checkpoint_sequence);
                Some(writer.map_err(failed)?)
            }
            _ => None,
        };
        let node = Self {
            engine,
            disk: config.disk.clone(),
            clock: config.clock.clone(),
            checkpoint_interval: config.checkpoint_interval,
            batch_limit: config.batch_limit(),
            last_checkpoint_sequence,
            checkpoint_wanted: false,
            failed_commands: Arc::default(),
            path: config.path.clone(),
            engine_config: config.engine.clone(),
            panic_on: config.panic_on.clone(),
            writer,
            outbox,
            readers,
            commands,
            records,
            _lock: lock,
        };
        recovery.duration = begun.elapsed();
        Ok((node, recovery))
    }

    /// Executes commands and returns their events when they are durable. Long inputs are cut into batches. Between two
    /// batches the node may put a command of its own, so that sequences need not follow on each other there; its events
    /// are not among those returned.
    ///
    /// # Errors
    /// A command cannot be encoded, and then nothing was executed; or the node has stopped, and then the commands may or
    /// may not be in the journal.
    pub fn execute(&mut self, commands: &[Command]) -> Result<Events, NodeError> {
        check_all_encodable(commands)?;
        let mut events = Events::default();
        for chunk in commands.chunks(self.batch_limit) {
            let mut batch = self.commands.take();
            batch.extend_from_slice(chunk);
            if let Some(writer) = &self.writer {
                writer.handle().wait_for_room(MAX_BATCHES_WAITING);
            }
            self.start(batch, Answers::Given)?.give(&mut |slice| events.push(slice));
        }
        self.outbox.wait_released(self.engine.sequence())?;
        Ok(events)
    }

    /// Executes one batch and hands it to the journal, after what is due by now. While the disk is full it does so with
    /// the commands that only reduce risk, and refuses the others.
    pub(crate) fn start(&mut self, commands: Vec<Command>, answers: Answers<'_>) -> Result<Started, NodeError> {
        assert!(!commands.is_empty() && commands.len() <= self.batch_limit, "the caller cuts batches");
        if let Some(reason) = self.outbox.stopped() {
            return Err(NodeError::Stopped(reason));
        }
        let event_time_ns = self.now_ns();
        if let Some(left) = self.reserve(commands.len() + 1)? {
            return self.start_from_reserve(event_time_ns, commands, answers, left);
        }
        self.advance_to(event_time_ns)?;
        let (block, released) = self.start_at(event_time_ns, commands, |block| answers.of(by_command(block)))?;
        let last_sequence = block.last_sequence;
        Ok(Started { last_sequence, released, first: EventSlice::whole(block), others: Vec::new() })
    }

    /// Does what is due by now. Returns whether it could: not if the reserve of a full disk is used up.
    pub(crate) fn advance(&mut self) -> Result<bool, NodeError> {
        if let Some(reason) = self.outbox.stopped() {
            return Err(NodeError::Stopped(reason));
        }
        if self.reserve(1)? == Some(0) {
            return Ok(false);
        }
        self.advance_to(self.now_ns())?;
        Ok(true)
    }

    /// Looks whether so many commands more certainly fit into the journal. `None` if they do; else the disk is full, and
    /// so many commands of any size fit into what is left.
    fn reserve(&self, count: usize) -> Result<Option<usize>, NodeError> {
        let Some(writer) = &self.writer else {
            return Ok(None);
        };
        let sequence = self.engine.sequence();
        if writer.handle().has_room(sequence, count) {
            return Ok(None);
        }
        // Either the disk is full, or too much is on its way to it to be sure: then it helps to wait for that.
        match writer.handle().room_behind(sequence) {
            Some(Room::Segment { bytes }) => {
                assert!((count * MAX_RECORD) as u64 <= bytes, "a batch and what goes before it fit into a segment");
                Ok(None)
            }
            Some(Room::Full { bytes_left }) => {
                Ok(Some(usize::try_from(bytes_left / MAX_RECORD as u64).unwrap_or(usize::MAX)))
            }
            None => Err(NodeError::Stopped(self.outbox.stopped().unwrap_or(StopReason::Closed))),
        }
    }

    /// Executes of a batch what only reduces risk, as far as there are places left for it, and refuses the rest.
    fn start_from_reserve(
        &mut self,
        event_time_ns: i64,
        commands: Vec<Command>,
        answers: Answers<'_>,
        mut left: usize,
    ) -> Result<Started, NodeError> {
        if left > 0 {
            self.advance_to(event_time_ns)?;
            left -= 1;
        }
        let mut refusals = Vec::new();
        let mut taken = Vec::with_capacity(commands.len());
        let mut kept = self.commands.take();
        let mut replaced = BTreeSet::new();
        for command in &commands {
            let take = kept.len() < left && reduces_risk(&self.engine, command, &mut replaced);
            taken.push(take);
            if take {
                kept.push(command.clone());
            } else {
                // Not in the journal: sequence 0.
                let mut sink = RecordSink::new(&mut refusals, 0, event_time_ns);
                sink.emit(Event::Rejected(rejected(RejectReason::DiskFull, command)));
            }
        }
        self.commands.put(commands);
        if let Some(writer) = &self.writer {
            writer.handle().stats().disk_full_refusals.fetch_add(refusals.len() as u64, Ordering::Relaxed);
        }
        let refused =
            Arc::new(EventBlock { first_sequence: 0, last_sequence: 0, records: refusals, pool: self.records.clone() });
        let mut slices = Vec::with_capacity(taken.len());
        let interleave = |block: &Arc<EventBlock>| {
            let (mut executed, mut refusal) = (by_command(block), 0);
            slices.extend(taken.iter().map(|&take| {
                if take {
                    executed.next().expect("events of every command that was executed")
                } else {
                    refusal += 1;
                    EventSlice::new(refused.clone(), refusal - 1..refusal)
                }
            }));
            answers.of(slices.iter().cloned())
        };
        let (block, released) = if kept.is_empty() {
            self.commands.put(kept);
            let sequence = self.engine.sequence();
            let records = Vec::new();
            let (first_sequence, last_sequence) = (sequence + 1, sequence);
            let block = Arc::new(EventBlock { first_sequence, last_sequence, records, pool: self.records.clone() });
            // It waits behind what was executed before, so that answers keep their order.
            let completions = interleave(&block);
            let released = self.outbox.push(Pending { block: block.clone(), completions });
            (block, released)
        } else {
            self.start_at(event_time_ns, kept, interleave)?
        };
        let mut slices = slices.into_iter();
        let first = slices.next().expect("a batch has commands");
        Ok(Started { last_sequence: block.last_sequence, released, first, others: slices.collect() })
    }

    /// Does what is due by a time. Once is enough: what a command leaves to be done is due later than the command.
    fn advance_to(&mut self, event_time_ns: i64) -> Result<(), NodeError> {
        if event_time_ns < self.engine.next_due_ns() {
            return Ok(());
        }
        let mut commands = self.commands.take();
        commands.push(Command::AdvanceTime);
        self.start_at(event_time_ns, commands, |_| Vec::new())?;
        Ok(())
    }

    fn now_ns(&self) -> i64 {
        self.clock.now_ns().max(self.engine.event_time_ns())
    }

    fn start_at(
        &mut self,
        event_time_ns: i64,
        mut commands: Vec<Command>,
        completions: impl FnOnce(&Arc<EventBlock>) -> Vec<(u64, EventSlice)>,
    ) -> Result<(Arc<EventBlock>, bool), NodeError> {
        let first_sequence = self.engine.sequence() + 1;
        let mut records = if commands.len() < POOLED_COMMANDS { Vec::new() } else { self.records.take() };
        records.reserve(commands.len() + commands.len() / 2);
        if let Err(reason) = self.run(event_time_ns, &mut commands, &mut records) {
            self.outbox.stop(reason.clone());
            return Err(NodeError::Stopped(reason));
        }
        match &self.writer {
            Some(writer) => writer.push(Arc::new(journal::Batch { first_sequence, event_time_ns, commands })),
            None => self.commands.put(commands),
        }
        let last_sequence = self.engine.sequence();
        let block = Arc::new(EventBlock { first_sequence, last_sequence, records, pool: self.records.clone() });
        let completions = completions(&block);
        let released = self.outbox.push(Pending { block: block.clone(), completions });
        let due =
            self.checkpoint_interval > 0 && last_sequence - self.last_checkpoint_sequence >= self.checkpoint_interval;
        if (due || self.checkpoint_wanted) && self.writer.as_ref().is_some_and(|writer| !writer.checkpoint_under_way())
        {
            self.begin_checkpoint(Source::Journal, None);
        }
        Ok((block, released))
    }

    /// Executes a batch. A command in which the engine panics is replaced by its failure, and the batch goes on.
    fn run(
        &mut self,
        event_time_ns: i64,
        commands: &mut [Command],
        records: &mut Vec<EventRecord>,
    ) -> Result<(), StopReason> {
        let first_sequence = self.engine.sequence() + 1;
        let mut done = 0;
        while let Err(message) =
            execute(&mut self.engine, event_time_ns, commands, done, records, self.panic_on.as_ref())
        {
            let sequence = self.engine.sequence();
            done = (sequence - first_sequence) as usize;
            let panicked = StopReason::Panicked { sequence, message };
            self.undo(event_time_ns, &commands[..=done], panicked)?;
            records.truncate(records.partition_point(|record| record.sequence < sequence));
            let command = std::mem::replace(&mut commands[done], Command::AdvanceTime);
            commands[done] = Command::CommandFailed(Box::new(CommandFailed { command }));
        }
        let sequence = self.engine.sequence();
        // Debug builds check after every command themselves.
        let turn = sequence / CHECK_INTERVAL;
        if turn > (first_sequence - 1) / CHECK_INTERVAL {
            // It is not known which command broke what is found here.
            guarded(|| self.engine.check_sample(turn)).map_err(|message| StopReason::Panicked { sequence, message })?;
        }
        Ok(())
    }

    /// Makes the state again as it was before the last of these commands, the first ones of a batch, in which the engine
    /// panicked. What is before the batch comes from the journal.
    ///
    /// # Errors
    /// `panicked`, if there is no journal; if a failure of the command cannot be told from it, or does not keep it from
    /// coming again (that time advances); or if too many have failed. Why the state could not be made again.
    #[cold]
    fn undo(&mut self, event_time_ns: i64, begun: &[Command], panicked: StopReason) -> Result<(), StopReason> {
        let Some((failed, before)) = begun.split_last() else { return Err(panicked) };
        // Where the caller writes the journal, step by step, it cannot be waited for.
        let (Some(path), true) = (&self.path, self.writer.as_ref().is_some_and(Writer::has_threads)) else {
            return Err(panicked);
        };
        let stays = matches!(failed, Command::AdvanceTime | Command::CommandFailed(_));
        if stays || self.failed_commands.fetch_add(1, Ordering::Relaxed) >= FAILED_COMMANDS_MAX {
            return Err(panicked);
        }
        let journalled = self.engine.sequence() - begun.len() as u64;
        let made = self.outbox.wait_released(journalled).and_then(|()| {
            let mut follower = Follower::open(self.disk.clone(), path, &self.engine_config, journalled)?;
            follower.advance_to(journalled)?;
            Ok(follower.into_engine())
        });
        self.engine = made.map_err(|error| match error {
            NodeError::Stopped(reason) => reason,
            error => StopReason::Panicked { sequence: journalled, message: format!("the state is lost: {error}") },
        })?;
        self.checkpoint_wanted = true;
        execute(&mut self.engine, event_time_ns, before, 0, &mut Vec::new(), None)
            .map_err(|message| StopReason::Panicked { sequence: self.engine.sequence(), message })
    }

    /// Asks for a checkpoint of the present state. It takes a moment, however large the state is.
    fn begin_checkpoint(&mut self, source: Source, reply: Option<SyncSender<Result<u64, NodeError>>>) {
        let Some(writer) = &self.writer else { return };
        self.last_checkpoint_sequence = self.engine.sequence();
        self.checkpoint_wanted = false;
        writer.push_checkpoint(CheckpointJob { landmark: Landmark::of(&self.engine), source, reply });
    }

    /// Begins a checkpoint of the present state, and lets the engine run on. What is received is its sequence, when it
    /// is in its file.
    ///
    /// # Errors
    /// The node has no journal, or has stopped.
    pub fn checkpoint(&mut self) -> Result<Receiver<Result<u64, NodeError>>, NodeError> {
        if self.writer.is_none() {
            return Err(NodeError::InMemory);
        }
        if let Some(reason) = self.outbox.stopped() {
            return Err(NodeError::Stopped(reason));
        }
        let (reply, received) = sync_channel(1);
        self.begin_checkpoint(Source::Journal, Some(reply));
        Ok(received)
    }

    /// The state after the last command executed, which may be ahead of what is durable.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn readers(&self) -> &Arc<Readers> {
        &self.readers
    }

    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// How many commands have failed since it was opened.
    pub(crate) fn failed_commands(&self) -> &Arc<AtomicU64> {
        &self.failed_commands
    }

    pub(crate) fn writer(&self) -> Option<&Writer> {
        self.writer.as_ref()
    }

    pub(crate) fn command_pool(&self) -> &Arc<Pool<Command>> {
        &self.commands
    }

    /// Makes a last checkpoint, unless there is one of this state or the node has stopped, and ends the threads.
    pub fn close(mut self) {
        self.begin_last_checkpoint();
        drop(self.writer.take());
        self.outbox.stop(StopReason::Closed);
    }

    /// Asks for a checkpoint of this state from the engine itself, which will execute nothing any more.
    pub(crate) fn begin_last_checkpoint(&mut self) {
        if self.outbox.stopped().is_none()
            && self.checkpointed_at() != Some(self.engine.sequence())
            && self.writer.is_some()
        {
            let mut snapshot = Vec::new();
            self.engine.snapshot(&mut snapshot);
            self.begin_checkpoint(Source::Live(snapshot), None);
        }
    }

    /// The sequence of the newest checkpoint, if it is under way or in its file.
    fn checkpointed_at(&self) -> Option<u64> {
        Some(self.last_checkpoint_sequence)
    }
}

/// How many batches may wait for the disk while their events wait for them; a caller with more waits.
pub(crate) const MAX_BATCHES_WAITING: usize = 8;

/// A batch that was executed or refused, and may not be durable yet.
pub(crate) struct Started {
    /// The sequence whose release lets its events leave.
    pub(crate) last_sequence: u64,
    /// Whether it is released already.
    pub(crate) released: bool,
    first: EventSlice,
    others: Vec<EventSlice>,
}

/// What is done with a batch's answers, one a command, before anything of it can be seen.
pub(crate) enum Answers<'a> {
    /// Nothing: whoever started it gives them on with [`Started::give`].
    Given,
    /// They become completions with these tokens.
    Completed(&'a [u64]),
    /// They are shown; what they say must not leave before it is released.
    Shown(&'a mut dyn FnMut(&EventSlice)),
}

impl Answers<'_> {
    fn of(self, slices: impl Iterator<Item = EventSlice>) -> Vec<(u64, EventSlice)> {
        match self {
            Self::Given => Vec::new(),
            Self::Completed(tokens) => tokens.iter().copied().zip(slices).collect(),
            Self::Shown(show) => {
                slices.for_each(|slice| show(&slice));
                Vec::new()
            }
        }
    }
}

impl Started {
    /// The sequence of the first command that was executed, the others having the next ones; 0 if none was. Adds the places
    /// of those that were refused because the disk is full.
    pub(crate) fn first_sequence(&self, refused: &mut Vec<usize>) -> u64 {
        let mut first = 0;
        for (at, slice) in std::iter::once(&self.first).chain(&self.others).enumerate() {
            match slice.records().first().map_or(0, |record| record.sequence) {
                0 => refused.push(at),
                sequence if first == 0 => first = sequence,
                _ => {}
            }
        }
        first
    }

    /// Gives the events, in the order of the commands; they must be released.
    pub(crate) fn give(self, give: &mut impl FnMut(EventSlice)) {
        give(self.first);
        self.others.into_iter().for_each(give);
    }
}

/// The events of each command of a batch.
fn by_command(block: &Arc<EventBlock>) -> impl Iterator<Item = EventSlice> + '_ {
    let mut at = 0;
    (block.first_sequence..=block.last_sequence).map(move |sequence| {
        let from = at;
        at += block.records[at..].iter().take_while(|record| record.sequence == sequence).count();
        EventSlice::new(block.clone(), from..at)
    })
}

/// Whether a command can only take risk away, so that it is accepted while the disk is full: cancels, halts, kill
/// switches, and a replace of the quantity alone by a smaller one. `replaced` are the orders that a command before it, not
/// executed yet, replaces: what they will be is not known.
fn reduces_risk(engine: &Engine, command: &Command, replaced: &mut BTreeSet<OrderId>) -> bool {
    match command {
        Command::CancelOrder(_) | Command::MassCancel(_) | Command::CancelAllAfter(_) => true,
        Command::KillSwitch(switch) => switch.engaged,
        Command::SetTradingStatus(set) => {
            matches!(set.status, TradingStatus::CancelOnly | TradingStatus::Halted | TradingStatus::Closed)
        }
        Command::SetAccountMode(set) => set.mode != AccountMode::Normal,
        Command::ReplaceOrder(replace) => {
            let order = match replace.order_id {
                OrderId::NONE => engine.order_by_client_id(replace.account_id, &replace.original_client_order_id),
                order_id => engine.order(order_id),
            };
            let only_quantity = replace.price == PriceTicks(0)
                && replace.trigger_price == PriceTicks(0)
                && replace.display_quantity == Lots::ZERO;
            only_quantity
                && order.is_some_and(|order| {
                    replace.quantity.0 < order.filled_quantity.0 + order.leaves_quantity.0
                        && replaced.insert(order.order_id)
                })
        }
        Command::Administer(administer) => reduces_risk(engine, &administer.command, replaced),
        _ => false,
    }
}

/// Executes the commands behind the first `done`, with consecutive sequences. Gives the message of a panic; the engine's
/// sequence is then that of the command in which it happened.
fn execute(
    engine: &mut Engine,
    event_time_ns: i64,
    commands: &[Command],
    done: usize,
    records: &mut Vec<EventRecord>,
    panic_on: Option<&PanicOn>,
) -> Result<(), String> {
    guarded(|| {
        let mut sequence = engine.sequence();
        for (at, command) in commands.iter().enumerate().skip(done) {
            engine.prefetch(commands, at);
            sequence += 1;
            engine.apply(sequence, event_time_ns, command, &mut RecordSink::new(records, sequence, event_time_ns));
            let executed = !matches!(command, Command::CommandFailed(_));
            if executed && panic_on.is_some_and(|panics| panics(sequence, command)) {
                panic!("planted by a test");
            }
        }
    })
}

/// Runs what may panic; the panic hook has reported it by the time this returns its message.
pub(crate) fn guarded<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    // Unwind safety: after a panic the engine is dropped.
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
    })
}

fn recover(
    config: &NodeConfig,
    path: &Path,
    recovery: &mut Recovery,
) -> Result<(Engine, Journal, DirectoryLock), NodeError> {
    let (journal_path, checkpoint_path) = (journal_directory(path), checkpoint_directory(path));
    let disk = config.disk.as_ref();
    for directory in [&journal_path, &checkpoint_path] {
        disk.create_directory(directory).map_err(|error| JournalError::io("create", directory, error))?;
    }
    if let Retention::Archive(archive) = &config.journal_retention {
        disk.create_directory(archive).map_err(|error| JournalError::io("create", archive, error))?;
        let parent = match archive.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        disk.sync_directory(parent).map_err(|error| JournalError::io("sync the directory", parent, error))?;
    }
    let lock_path = path.join("lock");
    let lock = disk.lock(&lock_path).map_err(|error| JournalError::io("lock", &lock_path, error))?;
    let Some(lock) = lock else {
        return Err(JournalError::Locked { path: lock_path }.into());
    };
    checkpoint::remove_unfinished(&checkpoint_path, disk)?;
    let is_empty = journal::is_empty(disk, &journal_path)?;
    if is_empty {
        // Nothing was ever acknowledged here. Whoever made the directories may have been killed before they were durable.
        sync_names(disk, &journal_path)?;
    }

    let limits = Limits::from(&config.engine);
    let files = checkpoint::list(disk, &checkpoint_path)?;
    if let (Some(newest), true) = (files.first(), is_empty) {
        let what = format!("there is no segment, but a checkpoint at sequence {}", newest.sequence);
        return Err(JournalError::damaged(&journal_path, 0, what).into());
    }
    let mut candidates = files.iter();
    let (engine, journal) = loop {
        let (mut engine, after) = match candidates.next() {
            None => (Engine::new(config.engine.clone()), Position::GENESIS),
            Some(file) => {
                let skipped = |why: String| SkippedCheckpoint { path: file.path.clone(), why };
                let restored = checkpoint::read(disk, file).and_then(|checkpoint| {
                    Engine::restore(config.engine.clone(), &checkpoint.snapshot)
                        .map(|engine| (engine, checkpoint.position))
                        .map_err(|error| skipped(format!("byte {} of the snapshot: {}", error.offset, error.what)))
                });
                match restored {
                    Ok((engine, position)) if engine.sequence() == position.sequence => (engine, position),
                    Ok((engine, _)) => {
                        let why = format!("the snapshot is of sequence {}", engine.sequence());
                        recovery.skipped_checkpoints.push(skipped(why));
                        continue;
                    }
                    Err(skipped) => {
                        recovery.skipped_checkpoints.push(skipped);
                        continue;
                    }
                }
            }
        };
        let mut panicked = None;
        let opened = Journal::open(&journal_path, config.disk.clone(), config.segment_bytes, limits, after, |record| {
            if panicked.is_some() {
                return;
            }
            let applied = guarded(|| engine.apply(record.sequence, record.event_time_ns, &record.command, &mut ()));
            if let Err(message) = applied {
                panicked = Some(StopReason::Panicked { sequence: record.sequence, message });
            }
            recovery.commands_replayed += 1;
        });
        if let Some(reason) = panicked {
            return Err(NodeError::Stopped(reason));
        }
        match opened {
            Ok((journal, torn_tail)) => {
                let disk = config.disk.clone();
                JournalReader::check_before(disk, &journal_path, after.sequence, config.check_bytes)?;
                recovery.torn_tail = torn_tail;
                recovery.checkpoint_sequence = (after.sequence > 0).then_some(after.sequence);
                break (engine, journal);
            }
            Err(SeekError::OtherHistory) => {
                recovery.skipped_checkpoints.push(SkippedCheckpoint {
                    path: checkpoint_path.join(format!("{:020}.checkpoint", after.sequence)),
                    why: "the journal's running hash at its sequence is another one".to_owned(),
                });
            }
            Err(SeekError::OtherLimits(_)) => {
                let rule = "must be the limits that the journal was begun with";
                return Err(NodeError::Config { setting: "engine", rule });
            }
            Err(SeekError::Journal(JournalError::Trimmed { .. })) if after.sequence > 0 => {
                recovery.skipped_checkpoints.push(SkippedCheckpoint {
                    path: checkpoint_path.join(format!("{:020}.checkpoint", after.sequence)),
                    why: "the journal begins behind it".to_owned(),
                });
            }
            // Among them, of a trimmed journal without a checkpoint that can be used, `Trimmed`.
            Err(SeekError::Journal(error)) => return Err(error.into()),
        }
    };
    // A checkpoint is written only of what is durable, so the journal cannot end before one, not even a damaged one.
    if let Some(lost) = files.first().filter(|file| file.sequence > engine.sequence()) {
        let what = format!(
            "the journal ends with sequence {}, but there is a checkpoint at {}",
            engine.sequence(),
            lost.sequence
        );
        return Err(JournalError::damaged(&journal_path, 0, what).into());
    }
    Ok((engine, journal, lock))
}

/// Makes the names of a directory, and of all those above it, durable.
fn sync_names(disk: &dyn Disk, directory: &Path) -> Result<(), JournalError> {
    for parent in directory.ancestors().skip(1) {
        let parent = if parent == Path::new("") { Path::new(".") } else { parent };
        match disk.sync_directory(parent) {
            // We have made nothing in a directory that we may not even look at.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(|error| JournalError::io("sync the directory", parent, error))?,
        }
    }
    Ok(())
}
