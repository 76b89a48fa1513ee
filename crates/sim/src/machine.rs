//! The machine that the node runs on: the node, its disk and its clock, and what goes wrong with them.
//!
//! Invariant: a node stops only if the disk has given it a reason, and opens again once the disk is as it should be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use beurs_engine::command::Command;
use beurs_engine::event::Event;
use beurs_engine::{Engine, EngineConfig};
use beurs_node::io::Disk;
use beurs_node::journal::{JournalReader, RECORD_HEADER, SEGMENT_HEADER};
use beurs_node::wire::EventRecord;
use beurs_node::{verify_on, JournalError, NodeConfig, NodeError, SteppedNode};

use crate::auditor::{Entry, Finding, Shown};
use crate::clock::SimClock;
use crate::defects::Tampering;
use crate::disk::{Failing, Loss, SimDisk};
use crate::workload::Rng;

const DIRECTORY: &str = "/data";
const JOURNAL: &str = "/data/journal";
/// Batches that may wait for the disk; one more is kept for what is due.
const MOST_WAITING: usize = 7;

/// How the node is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) segment_bytes: u64,
    pub(crate) checkpoint_interval: u64,
    /// How often an opening meets a fault of the disk, in a thousand.
    pub(crate) opening_faults: u64,
}

/// What came of starting the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Restarted {
    /// The node is open.
    Up,
    /// The disk did not let it; again a little later.
    Later(&'static str),
}

/// A command's events with the token that it was started with.
pub(crate) struct Completed {
    pub(crate) token: u64,
    pub(crate) records: Vec<EventRecord>,
}

/// A bit that has changed on the disk, and can be put right.
#[derive(Clone, Debug)]
struct Flip {
    path: PathBuf,
    offset: usize,
    bit: u8,
}

pub(crate) struct Machine {
    settings: Settings,
    clock: SimClock,
    disk: SimDisk,
    node: Option<SteppedNode>,
    /// What has left the node up to here.
    released_sequence: u64,
    capacity_bytes: Option<u64>,
    was_full: bool,
    power_fails: bool,
    flip: Option<Flip>,
    /// From now on nothing goes wrong any more.
    healed: bool,
}

impl Machine {
    pub(crate) fn new(settings: Settings, clock: SimClock) -> Self {
        Self {
            settings,
            clock,
            disk: SimDisk::new(),
            node: None,
            released_sequence: 0,
            capacity_bytes: None,
            was_full: false,
            power_fails: false,
            flip: None,
            healed: false,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.node.is_some()
    }

    fn engine(&self) -> Option<&Engine> {
        self.node.as_ref().map(SteppedNode::engine)
    }

    /// Gives the node to somebody who uses it now; until it is given back the machine is as if it was down.
    pub(crate) fn lend(&mut self) -> Option<SteppedNode> {
        self.node.take()
    }

    /// Takes back what was lent.
    pub(crate) fn give_back(&mut self, node: Option<SteppedNode>) {
        self.node = node;
    }

    /// Whether the node takes another batch.
    pub(crate) fn has_room(&self) -> bool {
        self.node.as_ref().is_some_and(|node| node.batches_waiting() <= MOST_WAITING)
    }

    /// Whether all that was executed has left.
    pub(crate) fn is_quiet(&self) -> bool {
        self.engine().is_some_and(|engine| engine.sequence() == self.released_sequence)
    }

    /// Executes a batch, after what is due; an empty one does just that. Returns whether it was taken: not if it is to
    /// come again later.
    pub(crate) fn start(&mut self, commands: &[(u64, Command)]) -> Result<bool, String> {
        let Some(node) = &mut self.node else { return Err("the node is down".into()) };
        match node.start(commands) {
            Ok(_) => Ok(true),
            Err(NodeError::QueueFull { .. }) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The journal's next write.
    pub(crate) fn write(&mut self) -> Result<(), String> {
        let Some(node) = &mut self.node else { return Ok(()) };
        node.write();
        match node.stop_reason() {
            Some(reason) => Err(reason.to_string()),
            None => Ok(()),
        }
    }

    /// The checkpoint thread's next piece of work.
    pub(crate) fn make_checkpoint(&mut self) {
        if let Some(node) = &mut self.node {
            node.make_checkpoint();
        }
    }

    /// Asks for a checkpoint.
    pub(crate) fn begin_checkpoint(&mut self) {
        if let Some(node) = &mut self.node {
            // A node that has stopped says so by its next write.
            let _ = node.begin_checkpoint();
        }
    }

    /// Everything that has left the node since the last time: the stream of all, and what answers which token.
    pub(crate) fn released(&mut self) -> Result<(Vec<EventRecord>, Vec<Completed>), Finding> {
        let Some(node) = &self.node else { return Ok((Vec::new(), Vec::new())) };
        let lost = |error: NodeError| Finding::new("the feed", error.to_string());
        let events = node.events_since(self.released_sequence, usize::MAX).map_err(lost)?;
        let records: Vec<EventRecord> = events.iter().copied().collect();
        self.released_sequence = node.sequence();
        let completed = match node.completions() {
            Ok(completions) => completions,
            Err(NodeError::Stopped(_)) => Vec::new(),
            Err(error) => return Err(lost(error)),
        };
        let completed = completed
            .into_iter()
            .map(|completion| Completed { token: completion.token, records: completion.events.records().to_vec() });
        Ok((records, completed.collect()))
    }

    /// What the node shows now.
    pub(crate) fn shown(&self) -> Option<Shown> {
        self.engine().map(|engine| Shown { digest: engine.digest(), ..shown(engine) })
    }

    /// The same without the digest, which is costly.
    pub(crate) fn shown_without_digest(&self) -> Option<Shown> {
        self.engine().map(shown)
    }

    /// Whether the disk was full at some time since the node was opened.
    pub(crate) fn was_full(&self) -> bool {
        self.was_full
    }

    /// Whether the disk has given the node a reason to stop.
    pub(crate) fn may_stop(&self) -> bool {
        self.disk.failed().is_some() || self.capacity_bytes.is_some()
    }

    /// Whether the power has gone while the disk was at work.
    pub(crate) fn has_lost_power(&self) -> bool {
        self.power_fails && self.disk.failed().is_some()
    }

    /// From now on nothing goes wrong.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.capacity_bytes = None;
        self.disk.set_capacity_bytes(None);
        if self.disk.failed().is_none() {
            self.power_fails = false;
            self.disk.fail(Failing::Never);
        }
    }

    /// The process dies, with the power or without it. Nothing that is in it is written.
    pub(crate) fn crash(&mut self, power_cut: bool, rng: &mut Rng) {
        self.node = None;
        let power_cut = power_cut || self.power_fails;
        self.power_fails = false;
        self.disk = if power_cut { self.disk.restart(Loss::seeded(rng.bits())) } else { self.disk.restart_process() };
        self.disk.set_capacity_bytes(self.capacity_bytes);
    }

    /// The process is asked to end.
    pub(crate) fn close(&mut self) {
        if let Some(node) = self.node.take() {
            node.close();
        }
        self.disk = self.disk.restart_process();
        self.disk.set_capacity_bytes(self.capacity_bytes);
    }

    /// The power will go in the middle of one of the next disk operations.
    pub(crate) fn arm_power_cut(&mut self, rng: &mut Rng) {
        self.power_fails = true;
        self.disk.fail(Failing::From(self.disk.calls() + 1 + rng.below(12)));
    }

    /// One of the next disk operations will fail.
    pub(crate) fn arm_error(&mut self, rng: &mut Rng) {
        if !self.power_fails {
            self.disk.fail(Failing::Call(self.disk.calls() + 1 + rng.below(12)));
        }
    }

    /// The disk has room for a little more, or has room again.
    pub(crate) fn arm_full(&mut self, rng: &mut Rng) {
        let room = rng.below(2 * self.settings.segment_bytes);
        self.capacity_bytes = if self.capacity_bytes.is_some() { None } else { Some(self.disk.used_bytes() + room) };
        self.disk.set_capacity_bytes(self.capacity_bytes);
        self.was_full = true;
    }

    /// While the node is down, a bit changes on the disk: anywhere but in the last write, of which the rulebook says
    /// that it cannot be told from one that was torn.
    pub(crate) fn flip(&mut self, rng: &mut Rng) -> Result<(), Finding> {
        let files: Vec<PathBuf> = self.disk.files().into_iter().filter(|path| path.extension().is_some()).collect();
        if files.is_empty() {
            return Ok(());
        }
        let path = files[rng.below(files.len() as u64) as usize].clone();
        let content = self.disk.content(&path).map_err(simulation)?;
        let spared = self.last_write()?;
        // Mostly where something is written: segments are zeros for the greater part.
        let written = content.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
        let size = if rng.chance(800) { written } else { content.len() };
        if size == 0 {
            return Ok(());
        }
        let (offset, bit) = (rng.below(size as u64) as usize, rng.below(8) as u8);
        if spared.is_some_and(|(last, from, to)| last == path && (from..to).contains(&offset)) {
            return Ok(());
        }
        self.disk.flip(&path, offset, bit).map_err(simulation)?;
        self.flip = Some(Flip { path, offset, bit });
        Ok(())
    }

    /// Where the last write is: its segment, and from which byte to which.
    fn last_write(&self) -> Result<Option<(PathBuf, usize, usize)>, Finding> {
        let Some(last_sequence) = self.read_journal()?.last().map(|entry| entry.sequence) else { return Ok(None) };
        let segments =
            self.disk.files().into_iter().filter(|path| path.extension().is_some_and(|name| name == "segment"));
        let first_of = |path: &Path| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let holder = segments
            .filter_map(|path| Some((first_of(&path)?, path)))
            .filter(|(first, _)| *first <= last_sequence)
            .max();
        let Some((first_sequence, path)) = holder else { return Ok(None) };
        let content = self.disk.content(&path).map_err(simulation)?;
        let (mut at, mut begun) = (SEGMENT_HEADER, SEGMENT_HEADER);
        for _ in first_sequence..=last_sequence {
            let number = |from: usize| usize::from(u16::from_le_bytes([content[from], content[from + 1]]));
            // The place in the write says where one begins.
            if number(at + 6) == 0 {
                begun = at;
            }
            at += RECORD_HEADER + number(at + 4).next_multiple_of(8);
        }
        Ok(Some((path, begun, at)))
    }

    /// Opens the node.
    ///
    /// # Errors
    /// It does not open although the disk is as it should be.
    pub(crate) fn restart(&mut self, tampering: &Tampering, rng: &mut Rng) -> Result<Restarted, Finding> {
        // The venue is made in peace.
        let fresh = self.disk.files().is_empty();
        if !self.healed && !fresh && rng.chance(self.settings.opening_faults) {
            self.power_fails = rng.chance(500);
            let call = 1 + rng.below(60);
            self.disk.fail(if self.power_fails { Failing::From(call) } else { Failing::Call(call) });
        }
        let disk = tampering.disk(Arc::new(self.disk.clone()));
        let config = NodeConfig {
            engine: config(),
            checkpoint_interval: self.settings.checkpoint_interval,
            checkpoints_kept: 2,
            segment_bytes: self.settings.segment_bytes,
            disk,
            clock: Arc::new(self.clock.clone()),
            ..NodeConfig::at(DIRECTORY)
        };
        match SteppedNode::open(&config) {
            Ok((node, _)) => {
                self.released_sequence = node.sequence();
                self.node = Some(node);
                self.was_full = self.capacity_bytes.is_some();
                self.flip = None;
                Ok(Restarted::Up)
            }
            Err(_) if self.disk.failed().is_some() => {
                self.crash(self.power_fails, rng);
                Ok(Restarted::Later("fault while opening"))
            }
            Err(NodeError::Journal(JournalError::Damaged { .. })) if self.flip.is_some() => {
                self.crash(false, rng);
                // The operator has a copy.
                if let Some(Flip { path, offset, bit }) = self.flip.take() {
                    self.disk.flip(&path, offset, bit).map_err(simulation)?;
                }
                Ok(Restarted::Later("damage found"))
            }
            Err(_) if self.capacity_bytes.is_some() => {
                self.capacity_bytes = None;
                self.crash(false, rng);
                Ok(Restarted::Later("no room to open"))
            }
            Err(error) => Err(Finding::new("it opens again", error.to_string())),
        }
    }

    /// A copy of the disk to look at: looking must not be what meets a fault.
    fn copy(&self) -> Arc<dyn Disk> {
        Arc::new(SimDisk::with_image(self.disk.image()))
    }

    /// What the journal holds, without events.
    fn read_journal(&self) -> Result<Vec<Entry>, Finding> {
        let disk = self.copy();
        if !disk.exists(Path::new(JOURNAL)).unwrap_or(false) {
            return Ok(Vec::new());
        }
        let damaged = |error: JournalError| Finding::new("the journal can be read", error.to_string());
        let mut reader = JournalReader::open(disk, Path::new(JOURNAL), 0).map_err(damaged)?;
        let mut entries = Vec::new();
        while let Some(record) = reader.next_whole().map_err(damaged)? {
            let (sequence, event_time_ns, command) = (record.sequence, record.event_time_ns, record.command);
            entries.push(Entry { sequence, event_time_ns, command, events: Vec::new() });
        }
        Ok(entries)
    }

    /// What the journal holds, with the events of a replay from the first command, and what that shows in the end.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(crate) fn journal(&self) -> Result<(Vec<Entry>, Engine), Finding> {
        let mut entries = self.read_journal()?;
        let mut engine = Engine::new(config());
        for Entry { sequence, event_time_ns, command, events } in &mut entries {
            engine.apply(*sequence, *event_time_ns, command, events as &mut Vec<Event>);
        }
        Ok((entries, engine))
    }

    /// Has the journal and every checkpoint checked by the node's own tool.
    ///
    /// # Errors
    /// It finds something.
    pub(crate) fn verify(&self) -> Result<(), Finding> {
        let verified = verify_on(&self.copy(), Path::new(DIRECTORY), |_| true);
        verified.map(|_| ()).map_err(|error| Finding::new("the journal can be read", error.to_string()))
    }
}

/// The simulated disk does not do what the simulation asks of it.
fn simulation(error: std::io::Error) -> Finding {
    Finding::new("simulation", error.to_string())
}

/// The bounds of the engine.
pub(crate) fn config() -> EngineConfig {
    EngineConfig { max_open_orders: 10_000, max_open_orders_per_account: 500 }
}

/// What an engine shows from outside, without its digest.
pub(crate) fn shown(engine: &Engine) -> Shown {
    let mut shown = Shown { sequence: engine.sequence(), ..Shown::default() };
    for account in engine.accounts() {
        let account_id = account.account_id;
        for (asset_id, balance) in engine.balances(account_id) {
            shown.balances.push((account_id, asset_id, balance.total, balance.held));
        }
        let rows = engine
            .open_orders(account_id)
            .map(|order| (order.order_id, order.filled_quantity.0, order.leaves_quantity.0, order.price.0));
        shown.orders.extend(rows);
    }
    shown.orders.sort_unstable();
    shown
}
