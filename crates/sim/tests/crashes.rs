//! The power goes, or the process, before every single change of the disk in a run of 2,000 commands; and every single
//! call of the disk fails. What was acknowledged is there afterwards, the state is that of a prefix of the same run, and
//! the node trades on.

mod node_run;

use std::path::Path;
use std::sync::Arc;

use beurs_node::engine::command::Command;
use beurs_node::io::ManualClock;
use beurs_node::{AppendError, JournalError, NodeError, SteppedNode, StopReason};
use beurs_sim::disk::{Failing, Image, Loss, Names, SimDisk, Writes};
use node_run::{commands, config, digests, drive, Run, PATH};

const COMMANDS: usize = 2_000;
/// A run of so many commands meets every call that the disk has; a longer one only meets them more often.
const COMMANDS_WITH_FAILURES: usize = 900;
const SEED: u64 = 5;

/// A run without faults, with the disk as it was before each change.
struct Reference {
    commands: Vec<(i64, Command)>,
    run: Run,
    images: Vec<(u64, Image)>,
    digests: Vec<[u8; 32]>,
}

fn reference(count: usize) -> Reference {
    let (disk, clock) = (SimDisk::new(), Arc::new(ManualClock::default()));
    disk.keep_images();
    let commands = commands(SEED, count);
    let (node, _) = SteppedNode::open(&config(&disk, &clock)).expect("a new node");
    let run = drive(&disk, &clock, node, &commands, SEED);
    assert!(run.closed && run.executed >= count as u64);
    let images = disk.take_images();
    let digests = digests(&disk);
    assert_eq!(digests.len() as u64, run.executed + 1);
    Reference { commands, run, images, digests }
}

impl Reference {
    /// Opens what is left on a disk and compares it; at least `least` must be there.
    fn check(&self, disk: &SimDisk, least: u64, what: &str) -> SteppedNode {
        let clock = Arc::new(ManualClock::default());
        let (node, recovery) = match SteppedNode::open(&config(disk, &clock)) {
            Ok(opened) => opened,
            Err(error) => panic!("{what}: it does not open: {error}"),
        };
        let sequence = recovery.sequence;
        assert!(sequence >= least, "{what}: {least} was acknowledged, {sequence} is there");
        assert!(sequence <= self.run.executed, "{what}: {sequence} was never executed");
        assert_eq!(node.engine().digest(), self.digests[sequence as usize], "{what}: another state at {sequence}");
        assert!(recovery.skipped_checkpoints.is_empty(), "{what}: {:?}", recovery.skipped_checkpoints);
        node
    }

    /// The same; then trades on, loses the power again, and finds all of it.
    fn check_and_go_on(&self, disk: &SimDisk, least: u64, what: &str) {
        let mut node = self.check(disk, least, what);
        let batch: Vec<_> = self.commands[500..503].iter().map(|(_, command)| (0, command.clone())).collect();
        let sequence = node.start(&batch).expect("it trades on");
        assert!(node.write() && node.sequence() == sequence, "{what}: {:?}", node.stop_reason());
        let digest = node.engine().digest();
        drop(node);
        let again = disk.restart(Loss::UNSYNCED);
        let (node, recovery) = SteppedNode::open(&config(&again, &Arc::default())).expect("a good journal");
        assert_eq!((recovery.sequence, recovery.torn_tail), (sequence, None), "{what}");
        assert_eq!(node.engine().digest(), digest, "{what}");
    }
}

/// What a power failure may lose at this moment, every distinct way that is stated and some that are drawn.
fn losses(image: &Image, seed: u64) -> Vec<Loss> {
    let mut losses = vec![Loss::UNSYNCED];
    let sectors = image.sectors_of_last_unsynced_write();
    if sectors > 0 || image.has_unsynced_names() {
        losses.push(Loss::NOTHING);
        losses.push(Loss::seeded(seed));
        losses.push(Loss::seeded(seed + (1 << 32)));
    }
    if sectors > 0 {
        losses.extend((0..sectors).map(|kept| Loss { writes: Writes::Torn(kept), names: Names::Keep }));
    }
    if sectors > 0 && image.has_unsynced_names() {
        losses.push(Loss { writes: Writes::Drop, names: Names::Keep });
        losses.push(Loss { writes: Writes::Keep, names: Names::Drop });
    }
    losses
}

#[test]
fn a_power_failure_before_every_change_of_the_disk_loses_nothing_acknowledged() {
    let reference = reference(COMMANDS);
    assert!(reference.images.len() > 1_000, "{} changes", reference.images.len());
    let mut recoveries = 0;
    for (call, image) in &reference.images {
        let acknowledged = reference.run.acknowledged_before(*call);
        for loss in losses(image, *call) {
            let disk = SimDisk::with_image(image.after_power_failure(loss));
            reference.check_and_go_on(&disk, acknowledged, &format!("before call {call}, {loss:?}"));
            recoveries += 1;
        }
    }
    println!("{} changes, {recoveries} recoveries", reference.images.len());
}

/// What a restarted node shows must survive the next power failure, although nobody had synced it when it was killed.
#[test]
fn a_killed_process_and_then_a_power_failure_lose_nothing_that_was_shown_in_between() {
    let reference = reference(COMMANDS);
    for (call, image) in &reference.images {
        let what = format!("killed before call {call}");
        let disk = SimDisk::with_image(image.clone());
        let node = reference.check(&disk, reference.run.acknowledged_before(*call), &what);
        let shown = node.sequence();
        drop(node);
        reference.check(&disk.restart(Loss::UNSYNCED), shown, &format!("{what}, then without power"));
    }
}

/// Opens and runs with a fault, restarts, and compares. Returns whether the fault was met.
fn with_failure(reference: &Reference, failing: Failing, from: &SimDisk, loss: Loss) -> bool {
    let (disk, clock) = (from.restart_process(), Arc::new(ManualClock::default()));
    disk.fail(failing);
    let mut least = 0;
    match SteppedNode::open(&config(&disk, &clock)) {
        Ok((node, recovery)) => {
            // A reopened node goes on behind what it found.
            let rest = if recovery.sequence == 0 { &reference.commands[..] } else { &[] };
            let shown = node.sequence();
            least = shown.max(drive(&disk, &clock, node, rest, SEED).last_acknowledged());
        }
        // Refused with the file that it was about; no other kind of error.
        Err(NodeError::Journal(JournalError::Io { path, .. })) => {
            assert!(path.starts_with(PATH) || Path::new(PATH).starts_with(&path), "{}", path.display());
        }
        // The spare segment could not be made.
        Err(NodeError::Stopped(StopReason::Journal(AppendError::Unknown { path, .. }))) => {
            assert!(path.starts_with(PATH), "{}", path.display());
        }
        Err(error) => panic!("{failing:?}: {error}"),
    }
    let what = format!("{failing:?} at {:?}, {loss:?}", disk.failed());
    drop(reference.check(&disk.restart(loss), least, &what));
    disk.failed().is_some()
}

#[test]
fn a_call_that_fails_stops_the_node_or_refuses_it_and_loses_nothing_acknowledged() {
    let reference = reference(COMMANDS_WITH_FAILURES);
    let empty = SimDisk::new();
    let mut calls = 0;
    for call in 1.. {
        let loss = [Loss::NOTHING, Loss::UNSYNCED, Loss::seeded(call)][(call % 3) as usize];
        let met =
            [Failing::Call(call), Failing::From(call)].map(|failing| with_failure(&reference, failing, &empty, loss));
        if met == [false, false] {
            break;
        }
        calls = call;
    }
    assert!(calls > 500, "{calls} calls");
}

#[test]
fn a_call_that_fails_while_opening_after_a_crash_changes_nothing_for_the_next_opening() {
    let reference = reference(COMMANDS);
    // A torn write in the middle of the run, with checkpoints and many segments before it.
    let torn = Loss { writes: Writes::Torn(1), names: Names::Keep };
    let (call, image) = reference.images[700..]
        .iter()
        .find(|(_, image)| image.sectors_of_last_unsynced_write() > 1)
        .expect("a large write");
    let disk = SimDisk::with_image(image.after_power_failure(torn));
    let before = reference.check(&disk.restart_process(), reference.run.acknowledged_before(*call), "torn");
    drop(before);
    for call in 1.. {
        if !with_failure(&reference, Failing::Call(call), &disk, Loss::UNSYNCED) {
            assert!(call > 50, "{call} calls");
            break;
        }
    }
}

#[test]
fn a_power_failure_before_every_change_of_an_opening_loses_nothing() {
    let reference = reference(COMMANDS_WITH_FAILURES);
    let mut openings = 0;
    // In every tenth moment in which something was under way.
    let unsure = reference.images.iter().filter(|(_, image)| image.sectors_of_last_unsynced_write() > 0);
    for (call, image) in unsure.step_by(10) {
        let least = reference.run.acknowledged_before(*call);
        let disk = SimDisk::with_image(image.after_power_failure(Loss::seeded(*call)));
        disk.keep_images();
        drop(reference.check(&disk, least, "once"));
        for (again, image) in disk.take_images() {
            for loss in losses(&image, *call) {
                let what = format!("before call {call}, then before call {again} of the opening, {loss:?}");
                let disk = SimDisk::with_image(image.after_power_failure(loss));
                reference.check_and_go_on(&disk, least, &what);
                openings += 1;
            }
        }
    }
    println!("{openings} openings");
}

#[test]
fn a_disk_that_reads_short_is_read_whole() {
    let reference = reference(COMMANDS);
    let (_, image) = reference.images.last().expect("a run");
    let disk = SimDisk::with_image(image.clone());
    disk.read_short(3);
    drop(reference.check(&disk, reference.run.last_acknowledged(), "short reads"));
}
