//! What is due in the engine is done on time, in the journal, and not told to callers as if it were theirs.

mod common;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use beurs_node::engine::command::{CancelAllAfter, Command};
use beurs_node::engine::types::{AccountId, Side};
use beurs_node::engine::Engine;
use beurs_node::io::Clock;
use beurs_node::wire::{event_kind, EventRecord};
use beurs_node::{Node, NodeConfig, NodeHandle};
use common::{order, setup, TempDir};

const SECOND: i64 = 1_000_000_000;

/// A clock that stands still until it is set.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now_ns(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn cancel_all_after(timeout_ns: i64) -> Command {
    Command::CancelAllAfter(CancelAllAfter { account_id: AccountId(2), timeout_ns })
}

fn all_events(node: &NodeHandle) -> Vec<EventRecord> {
    node.events_since(0, 1 << 30).expect("all of them are in the ring").iter().copied().collect()
}

fn advances(records: &[EventRecord]) -> Vec<&EventRecord> {
    records.iter().filter(|record| record.kind == event_kind::TIME_ADVANCED).collect()
}

#[test]
fn what_is_due_is_done_before_the_next_batch_and_is_not_among_its_events() {
    let directory = TempDir::new("due");
    for path in [None, Some(directory.path().to_owned())] {
        let clock = Arc::new(SetClock(AtomicI64::new(SECOND)));
        let config = NodeConfig { path, clock: clock.clone(), ..NodeConfig::default() };
        let (mut node, _) = Node::open(&config).expect("a new node");
        node.execute(&setup()).expect("a running node");
        let before = node.execute(&[order(2, Side::Buy, 1_000, 5, ""), cancel_all_after(SECOND)]).expect("running");
        let armed = before.iter().last().expect("an event").sequence;
        assert_eq!(node.engine().next_due_ns(), 2 * SECOND);

        clock.0.store(2 * SECOND - 1, Ordering::Relaxed);
        let early = node.execute(&[order(3, Side::Sell, 2_000, 5, "")]).expect("a running node");
        assert!(early.iter().all(|event| event.sequence == armed + 1), "nothing is due yet");

        clock.0.store(2 * SECOND, Ordering::Relaxed);
        let late = node.execute(&[order(3, Side::Sell, 1_000, 5, "")]).expect("a running node");
        assert!(late.iter().all(|event| event.sequence == armed + 3 && event.event_time_ns == 2 * SECOND));
        assert!(late.iter().all(|event| event.trade_id == 0), "the buy order was canceled before the sell order came");
        assert_eq!(node.engine().next_due_ns(), i64::MAX);
        node.close();
    }
}

#[test]
fn an_idle_node_wakes_for_what_is_due() {
    let directory = TempDir::new("idle");
    for path in [None, Some(directory.path().to_owned())] {
        let config = NodeConfig { path, ..NodeConfig::default() };
        let (node, _) = NodeHandle::open(&config).expect("a new node");
        node.execute(&setup()).expect("a running node");
        let commands = [order(2, Side::Buy, 1_000, 5, ""), cancel_all_after(SECOND / 20)];
        let armed = node.execute(&commands).expect("a running node").iter().last().copied().expect("an event");
        let begun = Instant::now();
        while node.sequence() == armed.sequence {
            assert!(begun.elapsed() < Duration::from_secs(20), "the node has not woken");
            std::thread::sleep(Duration::from_millis(1));
        }
        let records = all_events(&node);
        let [advanced] = advances(&records)[..] else { panic!("one command of the node's own") };
        assert_eq!((advanced.sequence, advanced.count), (armed.sequence + 1, 1));
        assert!(advanced.event_time_ns >= armed.event_time_ns + SECOND / 20);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(node.sequence(), armed.sequence + 1, "nothing more is due");
        node.close();
    }
}

#[test]
fn a_submitted_command_gets_its_own_events_and_recovery_finds_the_nodes_own_commands() {
    let directory = TempDir::new("recovered");
    let clock = Arc::new(SetClock(AtomicI64::new(SECOND)));
    let config = NodeConfig { clock: clock.clone(), checkpoint_interval: 0, ..NodeConfig::at(directory.path()) };
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    node.execute(&setup()).expect("a running node");
    let mut submitted = 0;
    let mut completed = Vec::new();
    for round in 1..=50 {
        node.submit(submitted, cancel_all_after(SECOND)).expect("room");
        node.submit(submitted + 1, order(2, Side::Buy, 1_000, 1, "")).expect("room");
        submitted += 2;
        let begun = Instant::now();
        while completed.len() < submitted as usize {
            assert!(begun.elapsed() < Duration::from_secs(20), "no completion");
            completed.extend(node.completions().expect("a running node"));
        }
        clock.0.store((1 + 2 * round) * SECOND, Ordering::Relaxed);
    }
    for completion in &completed {
        let records = completion.events.records();
        let kind = if completion.token % 2 == 0 { event_kind::CANCEL_ALL_AFTER_SET } else { event_kind::EXECUTION };
        assert_eq!((records.len(), records[0].kind), (1, kind), "token {}", completion.token);
    }
    // The last timer is due; the node looks at the clock at least once a second.
    let begun = Instant::now();
    while node.with_engine(Engine::next_due_ns).expect("a running node") != i64::MAX {
        assert!(begun.elapsed() < Duration::from_secs(20), "the node has not woken");
        std::thread::sleep(Duration::from_millis(1));
    }
    let digest = node.with_engine(Engine::digest).expect("a running node");
    let records = all_events(&node);
    assert_eq!(advances(&records).len(), 50);
    // The follower finds the node's own commands in the journal, and so does recovery.
    assert_eq!(node.replay_events(0, 1 << 30).expect("a readable journal"), records);
    let sequence = node.sequence();
    node.close();
    std::fs::remove_dir_all(directory.path().join("checkpoint")).expect("checkpoints");
    let (node, recovery) = Node::open(&config).expect("what was left");
    assert_eq!((recovery.commands_replayed, recovery.sequence), (sequence, sequence));
    assert_eq!(node.engine().digest(), digest);
}
