//! A node on a simulated disk, run step by step with small batches, for the tests of what is left after a fault.
#![allow(dead_code)] // Every test file uses a part of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use beurs_node::engine::command::Command;
use beurs_node::engine::{Engine, EngineConfig};
use beurs_node::io::{Clock, Disk, ManualClock};
use beurs_node::journal::JournalReader;
use beurs_node::wire::check_encodable;
use beurs_node::{NodeConfig, NodeError, SteppedNode};
use beurs_sim::disk::SimDisk;
use beurs_sim::naive::Naive;
use beurs_sim::workload::{Rng, Workload, MAX_OPEN_ORDERS, MAX_OPEN_ORDERS_PER_ACCOUNT};

pub const PATH: &str = "/data/venue";

pub fn engine_config() -> EngineConfig {
    EngineConfig { max_open_orders: MAX_OPEN_ORDERS, max_open_orders_per_account: MAX_OPEN_ORDERS_PER_ACCOUNT }
}

/// A node on this disk with small segments and a checkpoint every 250 commands.
pub fn config(disk: &SimDisk, clock: &Arc<ManualClock>) -> NodeConfig {
    NodeConfig {
        path: Some(PathBuf::from(PATH)),
        engine: engine_config(),
        checkpoint_interval: 250,
        segment_bytes: 16 << 10,
        event_ring_bytes: 0,
        disk: Arc::new(disk.clone()),
        clock: clock.clone(),
        ..NodeConfig::default()
    }
}

/// Commands with the whole rulebook and the times at which they come.
pub fn commands(seed: u64, count: usize) -> Vec<(i64, Command)> {
    let mut naive = Naive::new(MAX_OPEN_ORDERS, MAX_OPEN_ORDERS_PER_ACCOUNT);
    let mut workload = Workload::new(seed);
    let mut commands = Vec::with_capacity(count);
    let mut sequence = 0;
    while commands.len() < count {
        let (time, command) = workload.next(&naive);
        sequence += 1;
        naive.apply(sequence, time, &command, &mut Vec::new());
        if check_encodable(&command).is_ok() {
            commands.push((time, command));
        }
    }
    commands
}

/// What happened in a run.
#[derive(Default)]
pub struct Run {
    /// After how many calls of the disk which sequence was acknowledged, in order.
    pub acknowledged: Vec<(u64, u64)>,
    /// The last sequence that was executed.
    pub executed: u64,
    /// Whether the node closed, with its last checkpoint.
    pub closed: bool,
}

impl Run {
    /// The last sequence that had been acknowledged before a call of the disk.
    pub fn acknowledged_before(&self, call: u64) -> u64 {
        let count = self.acknowledged.partition_point(|&(calls, _)| calls < call);
        count.checked_sub(1).map_or(0, |last| self.acknowledged[last].1)
    }

    pub fn last_acknowledged(&self) -> u64 {
        self.acknowledged.last().map_or(0, |&(_, sequence)| sequence)
    }
}

/// Gives commands to a node in batches of 1 to 4, executing up to three ahead of the disk, until they end or the node
/// stops; then closes it, if it runs.
pub fn drive(
    disk: &SimDisk,
    clock: &ManualClock,
    mut node: SteppedNode,
    commands: &[(i64, Command)],
    seed: u64,
) -> Run {
    let mut r = Rng::new(seed);
    let mut run = Run::default();
    let mut at = 0;
    while at < commands.len() && node.stop_reason().is_none() {
        let batch = &commands[at..commands.len().min(at + 1 + r.below(4) as usize)];
        clock.set(batch[batch.len() - 1].0);
        let with_tokens: Vec<_> = batch.iter().map(|(_, command)| (0, command.clone())).collect();
        let must_write = match node.start(&with_tokens) {
            Ok(sequence) => {
                at += batch.len();
                run.executed = sequence;
                false
            }
            Err(NodeError::QueueFull { .. }) => true,
            Err(_) => break,
        };
        if must_write || r.chance(600) || node.batches_waiting() > 2 || at == commands.len() {
            node.write();
            run.acknowledged.push((disk.calls(), node.sequence()));
            node.make_checkpoint();
        }
    }
    run.closed = node.stop_reason().is_none();
    if run.closed {
        node.close();
    }
    run
}

/// The digest before the first and after every record of a journal.
pub fn digests(disk: &SimDisk) -> Vec<[u8; 32]> {
    let mut engine = Engine::new(engine_config());
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut reader = JournalReader::open(disk, &Path::new(PATH).join("journal"), 0).expect("a journal");
    let mut digests = vec![engine.digest()];
    while let Some(record) = reader.next_whole().expect("a good journal") {
        engine.apply(record.sequence, record.event_time_ns, &record.command, &mut ());
        digests.push(engine.digest());
    }
    digests
}

/// The files of a directory of the node with a suffix, by name.
pub fn files(disk: &SimDisk, suffix: &str) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.to_string_lossy().ends_with(suffix)).collect()
}
