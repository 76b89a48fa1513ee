//! One engine and replicas of it: the same answers, the same state, reads that see what others were told, and ends.

mod common;

use std::sync::Arc;

use beurs_node::engine::command::{CancelOrder, Command};
use beurs_node::engine::reject::RejectReason;
use beurs_node::engine::types::{AccountId, AssetId, ClientOrderId, OrderId, Side};
use beurs_node::engine::Engine;
use beurs_node::link::{Link, Replica, ReplicaConfig};
use beurs_node::wire::{encode_command, EventRecord};
use beurs_node::{NodeConfig, NodeError, NodeHandle, StopReason};
use common::{order, setup, small, workload, Faults, FaultyDisk, Random, TempDir};

fn connect(node: &NodeHandle, directory: &TempDir) -> (Link, Replica) {
    let (link, descriptor) = node.link().expect("a link");
    let config = ReplicaConfig { path: directory.path().to_owned(), event_ring_bytes: 64 << 20, queue_capacity: 1_000 };
    (link, Replica::connect(descriptor, config).expect("a replica"))
}

fn encoded(command: &Command) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_command(command, &mut bytes);
    bytes
}

fn wait_readable(replica: &Replica) {
    let mut poll = libc::pollfd { fd: replica.fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd.
    let ready = unsafe { libc::poll(&mut poll, 1, 60_000) };
    assert_eq!(ready, 1, "no completion in a minute");
}

fn all_events(mut since: impl FnMut(u64) -> Vec<EventRecord>) -> Vec<EventRecord> {
    let mut all: Vec<EventRecord> = Vec::new();
    loop {
        let part = since(all.last().map_or(0, |record| record.sequence));
        if part.is_empty() {
            return all;
        }
        all.extend(part);
    }
}

#[test]
fn a_replica_answers_as_the_node_does() {
    let directory = TempDir::new("link-same");
    let (node, _) = NodeHandle::open(&small(directory.path())).expect("a new node");
    let commands = workload(11, 6_000);
    node.execute(&commands[..2_000]).expect("executed");
    let (_link, replica) = connect(&node, &directory);
    assert_eq!(replica.sequence(), 2_000);
    let mut events = Vec::new();
    for part in commands[2_000..].chunks(701) {
        events.extend(replica.execute(part).expect("executed").iter().copied());
    }
    let whole =
        all_events(|sequence| node.events_since(sequence, 1 << 20).expect("a large ring").iter().copied().collect());
    let own: Vec<EventRecord> = whole.iter().copied().filter(|record| record.sequence > 2_000).collect();
    assert_eq!(events, own);
    assert_eq!(all_events(|sequence| replica.replay_events(sequence, 1 << 20).expect("the journal")), whole);
    let ring: Vec<EventRecord> = replica.events_since(2_000, usize::MAX).expect("the ring").iter().copied().collect();
    assert_eq!(ring, own);
    assert!(matches!(replica.events_since(0, 1 << 20), Err(NodeError::Lagged { oldest_sequence: 2_000 })));
    let digest = node.with_engine(Engine::digest).expect("running");
    assert_eq!(replica.with_engine(Engine::digest).expect("running"), digest);
    assert_eq!(replica.latest().expect("running"), node.sequence());
    assert_eq!(replica.checkpoint().expect("a checkpoint"), node.sequence());
    assert_eq!(replica.stats().expect("numbers").commands, node.stats().commands);
    assert!(replica.execute(&[]).expect("nothing to do").is_empty());
    assert!(replica.execute_records(&[]).expect("nothing to do").is_empty());
}

#[test]
fn tokens_come_back_in_order_with_the_events_of_their_command() {
    let directory = TempDir::new("link-tokens");
    let (node, _) = NodeHandle::open(&small(directory.path())).expect("a new node");
    node.execute(&setup()).expect("executed");
    let replicas = [connect(&node, &directory), connect(&node, &directory)];
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = replicas
            .iter()
            .enumerate()
            .map(|(which, (_, replica))| {
                scope.spawn(move || {
                    let mut r = Random(which as u64);
                    let (mut sent, mut answers) = (0_u64, Vec::new());
                    while answers.len() < 3_000 {
                        while sent < 3_000 && sent - (answers.len() as u64) < 500 {
                            let side = if r.below(2) == 0 { Side::Buy } else { Side::Sell };
                            let id = format!("r{which}-{sent}");
                            let command = order(2 + r.below(8) as u32, side, 1_000 + r.below(20) as i64, 1, &id);
                            replica.submit_encoded(sent, &encoded(&command)).expect("taken");
                            sent += 1;
                        }
                        wait_readable(replica);
                        for completion in replica.completions().expect("running") {
                            assert_eq!(completion.token, answers.len() as u64);
                            let first = completion.events.records()[0];
                            let id = format!("r{which}-{}", completion.token);
                            assert_eq!(&first.client_order_id[..id.len()], id.as_bytes());
                            assert!(completion.events.records().iter().all(|record| record.sequence == first.sequence));
                            answers.push(first.sequence);
                        }
                    }
                    answers
                })
            })
            .collect();
        for thread in threads {
            let answers = thread.join().expect("no panic");
            assert!(answers.windows(2).all(|pair| pair[0] < pair[1]));
            seen.extend(answers);
        }
    });
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 6_000, "every command has a sequence of its own");
    let digest = node.with_engine(Engine::digest).expect("running");
    for (_, replica) in &replicas {
        assert_eq!(replica.with_engine(Engine::digest).expect("running"), digest);
    }
}

#[test]
fn a_read_sees_what_anybody_was_told_before() {
    let directory = TempDir::new("link-reads");
    let (node, _) = NodeHandle::open(&small(directory.path())).expect("a new node");
    node.execute(&setup()).expect("executed");
    let (_a, one) = connect(&node, &directory);
    let (_b, other) = connect(&node, &directory);
    let total = |replica: &Replica| {
        let balance = |engine: &Engine| {
            let mut balances = engine.balances(AccountId(2));
            balances.find(|(asset, _)| *asset == AssetId(2)).map(|(_, balance)| balance.total)
        };
        replica.with_engine(balance).expect("running").expect("a balance")
    };
    let before = total(&one);
    for n in 1..=300 {
        let deposit = Command::Deposit(beurs_node::engine::command::Deposit {
            account_id: AccountId(2),
            asset_id: AssetId(2),
            amount: beurs_node::engine::types::Amount(1),
        });
        let (writer, reader) = if n % 2 == 0 { (&one, &other) } else { (&other, &one) };
        writer.execute(&[deposit]).expect("executed");
        assert_eq!(total(reader), before + n);
    }
}

#[test]
fn a_full_queue_is_said_and_takes_nothing() {
    let directory = TempDir::new("link-full");
    let (node, _) = NodeHandle::open(&small(directory.path())).expect("a new node");
    node.execute(&setup()).expect("executed");
    let (_link, replica) = connect(&node, &directory);
    let command = encoded(&order(2, Side::Buy, 1_000, 1, ""));
    for token in 0..1_000 {
        replica.submit_encoded(token, &command).expect("taken");
    }
    assert!(matches!(replica.submit_encoded(1_000, &command), Err(NodeError::QueueFull { capacity: 1_000 })));
    assert!(matches!(replica.submit_encoded(1_000, b"nonsense"), Err(NodeError::Wire(_))));
    let mut taken = 0;
    while taken < 1_000 {
        wait_readable(&replica);
        taken += replica.completions().expect("running").len();
    }
    assert_eq!(node.sequence(), setup().len() as u64 + 1_000);
    replica.submit_encoded(1_001, &command).expect("taken again");
}

#[test]
fn whoever_waits_is_told_when_the_other_side_ends() {
    let directory = TempDir::new("link-ends");
    let (node, _) = NodeHandle::open(&small(directory.path())).expect("a new node");
    node.execute(&setup()).expect("executed");
    let (link, replica) = connect(&node, &directory);
    let (_kept, closed) = connect(&node, &directory);
    drop(link);
    let deposit = order(2, Side::Buy, 1_000, 1, "");
    wait_readable(&replica);
    assert!(matches!(replica.completions(), Err(NodeError::Stopped(StopReason::LinkLost { .. }))));
    assert!(matches!(replica.execute(std::slice::from_ref(&deposit)), Err(NodeError::Stopped(_))));
    assert!(matches!(replica.with_engine(Engine::digest), Err(NodeError::Stopped(_))));
    assert!(matches!(replica.submit_encoded(1, &encoded(&deposit)), Err(NodeError::Stopped(_))));
    // The node itself trades on, and so does another replica until it is closed.
    closed.execute(std::slice::from_ref(&deposit)).expect("executed");
    closed.close();
    assert!(matches!(closed.execute(std::slice::from_ref(&deposit)), Err(NodeError::Stopped(StopReason::Closed))));
    node.execute(std::slice::from_ref(&deposit)).expect("executed");
    // A closed node ends its links.
    let (_link, last) = connect(&node, &directory);
    node.close();
    wait_readable(&last);
    assert!(matches!(last.completions(), Err(NodeError::Stopped(StopReason::LinkLost { .. }))));
}

#[test]
fn nothing_that_is_not_durable_reaches_a_replica() {
    let directory = TempDir::new("link-durable");
    let disk = FaultyDisk::new(Faults::default());
    let config = NodeConfig { disk: Arc::new(disk.clone()), ..small(directory.path()) };
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    node.execute(&setup()).expect("executed");
    let (_link, replica) = connect(&node, &directory);
    let before = replica.sequence();
    disk.faults().syncs_until_failure = Some(0);
    let failed = replica.execute(&[order(2, Side::Buy, 1_000, 1, "")]);
    assert!(matches!(failed, Err(NodeError::Stopped(StopReason::LinkLost { .. }))), "{:?}", failed.map(|e| e.len()));
    assert_eq!(replica.sequence(), before);
}

#[test]
fn a_node_in_memory_cannot_be_linked() {
    let (node, _) = NodeHandle::open(&NodeConfig::default()).expect("a new node");
    assert!(matches!(node.link().map(|_| ()), Err(NodeError::InMemory)));
}

#[test]
fn a_full_disk_refuses_over_the_link_what_it_refuses_at_the_node() {
    let directory = TempDir::new("link-disk-full");
    let disk = FaultyDisk::new(Faults::default());
    let config = NodeConfig { disk: Arc::new(disk.clone()), ..small(directory.path()) };
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    node.execute(&setup()).expect("executed");
    let (_link, replica) = connect(&node, &directory);
    let resting = replica.execute(&[order(2, Side::Buy, 900, 1, "resting")]).expect("executed");
    let order_id = resting.iter().next().expect("an event").order_id;
    disk.faults().creates_until_full = Some(0);
    let refused = |record: &EventRecord| record.sequence == 0;
    let mut entered = 0;
    let refusal = loop {
        let events = replica.execute(&[order(2, Side::Buy, 900, 1, "")]).expect("executed or refused");
        let record = *events.iter().next().expect("an event");
        if refused(&record) {
            break record;
        }
        entered += 1;
        assert!(entered < 20_000, "segments of 64 KiB are full before that");
    };
    assert_eq!(refusal.reason, RejectReason::DiskFull as u16);
    // A cancel goes through, and answers keep their order among refusals.
    let cancel = Command::CancelOrder(CancelOrder {
        account_id: AccountId(2),
        order_id: OrderId(order_id),
        client_order_id: ClientOrderId::EMPTY,
    });
    replica.submit_encoded(1, &encoded(&order(2, Side::Buy, 900, 1, ""))).expect("taken");
    replica.submit_encoded(2, &encoded(&cancel)).expect("taken");
    replica.submit_encoded(3, &encoded(&order(2, Side::Buy, 900, 1, ""))).expect("taken");
    let mut answers = Vec::new();
    while answers.len() < 3 {
        wait_readable(&replica);
        for completion in replica.completions().expect("running") {
            answers.push((completion.token, refused(&completion.events.records()[0])));
        }
    }
    assert_eq!(answers, [(1, true), (2, false), (3, true)]);
    assert!(replica.stats().expect("numbers").disk_full);
    assert_eq!(replica.sequence(), node.sequence());
}
