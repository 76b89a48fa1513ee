//! A node that is killed at random moments, under load, over and over in the same directory.
//!
//! The child process is this test program itself. It takes commands through all doors at once and prints what was
//! acknowledged; the parent kills it, opens the directory, and compares with what it read. `BEURS_KILLS` says how often
//! (50 without it), `BEURS_SEED` repeats a run's moments as far as the machine allows.

mod common;

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use beurs_node::engine::command::{Command, MassCancel};
use beurs_node::engine::types::{AccountId, InstrumentId, MassCancelReason, Side};
use beurs_node::engine::{Engine, EngineConfig};
use beurs_node::io::RealDisk;
use beurs_node::journal::JournalReader;
use beurs_node::{verify, Node, NodeConfig, NodeHandle};
use common::{order, setup, Random, TempDir};

const DIRECTORY: &str = "BEURS_KILL_DIRECTORY";
const ROUND: &str = "BEURS_KILL_ROUND";

fn config(path: &Path) -> NodeConfig {
    NodeConfig { segment_bytes: 2 << 20, checkpoint_interval: 3_000, ..NodeConfig::at(path) }
}

/// Every command has a client_order_id of its own, so that the journal tells whether it is there, and how often.
fn next_command(r: &mut Random, name: &str) -> Command {
    let side = if r.below(2) == 0 { Side::Buy } else { Side::Sell };
    order(
        2 + r.below(u64::from(common::ACCOUNTS)) as u32,
        side,
        1_000 + r.below(10) as i64,
        1 + r.below(50) as i64,
        name,
    )
}

fn acknowledge(lines: &[(String, u64)]) {
    // One write for each line, shorter than a pipe takes at once: a line is there whole or not at all.
    let mut out = std::io::stdout().lock();
    for (name, sequence) in lines {
        // The parent may have closed its end, having seen enough.
        let _ = out.write_all(format!("ack {name} {sequence}\n").as_bytes());
        let _ = out.flush();
    }
}

/// Not a test by itself: what the parent below starts and kills.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let round = std::env::var(ROUND).expect("the parent says which round it is");
    let (node, recovery) = NodeHandle::open(&config(Path::new(&directory))).expect("recovery");
    if recovery.sequence == 0 {
        node.execute(&setup()).expect("a running node");
    }
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (node, round) = (node.clone(), round.clone());
            scope.spawn(move || {
                let mut r = Random(round.parse::<u64>().expect("a number") * 10 + thread);
                for batch in 0_u64.. {
                    let names: Vec<String> =
                        (0..1 + r.below(200)).map(|n| format!("{round}-{thread}-{batch}-{n}")).collect();
                    let commands: Vec<Command> = names.iter().map(|name| next_command(&mut r, name)).collect();
                    let events = node.execute(&commands).expect("a running node");
                    let first = events.iter().next().expect("events").sequence;
                    // The commands of one call may be in several batches only if there are thousands.
                    let lines: Vec<_> = names.into_iter().zip(first..).collect();
                    acknowledge(&lines);
                }
            });
        }
        scope.spawn(|| {
            let mut r = Random(round.parse::<u64>().expect("a number") * 10 + 5);
            let (mut sent, mut names) = (0_u64, HashMap::new());
            loop {
                while names.len() < 100 {
                    let command = if sent % 500 == 499 {
                        let account_id = AccountId::NONE;
                        Command::MassCancel(MassCancel {
                            account_id,
                            instrument_id: InstrumentId(1),
                            side: None,
                            reason: MassCancelReason::Requested,
                        })
                    } else {
                        let name = format!("{round}-s-{sent}");
                        let command = next_command(&mut r, &name);
                        names.insert(sent, name);
                        command
                    };
                    node.submit(sent, command).expect("room in the queue");
                    sent += 1;
                }
                let mut poll = libc::pollfd { fd: node.fd(), events: libc::POLLIN, revents: 0 };
                // SAFETY: one valid pollfd.
                unsafe { libc::poll(&mut poll, 1, 1_000) };
                for completion in node.completions().expect("a running node") {
                    if let Some(name) = names.remove(&completion.token) {
                        acknowledge(&[(name, completion.events.records()[0].sequence)]);
                    }
                }
            }
        });
    });
}

#[test]
fn a_killed_node_has_every_acknowledged_command_once_and_the_digest_of_a_replay() {
    let kills: u64 = std::env::var("BEURS_KILLS").map_or(50, |text| text.parse().expect("a number of kills"));
    let seed: u64 = std::env::var("BEURS_SEED").map_or(1, |text| text.parse().expect("a seed"));
    println!("{kills} kills, BEURS_SEED={seed}");
    let directory = TempDir::new("kill");
    let mut r = Random(seed);
    // A replay from sequence 1, which goes on where the last round ended.
    let mut replay = Engine::new(EngineConfig::default());
    let mut names: HashSet<String> = HashSet::new();
    let (mut acknowledged_total, mut torn, mut from_checkpoint, mut early) = (0_u64, 0, 0, 0);
    let begun = Instant::now();
    for round in 0..kills {
        let mut child = Process::new(std::env::current_exe().expect("this program"))
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, directory.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (began, begins) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            let acknowledged = lines.filter_map(|line| {
                let mut words = line.strip_prefix("ack ")?.split(' ');
                let _ = began.send(()); // Only the first one is waited for.
                Some((words.next()?.to_owned(), words.next()?.parse::<u64>().ok()?))
            });
            acknowledged.collect::<Vec<_>>()
        });
        // Four of five times under load, else perhaps during recovery.
        if round % 5 != 4 {
            begins.recv_timeout(Duration::from_secs(30)).expect("the child acknowledges something");
        }
        std::thread::sleep(Duration::from_micros(r.below(50_000)));
        child.kill().expect("SIGKILL");
        child.wait().expect("a dead child");
        let acknowledged = reader.join().expect("no panic");

        let (node, recovery) = Node::open(&config(directory.path())).expect("recovery");
        torn += u64::from(recovery.torn_tail.is_some());
        from_checkpoint += u64::from(recovery.checkpoint_sequence.is_some());
        early += u64::from(acknowledged.is_empty());
        assert!(recovery.skipped_checkpoints.is_empty(), "{recovery:?}");

        let mut here: HashMap<String, u64> = HashMap::new();
        let mut reader = JournalReader::open(Arc::new(RealDisk), &directory.path().join("journal"), replay.sequence())
            .expect("a journal");
        while let Some(record) = reader.next_whole().expect("a good journal") {
            replay.apply(record.sequence, record.event_time_ns, &record.command, &mut ());
            if let Command::NewOrder(order) = record.command {
                let name = order.client_order_id.as_str().to_owned();
                assert!(names.insert(name.clone()), "{name} is there twice");
                here.insert(name, record.sequence);
            }
        }
        for (name, sequence) in &acknowledged {
            assert_eq!(here.get(name), Some(sequence), "round {round}: {name} was acknowledged");
        }
        assert_eq!(node.engine().sequence(), replay.sequence(), "round {round}");
        assert_eq!(node.engine().digest(), replay.digest(), "round {round}");
        acknowledged_total += acknowledged.len() as u64;
    }
    let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
    assert!(verified.is_good());
    assert_eq!(verified.digest, replay.digest());
    println!(
        "{kills} kills in {:.1} s: {} commands in the journal, {acknowledged_total} acknowledged, {torn} torn tails, \
         {from_checkpoint} recoveries from a checkpoint, {early} killed before the first acknowledgement",
        begun.elapsed().as_secs_f64(),
        replay.sequence(),
    );
    assert!(acknowledged_total > 100 * kills, "the load was too small to prove anything");
}
