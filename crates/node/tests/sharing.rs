//! One node and many threads: answers, tokens, reads, the feed, catching up, closing.

mod common;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

use beurs_node::engine::event::Event;
use beurs_node::engine::types::{AccountId, Amount, AssetId, Side};
use beurs_node::engine::Engine;
use beurs_node::wire::{encode_command, event_records, CommandRecord, EventRecord, RecordSink, EVENT_SIZE};
use beurs_node::{verify, NodeConfig, NodeError, NodeHandle, StopReason};
use common::{order, setup, small, workload, Faults, FaultyDisk, Random, TempDir};

/// What an engine of its own makes of the same commands, with the same times.
fn expected(commands: &[beurs_node::engine::command::Command], times: &[EventRecord]) -> Vec<EventRecord> {
    let time: HashMap<u64, i64> = times.iter().map(|record| (record.sequence, record.event_time_ns)).collect();
    let mut engine = Engine::default();
    let mut records = Vec::new();
    for (at, command) in commands.iter().enumerate() {
        let sequence = at as u64 + 1;
        let event_time_ns = time[&sequence];
        engine.apply(sequence, event_time_ns, command, &mut RecordSink::new(&mut records, sequence, event_time_ns));
    }
    records
}

fn wait_readable(node: &NodeHandle) {
    let mut poll = libc::pollfd { fd: node.fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd.
    let ready = unsafe { libc::poll(&mut poll, 1, 10_000) };
    assert_eq!(ready, 1, "no completion in ten seconds");
}

#[test]
fn every_door_gives_the_same_events() {
    let directory = TempDir::new("doors");
    let commands = workload(7, 20_000);
    let frequent: Vec<u8> = commands
        .iter()
        .skip(setup().len())
        .flat_map(|c| *CommandRecord::from_command(c).expect("frequent").as_bytes())
        .collect();
    let mut encoded_setup = Vec::new();
    for command in setup() {
        encode_command(&command, &mut encoded_setup);
    }
    for config in [NodeConfig::default(), small(directory.path()), NodeConfig::at(directory.path().join("default"))] {
        let (node, _) = NodeHandle::open(&config).expect("a new node");
        let mut bytes = node.execute_encoded(&encoded_setup).expect("good commands").to_bytes();
        bytes.extend(node.execute_records(&frequent).expect("good commands").to_bytes());
        let records = event_records(&bytes).expect("records");
        assert_eq!(records, expected(&commands, &records));
        assert_eq!(node.sequence(), 20_000);
        assert!(node.execute(&[]).expect("nothing to do").is_empty());
        assert!(node.execute_records(&[]).expect("nothing to do").is_empty());
        assert!(node.execute_encoded(&[]).expect("nothing to do").is_empty());
        // The feed has the same, and so has the journal.
        let mut feed = Vec::new();
        let mut sequence = 0;
        loop {
            let events = node.events_since(sequence, 100_000).expect("a large ring");
            let Some(last) = events.iter().last() else { break };
            sequence = last.sequence;
            feed.extend(events.iter().copied());
        }
        assert_eq!(feed, records);
        let mut replayed = Vec::new();
        if config.path.is_some() {
            while let Some(last) = {
                let from = replayed.last().map_or(0, |record: &EventRecord| record.sequence);
                let part = node.replay_events(from, 1_000_000).expect("a good journal");
                assert!(part.len() * EVENT_SIZE <= 1_000_000);
                replayed.extend(part.iter().copied());
                part.last().copied()
            } {
                assert_eq!(last, replayed[replayed.len() - 1]);
            }
            assert_eq!(replayed, records);
        } else {
            assert!(matches!(node.replay_events(0, 1_000), Err(NodeError::InMemory)));
        }
        node.close();
        assert!(matches!(node.execute(&commands), Err(NodeError::Stopped(StopReason::Closed))));
        assert!(matches!(node.submit(1, commands[0].clone()), Err(NodeError::Stopped(StopReason::Closed))));
        assert!(matches!(node.with_engine(Engine::sequence), Err(NodeError::Stopped(StopReason::Closed))));
        assert!(matches!(node.checkpoint(), Err(NodeError::Stopped(_))));
        node.close();
    }
}

#[test]
fn bad_bytes_execute_nothing() {
    let (node, _) = NodeHandle::open(&NodeConfig::default()).expect("a new node");
    node.execute(&setup()).expect("good commands");
    let before = node.sequence();
    let good = CommandRecord::from_command(&order(2, Side::Buy, 10, 1, "")).expect("frequent");
    let mut bytes = good.as_bytes().repeat(10_000);
    bytes.extend(CommandRecord { kind: 9, ..good }.as_bytes());
    let Err(NodeError::Wire(error)) = node.execute_records(&bytes) else { panic!("a bad record") };
    assert_eq!((error.index, error.field), (10_000, "kind"));
    assert!(matches!(node.execute_records(&bytes[..100]), Err(NodeError::Wire(_))));
    assert!(matches!(node.execute_encoded(&[1, 2, 3]), Err(NodeError::Wire(_))));
    let mut two = Vec::new();
    encode_command(&order(2, Side::Buy, 10, 1, ""), &mut two);
    encode_command(&order(2, Side::Buy, 10, 1, ""), &mut two);
    assert!(matches!(node.submit_encoded(1, &two), Err(NodeError::Wire(_))));
    assert_eq!(node.sequence(), before);
}

#[test]
fn every_token_gets_its_own_events_once_and_in_order() {
    let directory = TempDir::new("tokens");
    for config in [NodeConfig::default(), NodeConfig::at(directory.path())] {
        let config = NodeConfig { queue_capacity: 1_000, ..config };
        let (node, _) = NodeHandle::open(&config).expect("a new node");
        let commands = workload(3, 30_000);
        let (mut sent, mut records, mut full) = (0, Vec::new(), 0);
        let mut next_token = 0;
        while next_token < commands.len() as u64 {
            while sent < commands.len() {
                match node.submit(sent as u64, commands[sent].clone()) {
                    Ok(()) => sent += 1,
                    Err(NodeError::QueueFull { capacity: 1_000 }) => {
                        full += 1;
                        break;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            wait_readable(&node);
            for completion in node.completions().expect("a running node") {
                assert_eq!(completion.token, next_token);
                next_token += 1;
                let events = completion.events.records();
                assert!(events.iter().all(|event| event.sequence == next_token), "the token's own events");
                records.extend_from_slice(events);
            }
        }
        assert!(full > 0, "the bound was never met");
        assert_eq!(records, expected(&commands, &records));
        let stats = node.stats();
        assert_eq!((stats.under_way, stats.queue_depth, stats.commands), (0, 0, 30_000));
        if config.path.is_some() {
            assert_eq!(stats.journal_commands, 30_000);
            assert_eq!(stats.journal_latency_us_log2.iter().sum::<u64>(), stats.journal_writes);
            assert!(stats.journal_latency_us(0.5) > 0);
        }
    }
}

/// Many threads use all doors at once. Every read must be of a state between two commands that is durable, and money
/// must be conserved in it; at the end a replay gives the same digest.
#[test]
fn threads_share_a_node_and_reads_are_of_whole_durable_states() {
    let directory = TempDir::new("threads");
    let config = NodeConfig { checkpoint_interval: 20_000, ..NodeConfig::at(directory.path()) };
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    node.execute(&setup()).expect("good commands");
    let running = AtomicBool::new(true);
    let reads = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|seed| {
                let node = node.clone();
                scope.spawn(move || {
                    let mut r = Random(seed);
                    for _ in 0..150 {
                        let commands: Vec<_> = (0..1 + r.below(300)).map(|_| common::command(&mut r)).collect();
                        let events = node.execute(&commands).expect("a running node");
                        let last = events.iter().last().expect("events").sequence;
                        assert!(node.sequence() >= last, "an answer is durable");
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                while running.load(Ordering::Relaxed) {
                    let (sequence, issued, total) = node
                        .with_engine(|engine| {
                            let issued = engine.assets().map(|asset| asset.issued).sum::<i128>();
                            let total = engine
                                .accounts()
                                .flat_map(|account| (1..=2).map(move |asset| (account.account_id, AssetId(asset))))
                                .map(|(account, asset)| engine.balance(account, asset).expect("it exists").total)
                                .sum::<i128>();
                            (engine.sequence(), issued, total)
                        })
                        .expect("a running node");
                    assert!(node.sequence() >= sequence, "a read is of durable state");
                    assert_eq!(issued, total);
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            // A feed reader sees every sequence once, whatever it has to do for it.
            let mut sequence = 0;
            while running.load(Ordering::Relaxed) || sequence < node.sequence() {
                let records = match node.events_since(sequence, 50_000) {
                    Ok(events) => events.iter().copied().collect(),
                    Err(NodeError::Lagged { .. }) => node.replay_events(sequence, 50_000).expect("a good journal"),
                    Err(error) => panic!("{error}"),
                };
                for record in &records {
                    assert!(record.sequence == sequence || record.sequence == sequence + 1, "no gap");
                    assert_eq!(record.event_index == 0, record.sequence == sequence + 1, "whole commands");
                    sequence = record.sequence;
                }
                std::thread::yield_now();
            }
        });
        for writer in writers {
            writer.join().expect("no panic");
        }
        running.store(false, Ordering::Relaxed);
    });
    assert!(reads.load(Ordering::Relaxed) > 10, "readers were starved");
    let digest = node.with_engine(Engine::digest).expect("a running node");
    // It comes behind those that were due before, however late they are.
    node.checkpoint().expect("a checkpoint");
    let stats = node.stats();
    assert!(stats.checkpoints >= 2, "{stats:?}");
    node.close();
    let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
    assert!(verified.is_good() && verified.checkpoints.len() >= 2);
    assert_eq!(verified.digest, digest);
}

#[test]
fn closing_executes_what_was_submitted() {
    let directory = TempDir::new("closing");
    let (node, _) = NodeHandle::open(&NodeConfig::at(directory.path())).expect("a new node");
    for (token, command) in workload(3, 5_000).into_iter().enumerate() {
        node.submit(token as u64, command).expect("room in the queue");
    }
    node.close();
    assert_eq!(node.completions().expect("what was durable is given").len(), 5_000);
    assert!(matches!(node.completions(), Err(NodeError::Stopped(StopReason::Closed))));
    let (node, recovery) = NodeHandle::open(&NodeConfig::at(directory.path())).expect("a good journal");
    assert_eq!((recovery.sequence, recovery.checkpoint_sequence), (5_000, Some(5_000)));
    drop(node); // The last handle closes the node.
    assert!(NodeHandle::open(&NodeConfig::at(directory.path())).is_ok());
}

#[test]
fn a_failed_journal_is_told_to_everybody_who_waits() {
    let directory = TempDir::new("failed");
    let disk = FaultyDisk::new(Faults { syncs_until_failure: Some(3), ..Faults::default() });
    let config = NodeConfig { disk: Arc::new(disk.clone()), ..small(directory.path()) };
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    let commands = workload(3, 50);
    let mut token = 0;
    loop {
        match node.submit(token, commands[token as usize % 50].clone()) {
            Ok(()) => token += 1,
            Err(NodeError::Stopped(StopReason::Journal(_))) => break,
            Err(error) => panic!("{error}"),
        }
        wait_readable(&node);
        if matches!(node.completions(), Err(NodeError::Stopped(_))) {
            break;
        }
    }
    assert!(matches!(node.execute(&commands), Err(NodeError::Stopped(StopReason::Journal(_)))));
    assert!(matches!(node.with_engine(Engine::sequence), Err(NodeError::Stopped(StopReason::Journal(_)))));
    assert!(matches!(node.checkpoint(), Err(NodeError::Stopped(StopReason::Journal(_)))));
    assert!(matches!(node.stop_reason(), Some(StopReason::Journal(_))));
    wait_readable(&node);
    node.close();
    assert!(matches!(node.stop_reason(), Some(StopReason::Journal(_))), "the first reason stays");
    assert_eq!(disk.faults().tried_after_failure, 0);
}

#[test]
fn time_never_goes_backwards_even_if_the_clock_does() {
    struct Backwards(AtomicU64);
    impl beurs_node::io::Clock for Backwards {
        fn now_ns(&self) -> i64 {
            self.0.fetch_sub(10, Ordering::Relaxed) as i64
        }
    }
    let directory = TempDir::new("clock");
    let config = NodeConfig { clock: Arc::new(Backwards(AtomicU64::new(10_000))), ..small(directory.path()) };
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    let mut last = 0;
    for command in workload(3, 50) {
        for event in node.execute(&[command]).expect("a running node").iter() {
            assert!(event.event_time_ns >= last);
            last = event.event_time_ns;
        }
    }
    assert_eq!(last, 10_000);
}

#[test]
fn catching_up_begins_at_a_checkpoint_and_at_any_sequence() {
    let directory = TempDir::new("catch-up");
    let config = NodeConfig { event_ring_bytes: 0, ..small(directory.path()) };
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    let mut records = Vec::new();
    for part in workload(3, 4_000).chunks(1_000) {
        records.extend(node.execute(part).expect("a running node").iter().copied());
        node.checkpoint().expect("a checkpoint");
    }
    assert!(matches!(node.events_since(0, 1_000), Err(NodeError::Lagged { oldest_sequence: 4_000 })));
    let mut r = Random(9);
    for _ in 0..60 {
        let sequence = r.below(4_001);
        let max = 1 + r.below(200) as usize;
        let got = node.replay_events(sequence, max * EVENT_SIZE).expect("a good journal");
        let from = records.partition_point(|record| record.sequence <= sequence);
        assert_eq!(got, records[from..from + got.len()]);
        let next = records.get(from + got.len());
        assert!(next.is_none_or(|next| got.last().is_some_and(|last| last.sequence < next.sequence)), "whole commands");
        assert!(got.len() <= max || got.iter().all(|record| record.sequence == got[0].sequence));
    }
    assert!(node.replay_events(4_000, 1_000).expect("nothing behind").is_empty());
}

#[test]
fn verification_can_be_stopped_and_runs_beside_the_node() {
    let directory = TempDir::new("verify");
    let (node, _) = NodeHandle::open(&NodeConfig::at(directory.path())).expect("a new node");
    let commands = workload(3, 150_000);
    node.execute(&commands).expect("a running node");
    let mut seen = Vec::new();
    let verified = verify(directory.path(), |progress| {
        seen.push(progress.commands);
        true
    });
    let verified = verified.expect("a good journal").expect("not stopped");
    assert_eq!(seen, [65_536, 131_072]);
    assert_eq!(verified.digest, node.with_engine(Engine::digest).expect("a running node"));
    assert_eq!(verify(directory.path(), |_| false).expect("a good journal"), None);
}

#[test]
fn a_record_tells_the_event_that_the_engine_gave() {
    let (node, _) = NodeHandle::open(&NodeConfig::default()).expect("a new node");
    let events = node.execute(&setup()).expect("good commands");
    let last = events.iter().last().expect("events").to_event().expect("a good record");
    let Event::Posted(posted) = last else { panic!("a deposit") };
    assert_eq!((posted.account_id, posted.amount), (AccountId(9), Amount(1_000_000_000_000_000)));
}
