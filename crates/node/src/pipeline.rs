//! A node that many threads share: the asynchronous door, the blocking door, consistent reads, catching up, closing.
//!
//! Invariants:
//! * One lock gives the order of everything: whoever holds it stamps, hands over to the journal and executes.
//! * A read sees the state between two batches, and its result is given out only when all that state is durable: the
//!   closure runs under the lock, then the reader waits, without the lock, for the disk to get there.
//! * What is due in the engine is done on time even if nobody sends anything: the node's own thread wakes for it.
//! * Everything is bounded: commands under way by `queue_capacity`, batches that wait for the disk by a constant,
//!   the ring by its bytes.

use std::collections::VecDeque;
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use beurs_engine::command::Command;
use beurs_engine::{Engine, EngineConfig};

use crate::error::{JournalError, NodeError, StopReason};
use crate::feed::{lock, wait, wait_for, Completion, EventSlice, Events, Outbox, Pool};
use crate::follower::Follower;
use crate::io::{Clock, Disk};
use crate::journal;
use crate::node::{journal_directory, Answers, Node, NodeConfig, Recovery, Started, MAX_BATCHES_WAITING};
use crate::retention::Readers;
use crate::wire::{
    check_all_encodable, check_encodable, decode_command_records, decode_commands, CommandRecord, EventRecord,
    COMMAND_SIZE,
};
use crate::writer::WriterHandle;

/// Long inputs are cut into batches of so many commands, so that the disk works on one while the engine executes the
/// next, and all of it stays in the cache.
const CHUNK: usize = 4096;
/// The same without a disk, for which small batches are dear.
const CHUNK_IN_MEMORY: usize = 512;

/// The node's thread looks at the clock this often while something is due later, because clocks get set.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);

/// Inputs of up to so many records are decoded before the first is executed; longer ones are read twice.
const DECODED_AT_ONCE: usize = 8192;

/// A running node. Clones are handles of the same node, which is closed with the last of them at the latest.
///
/// Commands come in through [`execute`](Self::execute), which waits, or [`submit`](Self::submit), which does not;
/// events go out as answers, through [`events_since`](Self::events_since), and through
/// [`replay_events`](Self::replay_events) for those who are late. All of it may be used from any thread.
#[derive(Clone)]
pub struct NodeHandle(Arc<Owner>);

/// Closes the node when the last handle goes.
struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    /// Held for a moment by whoever wants the node, so that a reader gets it before the next batch: see [`Shared::node`].
    turnstile: Mutex<()>,
    /// The node; `None` once it is closed.
    node: Mutex<Option<Node>>,
    outbox: Arc<Outbox>,
    readers: Arc<Readers>,
    writer: Option<WriterHandle>,
    pool: Arc<Pool<Command>>,
    queue: Mutex<Queue>,
    arrived: Condvar,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    /// [`Engine::next_due_ns`] after the last batch; changed only by who holds the node.
    next_due_ns: AtomicI64,
    queue_capacity: usize,
    chunk: usize,
    /// Submitted, and the completion not taken yet.
    under_way: AtomicUsize,
    batches: AtomicU64,
    commands: AtomicU64,
    commands_failed: Arc<AtomicU64>,
    follower: Mutex<Option<Follower>>,
    checkpoint: Mutex<()>,
    path: Option<PathBuf>,
    engine_config: EngineConfig,
}

#[derive(Default)]
struct Queue {
    commands: VecDeque<(u64, Command)>,
    closing: bool,
}

/// Numbers about a node. Counts are since it was opened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// The last sequence whose events may be seen.
    pub sequence: u64,
    /// Commands executed, without those by which the node itself does what is due.
    pub commands: u64,
    /// Commands in which the engine panicked, and which were undone.
    pub commands_failed: u64,
    /// Batches of them executed.
    pub batches: u64,
    /// Submitted commands that wait to be executed.
    pub queue_depth: usize,
    /// Submitted commands whose completion was not taken yet.
    pub under_way: usize,
    /// Completions that wait to be taken.
    pub completions_waiting: usize,
    /// Bytes of memory that the feed ring holds.
    pub ring_bytes: usize,
    /// The ring has the events behind this sequence.
    pub ring_oldest_sequence: u64,
    /// Writes to the journal, each made durable by one fdatasync.
    pub journal_writes: u64,
    /// Commands written to the journal.
    pub journal_commands: u64,
    /// Bytes written to the journal.
    pub journal_bytes: u64,
    /// Batches that wait to be written to the journal.
    pub journal_depth: usize,
    /// How long writes took, fdatasync included: element i counts those below 2^i microseconds that are not in i - 1.
    pub journal_latency_us_log2: Vec<u64>,
    /// Checkpoints made.
    pub checkpoints: u64,
    /// Checkpoints that could not be written.
    pub checkpoint_failures: u64,
    /// Where the newest checkpoint stands; 0 if there is none.
    pub last_checkpoint_sequence: u64,
    /// Journal segments archived or dropped.
    pub segments_removed: u64,
    /// How often segments or checkpoints could not be archived or removed; the next checkpoint tries again.
    pub retention_failures: u64,
    /// Whether the journal's disk is full, so that only what reduces risk is accepted.
    pub disk_full: bool,
    /// Commands refused with `disk_full`.
    pub disk_full_refusals: u64,
}

impl Stats {
    /// The upper bound of the latency, in microseconds, of this share of the journal's writes; 0 before the first.
    pub fn journal_latency_us(&self, share: f64) -> u64 {
        let total: u64 = self.journal_latency_us_log2.iter().sum();
        let mut left = (total as f64 * share).ceil() as u64;
        for (power, &count) in self.journal_latency_us_log2.iter().enumerate() {
            if count > 0 && left <= count {
                return 1 << power;
            }
            left = left.saturating_sub(count);
        }
        0
    }
}

impl Shared {
    /// The node, for whoever waits longest, more or less: a thread that executes batch after batch passes the turnstile
    /// each time, where it cannot overtake one that already waits for the lock behind it.
    fn with_node<R>(&self, f: impl FnOnce(&mut Node) -> R) -> Result<R, NodeError> {
        let entered = lock(&self.turnstile);
        let mut node = lock(&self.node);
        drop(entered);
        match node.as_mut() {
            Some(node) => Ok(f(node)),
            None => Err(self.stopped()),
        }
    }

    fn stopped(&self) -> NodeError {
        NodeError::Stopped(self.outbox.stopped().unwrap_or(StopReason::Closed))
    }

    fn wait_for_room(&self, most: usize) {
        if let Some(writer) = &self.writer {
            writer.wait_for_room(most);
        }
    }

    /// Executes one batch; its events may be shown once they are released.
    fn start(&self, commands: Vec<Command>, answers: Answers<'_>) -> Result<Started, NodeError> {
        let count = commands.len() as u64;
        let started = self.with_node(|node| {
            let started = node.start(commands, answers);
            (started, self.note_next_due(node))
        });
        let (started, earlier) = started?;
        if earlier {
            self.wake();
        }
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.commands.fetch_add(count, Ordering::Relaxed);
        started
    }

    /// Does what is due by now.
    fn advance(&self) {
        self.wait_for_room(MAX_BATCHES_WAITING);
        let advanced = self.with_node(|node| {
            let advanced = node.advance();
            self.note_next_due(node);
            advanced
        });
        match advanced {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => {
                // There is no room for it. What is due waits with everything else.
                let later = self.clock.now_ns().saturating_add(LOOK_AT_CLOCK.as_nanos() as i64);
                self.next_due_ns.store(later, Ordering::Relaxed);
            }
            // The node has stopped: nothing is due any more, and everybody has been told.
            Ok(Err(_)) | Err(_) => self.next_due_ns.store(i64::MAX, Ordering::Relaxed),
        }
    }

    /// Keeps in view when something is due next; whether that is earlier than it was.
    fn note_next_due(&self, node: &Node) -> bool {
        let next = node.engine().next_due_ns();
        let before = self.next_due_ns.load(Ordering::Relaxed);
        if next != before {
            self.next_due_ns.store(next, Ordering::Relaxed);
        }
        next < before
    }

    /// Has the node's thread look at what is due. The lock is taken so that the thread is not between looking and waiting.
    fn wake(&self) {
        drop(lock(&self.queue));
        self.arrived.notify_one();
    }

    /// How long the node's thread may sleep; zero if something is due, `None` if nothing will be.
    fn until_due(&self) -> Option<Duration> {
        match self.next_due_ns.load(Ordering::Relaxed) {
            i64::MAX => None,
            due => {
                let left = due.saturating_sub(self.clock.now_ns());
                Some(Duration::from_nanos(u64::try_from(left).unwrap_or(0)).min(LOOK_AT_CLOCK))
            }
        }
    }

    /// Executes batches one behind the other and gives out the events of each when it is durable, while the next ones
    /// are under way. At the end all of them are durable.
    fn execute(
        &self,
        batches: impl Iterator<Item = Result<Vec<Command>, NodeError>>,
        mut give: impl FnMut(EventSlice),
    ) -> Result<(), NodeError> {
        let mut under_way: VecDeque<Started> = VecDeque::new();
        for batch in batches {
            let batch = batch?;
            if under_way.len() > MAX_BATCHES_WAITING {
                self.give_first(&mut under_way, &mut give)?;
            }
            self.wait_for_room(MAX_BATCHES_WAITING);
            let started = self.start(batch, Answers::Given)?;
            if started.released && under_way.is_empty() {
                started.give(&mut give);
            } else {
                under_way.push_back(started);
            }
        }
        while !under_way.is_empty() {
            self.give_first(&mut under_way, &mut give)?;
        }
        Ok(())
    }

    fn give_first(
        &self,
        under_way: &mut VecDeque<Started>,
        give: &mut impl FnMut(EventSlice),
    ) -> Result<(), NodeError> {
        let Some(started) = under_way.pop_front() else { return Ok(()) };
        self.outbox.wait_released(started.last_sequence)?;
        started.give(give);
        Ok(())
    }

    /// The node's own thread: executes what is submitted, as it comes, and does what is due when nothing comes.
    fn run(&self) {
        let mut tokens = Vec::new();
        loop {
            let mut queue = lock(&self.queue);
            while queue.commands.is_empty() && !queue.closing {
                queue = match self.until_due() {
                    None => wait(&self.arrived, queue),
                    Some(Duration::ZERO) => {
                        drop(queue);
                        self.advance();
                        lock(&self.queue)
                    }
                    Some(left) => wait_for(&self.arrived, queue, left),
                };
            }
            if queue.commands.is_empty() {
                break;
            }
            drop(queue);
            // While one write is on its way and another batch waits, what arrives becomes one batch.
            self.wait_for_room(0);
            let mut batch = self.pool.take();
            tokens.clear();
            let mut queue = lock(&self.queue);
            let count = queue.commands.len().min(self.chunk);
            for (token, command) in queue.commands.drain(..count) {
                tokens.push(token);
                batch.push(command);
            }
            drop(queue);
            if self.start(batch, Answers::Completed(&tokens)).is_err() {
                break; // The outbox has the reason, and has told everybody.
            }
        }
    }

    fn close(&self, thread: &Mutex<Option<JoinHandle<()>>>) {
        lock(&self.queue).closing = true;
        self.arrived.notify_one();
        let mut thread = lock(thread);
        if let Some(thread) = thread.take() {
            // A panic in it has been reported by the panic hook.
            let _ = thread.join();
        }
        let node = lock(&self.node).take();
        if let Some(node) = node {
            node.close();
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close(&self.thread);
    }
}

impl NodeHandle {
    /// Opens a node and starts its threads. Says what recovery found.
    ///
    /// # Errors
    /// See [`Node::open`].
    pub fn open(config: &NodeConfig) -> Result<(Self, Recovery), NodeError> {
        let (node, recovery) = Node::open(config)?;
        let next_due_ns = node.engine().next_due_ns();
        let commands_failed = node.failed_commands().clone();
        let shared = Arc::new(Shared {
            turnstile: Mutex::new(()),
            outbox: node.outbox().clone(),
            readers: node.readers().clone(),
            writer: node.writer().map(|writer| writer.handle().clone()),
            pool: node.command_pool().clone(),
            node: Mutex::new(Some(node)),
            queue: Mutex::new(Queue::default()),
            arrived: Condvar::new(),
            clock: config.clock.clone(),
            disk: config.disk.clone(),
            next_due_ns: AtomicI64::new(next_due_ns),
            queue_capacity: config.queue_capacity,
            chunk: config.batch_limit().min(if config.path.is_some() { CHUNK } else { CHUNK_IN_MEMORY }),
            under_way: AtomicUsize::new(0),
            batches: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            commands_failed,
            follower: Mutex::new(None),
            checkpoint: Mutex::new(()),
            path: config.path.clone(),
            engine_config: config.engine.clone(),
        });
        let thread = {
            let shared = shared.clone();
            std::thread::Builder::new().name("beurs-node".to_owned()).spawn(move || shared.run()).map_err(|error| {
                let path = config.path.clone().unwrap_or_default();
                JournalError::io("start a thread for", &path, error)
            })?
        };
        Ok((Self(Arc::new(Owner { shared, thread: Mutex::new(Some(thread)) })), recovery))
    }

    fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Where the journal is; `None` in memory.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.shared().path.as_deref()
    }

    pub(crate) fn engine_config(&self) -> &EngineConfig {
        &self.shared().engine_config
    }

    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.shared().outbox
    }

    /// The most commands of one batch.
    pub(crate) fn chunk(&self) -> usize {
        self.shared().chunk
    }

    /// Executes one batch, of at most [`Self::chunk`] commands, and does not wait for the disk. `show` sees the answer to
    /// every command before it can leave, and must keep it until its sequence is released.
    pub(crate) fn start_shown(&self, batch: Vec<Command>, mut show: impl FnMut(&EventSlice)) -> Result<(), NodeError> {
        let shared = self.shared();
        shared.wait_for_room(MAX_BATCHES_WAITING);
        shared.start(batch, Answers::Shown(&mut show))?;
        Ok(())
    }

    /// Executes commands, in order, and returns their events when they are durable. Other callers' commands may come
    /// in between, at least every 4,096 commands, and so may those by which the node itself does what is due: sequences
    /// may begin later than behind the last one seen, and may leave some out. Only the events of these commands are
    /// returned; those of all commands are in [`events_since`](Self::events_since).
    ///
    /// # Errors
    /// `Wire` if any of the commands cannot be encoded, and then nothing was executed; `Stopped`, and then the commands
    /// may or may not be in the journal.
    pub fn execute(&self, commands: &[Command]) -> Result<Events, NodeError> {
        check_all_encodable(commands)?;
        let shared = self.shared();
        let batches = commands.chunks(shared.chunk).map(|chunk| {
            let mut batch = shared.pool.take();
            batch.extend_from_slice(chunk);
            Ok(batch)
        });
        let mut events = Events::default();
        shared.execute(batches, |slice| events.push(slice))?;
        Ok(events)
    }

    /// The same with concatenated encoded commands.
    ///
    /// # Errors
    /// `Wire` if any of the bytes are no command, and then nothing was executed; `Stopped`.
    pub fn execute_encoded(&self, bytes: &[u8]) -> Result<Events, NodeError> {
        let shared = self.shared();
        let mut commands = shared.pool.take();
        decode_commands(bytes, &mut commands)?;
        check_all_encodable(&commands)?;
        if commands.len() > shared.chunk {
            return self.execute(&commands);
        }
        let mut events = Events::default();
        if !commands.is_empty() {
            shared.execute(std::iter::once(Ok(commands)), |slice| events.push(slice))?;
        }
        Ok(events)
    }

    /// The same with an array of COMMAND records: the batch door.
    ///
    /// # Errors
    /// `Wire` if any of the records is no command, and then nothing was executed; `Stopped`.
    pub fn execute_records(&self, bytes: &[u8]) -> Result<Events, NodeError> {
        let mut events = Events::default();
        self.execute_records_with(bytes, |slice| events.push(slice))?;
        Ok(events)
    }

    /// The batch door for long inputs: gives out events in pieces as they become durable, in order, so that their memory
    /// can be used again at once. Dropping the piece, not keeping it, is what makes that so.
    ///
    /// # Errors
    /// `Wire` if any of the records is no command, and then nothing was executed; `Stopped`, after the events of what
    /// is known to be durable were given out.
    pub fn execute_records_with(&self, bytes: &[u8], give: impl FnMut(EventSlice)) -> Result<(), NodeError> {
        let shared = self.shared();
        let chunk_bytes = shared.chunk * COMMAND_SIZE;
        // All are looked at before one is executed: decoded at once if that is not too much, else looked at first.
        if bytes.len() <= DECODED_AT_ONCE * COMMAND_SIZE {
            let mut batches = vec![shared.pool.take()];
            CommandRecord::for_each(bytes, |command| {
                if batches[batches.len() - 1].len() == shared.chunk {
                    batches.push(shared.pool.take());
                }
                let last = batches.len() - 1;
                batches[last].push(command);
            })?;
            return shared.execute(batches.into_iter().filter(|batch| !batch.is_empty()).map(Ok), give);
        }
        CommandRecord::check_all(bytes)?;
        let batches = bytes.chunks(chunk_bytes).map(|chunk| {
            let mut batch = shared.pool.take();
            decode_command_records(chunk, &mut batch)?;
            Ok(batch)
        });
        shared.execute(batches, give)
    }

    /// The same, with the events appended to `out` in one piece.
    ///
    /// # Errors
    /// `Wire` if any of the records is no command, and then nothing was executed and `out` is as before; `Stopped`.
    pub fn execute_records_into(&self, bytes: &[u8], out: &mut Vec<EventRecord>) -> Result<(), NodeError> {
        let shared = self.shared();
        let append = |events: Events, out: &mut Vec<EventRecord>| {
            for slice in events.slices() {
                out.extend_from_slice(slice.records());
            }
        };
        if shared.path.is_some() {
            // The disk writes one batch while the next one is executed; what they gave is copied at the end.
            append(self.execute_records(bytes)?, out);
            return Ok(());
        }
        CommandRecord::check_all(bytes)?;
        // Nothing to wait for: each batch is copied while it is in the processor's cache, and its memory used again.
        for chunk in bytes.chunks(shared.chunk * COMMAND_SIZE) {
            append(self.execute_records(chunk)?, out);
        }
        Ok(())
    }

    /// The most commands that one batch may have.
    pub fn batch_limit(&self) -> usize {
        self.shared().chunk
    }

    /// Executes commands as one batch, at most [`Self::batch_limit`], in the caller's thread and without waiting for the
    /// disk, and gives the first one's sequence; the others have the next ones. Their events come, like everybody's, from
    /// [`events_since`](Self::events_since) when they are durable. `None`, and nothing was done, while the disk has enough
    /// to write already; what [`watch`](Self::watch) raises says when to try again. The vector is empty afterwards if the
    /// commands were taken. Commands that are refused because the disk is full have no sequence; their places are added to
    /// `refused`, and the sequence is 0 if none is left.
    ///
    /// # Errors
    /// `Wire` if one of the commands cannot be encoded, and then nothing was done; `Stopped`.
    pub fn try_start(&self, commands: &mut Vec<Command>, refused: &mut Vec<usize>) -> Result<Option<u64>, NodeError> {
        check_all_encodable(commands)?;
        let shared = self.shared();
        // One batch is being written and one waits; more would only make both wait longer.
        if shared.writer.as_ref().is_some_and(|writer| writer.depth() > 1) {
            return Ok(None);
        }
        let batch = std::mem::replace(commands, shared.pool.take());
        Ok(Some(shared.start(batch, Answers::Given)?.first_sequence(refused)))
    }

    /// Raises an eventfd whenever there may be something new in [`events_since`](Self::events_since), and when the node
    /// stops, for as long as the eventfd is there.
    pub fn watch(&self, wake: &Arc<OwnedFd>) {
        self.shared().outbox.watch(wake);
    }

    /// Lets a closure see the state between two batches at once, and says after which command that is. Nothing that the
    /// closure learns may get out before [`sequence`](Self::sequence) has reached that command; otherwise as
    /// [`with_engine`](Self::with_engine), which waits for that.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn look<R>(&self, f: impl FnOnce(&Engine) -> R) -> Result<(R, u64), NodeError> {
        let shared = self.shared();
        if let Some(reason) = shared.outbox.stopped() {
            return Err(NodeError::Stopped(reason));
        }
        shared.with_node(|node| (f(node.engine()), node.engine().sequence()))
    }

    /// Hands one command over and returns at once. Its events come, with the token, from
    /// [`completions`](Self::completions).
    ///
    /// # Errors
    /// `Wire` if the command cannot be encoded, `QueueFull`, `Stopped`; the command was not taken then.
    pub fn submit(&self, token: u64, command: Command) -> Result<(), NodeError> {
        check_encodable(&command)?;
        let shared = self.shared();
        if let Some(reason) = shared.outbox.stopped() {
            return Err(NodeError::Stopped(reason));
        }
        if shared.under_way.fetch_add(1, Ordering::Relaxed) >= shared.queue_capacity {
            shared.under_way.fetch_sub(1, Ordering::Relaxed);
            return Err(NodeError::QueueFull { capacity: shared.queue_capacity });
        }
        let mut queue = lock(&shared.queue);
        if queue.closing {
            drop(queue);
            shared.under_way.fetch_sub(1, Ordering::Relaxed);
            return Err(shared.stopped());
        }
        queue.commands.push_back((token, command));
        let first = queue.commands.len() == 1;
        drop(queue);
        if first {
            shared.arrived.notify_one();
        }
        Ok(())
    }

    /// The same with an encoded command.
    ///
    /// # Errors
    /// `Wire` if the bytes are not exactly one command, `QueueFull`, `Stopped`; the command was not taken then.
    pub fn submit_encoded(&self, token: u64, bytes: &[u8]) -> Result<(), NodeError> {
        self.submit(token, crate::wire::decode_one_command(bytes)?)
    }

    /// A descriptor (eventfd) that is readable while [`completions`](Self::completions) has something to say. It
    /// belongs to the node and must not be read or closed.
    pub fn fd(&self) -> RawFd {
        self.shared().outbox.fd()
    }

    /// Takes all completions there are, in the order of their sequences. Only what is durable is there.
    ///
    /// # Errors
    /// `Stopped`, once the node has stopped and there is nothing left to take.
    pub fn completions(&self) -> Result<Vec<Completion>, NodeError> {
        let completions = self.shared().outbox.take_completions()?;
        self.shared().under_way.fetch_sub(completions.len(), Ordering::Relaxed);
        Ok(completions)
    }

    /// The events of the commands behind a sequence, from the feed ring: whole commands, at most `max_bytes` but at
    /// least one command, if there is one. Only what is durable is there.
    ///
    /// # Errors
    /// `Lagged` if the ring no longer has them: then [`replay_events`](Self::replay_events) does.
    pub fn events_since(&self, sequence: u64, max_bytes: usize) -> Result<Events, NodeError> {
        self.shared().outbox.since(sequence, max_bytes)
    }

    /// The same from the journal, by a private engine that is kept between calls and goes on where it was, if it can.
    ///
    /// # Errors
    /// `InMemory`; `Journal` if the journal cannot be read, or no longer has them (`Trimmed`).
    pub fn replay_events(&self, sequence: u64, max_bytes: usize) -> Result<Vec<EventRecord>, NodeError> {
        let shared = self.shared();
        let Some(path) = &shared.path else {
            return Err(NodeError::InMemory);
        };
        let durable_sequence = shared.outbox.released();
        let mut kept = lock(&shared.follower);
        // If anything fails the follower is made anew the next time.
        let mut follower = match kept.take() {
            Some(follower) => follower,
            None => Follower::open(shared.disk.clone(), path, &shared.engine_config, sequence.min(durable_sequence))?,
        };
        let records = follower.events_since(sequence, max_bytes, durable_sequence)?;
        *kept = Some(follower);
        Ok(records)
    }

    /// The commands with these sequences, which ascend, from the journal; `None` for those that it does not have: of a
    /// node in memory, trimmed, or not durable yet. Each segment that has one is read up to it.
    ///
    /// # Errors
    /// `Journal` if the journal cannot be read.
    pub fn commands_at(&self, sequences: &[u64]) -> Result<Vec<Option<Command>>, NodeError> {
        let shared = self.shared();
        match &shared.path {
            None => Ok(vec![None; sequences.len()]),
            Some(path) => {
                let durable_sequence = shared.outbox.released();
                Ok(journal::commands_at(&shared.disk, &journal_directory(path), sequences, durable_sequence)?)
            }
        }
    }

    /// Lets a closure see the state between two batches, and gives its result when all that state is durable. The
    /// node executes nothing while the closure runs, so it should just collect. Nothing that the closure learns may
    /// get out but by its result.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn with_engine<R>(&self, f: impl FnOnce(&Engine) -> R) -> Result<R, NodeError> {
        let shared = self.shared();
        if let Some(reason) = shared.outbox.stopped() {
            return Err(NodeError::Stopped(reason));
        }
        let (result, sequence) = shared.with_node(|node| (f(node.engine()), node.engine().sequence()))?;
        shared.outbox.wait_released(sequence)?;
        Ok(result)
    }

    /// Says how far a reader of this name is: it will not ask for events at or before this sequence again. `None` takes
    /// it off the list. Segments that a reader still needs, and the state before them, are not archived nor dropped.
    pub fn set_reader(&self, name: &str, sequence: Option<u64>) {
        self.shared().readers.set(name, sequence);
    }

    /// Moves the node's clock, if it is one that stands still, does what is due by then, and returns when that is
    /// durable.
    ///
    /// # Errors
    /// `Config` if the clock goes by itself, or would go backwards; `Stopped`.
    pub fn set_time(&self, event_time_ns: i64) -> Result<(), NodeError> {
        let shared = self.shared();
        // The clock may stand behind the last command: after a restart it begins at 0, and stands where that one is.
        let last_ns = self.with_engine(Engine::event_time_ns)?;
        match shared.clock.set(event_time_ns) {
            None => return Err(NodeError::Config { setting: "clock", rule: "must be manual for its time to be set" }),
            Some(before) if event_time_ns < before.max(last_ns) => {
                return Err(NodeError::Config {
                    setting: "event_time_ns",
                    rule: "must not be before the clock's time",
                });
            }
            Some(_) => shared.advance(),
        }
        // Also waits until what was done is durable.
        self.with_engine(|_| ())
    }

    /// The last sequence whose events may be seen.
    pub fn sequence(&self) -> u64 {
        self.shared().outbox.released()
    }

    /// Makes a checkpoint and waits for it to be in its file; returns its sequence.
    ///
    /// # Errors
    /// `InMemory`, `Stopped`; `Journal` if the file could not be written, which harms nothing else.
    pub fn checkpoint(&self) -> Result<u64, NodeError> {
        let shared = self.shared();
        // One at a time, so that at most one snapshot waits for the disk.
        let _one = lock(&shared.checkpoint);
        let received = shared.with_node(Node::checkpoint)??;
        match received.recv() {
            Ok(written) => Ok(written?),
            Err(_) => Err(shared.stopped()),
        }
    }

    /// Executes what was submitted, makes a last checkpoint, ends the threads and gives the directory back. What comes
    /// after is answered with `Stopped`. Closing twice does nothing more.
    pub fn close(&self) {
        self.shared().close(&self.0.thread);
    }

    /// Why the node has stopped, if it has.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.shared().outbox.stopped()
    }

    /// Numbers about the node.
    pub fn stats(&self) -> Stats {
        let shared = self.shared();
        let (ring_bytes, ring_oldest_sequence, completions_waiting) = shared.outbox.sizes();
        let mut stats = Stats {
            sequence: shared.outbox.released(),
            commands: shared.commands.load(Ordering::Relaxed),
            commands_failed: shared.commands_failed.load(Ordering::Relaxed),
            batches: shared.batches.load(Ordering::Relaxed),
            queue_depth: lock(&shared.queue).commands.len(),
            under_way: shared.under_way.load(Ordering::Relaxed),
            completions_waiting,
            ring_bytes,
            ring_oldest_sequence,
            ..Stats::default()
        };
        if let Some(writer) = &shared.writer {
            let counts = writer.stats();
            stats.journal_writes = counts.writes.load(Ordering::Relaxed);
            stats.journal_commands = counts.commands.load(Ordering::Relaxed);
            stats.journal_bytes = counts.bytes.load(Ordering::Relaxed);
            stats.journal_depth = writer.depth();
            stats.journal_latency_us_log2 =
                counts.append_us_log2.iter().map(|count| count.load(Ordering::Relaxed)).collect();
            stats.checkpoints = counts.checkpoints.load(Ordering::Relaxed);
            stats.checkpoint_failures = counts.checkpoint_failures.load(Ordering::Relaxed);
            stats.segments_removed = counts.segments_removed.load(Ordering::Relaxed);
            stats.retention_failures = counts.retention_failures.load(Ordering::Relaxed);
            stats.disk_full = writer.is_full();
            stats.disk_full_refusals = counts.disk_full_refusals.load(Ordering::Relaxed);
            stats.last_checkpoint_sequence = counts.last_checkpoint_sequence.load(Ordering::Relaxed);
        }
        stats
    }
}
