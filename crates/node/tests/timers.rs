//! What is due in the engine is done on time, in the journal, and not told to callers as if it were theirs.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use beurs_node::engine::command::{CancelAllAfter, Command};
use beurs_node::engine::types::{AccountId, Side};
use beurs_node::engine::Engine;
use beurs_node::io::{Clock, ManualClock};
use beurs_node::wire::{event_kind, EventRecord};
use beurs_node::{Node, NodeConfig, NodeError, NodeHandle};
use common::{order, setup, TempDir};

const SECOND: i64 = 1_000_000_000;

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
        let clock = Arc::new(ManualClock::at(SECOND));
        let config = NodeConfig { path, clock: clock.clone(), ..NodeConfig::default() };
        let (mut node, _) = Node::open(&config).expect("a new node");
        node.execute(&setup()).expect("a running node");
        let before = node.execute(&[order(2, Side::Buy, 1_000, 5, ""), cancel_all_after(SECOND)]).expect("running");
        let armed = before.iter().last().expect("an event").sequence;
        assert_eq!(node.engine().next_due_ns(), 2 * SECOND);

        clock.set(2 * SECOND - 1);
        let early = node.execute(&[order(3, Side::Sell, 2_000, 5, "")]).expect("a running node");
        assert!(early.iter().all(|event| event.sequence == armed + 1), "nothing is due yet");

        clock.set(2 * SECOND);
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
            assert!(begun.elapsed() < Duration::from_secs(60), "the node has not woken");
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
    let clock = Arc::new(ManualClock::at(SECOND));
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
            assert!(begun.elapsed() < Duration::from_secs(60), "no completion");
            completed.extend(node.completions().expect("a running node"));
        }
        clock.set((1 + 2 * round) * SECOND);
    }
    for completion in &completed {
        let records = completion.events.records();
        let kind = if completion.token % 2 == 0 { event_kind::CANCEL_ALL_AFTER_SET } else { event_kind::EXECUTION };
        assert_eq!((records.len(), records[0].kind), (1, kind), "token {}", completion.token);
    }
    // The last timer is due; the node looks at the clock at least once a second.
    let begun = Instant::now();
    while node.with_engine(Engine::next_due_ns).expect("a running node") != i64::MAX {
        assert!(begun.elapsed() < Duration::from_secs(60), "the node has not woken");
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

#[test]
fn a_manual_clock_is_moved_and_what_is_due_is_done_before_the_call_returns() {
    let directory = TempDir::new("manual");
    for path in [None, Some(directory.path().to_owned())] {
        let config = NodeConfig { path, clock: Arc::new(ManualClock::default()), ..NodeConfig::default() };
        let (node, _) = NodeHandle::open(&config).expect("a new node");
        node.set_time(SECOND).expect("a manual clock");
        node.execute(&setup()).expect("a running node");
        let commands = [order(2, Side::Buy, 1_000, 5, ""), cancel_all_after(SECOND)];
        let armed = node.execute(&commands).expect("running").iter().last().copied().expect("an event");
        assert_eq!(armed.event_time_ns, SECOND);

        node.set_time(2 * SECOND - 1).expect("a manual clock");
        assert_eq!(node.sequence(), armed.sequence, "nothing is due yet");
        node.set_time(2 * SECOND).expect("a manual clock");
        assert_eq!(node.sequence(), armed.sequence + 1, "what is due is done and durable");
        let records = all_events(&node);
        let [advanced] = advances(&records)[..] else { panic!("one command of the node's own") };
        assert_eq!((advanced.event_time_ns, advanced.count), (2 * SECOND, 1));

        node.set_time(2 * SECOND).expect("it may stay where it is");
        let refused = node.set_time(2 * SECOND - 1);
        assert!(matches!(refused, Err(NodeError::Config { setting: "event_time_ns", .. })), "{refused:?}");
        let next = node.execute(&[order(3, Side::Sell, 2_000, 5, "")]).expect("a running node");
        assert!(next.iter().all(|event| event.event_time_ns == 2 * SECOND));
        node.close();
        assert!(matches!(node.set_time(3 * SECOND), Err(NodeError::Stopped(_))));
    }
    // After a restart it stands where the last command is, whatever the clock says.
    let config = NodeConfig { clock: Arc::new(ManualClock::default()), ..NodeConfig::at(directory.path()) };
    let (node, _) = NodeHandle::open(&config).expect("what was left");
    assert!(matches!(node.set_time(SECOND), Err(NodeError::Config { setting: "event_time_ns", .. })));
    node.set_time(2 * SECOND).expect("where it stands");
}

#[test]
fn the_time_of_a_clock_that_goes_by_itself_cannot_be_set() {
    let (node, _) = NodeHandle::open(&NodeConfig::default()).expect("a new node");
    let refused = node.set_time(i64::MAX);
    assert!(matches!(refused, Err(NodeError::Config { setting: "clock", .. })), "{refused:?}");
    assert_eq!(node.sequence(), 0);
}
