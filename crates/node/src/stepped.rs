//! A node without threads: whoever has it decides what happens next, so that a simulation of it is the same every time.
//!
//! The stages are those of a running node, and the code is the same: [`SteppedNode::start`] gives a batch its sequences,
//! executes it and hands it to the journal; [`SteppedNode::write`] is the journal thread's next write, which makes durable
//! and releases what waits; [`SteppedNode::make_checkpoint`] is the checkpoint thread's next piece of work. The engine may
//! be ahead of the disk by as many batches as in a running node.
//!
//! A command in which the engine panics stops it: the state before cannot be waited for.
//!
//! Invariant: dropping it writes nothing, as if the process had been killed.

use std::sync::mpsc::Receiver;

use beurs_engine::command::Command;
use beurs_engine::Engine;

use crate::error::{NodeError, StopReason};
use crate::feed::{Completion, Events};
use crate::node::{Answers, Node, NodeConfig, Recovery, MAX_BATCHES_WAITING};
use crate::wire::check_encodable;
use crate::writer::{Writer, WriterSteps};

/// See the module.
pub struct SteppedNode {
    node: Node,
    steps: WriterSteps,
    batch_limit: usize,
}

impl SteppedNode {
    /// Opens a node that has a journal. Says what recovery found.
    ///
    /// # Errors
    /// `InMemory` without a path; otherwise see [`Node::open`].
    pub fn open(config: &NodeConfig) -> Result<(Self, Recovery), NodeError> {
        let batch_limit = config.batch_limit();
        let mut steps = None;
        let (node, recovery) = Node::open_with(config, |log, outbox, pool, checkpointer, last_checkpoint_sequence| {
            let (writer, its_steps) =
                Writer::without_threads(log, batch_limit, outbox, pool, checkpointer, last_checkpoint_sequence);
            steps = Some(its_steps);
            Ok(writer)
        })?;
        let steps = steps.ok_or(NodeError::InMemory)?;
        Ok((Self { node, steps, batch_limit }, recovery))
    }

    /// Executes one batch of commands with their tokens, after what is due by now, and hands it to the journal. Nothing
    /// of it leaves before it is durable. Returns the sequence of the last command; an empty batch just does what is due.
    ///
    /// # Errors
    /// `Wire` if a command cannot be encoded, `QueueFull` if there are more than one write may have, or as many batches
    /// as are allowed wait for the disk, or it is not known before the next write whether the disk has room, and then
    /// nothing was done; `Stopped`.
    pub fn start(&mut self, commands: &[(u64, Command)]) -> Result<u64, NodeError> {
        for (_, command) in commands {
            check_encodable(command)?;
        }
        if commands.len() > self.batch_limit {
            return Err(NodeError::QueueFull { capacity: self.batch_limit });
        }
        if !self.takes(commands.len()) {
            return Err(NodeError::QueueFull { capacity: MAX_BATCHES_WAITING });
        }
        if commands.is_empty() {
            self.node.advance()?;
        } else {
            let batch = commands.iter().map(|(_, command)| command.clone()).collect();
            let tokens: Vec<u64> = commands.iter().map(|(token, _)| *token).collect();
            self.node.start(batch, Answers::Completed(&tokens))?;
        }
        Ok(self.node.engine().sequence())
    }

    /// As [`crate::NodeHandle::try_start`], with `None` whenever [`Self::start`] says `QueueFull`.
    ///
    /// # Errors
    /// `Wire` if one of the commands cannot be encoded, and then nothing was done; `Stopped`.
    pub fn try_start(
        &mut self,
        commands: &mut Vec<Command>,
        refused: &mut Vec<usize>,
    ) -> Result<Option<u64>, NodeError> {
        for command in commands.iter() {
            check_encodable(command)?;
        }
        if commands.len() > self.batch_limit || !self.takes(commands.len()) {
            return Ok(None);
        }
        let started = self.node.start(std::mem::take(commands), Answers::Given)?;
        Ok(Some(started.first_sequence(refused)))
    }

    /// Whether a batch of so many commands, and what is due before it, can be started now.
    fn takes(&self, commands: usize) -> bool {
        let known = |writer: &Writer| writer.handle().room_is_known(self.node.engine().sequence(), commands + 1);
        self.batches_waiting() <= MAX_BATCHES_WAITING && self.node.writer().is_some_and(known)
    }

    /// The most commands that one batch may have.
    pub fn batch_limit(&self) -> usize {
        self.batch_limit
    }

    /// Batches, and checkpoints that were asked for, that wait for [`Self::write`].
    pub fn batches_waiting(&self) -> usize {
        self.node.writer().map_or(0, |writer| writer.handle().depth())
    }

    /// The journal's next write. Returns whether there was anything to write; if it fails, the node has stopped.
    pub fn write(&mut self) -> bool {
        self.steps.write()
    }

    /// Asks for a checkpoint of the present state. Its sequence is received when it is in its file.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn begin_checkpoint(&mut self) -> Result<Receiver<Result<u64, NodeError>>, NodeError> {
        self.node.checkpoint()
    }

    /// Makes the next checkpoint that was asked for, by [`Self::begin_checkpoint`] or by the configured interval, and
    /// whose state is durable. Returns whether there was one.
    pub fn make_checkpoint(&mut self) -> bool {
        self.steps.checkpoint()
    }

    /// Takes all completions there are, in the order of their sequences. Only what is durable is there.
    ///
    /// # Errors
    /// `Stopped`, once the node has stopped and there is nothing left to take.
    pub fn completions(&self) -> Result<Vec<Completion>, NodeError> {
        self.node.outbox().take_completions()
    }

    /// As [`crate::NodeHandle::events_since`].
    ///
    /// # Errors
    /// `Lagged`.
    pub fn events_since(&self, sequence: u64, max_bytes: usize) -> Result<Events, NodeError> {
        self.node.outbox().since(sequence, max_bytes)
    }

    /// The last sequence whose events may be seen.
    pub fn sequence(&self) -> u64 {
        self.node.outbox().released()
    }

    /// The state after the last command executed, which may be ahead of [`Self::sequence`].
    pub fn engine(&self) -> &Engine {
        self.node.engine()
    }

    /// Why the node has stopped, if it has.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.node.outbox().stopped()
    }

    /// Writes what waits, makes a last checkpoint and gives the directory back, as a running node does.
    pub fn close(mut self) {
        self.node.begin_last_checkpoint();
        while self.write() {}
        while self.make_checkpoint() {}
        self.node.close();
    }
}
