//! The journal thread: it appends what the engine has executed, while the engine goes on, and says what is durable.
//!
//! Whatever has been handed over while one write was on its way to the disk is the next write, so the slower the disk
//! the larger the writes: group commit without a timer. A second thread makes checkpoints, so that they delay nobody.
//!
//! Invariants: batches are written in the order in which they came; a checkpoint is begun only after every command in
//! it is durable; after a failed append nothing is written any more and the node stops.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use beurs_engine::command::Command;

use crate::checkpointer::{CheckpointJob, CheckpointState, Checkpointer};
use crate::error::StopReason;
use crate::feed::{lock, wait, wait_for, Outbox, Pool};
use crate::journal::{Batch, Log, Position, Room, MAX_RECORD};

/// Counts of what the journal thread has done; all of them only grow.
#[derive(Debug, Default)]
pub(crate) struct WriterStats {
    pub(crate) writes: AtomicU64,
    pub(crate) commands: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Appends that took less than 2^i microseconds and at least half of that.
    pub(crate) append_us_log2: [AtomicU64; 24],
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoint_failures: AtomicU64,
    /// Commands refused because the disk was full.
    pub(crate) disk_full_refusals: AtomicU64,
    pub(crate) last_checkpoint_sequence: AtomicU64,
    /// Segments archived or dropped.
    pub(crate) segments_removed: AtomicU64,
    pub(crate) retention_failures: AtomicU64,
}

enum Work {
    Batch(Arc<Batch>),
    Checkpoint(CheckpointJob),
}

/// How often a full disk is tried again.
const SPACE_CHECK: Duration = Duration::from_secs(1);

struct Queue {
    work: VecDeque<Work>,
    /// What the log can take behind a sequence.
    room: (u64, Room),
    closing: bool,
    /// The thread has ended; nothing that is handed over will be written.
    ended: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Something was handed over.
    arrived: Condvar,
    /// Something was taken.
    taken: Condvar,
    checkpoints: Arc<CheckpointState>,
    /// The sequence behind which `room_bytes` may be appended; changed after `room_bytes`.
    room_sequence: AtomicU64,
    /// 0 while the disk is full.
    room_bytes: AtomicU64,
    stats: WriterStats,
}

impl Shared {
    fn is_full(&self) -> bool {
        self.room_bytes.load(Ordering::Relaxed) == 0
    }

    fn publish(&self, sequence: u64, room: Room) {
        let bytes = match room {
            Room::Segment { bytes } => bytes,
            Room::Full { .. } => 0,
        };
        // In this order: who sees a sequence sees room that is at most what there is behind it, or behind one before it.
        self.room_bytes.store(bytes, Ordering::Release);
        self.room_sequence.store(sequence, Ordering::Release);
        lock(&self.queue).room = (sequence, room);
        self.taken.notify_all();
    }
}

/// What the journal thread and the checkpoint thread do, for a caller that does it itself, step by step.
pub(crate) struct WriterSteps {
    shared: Arc<Shared>,
    journal: JournalThread,
    checkpointer: Checkpointer,
    jobs: Receiver<(Position, CheckpointJob)>,
}

impl WriterSteps {
    /// One write of the journal: takes what waits, as much as one write may have, makes it durable and releases it. A full
    /// disk is tried again each time. Returns whether there was anything. After a failure, which stops the node, there
    /// never is.
    pub(crate) fn write(&mut self) -> bool {
        let mut batches = Vec::new();
        let mut queue = lock(&self.shared.queue);
        let some = !queue.work.is_empty() && !queue.ended;
        let job = if some { self.journal.take_work(&mut queue, &mut batches) } else { None };
        let ended = queue.ended;
        drop(queue);
        if !ended && (some || self.shared.is_full()) && !self.journal.write(&mut batches, job) {
            self.shared.end();
        }
        some
    }

    /// Makes a checkpoint that was asked for and is due, if there is one.
    pub(crate) fn checkpoint(&mut self) -> bool {
        match self.jobs.try_recv() {
            Ok((position, job)) => {
                self.checkpointer.make(position, job, &self.shared.stats);
                true
            }
            Err(_) => false,
        }
    }
}

/// The journal thread and the checkpoint thread, as the engine sees them.
pub(crate) struct Writer {
    handle: WriterHandle,
    threads: Vec<JoinHandle<()>>,
}

/// What other threads may ask of the writer.
#[derive(Clone)]
pub(crate) struct WriterHandle(Arc<Shared>);

impl WriterHandle {
    pub(crate) fn stats(&self) -> &WriterStats {
        &self.0.stats
    }

    /// Batches that are not yet being written.
    pub(crate) fn depth(&self) -> usize {
        lock(&self.0.queue).work.len()
    }

    /// Whether `count` commands more, behind everything up to `sequence`, certainly fit into the log, the commands that
    /// are not written yet with them.
    #[inline]
    pub(crate) fn has_room(&self, sequence: u64, count: usize) -> bool {
        let behind = self.0.room_sequence.load(Ordering::Acquire);
        let bytes = self.0.room_bytes.load(Ordering::Acquire);
        (sequence - behind + count as u64) * MAX_RECORD as u64 <= bytes
    }

    /// What the log can take when everything up to `sequence` is written. `None` if the thread has ended.
    pub(crate) fn room_behind(&self, sequence: u64) -> Option<Room> {
        let mut queue = lock(&self.0.queue);
        while queue.room.0 < sequence && !queue.ended {
            queue = wait(&self.0.taken, queue);
        }
        (!queue.ended).then_some(queue.room.1)
    }

    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Whether [`Self::room_behind`] has its answer without waiting, or nobody needs it.
    pub(crate) fn room_is_known(&self, sequence: u64, count: usize) -> bool {
        self.has_room(sequence, count) || lock(&self.0.queue).room.0 >= sequence
    }

    /// Waits until at most `most` batches wait to be written, or the thread has ended.
    pub(crate) fn wait_for_room(&self, most: usize) {
        let mut queue = lock(&self.0.queue);
        while queue.work.len() > most && !queue.ended {
            queue = wait(&self.0.taken, queue);
        }
    }
}

impl Writer {
    pub(crate) fn start(
        log: Box<dyn Log>,
        batch_limit: usize,
        outbox: Arc<Outbox>,
        pool: Arc<Pool<Command>>,
        checkpointer: Checkpointer,
        last_checkpoint_sequence: u64,
    ) -> std::io::Result<Self> {
        let (mut writer, steps) =
            Self::without_threads(log, batch_limit, outbox, pool, checkpointer, last_checkpoint_sequence);
        let WriterSteps { shared, mut journal, checkpointer, jobs } = steps;
        journal.space_check = SPACE_CHECK;
        writer.threads.push(std::thread::Builder::new().name("beurs-journal".to_owned()).spawn(move || journal.run())?);
        let checkpoint_thread = std::thread::Builder::new().name("beurs-checkpoint".to_owned());
        writer.threads.push(checkpoint_thread.spawn(move || checkpointer.run(&jobs, &shared.stats))?);
        Ok(writer)
    }

    /// The same for a caller that is the threads.
    pub(crate) fn without_threads(
        log: Box<dyn Log>,
        batch_limit: usize,
        outbox: Arc<Outbox>,
        pool: Arc<Pool<Command>>,
        checkpointer: Checkpointer,
        last_checkpoint_sequence: u64,
    ) -> (Self, WriterSteps) {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                work: VecDeque::new(),
                room: (log.position().sequence, log.room()),
                closing: false,
                ended: false,
            }),
            arrived: Condvar::new(),
            taken: Condvar::new(),
            checkpoints: checkpointer.state.clone(),
            room_sequence: AtomicU64::new(0),
            room_bytes: AtomicU64::new(0),
            stats: WriterStats::default(),
        });
        shared.publish(log.position().sequence, log.room());
        shared.stats.last_checkpoint_sequence.store(last_checkpoint_sequence, Ordering::Relaxed);
        let (checkpoints, jobs) = channel();
        let journal = JournalThread {
            shared: shared.clone(),
            log,
            batch_limit,
            outbox,
            pool,
            checkpoints,
            space_check: Duration::ZERO,
            tried: Instant::now(),
        };
        let writer = Self { handle: WriterHandle(shared.clone()), threads: Vec::new() };
        (writer, WriterSteps { shared, journal, checkpointer, jobs })
    }

    /// Whether it writes by itself.
    pub(crate) fn has_threads(&self) -> bool {
        !self.threads.is_empty()
    }

    pub(crate) fn handle(&self) -> &WriterHandle {
        &self.handle
    }

    /// Hands a batch over. The caller goes on at once.
    pub(crate) fn push(&self, batch: Arc<Batch>) {
        self.push_work(Work::Batch(batch));
    }

    /// Asks for a checkpoint of the state after the last batch that was handed over.
    pub(crate) fn push_checkpoint(&self, job: CheckpointJob) {
        self.handle.0.checkpoints.under_way.fetch_add(1, Ordering::Relaxed);
        self.push_work(Work::Checkpoint(job));
    }

    /// After the thread has ended, work is dropped, and with it the hope of whoever waits for it.
    fn push_work(&self, work: Work) {
        let mut queue = lock(&self.handle.0.queue);
        if !queue.ended {
            queue.work.push_back(work);
        }
        drop(queue);
        self.handle.0.arrived.notify_one();
    }

    pub(crate) fn checkpoint_under_way(&self) -> bool {
        self.handle.0.checkpoints.under_way.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Writer {
    /// Writes what was handed over and ends the threads.
    fn drop(&mut self) {
        self.handle.0.checkpoints.closing.store(true, Ordering::Relaxed);
        lock(&self.handle.0.queue).closing = true;
        self.handle.0.arrived.notify_one();
        for thread in self.threads.drain(..) {
            // A panic in it has stopped the node already and has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

struct JournalThread {
    shared: Arc<Shared>,
    log: Box<dyn Log>,
    batch_limit: usize,
    outbox: Arc<Outbox>,
    pool: Arc<Pool<Command>>,
    checkpoints: Sender<(Position, CheckpointJob)>,
    /// How often a full disk is tried again.
    space_check: Duration,
    /// When it was last tried.
    tried: Instant,
}

/// Says that the thread has ended, however it ends.
struct EndGuard(Arc<Shared>, Arc<Outbox>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let message = "the journal thread broke an invariant".to_owned();
            self.1.stop(StopReason::Panicked { sequence: 0, message });
        }
        self.0.end();
    }
}

impl Shared {
    fn end(&self) {
        let mut queue = lock(&self.queue);
        queue.ended = true;
        queue.work.clear();
        drop(queue);
        self.taken.notify_all();
    }
}

impl JournalThread {
    fn run(mut self) {
        let _end = EndGuard(self.shared.clone(), self.outbox.clone());
        let mut batches: Vec<Arc<Batch>> = Vec::new();
        while let Some(job) = self.next_work(&mut batches) {
            if !self.write(&mut batches, job) {
                return;
            }
        }
    }

    /// Makes batches durable, releases them, sees to room for more, and hands a checkpoint on. Returns whether the journal may go on.
    fn write(&mut self, batches: &mut Vec<Arc<Batch>>, job: Option<CheckpointJob>) -> bool {
        if let Some(first) = batches.first() {
            let first_sequence = first.first_sequence;
            let begun = Instant::now();
            let appended = self.log.append(first_sequence, batches);
            if let Err(error) = appended {
                self.outbox.stop(StopReason::Journal(error));
                return false;
            }
            self.count(batches, begun);
            self.outbox.set_durable(self.log.position().sequence);
            for batch in batches.drain(..) {
                // The engine may still be executing it; then whoever is last lets it go.
                if let Ok(batch) = Arc::try_unwrap(batch) {
                    self.pool.put(batch.commands);
                }
            }
        }
        if !self.shared.is_full() || self.tried.elapsed() >= self.space_check {
            if let Err(error) = self.log.make_room() {
                self.outbox.stop(StopReason::Journal(error));
                return false;
            }
            self.tried = Instant::now();
        }
        self.shared.publish(self.log.position().sequence, self.log.room());
        if let Some(job) = job {
            let position = self.log.position();
            assert_eq!(position.sequence, job.landmark.sequence(), "a checkpoint holds what is durable, all of it");
            // It can only be refused after the checkpoint thread has panicked; checkpoints then just end.
            let _ = self.checkpoints.send((position, job));
        }
        true
    }

    /// Waits for work and takes as much as one write may have, up to a checkpoint. `None` when all is done. While the disk
    /// is full it also returns, with nothing, when it is time to try again.
    fn next_work(&self, batches: &mut Vec<Arc<Batch>>) -> Option<Option<CheckpointJob>> {
        let mut queue = lock(&self.shared.queue);
        while queue.work.is_empty() {
            if queue.closing {
                return None;
            }
            if matches!(queue.room.1, Room::Full { .. }) {
                queue = wait_for(&self.shared.arrived, queue, SPACE_CHECK);
                if queue.work.is_empty() && !queue.closing {
                    return Some(None);
                }
            } else {
                queue = wait(&self.shared.arrived, queue);
            }
        }
        let job = self.take_work(&mut queue, batches);
        drop(queue);
        self.shared.taken.notify_all();
        Some(job)
    }

    fn take_work(&self, queue: &mut Queue, batches: &mut Vec<Arc<Batch>>) -> Option<CheckpointJob> {
        let mut commands = 0;
        while let Some(work) = queue.work.pop_front() {
            match work {
                Work::Batch(batch) if batches.is_empty() || commands + batch.commands.len() <= self.batch_limit => {
                    commands += batch.commands.len();
                    batches.push(batch);
                }
                batch @ Work::Batch(_) => {
                    queue.work.push_front(batch);
                    break;
                }
                Work::Checkpoint(checkpoint) => return Some(checkpoint),
            }
        }
        None
    }

    fn count(&self, batches: &[Arc<Batch>], begun: Instant) {
        let stats = &self.shared.stats;
        let commands: usize = batches.iter().map(|batch| batch.commands.len()).sum();
        stats.writes.fetch_add(1, Ordering::Relaxed);
        stats.commands.fetch_add(commands as u64, Ordering::Relaxed);
        stats.bytes.store(self.log.bytes_written(), Ordering::Relaxed);
        let us = begun.elapsed().as_micros() as u64;
        let bucket = (64 - us.leading_zeros() as usize).min(stats.append_us_log2.len() - 1);
        stats.append_us_log2[bucket].fetch_add(1, Ordering::Relaxed);
    }
}
