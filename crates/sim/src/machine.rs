use beurs_engine::command::Command;
use beurs_engine::Engine;
use beurs_node::io::Clock;
use beurs_node::wire::{EventRecord, RecordSink};

use crate::auditor::{Entry, Finding, Shown};
use crate::clock::SimClock;
use crate::defects::Tampering;
use crate::simulator::{config, shown, Plan};
use crate::workload::Rng;

pub(crate) enum Restarted { Up, Later(&'static str) }

pub(crate) struct Machine { engine: Engine, clock: SimClock, journal: Vec<Entry>, out: Vec<EventRecord>, up: bool }

impl Machine {
    pub(crate) fn new(_plan: &Plan, clock: SimClock, _t: &Tampering, _seed: u64) -> Self {
        Self { engine: Engine::new(config()), clock, journal: vec![], out: vec![], up: false }
    }
    pub(crate) fn is_up(&self) -> bool { self.up }
    pub(crate) fn has_room(&self) -> bool { true }
    pub(crate) fn is_quiet(&self) -> bool { self.out.is_empty() }
    fn now(&self) -> i64 { self.clock.now_ns().max(self.engine.event_time_ns()) }
    pub(crate) fn is_due(&self) -> bool { self.now() >= self.engine.next_due_ns() }
    fn apply(&mut self, command: Command) {
        let sequence = self.engine.sequence() + 1;
        let time = self.now();
        self.engine.apply(sequence, time, &command, &mut RecordSink::new(&mut self.out, sequence, time));
        self.journal.push(Entry { sequence, event_time_ns: time, command, events: vec![] });
    }
    pub(crate) fn advance(&mut self) -> Result<(), String> { if self.is_due() { self.apply(Command::AdvanceTime); } Ok(()) }
    pub(crate) fn start(&mut self, commands: Vec<Command>) -> Result<u64, String> {
        self.advance()?;
        let first = self.engine.sequence() + 1;
        for c in commands { self.apply(c); }
        Ok(first)
    }
    pub(crate) fn write(&mut self) -> Result<(), String> { Ok(()) }
    pub(crate) fn released(&mut self) -> Vec<EventRecord> { std::mem::take(&mut self.out) }
    pub(crate) fn shown(&self) -> Option<Shown> { Some(shown(&self.engine)) }
    pub(crate) fn may_stop(&self) -> bool { false }
    pub(crate) fn heal(&mut self) {}
    pub(crate) fn crash(&mut self, _power: bool, _rng: &mut Rng) { self.up = false; self.out.clear(); }
    pub(crate) fn flip(&mut self, _rng: &mut Rng) {}
    pub(crate) fn arm_power_cut(&mut self, _rng: &mut Rng) {}
    pub(crate) fn arm_error(&mut self, _rng: &mut Rng) {}
    pub(crate) fn arm_full(&mut self, _rng: &mut Rng) {}
    pub(crate) fn checkpoint(&mut self) {}
    pub(crate) fn restart(&mut self) -> Result<Restarted, Finding> { self.up = true; Ok(Restarted::Up) }
    pub(crate) fn journal(&self) -> Result<(Vec<Entry>, Shown), Finding> {
        let mut engine = Engine::new(config());
        let mut entries = self.journal.clone();
        for e in &mut entries { engine.apply(e.sequence, e.event_time_ns, &e.command, &mut e.events); }
        Ok((entries, shown(&engine)))
    }
}
