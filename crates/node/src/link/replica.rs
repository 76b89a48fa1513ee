//! The other end of a link: a node to whoever uses it, whose engine executes what the journal says.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{sync_channel, SyncSender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use beurs_engine::command::Command;
use beurs_engine::{Engine, EngineConfig};

use crate::error::{JournalError, NodeError, StopReason};
use crate::feed::{lock, wait, Completion, EventBlock, EventSlice, Events, Outbox, Pending, Pool};
use crate::follower::Follower;
use crate::io::{Disk, RealDisk};
use crate::journal;
use crate::link::protocol::{stats_from_numbers, unreadable, Frames, Question, ToEngine, ToReplica};
use crate::node::journal_directory;
use crate::pipeline::Stats;
use crate::wire::{
    check_all_encodable, decode_command_records, decode_commands, decode_one_command, encode_command, EventRecord,
};

/// The journal is executed in blocks of so many commands, so that readers get in between.
const BLOCK: u64 = 1024;
/// Tokens with this bit are of commands that somebody waits for in [`Replica::execute`].
const WAITED_FOR: u64 = 1 << 63;
/// More bytes than this do not wait to be sent.
const MAX_OUTPUT: usize = 16 << 20;

/// How a replica is made.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// The node's directory. It is only read.
    pub path: PathBuf,
    /// How many bytes the feed ring may hold.
    pub event_ring_bytes: usize,
    /// How many submitted commands may be under way, their completions not taken yet.
    pub queue_capacity: usize,
}

/// A node in another process than the engine's: the same doors and reads as [`crate::NodeHandle`].
#[derive(Clone)]
pub struct Replica(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    config: ReplicaConfig,
    engine_config: EngineConfig,
    follower: Mutex<Follower>,
    outbox: Outbox,
    records: Arc<Pool<EventRecord>>,
    stream: UnixStream,
    output: Mutex<Output>,
    output_changed: Condvar,
    questions: Mutex<Questions>,
    waiting: Mutex<BTreeMap<u64, Waiting>>,
    next_token: AtomicU64,
    under_way: AtomicUsize,
    late_reader: Mutex<Option<Follower>>,
}

#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    ended: bool,
}

/// What a question is answered with.
type Answer = Result<Vec<u64>, String>;

/// Who waits for which answer.
#[derive(Default)]
struct Questions {
    last: u64,
    asked: BTreeMap<u64, SyncSender<Answer>>,
    ended: bool,
}

/// Somebody who waits for a run of tokens, by the first of them.
struct Waiting {
    events: Vec<Option<EventSlice>>,
    left: usize,
    done: SyncSender<Vec<Option<EventSlice>>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close(&self.threads);
    }
}

impl Replica {
    /// Takes the descriptor that [`crate::link::Link::open`] gave, and returns when the state is that of the engine's
    /// process at this moment.
    ///
    /// # Errors
    /// `Journal` if the link or the journal cannot be read; `Stopped` if the engine's process has ended.
    pub fn connect(link: OwnedFd, config: ReplicaConfig) -> Result<Self, NodeError> {
        let failed = |error| JournalError::io("use the link to", &config.path, error);
        let stream = UnixStream::from(link);
        let mut frames = Frames::new();
        let (engine_config, sequence) = loop {
            if let Some(frame) = frames.next().map_err(failed)? {
                match ToReplica::decode(frame).map_err(failed)? {
                    ToReplica::Welcome { config, sequence } => break (EngineConfig::from(config), sequence),
                    _ => return Err(failed(unreadable()).into()),
                }
            }
            if !frames.fill(&stream).map_err(failed)? {
                return Err(lost("it has ended"));
            }
        };
        let mut follower = Follower::open(Arc::new(RealDisk), &config.path, &engine_config, sequence)?;
        follower.advance_to(sequence)?;
        let shared = Arc::new(Shared {
            engine_config,
            follower: Mutex::new(follower),
            outbox: Outbox::new(sequence, false, config.event_ring_bytes).map_err(failed)?,
            records: Arc::new(Pool::new(16)),
            stream: stream.try_clone().map_err(failed)?,
            output: Mutex::new(Output::default()),
            output_changed: Condvar::new(),
            questions: Mutex::new(Questions::default()),
            waiting: Mutex::new(BTreeMap::new()),
            next_token: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
            late_reader: Mutex::new(None),
            config: config.clone(),
        });
        let replica = Self(Arc::new(Owner { shared: shared.clone(), threads: Mutex::new(Vec::new()) }));
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let (reading, writing) = (shared.clone(), shared);
        let reader = thread("beurs-replica").spawn(move || reading.run(frames)).map_err(failed)?;
        lock(&replica.0.threads).push(reader);
        let writer = thread("beurs-replica-out").spawn(move || writing.write_all()).map_err(failed)?;
        lock(&replica.0.threads).push(writer);
        Ok(replica)
    }

    fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// As [`crate::NodeHandle::execute`], but that other callers' commands may come in between anywhere.
    ///
    /// # Errors
    /// As there.
    pub fn execute(&self, commands: &[Command]) -> Result<Events, NodeError> {
        check_all_encodable(commands)?;
        if commands.is_empty() {
            return Ok(Events::default());
        }
        let shared = self.shared();
        let count = commands.len();
        let first = WAITED_FOR | shared.next_token.fetch_add(count as u64, Ordering::Relaxed);
        let (done, received) = sync_channel(1);
        lock(&shared.waiting).insert(first, Waiting { events: vec![None; count], left: count, done });
        let mut encoded = Vec::new();
        for (token, command) in (first..).zip(commands) {
            encoded.clear();
            encode_command(command, &mut encoded);
            if let Err(error) = shared.send(&ToEngine::Submit { token, command: &encoded }) {
                lock(&shared.waiting).remove(&first);
                return Err(error);
            }
        }
        let slices = received.recv().map_err(|_| shared.stopped())?;
        let mut events = Events::default();
        slices.into_iter().flatten().for_each(|slice| events.push(slice));
        Ok(events)
    }

    /// As [`crate::NodeHandle::execute_encoded`].
    ///
    /// # Errors
    /// As there.
    pub fn execute_encoded(&self, bytes: &[u8]) -> Result<Events, NodeError> {
        let mut commands = Vec::new();
        decode_commands(bytes, &mut commands)?;
        self.execute(&commands)
    }

    /// As [`crate::NodeHandle::execute_records`].
    ///
    /// # Errors
    /// As there.
    pub fn execute_records(&self, bytes: &[u8]) -> Result<Events, NodeError> {
        let mut commands = Vec::new();
        decode_command_records(bytes, &mut commands)?;
        self.execute(&commands)
    }

    /// As [`crate::NodeHandle::submit_encoded`].
    ///
    /// # Errors
    /// As there.
    pub fn submit_encoded(&self, token: u64, bytes: &[u8]) -> Result<(), NodeError> {
        decode_one_command(bytes)?;
        assert!(token & WAITED_FOR == 0, "tokens are below 2^63");
        let shared = self.shared();
        let capacity = shared.config.queue_capacity;
        if shared.under_way.fetch_add(1, Ordering::Relaxed) >= capacity {
            shared.under_way.fetch_sub(1, Ordering::Relaxed);
            return Err(NodeError::QueueFull { capacity });
        }
        let sent = shared.send(&ToEngine::Submit { token, command: bytes });
        if sent.is_err() {
            shared.under_way.fetch_sub(1, Ordering::Relaxed);
        }
        sent
    }

    /// As [`crate::NodeHandle::fd`].
    pub fn fd(&self) -> RawFd {
        self.shared().outbox.fd()
    }

    /// As [`crate::NodeHandle::completions`].
    ///
    /// # Errors
    /// As there.
    pub fn completions(&self) -> Result<Vec<Completion>, NodeError> {
        let completions = self.shared().outbox.take_completions()?;
        self.shared().under_way.fetch_sub(completions.len(), Ordering::Relaxed);
        Ok(completions)
    }

    /// As [`crate::NodeHandle::events_since`].
    ///
    /// # Errors
    /// As there.
    pub fn events_since(&self, sequence: u64, max_bytes: usize) -> Result<Events, NodeError> {
        self.shared().outbox.since(sequence, max_bytes)
    }

    /// As [`crate::NodeHandle::replay_events`].
    ///
    /// # Errors
    /// As there.
    pub fn replay_events(&self, sequence: u64, max_bytes: usize) -> Result<Vec<EventRecord>, NodeError> {
        let shared = self.shared();
        let durable_sequence = shared.outbox.released();
        let mut kept = lock(&shared.late_reader);
        // If anything fails the follower is made anew the next time.
        let mut follower = match kept.take() {
            Some(follower) => follower,
            None => Follower::open(
                Arc::new(RealDisk),
                &shared.config.path,
                &shared.engine_config,
                sequence.min(durable_sequence),
            )?,
        };
        let records = follower.events_since(sequence, max_bytes, durable_sequence)?;
        *kept = Some(follower);
        Ok(records)
    }

    /// As [`crate::NodeHandle::commands_at`].
    ///
    /// # Errors
    /// As there.
    pub fn commands_at(&self, sequences: &[u64]) -> Result<Vec<Option<Command>>, NodeError> {
        let (shared, disk) = (self.shared(), Arc::new(RealDisk) as Arc<dyn Disk>);
        let directory = journal_directory(&shared.config.path);
        Ok(journal::commands_at(&disk, &directory, sequences, shared.outbox.released())?)
    }

    /// Lets a closure see a state that has everything anybody had been told before.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn with_engine<R>(&self, f: impl FnOnce(&Engine) -> R) -> Result<R, NodeError> {
        self.latest()?;
        Ok(f(lock(&self.shared().follower).engine()))
    }

    /// The last sequence whose events may be seen here.
    pub fn sequence(&self) -> u64 {
        self.shared().outbox.released()
    }

    /// The last sequence whose events may be seen anywhere; returns when they can be seen here too.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn latest(&self) -> Result<u64, NodeError> {
        let answer = self.shared().ask(Question::Sequence)?;
        let sequence = answer.first().copied().unwrap_or(0);
        self.shared().outbox.wait_released(sequence)?;
        Ok(sequence)
    }

    /// Has the engine's process make a checkpoint; returns its sequence.
    ///
    /// # Errors
    /// `Stopped`, also with what the engine's process says against it.
    pub fn checkpoint(&self) -> Result<u64, NodeError> {
        Ok(self.shared().ask(Question::Checkpoint)?.first().copied().unwrap_or(0))
    }

    /// Numbers about the engine's node; but the ring and what is under way are this replica's.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn stats(&self) -> Result<Stats, NodeError> {
        let shared = self.shared();
        let stats = stats_from_numbers(&shared.ask(Question::Stats)?).map_err(|error| lost(&error.to_string()))?;
        let (ring_bytes, ring_oldest_sequence, completions_waiting) = shared.outbox.sizes();
        let (sequence, under_way) = (shared.outbox.released(), shared.under_way.load(Ordering::Relaxed));
        Ok(Stats { sequence, under_way, ring_bytes, ring_oldest_sequence, completions_waiting, ..stats })
    }

    /// Ends the link. What comes after is answered with `Stopped`. Closing twice does nothing more.
    pub fn close(&self) {
        self.shared().close(&self.0.threads);
    }
}

fn lost(why: &str) -> NodeError {
    NodeError::Stopped(StopReason::LinkLost { why: why.to_owned() })
}

impl Shared {
    fn stopped(&self) -> NodeError {
        NodeError::Stopped(self.outbox.stopped().unwrap_or(StopReason::Closed))
    }

    fn send(&self, frame: &ToEngine<'_>) -> Result<(), NodeError> {
        let mut output = lock(&self.output);
        while output.bytes.len() > MAX_OUTPUT && !output.ended {
            output = wait(&self.output_changed, output);
        }
        if output.ended {
            drop(output);
            return Err(self.stopped());
        }
        let first = output.bytes.is_empty();
        frame.encode(&mut output.bytes);
        drop(output);
        if first {
            self.output_changed.notify_all();
        }
        Ok(())
    }

    /// The writing thread: sends what has gathered, all of it at once.
    fn write_all(&self) {
        let mut bytes = Vec::new();
        loop {
            let mut output = lock(&self.output);
            while output.bytes.is_empty() && !output.ended {
                output = wait(&self.output_changed, output);
            }
            if output.ended {
                return;
            }
            std::mem::swap(&mut bytes, &mut output.bytes);
            drop(output);
            self.output_changed.notify_all();
            if (&self.stream).write_all(&bytes).is_err() {
                // The reading thread learns of it too and tells everybody.
                let _ = self.stream.shutdown(Shutdown::Both);
                return;
            }
            bytes.clear();
        }
    }

    fn ask(&self, question: Question) -> Result<Vec<u64>, NodeError> {
        let (answer, received) = sync_channel(1);
        let mut questions = lock(&self.questions);
        if questions.ended {
            drop(questions);
            return Err(self.stopped());
        }
        questions.last += 1;
        let number = questions.last;
        questions.asked.insert(number, answer);
        drop(questions);
        self.send(&ToEngine::Ask { number, question })?;
        match received.recv() {
            Ok(Ok(numbers)) => Ok(numbers),
            Ok(Err(why)) => Err(lost(&why)),
            Err(_) => Err(self.stopped()),
        }
    }

    /// The reading thread: executes the journal as far as it is durable, and hands out answers.
    fn run(&self, frames: Frames) {
        let reason = self.read_all(frames);
        self.end(reason);
    }

    fn read_all(&self, mut frames: Frames) -> StopReason {
        let lost = |why: &str| StopReason::LinkLost { why: why.to_owned() };
        loop {
            loop {
                let frame = match frames.next() {
                    Ok(Some(frame)) => ToReplica::decode(frame),
                    Ok(None) => break,
                    Err(error) => Err(error),
                };
                match frame {
                    Ok(ToReplica::Released { sequence, assigned }) => {
                        if let Err(error) = self.follow(sequence, &assigned) {
                            return match error {
                                NodeError::Stopped(reason) => reason,
                                other => lost(&other.to_string()),
                            };
                        }
                    }
                    Ok(ToReplica::Refused { token, record }) => self.refuse(token, EventRecord::from_bytes(&record)),
                    Ok(ToReplica::Answer { number, answer }) => {
                        if let Some(asked) = lock(&self.questions).asked.remove(&number) {
                            // Whoever asked may have gone.
                            let _ = asked.send(answer);
                        }
                    }
                    Ok(ToReplica::Stopped { why }) => return lost(&why),
                    Ok(ToReplica::Welcome { .. }) => return lost(&unreadable().to_string()),
                    Err(error) => return lost(&error.to_string()),
                }
            }
            match frames.fill(&self.stream) {
                Ok(true) => {}
                Ok(false) => return lost("it has ended"),
                Err(error) => return lost(&error.to_string()),
            }
        }
    }

    /// Executes the journal up to a sequence, which is durable. `assigned` are token and sequence of commands of ours.
    fn follow(&self, sequence: u64, mut assigned: &[(u64, u64)]) -> Result<(), NodeError> {
        loop {
            let mut follower = lock(&self.follower);
            let first_sequence = follower.sequence() + 1;
            if first_sequence > sequence {
                assert!(assigned.is_empty(), "answers come with the release of their commands");
                return Ok(());
            }
            let last_sequence = sequence.min(first_sequence + BLOCK - 1);
            let mut records = self.records.take();
            follower.events_to(last_sequence, &mut records)?;
            drop(follower);
            let (now, later) = assigned.split_at(assigned.partition_point(|&(_, sequence)| sequence <= last_sequence));
            assigned = later;
            let block = Arc::new(EventBlock { first_sequence, last_sequence, records, pool: self.records.clone() });
            let (mut completions, mut waited_for) = (Vec::new(), Vec::new());
            for &(token, sequence) in now {
                let from = block.records.partition_point(|record| record.sequence < sequence);
                let to = from + block.records[from..].partition_point(|record| record.sequence == sequence);
                if token & WAITED_FOR == 0 {
                    completions.push((token, EventSlice::new(block.clone(), from..to)));
                } else {
                    waited_for.push((token, EventSlice::new(block.clone(), from..to)));
                }
            }
            self.outbox.push(Pending { block, completions });
            self.outbox.nudge();
            for (token, events) in waited_for {
                self.hand_out(token, events);
            }
        }
    }

    /// Answers a command that the engine's process refused and did not execute.
    fn refuse(&self, token: u64, record: EventRecord) {
        let sequence = self.outbox.released();
        let block = |first_sequence, last_sequence, records| {
            Arc::new(EventBlock { first_sequence, last_sequence, records, pool: self.records.clone() })
        };
        let events = EventSlice::whole(block(0, 0, vec![record]));
        if token & WAITED_FOR == 0 {
            let block = block(sequence + 1, sequence, Vec::new());
            self.outbox.push(Pending { block, completions: vec![(token, events)] });
        } else {
            self.hand_out(token, events);
        }
    }

    fn hand_out(&self, token: u64, events: EventSlice) {
        let mut waiting = lock(&self.waiting);
        let Some((&first, entry)) = waiting.range_mut(..=token).next_back() else { return };
        let Some(place) = entry.events.get_mut((token - first) as usize) else { return };
        *place = Some(events);
        entry.left -= 1;
        if entry.left == 0 {
            if let Some(done) = waiting.remove(&first) {
                // Whoever waited may have gone.
                let _ = done.done.send(done.events);
            }
        }
    }

    /// Nothing comes any more: tells everybody who waits.
    fn end(&self, reason: StopReason) {
        self.outbox.stop(reason);
        lock(&self.output).ended = true;
        self.output_changed.notify_all();
        let mut questions = lock(&self.questions);
        questions.ended = true;
        questions.asked.clear();
        drop(questions);
        lock(&self.waiting).clear();
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn close(&self, threads: &Mutex<Vec<JoinHandle<()>>>) {
        self.end(StopReason::Closed);
        for thread in lock(threads).drain(..) {
            // A panic in it has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}
