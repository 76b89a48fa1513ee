//! What the hub needs of an exchange, and the node as one.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;
use std::thread::JoinHandle;

use beurs_engine::command::Command;
use beurs_engine::Engine;

use crate::error::NodeError;
use crate::feed::{eventfd, raise};
use crate::pipeline::NodeHandle;
use crate::sbe::reports::accounts;
use crate::wire::{EventRecord, EVENT_SIZE};

/// An event's place: the sequence of its command, and which of that command's events it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Position {
    /// The command.
    pub sequence: u64,
    /// Its event, from 0.
    pub index: u32,
}

impl Position {
    /// Behind every event of a command.
    pub const fn behind(sequence: u64) -> Self {
        Self { sequence, index: u32::MAX }
    }

    /// Where an event is.
    pub const fn of(record: &EventRecord) -> Self {
        Self { sequence: record.sequence, index: record.event_index }
    }
}

/// Why an exchange does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gone {
    /// The events are no longer at hand; those behind this sequence are.
    Lagged(u64),
    /// It has stopped.
    Stopped,
}

/// What to look up in the past.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplayJob {
    /// Comes back with the answer.
    pub ticket: u64,
    /// Whose reports.
    pub account_id: u32,
    /// Behind which event.
    pub after: Position,
    /// Up to which command, which is durable.
    pub through: u64,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// As asked.
    pub ticket: u64,
    /// The account's events, in order, and up to which command they are all of them. At least one command further than
    /// asked from. `None` if the past is no longer there.
    pub events: Option<(Vec<EventRecord>, u64)>,
}

/// An exchange, as the hub uses it. Nothing here waits for a disk.
pub trait Exchange {
    /// The most commands that [`Self::start`] takes.
    fn batch_limit(&self) -> usize;

    /// Executes commands as one batch, with consecutive sequences, and gives the first of them. `None`, and nothing was
    /// done, while it takes none; it will. The vector is empty afterwards if they were taken. Those that are refused because
    /// the disk is full have no sequence: their places are added to `refused`, and the sequence is 0 if none is left.
    ///
    /// # Errors
    /// `Stopped`.
    fn start(&mut self, commands: &mut Vec<Command>, refused: &mut Vec<usize>) -> Result<Option<u64>, Gone>;

    /// The last sequence whose events may be seen.
    fn released(&self) -> u64;

    /// Gives the events behind a sequence that may be seen, in order, whole commands, about `max_bytes` of them.
    ///
    /// # Errors
    /// `Lagged`, `Stopped` once there is nothing left to give.
    fn events_since(
        &mut self,
        sequence: u64,
        max_bytes: usize,
        give: &mut dyn FnMut(&[EventRecord]),
    ) -> Result<(), Gone>;

    /// Lets a closure see the state after a command, and says which. What it learns must not get out before that command
    /// is released.
    ///
    /// # Errors
    /// `Stopped`.
    fn look<R>(&mut self, f: impl FnOnce(&Engine) -> R) -> Result<(R, u64), Gone>;

    /// Begins to look up the past; [`Self::replayed`] has the answer some time later.
    fn replay(&mut self, job: ReplayJob);

    /// An answer, if there is one.
    fn replayed(&mut self) -> Option<Replayed>;
}

/// At most so many bytes of events are read at one time to find those of an account.
const REPLAY_BYTES: usize = 4 << 20;
/// An answer has about so many events.
const REPLAY_EVENTS: usize = 4_096;

/// A node as an [`Exchange`]. Looking up the past has a thread of its own, because it reads files.
pub struct NodeExchange {
    handle: NodeHandle,
    jobs: Option<Sender<ReplayJob>>,
    answers: Receiver<Replayed>,
    thread: Option<JoinHandle<()>>,
}

impl NodeExchange {
    /// An eventfd to be woken by.
    ///
    /// # Errors
    /// The system has none.
    pub fn waker() -> io::Result<Arc<OwnedFd>> {
        eventfd().map(Arc::new)
    }

    /// A node. `wake` (an eventfd) is raised when there may be something new: released events, an answer, the end.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn new(handle: NodeHandle, wake: &Arc<OwnedFd>) -> io::Result<Self> {
        handle.watch(wake);
        let (jobs, received) = channel::<ReplayJob>();
        let (send, answers) = channel();
        let thread = {
            let (handle, wake) = (handle.clone(), wake.clone());
            std::thread::Builder::new().name("beurs-replay".to_owned()).spawn(move || {
                for job in received {
                    let answer = Replayed { ticket: job.ticket, events: look_up(&handle, job).ok() };
                    if send.send(answer).is_err() {
                        break; // The gateway has ended.
                    }
                    raise(&wake);
                }
            })?
        };
        Ok(Self { handle, jobs: Some(jobs), answers, thread: Some(thread) })
    }
}

impl Drop for NodeExchange {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

fn look_up(handle: &NodeHandle, job: ReplayJob) -> Result<(Vec<EventRecord>, u64), NodeError> {
    let mut found = Vec::new();
    let mut sequence = job.after.sequence.saturating_sub(1);
    while sequence < job.through && found.len() < REPLAY_EVENTS {
        let records = handle.replay_events(sequence, REPLAY_BYTES)?;
        let Some(last) = records.last() else {
            sequence = job.through; // Every command has an event, so there are no more commands.
            break;
        };
        sequence = last.sequence;
        found.extend(records.into_iter().filter(|record| {
            record.sequence <= job.through
                && Position::of(record) > job.after
                && accounts(record).contains(&job.account_id)
        }));
    }
    Ok((found, sequence.min(job.through)))
}

impl Exchange for NodeExchange {
    fn batch_limit(&self) -> usize {
        self.handle.batch_limit()
    }

    fn start(&mut self, commands: &mut Vec<Command>, refused: &mut Vec<usize>) -> Result<Option<u64>, Gone> {
        self.handle.try_start(commands, refused).map_err(|_| Gone::Stopped)
    }

    fn released(&self) -> u64 {
        self.handle.sequence()
    }

    fn events_since(
        &mut self,
        sequence: u64,
        max_bytes: usize,
        give: &mut dyn FnMut(&[EventRecord]),
    ) -> Result<(), Gone> {
        let events = match self.handle.events_since(sequence, max_bytes.max(EVENT_SIZE)) {
            Ok(events) => events,
            Err(NodeError::Lagged { oldest_sequence }) => return Err(Gone::Lagged(oldest_sequence)),
            Err(_) => return Err(Gone::Stopped),
        };
        if events.is_empty() && self.handle.stop_reason().is_some() {
            return Err(Gone::Stopped);
        }
        for slice in events.slices() {
            give(slice.records());
        }
        Ok(())
    }

    fn look<R>(&mut self, f: impl FnOnce(&Engine) -> R) -> Result<(R, u64), Gone> {
        self.handle.look(f).map_err(|_| Gone::Stopped)
    }

    fn replay(&mut self, job: ReplayJob) {
        if let Some(jobs) = &self.jobs {
            // It fails only after a panic of the thread; the session then waits until its client gives up.
            let _ = jobs.send(job);
        }
    }

    fn replayed(&mut self) -> Option<Replayed> {
        self.answers.try_recv().ok()
    }
}

/// Commands of sessions that wait to be executed, in batches, with where each came from.
#[derive(Debug)]
pub(super) struct Pending<S> {
    batches: VecDeque<(Vec<Command>, Vec<S>)>,
    limit: usize,
    count: usize,
}

impl<S> Pending<S> {
    pub(super) fn new(limit: usize) -> Self {
        Self { batches: VecDeque::new(), limit, count: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn push(&mut self, command: Command, source: S) {
        self.count += 1;
        if let Some((commands, sources)) = self.batches.back_mut().filter(|(commands, _)| commands.len() < self.limit) {
            commands.push(command);
            sources.push(source);
        } else {
            self.batches.push_back((vec![command], vec![source]));
        }
    }

    /// The batch that is next.
    pub(super) fn front(&mut self) -> Option<&mut Vec<Command>> {
        self.batches.front_mut().map(|(commands, _)| commands).filter(|commands| !commands.is_empty())
    }

    /// The commands of the front have been taken, which left an empty vector: where they came from, in their order. The
    /// vectors of a single batch are used again.
    pub(super) fn taken(&mut self, spare: Vec<S>) -> Vec<S> {
        let Some((commands, sources)) = self.batches.pop_front() else { return Vec::new() };
        debug_assert!(commands.is_empty());
        self.count -= sources.len();
        if self.batches.is_empty() {
            self.batches.push_back((commands, spare));
        }
        sources
    }
}
