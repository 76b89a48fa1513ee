//! The whole exchange in one thread, from one seed: clients and staff, a network that loses and repeats, the node with its
//! engine and journal, a disk that forgets, and an auditor that believes nothing.
//!
//! Invariants:
//! * A run is a function of its seed: no thread, no clock, no map with random order. The same seed gives the same trace.
//! * Faults happen only where the real world makes them: on the disk, in the network, to the clock, to the process.
//! * At the end the faults stop, and then everything that was asked must be answered.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use beurs_engine::command::Command;
use beurs_engine::event::Event;
use beurs_node::journal::{MAX_RECORD, SEGMENT_HEADER};
use beurs_node::wire::EventRecord;
use sha2::{Digest, Sha256};

use crate::auditor::{Auditor, Entry, Finding, Shown};
use crate::clients::{self, Client, Mix, Request};
use crate::clock::SimClock;
use crate::defects::{Defect, Tampering};
use crate::door::{Door, DoorPlan, World};
use crate::machine::{config, shown, Completed, Machine, Restarted, Settings};
use crate::naive::Naive;
use crate::network::{Network, Weather};
use crate::workload::Rng;

const US: i64 = 1_000;
const MS: i64 = 1_000_000;
const START_NS: i64 = 1_700_000_000_000_000_000;
/// How many requests may wait for the node.
const INBOX: usize = 64;
/// How many of the last steps a failure shows.
const LAST_STEPS: usize = 30;
/// How many of the last commands it shows.
const LAST_COMMANDS: usize = 12;
/// How long, after the faults have stopped, everything may take to be answered.
const DRAIN_NS: i64 = 4_000 * MS;
/// When the faults stop at the latest, however little was asked until then.
const FAULTS_NS: i64 = 300 * MS;

/// What a run is made with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The mistake to make, in tests of the auditor.
    pub defect: Option<Defect>,
    /// How many things clients ask before the end begins; 0 for a number drawn from the seed.
    pub requests: u64,
}

/// What a run did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// SHA-256 of everything that happened, in order.
    pub trace: [u8; 32],
    /// Steps of the simulation.
    pub steps: u64,
    /// Commands in the journal in the end.
    pub commands: u64,
    /// Events that they gave.
    pub events: u64,
    /// How often each thing happened.
    pub counts: BTreeMap<&'static str, u64>,
}

/// A run that broke a promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// At which step.
    pub step: u64,
    /// What was broken.
    pub finding: Finding,
    /// What the run was made of.
    pub plan: String,
    /// The steps before it, the oldest first.
    pub last_steps: Vec<String>,
    /// The last commands that were released, and what they gave.
    pub last_commands: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} failed at step {}", self.seed, self.step)?;
        writeln!(f, "{}", self.finding)?;
        writeln!(f, "the run: {}", self.plan)?;
        writeln!(f, "the last steps:")?;
        for step in &self.last_steps {
            writeln!(f, "  {step}")?;
        }
        writeln!(f, "the last commands that were released:")?;
        for command in &self.last_commands {
            writeln!(f, "  {command}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// What a run is made of; drawn from its seed.
#[derive(Clone, Debug)]
struct Plan {
    clients: usize,
    requests: u64,
    mix: Mix,
    weather: Weather,
    /// How many commands the node takes at a time.
    batch: usize,
    /// Between two looks of the node at what has come.
    turn_ns: i64,
    /// How long a write takes.
    write_ns: i64,
    settings: Settings,
    /// Between two faults of any kind; 0 for none.
    fault_ns: i64,
    /// How often each kind of fault happens, compared with the others.
    faults: [u64; Fault::ALL.len()],
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// The process is killed; what it wrote is in the machine's memory and reaches the disk.
    Kill,
    /// The power goes: what was not synced is lost, or torn.
    PowerCut,
    /// The power goes in the middle of one of the next disk operations.
    PowerCutInOperation,
    /// One of the next disk operations fails.
    DiskError,
    /// The disk is full for a while.
    DiskFull,
    /// The power goes, and a byte of the disk has changed when it is back.
    BitFlip,
    /// A client is cut off for a while.
    Cut,
    /// The node's clock jumps.
    ClockJump,
    /// The staff asks for a checkpoint.
    Checkpoint,
    /// The staff restarts the node.
    Close,
}

impl Fault {
    const ALL: [Self; 10] = [
        Self::Kill,
        Self::PowerCut,
        Self::PowerCutInOperation,
        Self::DiskError,
        Self::DiskFull,
        Self::BitFlip,
        Self::Cut,
        Self::ClockJump,
        Self::Checkpoint,
        Self::Close,
    ];
}

impl Plan {
    fn draw(rng: &mut Rng, options: &Options) -> Self {
        let mut faults = [0; Fault::ALL.len()];
        for weight in &mut faults {
            *weight = rng.pick(&[0, 0, 1, 3, 8]);
        }
        let requests = rng.pick(&[60, 150, 300]);
        let segment_bytes = rng.pick(&[4 << 10, 16 << 10, 256 << 10]);
        Self {
            clients: rng.between(1, 6) as usize,
            requests: if options.requests > 0 { options.requests } else { requests },
            mix: Mix::draw(rng),
            weather: Weather::draw(rng),
            // A write must fit into a segment, with what is due before it.
            batch: rng.pick(&[1, 3, 16, 64]).min((segment_bytes as usize - SEGMENT_HEADER) / MAX_RECORD - 1),
            turn_ns: rng.pick(&[20, 100, 500]) * US,
            write_ns: rng.pick(&[30, 150, 2000]) * US,
            settings: Settings {
                segment_bytes,
                checkpoint_interval: rng.pick(&[0, 10, 50, 200]),
                opening_faults: rng.pick(&[0, 0, 200]),
            },
            fault_ns: rng.pick(&[0, 3, 10, 10, 30]) * MS,
            faults,
        }
    }

    fn fault(&self, rng: &mut Rng) -> Option<Fault> {
        let all: u64 = self.faults.iter().sum();
        if all == 0 {
            return None;
        }
        let mut drawn = rng.below(all);
        for (weight, fault) in self.faults.iter().zip(Fault::ALL) {
            if drawn < *weight {
                return Some(fault);
            }
            drawn -= weight;
        }
        None
    }
}

/// Something that happens at its time.
#[derive(Clone, Debug)]
enum Step {
    /// A client does something.
    Act(usize),
    /// A client looks whether it has waited for too long.
    AskAgain(usize),
    /// A request reaches the node.
    Arrive(Request),
    /// An answer reaches its client.
    Answer(Answer),
    /// The staff does something.
    Staff,
    /// The node takes what has come.
    NodeTurn,
    /// The disk has finished a write.
    DiskTurn,
    /// What is on its way to and from sessions arrives, and the gateway works.
    DoorTurn,
    /// Something goes wrong.
    Fault,
    /// The machine is up again.
    Restart,
    /// Nothing happens any more; what has happened.
    Noted(&'static str),
}

#[derive(Clone, Debug)]
struct Answer {
    client: usize,
    number: u64,
    sequence: u64,
    events: Rc<[Event]>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrive(Request { client, number, command }) => {
                write!(f, "request {number} of client {client} arrives: {command:?}")
            }
            Self::Answer(Answer { client, number, sequence, events }) => {
                let events = Short(events);
                write!(f, "the answer to request {number} of client {client} arrives: sequence {sequence},{events}")
            }
            Self::Noted(what) => write!(f, "{what}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// Events in a few words.
struct Short<'a>(&'a [Event]);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in self.0 {
            match event {
                Event::Execution(report) => {
                    write!(f, " {} of order {};", report.exec_type.as_str(), report.order_id)?;
                }
                Event::Rejected(rejected) => write!(f, " rejected, {};", rejected.reason.as_str())?,
                other => {
                    let text = format!("{other:?}");
                    write!(f, " {};", text.split('(').next().unwrap_or_default())?;
                }
            }
        }
        Ok(())
    }
}

/// Who asked for a command: a client and its count, or the staff.
type Origin = Option<(usize, u64)>;

struct Simulation {
    plan: Plan,
    rng: Rng,
    clock: SimClock,
    now_ns: i64,
    steps: u64,
    agenda: BTreeMap<(i64, u64), Step>,
    planned: u64,
    last_steps: VecDeque<(u64, i64, Step)>,
    network: Network,
    door: Door,
    clients: Vec<Client>,
    machine: Machine,
    inbox: VecDeque<(Origin, Command)>,
    /// Requests that have come before.
    seen: BTreeMap<(usize, u64), u64>,
    /// Who gets the answer to what was handed to the node, by token.
    origins: BTreeMap<u64, Origin>,
    tokens: u64,
    /// Whether the disk was full before the node went down.
    was_full: bool,
    auditor: Auditor,
    tampering: Tampering,
    asked: u64,
    ending_since_ns: Option<i64>,
    counts: BTreeMap<&'static str, u64>,
    trace: Sha256,
    events: u64,
}

/// Runs one seed.
///
/// # Errors
/// A promise was broken.
pub fn run(seed: u64, options: &Options) -> Result<Report, Box<Failure>> {
    let mut simulation = Simulation::new(seed, options);
    match simulation.run() {
        Ok(()) => Ok(simulation.report(seed)),
        Err(finding) => Err(Box::new(simulation.failure(seed, finding))),
    }
}

impl Simulation {
    fn new(seed: u64, options: &Options) -> Self {
        let mut rng = Rng::new(seed ^ 0x5157_4c41_544f_5253);
        let plan = Plan::draw(&mut rng, options);
        let clock = SimClock::new(START_NS);
        let tampering = Tampering::new(options.defect);
        let machine = Machine::new(plan.settings, clock.clone());
        // Of numbers of its own, so that the rest of a seed is the same without it.
        let mut door_rng = Rng::new(seed ^ 0x444f_4f52_5345_4544);
        let door = Door::new(DoorPlan::draw(&mut door_rng, plan.clients, options.defect), door_rng);
        Self {
            clients: (0..plan.clients).map(|index| Client::new(index, rng.bits())).collect(),
            network: Network::new(rng.bits(), plan.weather, plan.clients),
            door,
            plan,
            rng,
            clock,
            now_ns: START_NS,
            steps: 0,
            agenda: BTreeMap::new(),
            planned: 0,
            last_steps: VecDeque::new(),
            machine,
            inbox: VecDeque::new(),
            seen: BTreeMap::new(),
            origins: BTreeMap::new(),
            tokens: 0,
            was_full: false,
            auditor: Auditor::default(),
            tampering,
            asked: 0,
            ending_since_ns: None,
            counts: BTreeMap::new(),
            trace: Sha256::new(),
            events: 0,
        }
    }

    fn report(&self, seed: u64) -> Report {
        Report {
            seed,
            trace: self.trace.clone().finalize().into(),
            steps: self.steps,
            commands: self.auditor.released_sequence(),
            events: self.events,
            counts: self.counts.clone(),
        }
    }

    fn failure(&self, seed: u64, finding: Finding) -> Failure {
        let tell = |(at, now_ns, step): &(u64, i64, Step)| {
            format!("{at} at {:.3} ms: {step}", (now_ns - START_NS) as f64 / MS as f64)
        };
        let last_steps = self.last_steps.iter().map(tell).collect();
        let entries = self.auditor.entries();
        let last = &entries[entries.len().saturating_sub(LAST_COMMANDS)..];
        let last_commands = last
            .iter()
            .map(|Entry { sequence, command, events, .. }| format!("{sequence} {command:?}:{}", Short(events)));
        let plan = format!("{:?}, {:?}", self.plan, self.door.plan());
        let last_commands = last_commands.collect();
        Failure { seed, step: self.steps, finding, plan, last_steps, last_commands }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_insert(0) += 1;
    }

    /// Counts what goes wrong, for the trace and for who reads a failure.
    fn note(&mut self, what: &'static str) {
        self.count(what);
        self.trace.update(what);
        self.tell(Step::Noted(what));
    }

    fn tell(&mut self, step: Step) {
        if self.last_steps.len() == LAST_STEPS {
            self.last_steps.pop_front();
        }
        self.last_steps.push_back((self.steps, self.now_ns, step));
    }

    fn plan_step(&mut self, at_ns: i64, step: Step) {
        // The count makes the order of what happens at the same time that in which it was planned.
        self.planned += 1;
        self.agenda.insert((at_ns, self.planned), step);
    }

    fn run(&mut self) -> Result<(), Finding> {
        self.restart()?;
        self.open_venue()?;
        for client in 0..self.plan.clients {
            let (act, ask) = (self.now_ns + self.rng.between(0, MS), self.now_ns + self.plan.mix.patience_ns());
            self.plan_step(act, Step::Act(client));
            self.plan_step(ask, Step::AskAgain(client));
        }
        self.plan_step(self.now_ns, Step::NodeTurn);
        self.plan_step(self.now_ns, Step::DiskTurn);
        if let Some(pause_ns) = self.door.pause_ns() {
            self.plan_step(self.now_ns + pause_ns, Step::DoorTurn);
        }
        self.plan_step(self.now_ns + MS, Step::Staff);
        if self.plan.fault_ns > 0 {
            self.plan_step(self.now_ns + self.plan.fault_ns, Step::Fault);
        }
        while let Some(((at_ns, _), step)) = self.agenda.pop_first() {
            self.now_ns = at_ns;
            self.clock.set(at_ns);
            self.steps += 1;
            self.trace.update(at_ns.to_le_bytes());
            if matches!(step, Step::Arrive(_) | Step::Answer(_) | Step::Restart) {
                self.tell(step.clone());
            }
            self.step(step)?;
            if self.is_over()? {
                return self.end();
            }
        }
        unreachable!("the node's turn is always planned");
    }

    /// Makes the venue, before anything goes wrong.
    fn open_venue(&mut self) -> Result<(), Finding> {
        let (commands, listings) = clients::opening(&self.plan.mix, self.plan.clients, &mut self.rng);
        for (at, listing) in listings.into_iter().enumerate() {
            self.auditor.list(beurs_engine::types::InstrumentId(at as u32 + 1), listing);
        }
        for commands in commands.chunks(self.plan.batch) {
            self.inbox.extend(commands.iter().map(|command| (None, command.clone())));
            self.node_turn()?;
            self.disk_turn()?;
        }
        assert!(self.machine.is_quiet(), "nothing goes wrong while the venue is made");
        if let Some(entry) = self.auditor.entries().iter().find(|entry| matches!(entry.events[0], Event::Rejected(_))) {
            return Err(Finding::new("the venue", format!("it cannot be made: {entry:?}")));
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), Finding> {
        match step {
            Step::Act(client) => self.act(client)?,
            Step::AskAgain(client) => {
                for request in self.clients[client].ask_again(&self.plan.mix, self.now_ns) {
                    self.count("asked again");
                    self.send(request)?;
                }
                self.plan_step(self.now_ns + self.plan.mix.patience_ns() / 2, Step::AskAgain(client));
            }
            Step::Arrive(request) => self.arrive(request),
            Step::Answer(answer) => return self.answer(answer),
            Step::Staff => {
                if self.ending_since_ns.is_none() {
                    if let Some(command) = clients::staff(&self.plan.mix, self.plan.clients, self.now_ns, &mut self.rng)
                    {
                        if self.machine.is_up() {
                            self.inbox.push_back((None, command));
                        }
                    }
                    self.plan_step(self.now_ns + MS, Step::Staff);
                }
            }
            Step::NodeTurn => {
                self.node_turn()?;
                let pause = self.rng.between(self.plan.turn_ns / 2, self.plan.turn_ns);
                self.plan_step(self.now_ns + pause, Step::NodeTurn);
            }
            Step::DiskTurn => {
                self.disk_turn()?;
                let pause = self.rng.between(self.plan.write_ns / 2, self.plan.write_ns);
                self.plan_step(self.now_ns + pause, Step::DiskTurn);
            }
            Step::DoorTurn => {
                self.door_turn()?;
                if let Some(pause_ns) = self.door.pause_ns() {
                    self.plan_step(self.now_ns + pause_ns, Step::DoorTurn);
                }
            }
            Step::Fault => {
                if self.ending_since_ns.is_none() {
                    self.fault()?;
                    let pause = self.rng.between(self.plan.fault_ns / 2, self.plan.fault_ns * 2);
                    self.plan_step(self.now_ns + pause, Step::Fault);
                }
            }
            Step::Restart => self.restart()?,
            Step::Noted(_) => {}
        }
        Ok(())
    }

    fn act(&mut self, client: usize) -> Result<(), Finding> {
        if self.ending_since_ns.is_some() {
            return Ok(());
        }
        if self.now_ns > START_NS + FAULTS_NS {
            self.begin_end();
            return Ok(());
        }
        if let Some(request) = self.clients[client].act(&self.plan.mix, self.now_ns) {
            self.asked += 1;
            self.send(request)?;
            if self.asked >= self.plan.requests {
                self.begin_end();
            }
        }
        let pause = self.plan.mix.pause_ns(&mut self.rng);
        self.plan_step(self.now_ns + pause, Step::Act(client));
        Ok(())
    }

    fn begin_end(&mut self) {
        self.ending_since_ns = Some(self.now_ns);
        self.network.heal();
        self.door.heal();
        self.machine.heal();
        for client in &mut self.clients {
            client.calm_down();
        }
        self.clock.jump(0);
    }

    fn send(&mut self, request: Request) -> Result<(), Finding> {
        if self.door.speaks(request.client) {
            return self.door.send(&request, self.now_ns);
        }
        for at_ns in self.network.arrivals(request.client, self.now_ns) {
            self.plan_step(at_ns, Step::Arrive(request.clone()));
        }
        Ok(())
    }

    fn door_turn(&mut self) -> Result<(), Finding> {
        let mut world = World {
            now_ns: self.now_ns,
            batch: self.plan.batch,
            machine: &mut self.machine,
            auditor: &mut self.auditor,
            clients: &mut self.clients,
            tampering: &mut self.tampering,
            tokens: &mut self.tokens,
            counts: &mut self.counts,
            trace: &mut self.trace,
        };
        self.door.turn(&mut world)
    }

    fn arrive(&mut self, request: Request) {
        if !self.machine.is_up() {
            return;
        }
        if self.inbox.len() >= INBOX {
            self.count("refused, too much is under way");
            return;
        }
        let times = self.seen.entry((request.client, request.number)).or_insert(0);
        *times += 1;
        let repeated = *times > 1;
        if repeated {
            self.count("came again");
        }
        self.inbox.push_back((Some((request.client, request.number)), request.command));
    }

    fn answer(&mut self, answer: Answer) -> Result<(), Finding> {
        if let Some(command) = self.clients[answer.client].answer(answer.number, &answer.events) {
            self.count("answered");
            return self.auditor.answered(&command, answer.sequence, &answer.events);
        }
        Ok(())
    }

    fn node_turn(&mut self) -> Result<(), Finding> {
        if !self.machine.has_room() {
            return Ok(());
        }
        let (mut batch, mut asked) = (Vec::new(), Vec::new());
        while batch.len() < self.plan.batch {
            let Some((origin, command)) = self.inbox.pop_front() else { break };
            let repeated = origin.is_some_and(|origin| self.seen.get(&origin).is_some_and(|times| *times > 1));
            if let Some(tampered) = self.tampering.command(&command, repeated) {
                self.tokens += 1;
                batch.push((self.tokens, tampered));
                asked.push((origin, command));
            }
        }
        match self.machine.start(&batch) {
            Ok(true) => {
                for ((token, _), (origin, command)) in batch.into_iter().zip(asked) {
                    self.auditor.handed(token, &command);
                    self.origins.insert(token, origin);
                }
                Ok(())
            }
            Ok(false) => {
                for request in asked.into_iter().rev() {
                    self.inbox.push_front(request);
                }
                Ok(())
            }
            Err(stopped) => self.stopped(stopped),
        }
    }

    fn disk_turn(&mut self) -> Result<(), Finding> {
        if !self.machine.is_up() {
            return Ok(());
        }
        let written = self.machine.write();
        // Whatever has left the node has left it, even if it stops now.
        let (records, completed) = self.machine.released()?;
        self.release(&records, completed)?;
        if let Err(stopped) = written {
            return self.stopped(stopped);
        }
        if self.rng.chance(300) {
            self.machine.make_checkpoint();
        }
        if self.machine.has_lost_power() {
            self.note("power cut in an operation");
            self.crash(true);
        }
        Ok(())
    }

    fn release(&mut self, records: &[EventRecord], completed: Vec<Completed>) -> Result<(), Finding> {
        for Completed { token, records } in &completed {
            for (token, sequence) in self.door.take_started(*token, 0) {
                self.auditor.completed(token, sequence)?;
            }
            let sequence = records.first().map_or(0, |record| record.sequence);
            if sequence == 0 && !self.machine.was_full() {
                return Err(Finding::new("no reason to refuse", format!("{records:?}")));
            }
            self.auditor.completed(*token, sequence)?;
        }
        for (token, sequence) in self.door.take_started(0, records.last().map_or(0, |record| record.sequence)) {
            self.auditor.completed(token, sequence)?;
        }
        let mut released: Vec<Entry> = Vec::new();
        for record in records {
            self.trace.update(record.as_bytes());
            self.events += 1;
            let event = decode(record)?;
            match released.last_mut() {
                Some(entry) if entry.sequence == record.sequence => entry.events.push(event),
                _ => released.push(Entry {
                    sequence: record.sequence,
                    event_time_ns: record.event_time_ns,
                    command: self.auditor.command(record.sequence),
                    events: vec![event],
                }),
            }
        }
        self.tampering.events(&mut released);
        for Entry { sequence, event_time_ns, events, .. } in released {
            self.auditor.released(sequence, event_time_ns, events)?;
        }
        let mut answers = Vec::new();
        for Completed { token, records } in completed {
            let Some(Some((client, number))) = self.origins.remove(&token) else { continue };
            let sequence = records.first().map_or(0, |record| record.sequence);
            if sequence == 0 {
                self.count("refused, the disk is full");
            }
            let events: Vec<Event> = records.iter().map(decode).collect::<Result<_, _>>()?;
            // An answer is a copy of what has left: where that was changed, so is this.
            let events =
                if sequence > 0 && self.tampering.changes_events() { self.auditor.events(sequence) } else { events };
            answers.push(Answer { client, number, sequence, events: events.into() });
        }
        if answers.len() > 1 && self.tampering.exchanges_answers() {
            let number = answers[0].number;
            answers[0].number = answers[1].number;
            answers[1].number = number;
        }
        for answer in answers {
            for at_ns in self.network.arrivals(answer.client, self.now_ns) {
                self.plan_step(at_ns, Step::Answer(answer.clone()));
            }
        }
        if let Some(mut shown) = self.machine.shown_without_digest().filter(|_| self.machine.is_quiet()) {
            self.tampering.balances(&mut shown.balances);
            self.auditor.shown(&shown)?;
        }
        Ok(())
    }

    /// The node has stopped: because of the disk, or it should not have.
    fn stopped(&mut self, why: String) -> Result<(), Finding> {
        if !self.machine.may_stop() {
            return Err(Finding::new("no reason to stop", why));
        }
        self.note("stopped by the disk");
        self.crash(false);
        Ok(())
    }

    fn crash(&mut self, power_cut: bool) {
        self.machine.crash(power_cut, &mut self.rng);
        self.went_down();
    }

    fn went_down(&mut self) {
        self.was_full |= self.machine.was_full();
        self.inbox.clear();
        self.origins.clear();
        self.door.node_died();
        let down = self.rng.between(MS / 10, 20 * MS);
        self.plan_step(self.now_ns + down, Step::Restart);
    }

    fn fault(&mut self) -> Result<(), Finding> {
        let Some(fault) = self.plan.fault(&mut self.rng) else { return Ok(()) };
        let up = self.machine.is_up();
        match fault {
            Fault::Cut => {
                let client = self.rng.below(self.plan.clients as u64) as usize;
                let until_ns = self.now_ns + self.rng.between(MS, 30 * MS);
                self.network.cut(client, until_ns);
                self.door.cut(client, self.now_ns, until_ns);
                self.note("cut");
            }
            Fault::ClockJump => {
                let off_ns = self.rng.pick(&[0, -1000 * MS, -MS, MS, 30 * MS]);
                self.clock.jump(off_ns);
                self.note("clock jump");
            }
            Fault::Kill if up => {
                self.note("kill");
                self.crash(false);
            }
            Fault::PowerCut if up => {
                self.note("power cut");
                self.crash(true);
            }
            Fault::BitFlip if up => {
                self.note("bit flip");
                self.crash(true);
                self.machine.flip(&mut self.rng)?;
            }
            Fault::Close if up => {
                self.note("close");
                self.machine.close();
                self.went_down();
            }
            Fault::PowerCutInOperation if up => {
                self.note("the power will go");
                self.machine.arm_power_cut(&mut self.rng);
            }
            Fault::DiskError if up => {
                self.note("disk error");
                self.machine.arm_error(&mut self.rng);
            }
            Fault::DiskFull if up => {
                self.note("disk full or not any more");
                self.machine.arm_full(&mut self.rng);
            }
            Fault::Checkpoint if up => {
                self.note("checkpoint");
                self.machine.begin_checkpoint();
            }
            _ => {}
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Finding> {
        match self.machine.restart(&self.tampering, &mut self.rng)? {
            Restarted::Up => {}
            Restarted::Later(why) => {
                self.note(why);
                self.plan_step(self.now_ns + 5 * MS, Step::Restart);
                return Ok(());
            }
        }
        self.count("restarts");
        let (mut journal, mut replayed) = self.machine.journal()?;
        if let Some(command) = self.tampering.after_recovery(&journal) {
            // The mistake is made in secret.
            let done = self.machine.start(&[(0, command)]).and_then(|_| self.machine.write());
            if done.is_ok() {
                self.machine.released()?;
                (journal, replayed) = self.machine.journal()?;
            }
        }
        if let Some(command) = self.tampering.spoils_recovery(&journal) {
            replayed.apply(replayed.sequence() + 1, replayed.event_time_ns(), &command, &mut ());
        }
        if let Some(shows) = self.machine.shown() {
            let replayed = Shown { digest: replayed.digest(), ..shown(&replayed) };
            self.auditor.recovered(journal, &replayed, &shows, self.was_full)?;
            self.was_full = false;
        }
        self.door.node_recovered(&self.auditor);
        Ok(())
    }

    fn is_over(&self) -> Result<bool, Finding> {
        let Some(since_ns) = self.ending_since_ns else { return Ok(false) };
        let waiting: usize = self.clients.iter().map(Client::under_way).sum();
        let answered = waiting == 0 && self.machine.is_up() && self.inbox.is_empty() && self.machine.is_quiet();
        let late = self.now_ns > since_ns + DRAIN_NS;
        if answered {
            match self.door.unsettled(&self.auditor) {
                None => return Ok(true),
                Some(why) if late => return Err(Finding::new("every report is told", why)),
                Some(_) => return Ok(false),
            }
        }
        if late {
            let what = format!("{waiting} requests wait for their answers, the node is up: {}", self.machine.is_up());
            return Err(Finding::new("everything is answered", what));
        }
        Ok(false)
    }

    /// Everything is answered: the power goes for the last time, and what comes back is held against another model.
    fn end(&mut self) -> Result<(), Finding> {
        self.machine.crash(true, &mut self.rng);
        self.restart()?;
        self.machine.verify()?;
        let mut naive = Naive::new(config().max_open_orders, config().max_open_orders_per_account);
        let mut events = Vec::new();
        for entry in self.auditor.entries() {
            events.clear();
            naive.apply(entry.sequence, entry.event_time_ns, &entry.command, &mut events);
            if events != entry.events {
                let what = format!("\n  the model says {events:?}\n  the venue said {entry:?}");
                return Err(Finding::new("the model agrees", what));
            }
        }
        let digest: [u8; 32] = Sha256::digest(naive.snapshot()).into();
        if self.machine.shown().is_some_and(|shown| shown.digest != digest) {
            return Err(Finding::new("the model agrees", "the states differ".into()));
        }
        Ok(())
    }
}

fn decode(record: &EventRecord) -> Result<Event, Finding> {
    record.to_event().map_err(|error| Finding::new("records", format!("{error}: sequence {}", record.sequence)))
}
