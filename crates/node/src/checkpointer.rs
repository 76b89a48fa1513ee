//! The checkpoint thread: a private engine that executes the durable journal behind the live one, so that a checkpoint
//! never stops the live engine.
//!
//! Invariants:
//! * A checkpoint gets its name only after it was read back from the disk, restored, and found to have the digest of the
//!   private engine, which stands at the journal's running hash and agrees with what the live engine noted there.
//! * The engine restored from the file is the private engine from then on: what a checkpoint forgot could not go unnoticed
//!   by the next one.
//! * The thread may be as late as it likes: a late checkpoint makes the next start slower and nothing else. Closing does
//!   not wait for one that was begun by itself.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::Arc;

use beurs_engine::{Engine, EngineConfig};

use crate::checkpoint;
use crate::error::{JournalError, NodeError, StopReason};
use crate::follower::Follower;
use crate::io::Disk;
use crate::journal::Position;
use crate::node::{checkpoint_directory, journal_directory};
use crate::retention::{self, Readers, Retention};
use crate::writer::WriterStats;

/// How many commands the private engine executes between two looks at whether it should end.
const STEP: u64 = 65_536;
/// How much less of the processors the thread asks for than the others: a nice value.
const NICENESS: libc::c_int = 10;

/// What the live engine notes about its state when it asks for a checkpoint, in a moment whatever its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Landmark {
    sequence: u64,
    event_time_ns: i64,
    next_due_ns: i64,
    open_orders: u32,
    issued: i128,
}

impl Landmark {
    pub(crate) fn of(engine: &Engine) -> Self {
        Self {
            sequence: engine.sequence(),
            event_time_ns: engine.event_time_ns(),
            next_due_ns: engine.next_due_ns(),
            open_orders: engine.open_order_count(),
            issued: engine.assets().fold(0, |sum, asset| sum.wrapping_add(asset.issued)),
        }
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// Where a checkpoint's snapshot comes from.
pub(crate) enum Source {
    /// The private engine, which gets there by the journal.
    Journal,
    /// The live engine, which is closing.
    Live(Vec<u8>),
}

/// A checkpoint that is to be made.
pub(crate) struct CheckpointJob {
    pub(crate) landmark: Landmark,
    pub(crate) source: Source,
    /// Told when it is in its file. A job with a reply is done even when the node closes.
    pub(crate) reply: Option<SyncSender<Result<u64, NodeError>>>,
}

/// What the checkpoint thread shares with the others.
#[derive(Default)]
pub(crate) struct CheckpointState {
    /// Jobs that are not done yet.
    pub(crate) under_way: AtomicUsize,
    pub(crate) closing: AtomicBool,
}

/// See the module.
pub(crate) struct Checkpointer {
    pub(crate) disk: Arc<dyn Disk>,
    /// The node's directory.
    pub(crate) path: PathBuf,
    pub(crate) engine_config: EngineConfig,
    /// How many checkpoints are kept, at least one.
    pub(crate) kept: usize,
    pub(crate) retention: Retention,
    pub(crate) readers: Arc<Readers>,
    pub(crate) state: Arc<CheckpointState>,
    /// The private engine: made for the first checkpoint, made anew after a failure.
    pub(crate) follower: Option<Follower>,
}

/// Why there is no checkpoint.
enum Failure {
    Node(NodeError),
    /// The node closes, which makes a checkpoint of its own.
    Closing,
}

impl<E: Into<NodeError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Node(error.into())
    }
}

impl Checkpointer {
    /// Makes checkpoints until nobody can ask for one any more.
    pub(crate) fn run(mut self, jobs: &Receiver<(Position, CheckpointJob)>, stats: &WriterStats) {
        be_nice();
        for (position, job) in jobs {
            self.make(position, job, stats);
        }
    }

    /// Makes one checkpoint.
    pub(crate) fn make(&mut self, position: Position, job: CheckpointJob, stats: &WriterStats) {
        let CheckpointJob { landmark, source, reply } = job;
        let made = match source {
            Source::Journal => self.make_from_journal(position, landmark, reply.is_some()),
            Source::Live(snapshot) => {
                self.follower = None; // The node is closing; its memory is better used otherwise.
                self.write(position, &snapshot).map(|_| ()).map_err(Failure::from)
            }
        };
        let answer = match made {
            Ok(()) => {
                stats.checkpoints.fetch_add(1, Ordering::Relaxed);
                stats.last_checkpoint_sequence.store(position.sequence, Ordering::Relaxed);
                self.tidy(stats);
                Ok(position.sequence)
            }
            Err(Failure::Closing) => Err(NodeError::Stopped(StopReason::Closed)),
            // A missing checkpoint makes the next start slower and nothing else; the count tells.
            Err(Failure::Node(error)) => {
                self.follower = None;
                stats.checkpoint_failures.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        };
        self.state.under_way.fetch_sub(1, Ordering::Relaxed);
        if let Some(reply) = reply {
            let _ = reply.send(answer); // Fails when nobody waits any more.
        }
    }

    fn make_from_journal(&mut self, position: Position, landmark: Landmark, wanted: bool) -> Result<(), Failure> {
        let mut follower = match self.follower.take() {
            Some(follower) => follower,
            None => Follower::open(self.disk.clone(), &self.path, &self.engine_config, position.sequence)?,
        };
        while follower.sequence() < position.sequence {
            if !wanted && self.state.closing.load(Ordering::Relaxed) {
                return Err(Failure::Closing);
            }
            follower.advance_to(position.sequence.min(follower.sequence() + STEP))?;
        }
        let differs = |what: String| {
            Failure::from(JournalError::damaged(
                &journal_directory(&self.path),
                0,
                format!("{what} after {position:?}"),
            ))
        };
        if follower.position() != position {
            return Err(differs(format!("the private engine stands at {:?}", follower.position())));
        }
        let private = Landmark::of(follower.engine());
        if private != landmark {
            return Err(differs(format!("the private engine has {private:?}, the live one had {landmark:?}")));
        }
        let mut snapshot = Vec::new();
        follower.engine().snapshot(&mut snapshot);
        let written = self.write_aside(position, &snapshot)?;
        drop(snapshot);
        let (unfinished, found) = written;
        follower
            .restore(&found.snapshot)
            .map_err(|error| differs(format!("what was written cannot be used: {error}")))?;
        drop(found.snapshot);
        if follower.engine().digest() != found.digest {
            return Err(differs("the engine restored from the checkpoint has another digest".to_owned()));
        }
        self.finish(&unfinished)?;
        self.follower = Some(follower);
        Ok(())
    }

    /// Writes a snapshot of the live engine. That it can be restored is found on the next opening.
    fn write(&self, position: Position, snapshot: &[u8]) -> Result<(), JournalError> {
        let (unfinished, _) = self.write_aside(position, snapshot)?;
        self.finish(&unfinished)
    }

    fn write_aside(
        &self,
        position: Position,
        snapshot: &[u8],
    ) -> Result<(checkpoint::Unfinished, checkpoint::Checkpoint), JournalError> {
        checkpoint::write_aside(&checkpoint_directory(&self.path), self.disk.as_ref(), position, snapshot)
    }

    fn finish(&self, unfinished: &checkpoint::Unfinished) -> Result<(), JournalError> {
        unfinished.finish(self.disk.as_ref())
    }

    /// Removes what is no longer kept. If it cannot, the disk has more than is needed, and the next checkpoint tries again.
    fn tidy(&self, stats: &WriterStats) {
        let (journal, checkpoints) = (journal_directory(&self.path), checkpoint_directory(&self.path));
        let disk = self.disk.as_ref();
        match retention::tidy(disk, &journal, &checkpoints, self.kept, &self.retention, &self.readers) {
            Ok(removed) => stats.segments_removed.fetch_add(removed, Ordering::Relaxed),
            Err(_) => stats.retention_failures.fetch_add(1, Ordering::Relaxed),
        };
    }
}

/// Gives this thread less of the processors than the others get.
fn be_nice() {
    // SAFETY: a plain system call about the calling thread. If it fails the thread just is not nice.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}
