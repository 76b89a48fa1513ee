//! A node without threads does what a running one does, when it is told to.

mod common;

use beurs_node::engine::command::Command;
use beurs_node::{Node, NodeError, SteppedNode, StopReason};
use common::{small, workload, Faults, FaultyDisk, TempDir};

/// Commands with tokens from 0.
fn with_tokens(commands: &[Command]) -> Vec<(u64, Command)> {
    (0..).zip(commands.iter().cloned()).collect()
}

#[test]
fn nothing_leaves_before_its_write_and_one_write_takes_all_that_waits() {
    let directory = TempDir::new("stepped");
    let commands = with_tokens(&workload(3, 90));
    let (mut node, _) = SteppedNode::open(&small(directory.path())).expect("a new node");
    assert_eq!(node.start(&commands[..40]).expect("a running node"), 40);
    assert_eq!(node.start(&commands[40..90]).expect("a running node"), 90);
    assert_eq!((node.sequence(), node.batches_waiting()), (0, 2));
    assert!(node.completions().expect("a running node").is_empty());
    assert!(node.write() && !node.write());
    assert_eq!((node.sequence(), node.batches_waiting()), (90, 0));
    let completions = node.completions().expect("a running node");
    assert_eq!(completions.iter().map(|completion| completion.token).collect::<Vec<_>>(), (0..90).collect::<Vec<_>>());
    for (sequence, completion) in (1..).zip(&completions) {
        assert!(completion.events.records().iter().all(|record| record.sequence == sequence));
    }
    assert!(!node.events_since(89, 1 << 20).expect("in the ring").is_empty());
    let digest = node.engine().digest();
    drop(node); // As if it had been killed.
    let (node, recovery) = Node::open(&small(directory.path())).expect("a good journal");
    assert_eq!((recovery.sequence, recovery.commands_replayed), (90, 90));
    assert_eq!(node.engine().digest(), digest);
}

#[test]
fn checkpoints_are_made_when_told_and_closing_makes_the_last() {
    let directory = TempDir::new("stepped-checkpoint");
    let commands = with_tokens(&workload(3, 90));
    let (mut node, _) = SteppedNode::open(&small(directory.path())).expect("a new node");
    node.start(&commands[..50]).expect("a running node");
    let made = node.begin_checkpoint().expect("a running node");
    assert!(!node.make_checkpoint(), "its state is not durable yet");
    assert!(node.write() && node.make_checkpoint() && !node.make_checkpoint());
    assert_eq!(made.try_recv().expect("an answer").expect("a checkpoint"), 50);
    node.start(&commands[50..]).expect("a running node");
    let digest = node.engine().digest();
    node.close();
    let (node, recovery) = Node::open(&small(directory.path())).expect("a good journal");
    assert_eq!((recovery.checkpoint_sequence, recovery.commands_replayed), (Some(90), 0));
    assert_eq!(node.engine().digest(), digest);
}

#[test]
fn a_failed_write_stops_the_node_and_releases_nothing() {
    let directory = TempDir::new("stepped-failure");
    let commands = with_tokens(&workload(3, 90));
    let disk = FaultyDisk::new(Faults { syncs_until_failure: Some(1), ..Faults::default() });
    let config = beurs_node::NodeConfig { disk: std::sync::Arc::new(disk), ..small(directory.path()) };
    let (mut node, _) = SteppedNode::open(&config).expect("a new node");
    for (count, batch) in (1..).zip(commands.chunks(10)) {
        match node.start(batch) {
            Ok(_) => assert!(node.write()),
            Err(NodeError::Stopped(StopReason::Journal(_))) => {
                assert_eq!((count, node.sequence()), (3, 10));
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(node.stop_reason().is_some() && !node.write());
    node.completions().expect("what was durable before");
    assert!(node.completions().is_err());
}

#[test]
fn the_bounds_of_a_running_node_hold() {
    let directory = TempDir::new("stepped-bounds");
    let commands = with_tokens(&workload(3, 400));
    let (mut node, _) = SteppedNode::open(&small(directory.path())).expect("a new node");
    assert!(matches!(node.start(&commands), Err(NodeError::QueueFull { .. })), "more than a segment of 64 KiB holds");
    let mut batches = commands.chunks(1);
    let refused = loop {
        match node.start(batches.next().expect("enough commands")) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, NodeError::QueueFull { capacity: 8 }), "{refused}");
    assert!(node.write());
    node.start(batches.next().expect("enough commands")).expect("there is room again");
    let without = beurs_node::NodeConfig::default();
    assert!(matches!(SteppedNode::open(&without), Err(NodeError::InMemory)));
}
