//! The engine's end of a link: takes commands, answers questions, says what is durable.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use beurs_engine::command::Command;

use crate::error::{JournalError, NodeError};
use crate::feed::{lock, wait, EventSlice, Outbox};
use crate::link::protocol::{stats_to_numbers, Frames, Question, ToEngine, ToReplica, MAX_ASSIGNED};
use crate::pipeline::NodeHandle;
use crate::wire::{decode_one_command, EventRecord};

/// A link that has so many answers due reads no further.
const MAX_DUE: usize = 65_536;

/// The engine's end of a link to one other process. Dropping it ends the link.
pub struct Link {
    stream: UnixStream,
    threads: Vec<JoinHandle<()>>,
}

struct Side {
    node: NodeHandle,
    /// Whole frames are written under this lock.
    stream: Mutex<UnixStream>,
    due: Mutex<Due>,
    changed: Condvar,
}

/// Answers to commands of this link that have not been sent.
#[derive(Default)]
struct Due {
    answers: VecDeque<DueAnswer>,
    ended: bool,
}

/// The answer to one command.
struct DueAnswer {
    token: u64,
    /// It may leave when this is durable; ascending.
    sequence: u64,
    /// The event of a command that was refused and has no sequence.
    refusal: Option<Box<EventRecord>>,
}

impl Due {
    fn push(&mut self, token: u64, events: &EventSlice) {
        let record = &events.records()[0];
        let answer = match record.sequence {
            // It stays behind what was executed before it, so that answers keep their order.
            0 => {
                let sequence = self.answers.back().map_or(0, |before| before.sequence);
                DueAnswer { token, sequence, refusal: Some(Box::new(*record)) }
            }
            sequence => DueAnswer { token, sequence, refusal: None },
        };
        self.answers.push_back(answer);
    }

    /// The next answer, if it may leave.
    fn pop(&mut self, released: u64) -> Option<DueAnswer> {
        if self.answers.front()?.sequence > released {
            return None;
        }
        self.answers.pop_front()
    }
}

impl Link {
    /// Makes a link to a node. The descriptor is for [`crate::link::Replica::connect`] in another process; it is
    /// closed on `exec` unless whoever starts that process says otherwise.
    ///
    /// # Errors
    /// `InMemory`: without a journal there is nothing to follow. `Journal` if the operating system refuses.
    pub fn open(node: &NodeHandle) -> Result<(Self, OwnedFd), NodeError> {
        let Some(path) = node.directory() else {
            return Err(NodeError::InMemory);
        };
        Self::start(node).map_err(|error| JournalError::io("make a link to", path, error).into())
    }

    fn start(node: &NodeHandle) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        let side = Arc::new(Side {
            node: node.clone(),
            stream: Mutex::new(ours.try_clone()?),
            due: Mutex::new(Due::default()),
            changed: Condvar::new(),
        });
        let sequence = node.sequence();
        side.send(&ToReplica::Welcome { config: node.engine_config().into(), sequence })?;
        let reading = (side.clone(), ours.try_clone()?);
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let reader = thread("beurs-link").spawn(move || reading.0.read_all(&reading.1))?;
        let mut link = Self { stream: ours, threads: vec![reader] };
        // If this fails the link is dropped, which ends the other thread.
        link.threads.push(thread("beurs-link-out").spawn(move || side.write_all(sequence))?);
        Ok((link, theirs.into()))
    }
}

impl Link {
    /// Whether the other end is still there.
    pub fn is_alive(&self) -> bool {
        self.threads.iter().any(|thread| !thread.is_finished())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Fails only if the other end has gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
        for thread in self.threads.drain(..) {
            // A panic in it has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl NodeHandle {
    /// Makes a link for a replica in another process. See [`Link::open`].
    ///
    /// # Errors
    /// As there.
    pub fn link(&self) -> Result<(Link, OwnedFd), NodeError> {
        Link::open(self)
    }
}

impl Side {
    fn send(&self, frame: &ToReplica) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        lock(&self.stream).write_all(&bytes)
    }

    /// The reading thread: commands that arrive together become one batch.
    fn read_all(&self, stream: &UnixStream) {
        let mut frames = Frames::new();
        let (mut tokens, mut commands) = (Vec::new(), Vec::new());
        // However the link ends, the replica learns from the end of the stream that it has.
        let _: Option<()> = (|| loop {
            if !frames.fill(stream).ok()? {
                return None;
            }
            while let Some(frame) = frames.next().ok()? {
                match ToEngine::decode(frame).ok()? {
                    ToEngine::Submit { token, command } => {
                        tokens.push(token);
                        commands.push(decode_one_command(command).ok()?);
                        if commands.len() == self.node.chunk() {
                            self.execute(&mut tokens, &mut commands)?;
                        }
                    }
                    ToEngine::Ask { number, question } => self.answer(number, question).ok()?,
                }
            }
            if !commands.is_empty() {
                self.execute(&mut tokens, &mut commands)?;
            }
        })();
        lock(&self.due).ended = true;
        self.changed.notify_all();
        let _ = stream.shutdown(Shutdown::Both);
        self.node.outbox().nudge();
    }

    fn execute(&self, tokens: &mut Vec<u64>, commands: &mut Vec<Command>) -> Option<()> {
        let mut due = lock(&self.due);
        while due.answers.len() >= MAX_DUE {
            if due.ended {
                return None;
            }
            due = wait(&self.changed, due);
        }
        drop(due);
        let mut tokens = tokens.drain(..);
        let note = |events: &EventSlice| {
            let token = tokens.next().expect("a token for every command");
            lock(&self.due).push(token, events);
        };
        self.node.start_shown(std::mem::take(commands), note).ok()?;
        // Refusals alone release nothing.
        self.node.outbox().nudge();
        Some(())
    }

    fn answer(&self, number: u64, question: Question) -> io::Result<()> {
        let answer = match question {
            Question::Sequence => Ok(vec![self.node.sequence()]),
            Question::Stats => Ok(stats_to_numbers(&self.node.stats())),
            Question::Checkpoint => self.node.checkpoint().map(|at| vec![at]).map_err(|error| error.to_string()),
        };
        self.send(&ToReplica::Answer { number, answer })
    }

    /// Sends the answers that may leave, in their order, and how far everything is durable.
    fn tell(&self, released: u64) -> io::Result<()> {
        let mut assigned = Vec::new();
        loop {
            let next = lock(&self.due).pop(released);
            match next {
                Some(DueAnswer { token, refusal: Some(record), .. }) => {
                    if let Some(&(_, sequence)) = assigned.last() {
                        self.send(&ToReplica::Released { sequence, assigned: std::mem::take(&mut assigned) })?;
                    }
                    self.send(&ToReplica::Refused { token, record: Box::new(*record.as_bytes()) })?;
                }
                Some(DueAnswer { token, sequence, refusal: None }) => {
                    assigned.push((token, sequence));
                    if assigned.len() == MAX_ASSIGNED {
                        self.send(&ToReplica::Released { sequence, assigned: std::mem::take(&mut assigned) })?;
                    }
                }
                None => break,
            }
        }
        self.send(&ToReplica::Released { sequence: released, assigned })?;
        self.changed.notify_all();
        Ok(())
    }

    /// The writing thread: whenever more is durable it says so, with the sequences of this link's commands.
    fn write_all(&self, mut told: u64) {
        let outbox: &Arc<Outbox> = self.node.outbox();
        let ready = |told| {
            let due = lock(&self.due);
            due.ended || due.answers.front().is_some_and(|answer| answer.sequence <= told)
        };
        loop {
            match outbox.wait_beyond(told, || ready(told)) {
                Ok(released) => told = released,
                Err(stopped) => {
                    // Nothing is lost if it does not get there: the end of the stream says the same.
                    let _ = self.send(&ToReplica::Stopped { why: stopped.to_string() });
                    break;
                }
            }
            if lock(&self.due).ended || self.tell(told).is_err() {
                break;
            }
        }
        lock(&self.due).ended = true;
        self.changed.notify_all();
        let _ = lock(&self.stream).shutdown(Shutdown::Both);
    }
}
