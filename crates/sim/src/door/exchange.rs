//! The simulated node as the exchange of a hub. It has the node only while the hub is at work.

use std::collections::VecDeque;

use beurs_engine::command::{Command, MassCancel};
use beurs_engine::types::{InstrumentId, MassCancelReason};
use beurs_engine::Engine;
use beurs_node::gateway::{Exchange, Gone, Position, ReplayJob, Replayed};
use beurs_node::sbe::reports::accounts;
use beurs_node::wire::{EventRecord, RecordSink, EVENT_SIZE};
use beurs_node::{NodeError, SteppedNode};

use crate::machine::config;

/// About so many events are in one answer about the past, so that there are several.
const REPLAY_EVENTS: usize = 20;

/// See the module.
pub(super) struct Lent {
    pub(super) node: Option<SteppedNode>,
    /// No batch is larger.
    pub(super) batch: usize,
    /// What was executed since the simulation looked, each with its sequence.
    pub(super) started: Vec<(u64, Command)>,
    /// How much was refused because the disk is full since the simulation looked.
    pub(super) refused: u64,
    pub(super) jobs: VecDeque<ReplayJob>,
    pub(super) answers: VecDeque<Replayed>,
    /// A mistake to make: ends of sessions cancel nothing.
    pub(super) forgets_disconnect: bool,
    /// Another: what was executed and not released is told. The events of the last batch.
    pub(super) ahead: Option<Vec<EventRecord>>,
}

/// An engine of its own in the same state.
fn copy(engine: &Engine) -> Engine {
    let mut snapshot = Vec::new();
    engine.snapshot(&mut snapshot);
    Engine::restore(config(), &snapshot).expect("a snapshot that was just made")
}

impl Lent {
    /// Answers a question about the past from all events of the journal.
    pub(super) fn answer(&mut self, job: ReplayJob, past: &[EventRecord]) {
        let of_it = |record: &&EventRecord| {
            record.sequence <= job.through
                && Position::of(record) > job.after
                && accounts(record).contains(&job.account_id)
        };
        let mut found: Vec<EventRecord> = past.iter().filter(of_it).copied().collect();
        let mut through = job.through;
        if let Some(next) = found.get(REPLAY_EVENTS) {
            // Whole commands, at least one.
            through = (next.sequence - 1).max(found[0].sequence);
            found.retain(|record| record.sequence <= through);
        }
        self.answers.push_back(Replayed { ticket: job.ticket, events: Some((found, through)) });
    }
}

impl Exchange for Lent {
    fn batch_limit(&self) -> usize {
        self.batch
    }

    fn start(&mut self, commands: &mut Vec<Command>, refused: &mut Vec<usize>) -> Result<Option<u64>, Gone> {
        let Some(node) = &mut self.node else { return Err(Gone::Stopped) };
        if self.forgets_disconnect {
            for command in commands.iter_mut() {
                if let Command::MassCancel(cancel) = command {
                    if cancel.reason == MassCancelReason::Disconnected {
                        // One that cancels nothing, because there is no such instrument.
                        *cancel = MassCancel { instrument_id: InstrumentId(u32::MAX), ..*cancel };
                        cancel.reason = MassCancelReason::Requested;
                    }
                }
            }
        }
        let batch = commands.clone();
        let before = self.ahead.is_some().then(|| copy(node.engine()));
        let Some(first) = node.try_start(commands, refused).map_err(|_| Gone::Stopped)? else { return Ok(None) };
        self.refused += refused.len() as u64;
        let taken_count = batch.len() - refused.len();
        let taken = batch.into_iter().enumerate().filter(|(at, _)| !refused.contains(at));
        self.started.extend((first..).zip(taken.map(|(_, command)| command)));
        if let (Some(ahead), Some(mut engine)) = (&mut self.ahead, before) {
            ahead.clear();
            // Unless something was due before it, or refused.
            if first == engine.sequence() + 1 && refused.is_empty() {
                let time_ns = node.engine().event_time_ns();
                for (sequence, command) in &self.started[self.started.len() - taken_count..] {
                    engine.apply(*sequence, time_ns, command, &mut RecordSink::new(ahead, *sequence, time_ns));
                }
            }
        }
        Ok(Some(first))
    }

    fn released(&self) -> u64 {
        self.node.as_ref().map_or(0, SteppedNode::sequence)
    }

    fn events_since(
        &mut self,
        sequence: u64,
        max_bytes: usize,
        give: &mut dyn FnMut(&[EventRecord]),
    ) -> Result<(), Gone> {
        let Some(node) = &self.node else { return Err(Gone::Stopped) };
        let events = match node.events_since(sequence, max_bytes.max(EVENT_SIZE)) {
            Ok(events) => events,
            Err(NodeError::Lagged { oldest_sequence }) => return Err(Gone::Lagged(oldest_sequence)),
            Err(_) => return Err(Gone::Stopped),
        };
        if events.is_empty() && node.stop_reason().is_some() {
            return Err(Gone::Stopped);
        }
        let mut last = sequence;
        for slice in events.slices() {
            last = slice.records().last().map_or(last, |record| record.sequence);
            give(slice.records());
        }
        match &self.ahead {
            Some(ahead) if ahead.first().is_some_and(|record| record.sequence == last + 1) => give(ahead),
            _ => {}
        }
        Ok(())
    }

    fn look<R>(&mut self, f: impl FnOnce(&Engine) -> R) -> Result<(R, u64), Gone> {
        let Some(node) = self.node.as_ref().filter(|node| node.stop_reason().is_none()) else {
            return Err(Gone::Stopped);
        };
        Ok((f(node.engine()), node.engine().sequence()))
    }

    fn replay(&mut self, job: ReplayJob) {
        self.jobs.push_back(job);
    }

    fn replayed(&mut self) -> Option<Replayed> {
        self.answers.pop_front()
    }
}
