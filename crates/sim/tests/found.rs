//! What the simulator has found, each as the smallest run that shows it.

use std::path::PathBuf;
use std::sync::Arc;

use beurs_node::engine::command::{AddAsset, Command};
use beurs_node::engine::types::ShortText;
use beurs_node::{JournalError, NodeConfig, NodeError, SteppedNode};
use beurs_sim::disk::{Failing, Loss, SimDisk};

fn config(disk: &SimDisk) -> NodeConfig {
    NodeConfig { segment_bytes: 4096, disk: Arc::new(disk.clone()), ..NodeConfig::at("/data") }
}

fn asset(number: u64) -> Command {
    let code = ShortText::new(format!("A{number}").as_bytes()).expect("a short text");
    Command::AddAsset(AddAsset { code, scale: 2 })
}

fn segments(disk: &SimDisk) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.extension().is_some_and(|name| name == "segment")).collect()
}

/// Found as seed 103: the zeros at the end of the segment before the one that holds the checkpoint were not looked at, so
/// that a node opened over damage that every reader of the whole journal then met.
#[test]
fn a_changed_byte_behind_the_last_record_of_a_segment_before_the_checkpoint_is_found() {
    let disk = SimDisk::new();
    let (mut node, _) = SteppedNode::open(&config(&disk)).expect("a new node");
    let mut number = 0;
    while segments(&disk).len() < 3 {
        number += 1;
        node.start(&[(number, asset(number))]).expect("a running node");
        assert!(node.write());
    }
    node.close(); // Its checkpoint stands in the last segment.
    let disk = disk.restart(Loss::NOTHING);
    for path in &segments(&disk)[..2] {
        let damaged = disk.restart(Loss::NOTHING);
        let content = damaged.content(path).expect("a segment");
        let offset = content.len() - 8;
        assert_eq!(content[offset..], [0; 8], "the segment ends with zeros");
        damaged.flip(path, offset, 3).expect("a file");
        match SteppedNode::open(&config(&damaged)) {
            Err(NodeError::Journal(JournalError::Damaged { path: named, .. })) => assert_eq!(&named, path),
            Err(error) => panic!("another error: {error}"),
            Ok(_) => panic!("it opens over damage in {}", path.display()),
        }
    }
    let (node, recovery) = SteppedNode::open(&config(&disk)).expect("a good journal");
    assert_eq!((recovery.sequence, recovery.commands_replayed), (number, 0));
    assert_eq!(node.engine().assets().count() as u64, number);
}

/// Found as seed 3: after a sync that failed, the system shows what it has not written. A process that was started again
/// took that for durable, and the next power cut lost what it had shown.
#[test]
fn what_is_shown_after_a_failed_sync_survives_the_next_power_cut() {
    let disk = SimDisk::new();
    let (mut node, _) = SteppedNode::open(&config(&disk)).expect("a new node");
    node.start(&[(1, asset(1))]).expect("a running node");
    disk.fail(Failing::Call(disk.calls() + 2)); // The write is done, its sync is not.
    node.write();
    assert!(node.stop_reason().is_some() && node.sequence() == 0);
    drop(node);
    let disk = disk.restart_process();
    let (node, recovery) = SteppedNode::open(&config(&disk)).expect("a good journal");
    assert_eq!(recovery.sequence, 1, "the system still has it");
    drop(node);
    let (_, recovery) = SteppedNode::open(&config(&disk.restart(Loss::UNSYNCED))).expect("a good journal");
    assert_eq!(recovery.sequence, 1);
}
