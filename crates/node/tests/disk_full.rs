//! A disk that is full: new orders are refused, what reduces risk goes on from the reserve, nothing that was acknowledged
//! is lost, and when there is room again everything goes on without a restart.

mod common;

use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beurs_node::engine::command::{CancelOrder, Command, KillScope, KillSwitch, MassCancel, ReplaceOrder};
use beurs_node::engine::reject::RejectReason;
use beurs_node::engine::types::{
    AccountId, ClientOrderId, InstrumentId, Lots, MassCancelReason, OrderId, PriceTicks, Side,
};
use beurs_node::engine::Engine;
use beurs_node::io::RealDisk;
use beurs_node::journal::JournalReader;
use beurs_node::wire::{event_kind, EventRecord};
use beurs_node::{verify, NodeConfig, NodeHandle};
use common::{order, segments, setup, small, workload, Faults, FaultyDisk, Random, TempDir};

/// How long a test waits for what takes about a second.
const PATIENCE: Duration = Duration::from_secs(120);

fn is_refusal(record: &EventRecord) -> bool {
    let refused = record.kind == event_kind::REJECTED && record.reason == RejectReason::DiskFull as u16;
    assert_eq!(refused, record.sequence == 0, "what is refused, and only that, has no sequence");
    refused
}

fn faulty(directory: &TempDir, creates: Option<u64>) -> (NodeConfig, FaultyDisk) {
    let disk = FaultyDisk::new(Faults { creates_until_full: creates, ..Faults::default() });
    (NodeConfig { disk: Arc::new(disk.clone()), ..small(directory.path()) }, disk)
}

fn cancel(account: u32, order_id: u64) -> Command {
    let (account_id, order_id) = (AccountId(account), OrderId(order_id));
    Command::CancelOrder(CancelOrder { account_id, order_id, client_order_id: ClientOrderId::EMPTY })
}

fn replace(account: u32, order_id: u64, price: i64, quantity: i64) -> Command {
    Command::ReplaceOrder(ReplaceOrder {
        account_id: AccountId(account),
        order_id: OrderId(order_id),
        original_client_order_id: ClientOrderId::EMPTY,
        client_order_id: ClientOrderId::EMPTY,
        price: PriceTicks(price),
        quantity: Lots(quantity),
        trigger_price: PriceTicks(0),
        display_quantity: Lots::ZERO,
    })
}

/// Enters orders that rest until one is refused; returns the events of those that were not.
fn fill_the_disk(node: &NodeHandle) -> Vec<EventRecord> {
    let mut accepted = Vec::new();
    for _ in 0..1_000_000 {
        for record in node.execute(&[order(2, Side::Buy, 10, 10, "")]).expect("a running node").iter() {
            if is_refusal(record) {
                assert!(node.stats().disk_full);
                return accepted;
            }
            accepted.push(*record);
        }
    }
    panic!("the disk was never full");
}

fn wait_for_room(node: &NodeHandle) {
    let begun = Instant::now();
    while node.stats().disk_full {
        assert!(begun.elapsed() < PATIENCE, "there is room, and nobody has noticed");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn check_replay(directory: &Path, node: NodeHandle) {
    let digest = node.with_engine(Engine::digest).expect("a running node");
    let sequence = node.sequence();
    drop(node);
    let verified = verify(directory, |_| true).expect("a good journal").expect("not stopped");
    assert_eq!((verified.commands, verified.digest), (sequence, digest));
    assert!(verified.is_good());
}

#[test]
fn a_full_disk_refuses_new_orders_and_takes_what_reduces_risk() {
    let directory = TempDir::new("full");
    let (config, disk) = faulty(&directory, Some(4));
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    node.execute(&setup()).expect("a running node");
    let orders = fill_the_disk(&node);
    let [first, second, third] = [orders[0].order_id, orders[1].order_id, orders[2].order_id];
    let sequence = node.sequence();
    let commands = [
        order(3, Side::Sell, 20, 1, "new"),
        cancel(2, first),
        replace(2, second, 0, 4),
        replace(2, second, 0, 5), // Less than it has now, more than it will have then.
        replace(2, second, 9, 4), // Another price: it would match again.
        cancel(2, 999_999),       // The engine refuses that one.
        Command::KillSwitch(KillSwitch { scope: KillScope::Account(AccountId(5)), engaged: false }),
        Command::KillSwitch(KillSwitch { scope: KillScope::Account(AccountId(5)), engaged: true }),
        cancel(2, third),
    ];
    let answers = node.execute(&commands).expect("a running node").iter().copied().collect::<Vec<_>>();
    let refused: Vec<bool> = answers.iter().map(is_refusal).collect();
    assert_eq!(refused, [true, false, false, true, true, false, true, false, false]);
    let sequences: Vec<u64> = answers.iter().map(|record| record.sequence).collect();
    let next: Vec<u64> = (sequence + 1..=sequence + 5).collect();
    assert_eq!(sequences, [0, next[0], next[1], 0, 0, next[2], 0, next[3], next[4]]);
    assert!(answers[0].client_order_id.starts_with(b"new\0"), "a refusal says what it refuses");
    assert_eq!((answers[0].account_id, answers[1].order_id, answers[2].leaves_quantity), (3, first, 4));
    assert_eq!(node.stats().disk_full_refusals, 5);

    // The other door gives the same, in order.
    for (token, command) in commands.iter().enumerate() {
        node.submit(token as u64, command.clone()).expect("room in the queue");
    }
    let (mut tokens, mut refused) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    while tokens.len() < commands.len() {
        assert!(begun.elapsed() < PATIENCE);
        for completion in node.completions().expect("a running node") {
            tokens.push(completion.token);
            refused.push(is_refusal(&completion.events.records()[0]));
        }
        std::thread::yield_now();
    }
    assert_eq!(tokens, (0..commands.len() as u64).collect::<Vec<_>>());
    // The order has four left already, so the replace reduces nothing.
    assert_eq!(refused, [true, false, true, true, true, false, true, false, false]);

    // The feed has what is in the journal and nothing else.
    let feed: Vec<EventRecord> = node.events_since(sequence, 1 << 20).expect("a large ring").iter().copied().collect();
    assert!(feed.iter().all(|record| record.sequence > sequence));
    assert_eq!(feed.iter().filter(|record| record.event_index == 0).count() as u64, node.sequence() - sequence);

    // Room again: no restart.
    disk.faults().creates_until_full = None;
    wait_for_room(&node);
    let events = node.execute(&[order(3, Side::Sell, 20, 1, "new")]).expect("a running node");
    assert!(!is_refusal(events.iter().next().expect("an event")));
    check_replay(directory.path(), node);
}

#[test]
fn a_used_up_reserve_refuses_everything_and_loses_nothing() {
    let directory = TempDir::new("reserve");
    let (config, disk) = faulty(&directory, Some(3));
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    node.execute(&setup()).expect("a running node");
    fill_the_disk(&node);
    let everybody = MassCancel {
        account_id: AccountId(2),
        instrument_id: InstrumentId(1),
        side: None,
        reason: MassCancelReason::Requested,
    };
    let mut taken = 0;
    loop {
        let events = node.execute(&[Command::MassCancel(everybody)]).expect("a running node");
        if is_refusal(events.iter().next().expect("an event")) {
            break;
        }
        taken += 1;
    }
    // A record of this kind takes 56 bytes, and room for the largest must be left.
    assert!(taken > 500, "only {taken}");
    assert!(node.stop_reason().is_none());
    assert!(node.stats().disk_full);
    disk.faults().creates_until_full = None;
    wait_for_room(&node);
    node.execute(&workload(7, 2_000)).expect("a running node");
    check_replay(directory.path(), node);
}

#[test]
fn a_node_that_is_opened_on_a_full_disk_takes_what_reduces_risk() {
    let directory = TempDir::new("full-restart");
    let (config, _) = faulty(&directory, Some(3));
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    node.execute(&setup()).expect("a running node");
    let orders = fill_the_disk(&node);
    let sequence = node.sequence();
    node.close(); // Its checkpoint does not fit either.
    let (node, recovery) = NodeHandle::open(&config).expect("a good journal");
    assert_eq!((recovery.sequence, recovery.checkpoint_sequence), (sequence, None));
    let answers = node.execute(&[order(2, Side::Buy, 10, 1, ""), cancel(2, orders[0].order_id)]);
    let answers: Vec<EventRecord> = answers.expect("a running node").iter().copied().collect();
    assert_eq!(answers.iter().map(is_refusal).collect::<Vec<_>>(), [true, false]);
    check_replay(directory.path(), node);
}

#[test]
fn a_spare_segment_is_used_again_only_if_it_is_one() {
    let directory = TempDir::new("spare");
    let config = small(directory.path());
    let spare = directory.path().join("journal/spare");
    NodeHandle::open(&config).expect("a new node");
    assert_eq!(std::fs::metadata(&spare).expect("a spare").len(), 64 << 10);
    // A crash may leave a header in it, which is written again.
    let mut bytes = vec![0; 64 << 10];
    bytes[..64].fill(1);
    std::fs::write(&spare, &bytes).expect("a write");
    let (node, _) = NodeHandle::open(&config).expect("a good journal");
    node.execute(&workload(7, 3_000)).expect("a running node");
    check_replay(directory.path(), node);
    for bad in [vec![0; 4_096], [vec![0; 40_000], vec![1], vec![0; (64 << 10) - 40_001]].concat()] {
        std::fs::write(&spare, &bad).expect("a write");
        let (node, _) = NodeHandle::open(&config).expect("a good journal");
        assert!(std::fs::read(&spare).expect("a spare").iter().all(|&byte| byte == 0));
        node.execute(&workload(7, 3_000)[100..]).expect("a running node");
        check_replay(directory.path(), node);
    }
}

/// The disk is full and free by turns while threads send everything through all doors. What was acknowledged is in the
/// journal once, with the events that were given; what was refused is not.
#[test]
fn a_disk_that_is_full_by_turns_loses_and_invents_nothing() {
    let directory = TempDir::new("by-turns");
    let (config, disk) = faulty(&directory, None);
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    node.execute(&setup()).expect("a running node");
    let (mut acknowledged, mut refused) = (Vec::new(), 0_u64);
    let mut r = Random(3);
    for round in 0..8 {
        disk.faults().creates_until_full = (round % 2 == 0).then_some(r.below(3));
        let seeds: Vec<u64> = (0..2).map(|_| r.next()).collect();
        let answers: Vec<Vec<EventRecord>> = std::thread::scope(|scope| {
            let threads: Vec<_> = seeds
                .iter()
                .map(|&seed| {
                    let node = &node;
                    scope.spawn(move || {
                        let mut r = Random(seed);
                        let mut answers = Vec::new();
                        for _ in 0..60 {
                            let commands: Vec<_> = (0..1 + r.below(400)).map(|_| common::command(&mut r)).collect();
                            answers.extend(node.execute(&commands).expect("a running node").iter().copied());
                        }
                        answers
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for record in answers.into_iter().flatten() {
            if is_refusal(&record) {
                refused += 1;
            } else {
                acknowledged.push(record);
            }
        }
        if round % 2 == 1 {
            wait_for_room(&node);
        }
    }
    assert!(refused > 100, "the disk was hardly ever full");
    assert_eq!(node.stats().disk_full_refusals, refused);
    acknowledged.sort_by_key(|record| (record.sequence, record.event_index));
    let mut given = Vec::new();
    let mut sequence = setup().len() as u64;
    while sequence < node.sequence() {
        let events = node.replay_events(sequence, 1 << 20).expect("a good journal");
        sequence = events.last().expect("events").sequence;
        given.extend(events);
    }
    assert_eq!(acknowledged, given);
    check_replay(directory.path(), node);
}

/// A small file system of its own, while it lives.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where it cannot be made, which takes root on Linux.
    fn new(bytes: u64) -> Option<Self> {
        let directory = TempDir::new("tmpfs");
        let text = |text: &str| CString::new(text).expect("no zero byte");
        let (name, target) = (text("tmpfs"), text(directory.path().to_str().expect("a name")));
        let size = text(&format!("size={bytes}"));
        // SAFETY: a plain system call with texts that outlive it.
        let mounted = unsafe { libc::mount(name.as_ptr(), target.as_ptr(), name.as_ptr(), 0, size.as_ptr().cast()) };
        if mounted == 0 {
            return Some(Self(directory));
        }
        println!("skipped: no file system of {bytes} bytes: {}", std::io::Error::last_os_error());
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let target = CString::new(self.0.path().to_str().expect("a name")).expect("no zero byte");
        // SAFETY: a plain system call with a text that outlives it.
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    }
}

#[test]
fn a_file_system_that_is_really_full_is_survived() {
    let Some(disk) = SmallDisk::new(4 << 20) else { return };
    let data = disk.0.path().join("data");
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![1; 3 << 20]).expect("room for the ballast");
    let config = NodeConfig { segment_bytes: 256 << 10, ..small(&data) };
    let (node, _) = NodeHandle::open(&config).expect("room for a segment and a spare one");
    node.execute(&setup()).expect("a running node");
    let orders = fill_the_disk(&node);
    let events = node.execute(&[cancel(2, orders[0].order_id)]).expect("a running node");
    assert!(!is_refusal(events.iter().next().expect("an event")));
    assert!(node.checkpoint().is_err() || segments(&data).len() < 4, "a checkpoint may just fit");
    let sequence = node.sequence();
    node.close();
    let (node, recovery) = NodeHandle::open(&config).expect("a good journal, on a full disk");
    assert_eq!(recovery.sequence, sequence);
    std::fs::remove_file(&ballast).expect("a removal");
    wait_for_room(&node);
    node.execute(&workload(7, 2_000)[100..]).expect("a running node");
    node.checkpoint().expect("room for a checkpoint");
    let mut reader = JournalReader::open(Arc::new(RealDisk), &data.join("journal"), 0).expect("a journal");
    let mut accepted = 0;
    while let Some(record) = reader.next_whole().expect("a good journal") {
        accepted += u64::from(matches!(record.command, Command::NewOrder(_)));
    }
    assert!(accepted >= orders.len() as u64);
    check_replay(&data, node);
}
