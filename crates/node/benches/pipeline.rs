//! The parts of the pipeline one by one, each beside what bounds it, in the same run.
//!
//! `cargo bench -p beurs-node --bench pipeline -- [journal] [replay] [restart] [checkpoint] [round-trip] [memory [COUNT]]`;
//! without a name all of them, memory with 5,000,000 commands. `BEURS_BENCH_ORDERS` is the number of open orders of
//! restart and checkpoint (1,000,000); `BEURS_BENCH_DIRECTORY` a directory on the disk to be measured.
//!
//! * **journal**: commands appended by the journal alone, 4,096 and 8,192 a write, one fdatasync each; beside it the bare
//!   disk with the same bytes.
//! * **replay**: opening a journal without a checkpoint; beside it the engine with the same commands in memory.
//! * **restart**: opening a journal with a checkpoint of so many open orders and half an interval of commands behind it.
//! * **checkpoint**: what the engine's thread does when a checkpoint begins, beside the snapshot that it would take
//!   itself, in processor time, because whom the system lets run meanwhile is another matter; and round trips of 64 commands while one is made, beside the same without.
//! * **round-trip**: one command in, its events out, without a disk.
//! * **memory**: the resident set along a run with a journal whose old segments are dropped.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beurs_node::engine::command::{Command, NewOrder};
use beurs_node::engine::types::{
    AccountId, Amount, ClientOrderId, InstrumentId, KeyId, Lots, MassCancelReason, OrderType, PriceTicks,
    SelfTradePrevention, Side, TimeInForce,
};
use beurs_node::engine::{Engine, EngineConfig};
use beurs_node::io::RealDisk;
use beurs_node::journal::{Batch, Journal, Limits, Log, Position};
use beurs_node::{Node, NodeConfig, NodeHandle, Retention};
use common::{bare, directory, load, median, millions, setup};

const ROUNDS: usize = 5;

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| percentile(&times, share));
    format!("p50 {p50:?}, p99 {p99:?}, p99.9 {p999:?}, most {:?}", times[times.len() - 1])
}

/// The processor time that this thread has used.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: one valid timespec of ours.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The resident set in MiB.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident set");
    let kib: f64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number");
    kib / 1024.0
}

fn data(name: &str) -> std::path::PathBuf {
    let path = directory().join(name);
    let _ = std::fs::remove_dir_all(&path);
    path
}

fn at(path: &Path) -> NodeConfig {
    NodeConfig { event_ring_bytes: 0, checkpoint_interval: 0, ..NodeConfig::at(path) }
}

fn journal() {
    let commands = load(500_000);
    println!("\njournal alone, millions of commands a second, one fdatasync a write; medians of {ROUNDS}");
    println!("{:>8} {:>8} {:>10} {:>6}", "a write", "journal", "bare disk", "ratio");
    for size in [4096, 8192] {
        let batches: Vec<Arc<Batch>> = commands
            .chunks(size)
            .scan(1, |next, chunk| {
                let first_sequence = *next;
                *next += chunk.len() as u64;
                Some(Arc::new(Batch { first_sequence, event_time_ns: 1, commands: chunk.to_vec() }))
            })
            .collect();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let path = data("bench-journal-alone");
            let limits = Limits::from(&EngineConfig::default());
            let opened = Journal::open(&path, Arc::new(RealDisk), 64 << 20, limits, Position::GENESIS, |_| {});
            let (mut journal, _) = opened.expect("a new journal");
            journal.make_room().expect("room");
            let begun = Instant::now();
            for batch in &batches {
                journal.append(batch.first_sequence, std::slice::from_ref(batch)).expect("a good disk");
                journal.make_room().expect("room");
            }
            ours.push(commands.len() as f64 / begun.elapsed().as_secs_f64());
            let bytes = journal.bytes_written() / commands.len() as u64;
            let _ = std::fs::remove_dir_all(&path);
            theirs.push(bare(&directory().join("bench-bare"), commands.len(), size, bytes));
        }
        let ratio = median(ours.clone()) / median(theirs.clone());
        println!("{size:>8} {:>8} {:>10} {ratio:>6.2}", millions(ours), millions(theirs));
    }
}

fn replay() {
    let commands = load(2_000_000);
    let path = data("bench-replay");
    let (mut node, _) = Node::open(&at(&path)).expect("a new node");
    node.execute(&setup()).expect("a running node");
    node.execute(&commands).expect("a running node");
    drop(node); // Without a checkpoint.
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let (node, recovery) = Node::open(&at(&path)).expect("a good journal");
        ours.push(recovery.commands_replayed as f64 / begun.elapsed().as_secs_f64());
        drop(node);
        let mut engine = Engine::default();
        let begun = Instant::now();
        let all = setup().into_iter().chain(commands.iter().cloned());
        for (sequence, command) in (1..).zip(all) {
            engine.apply(sequence, 1, &command, &mut ());
        }
        theirs.push(engine.sequence() as f64 / begun.elapsed().as_secs_f64());
    }
    let ratio = median(ours.clone()) / median(theirs.clone());
    println!("\nreplay of {} commands, millions a second; medians of {ROUNDS}", commands.len());
    println!("recovery {}, the engine in memory {}, ratio {ratio:.2}", millions(ours), millions(theirs));
    let _ = std::fs::remove_dir_all(&path);
}

fn open_orders() -> usize {
    std::env::var("BEURS_BENCH_ORDERS").map_or(1_000_000, |text| text.parse().expect("a number of orders"))
}

/// Orders that rest, on both sides, over 20,000 prices.
fn resting(count: usize) -> Vec<Command> {
    let order = |n: usize| {
        let buy = n % 2 == 0;
        let away = 100 + (n as i64 * 7919) % 10_000;
        Command::NewOrder(NewOrder {
            account_id: AccountId(2 + (n % 100) as u32),
            instrument_id: InstrumentId(1),
            side: if buy { Side::Buy } else { Side::Sell },
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            self_trade_prevention: SelfTradePrevention::ExpireTaker,
            price: PriceTicks(if buy { 20_000 - away } else { 20_000 + away }),
            quantity: Lots(1 + (n % 10) as i64),
            quote_quantity: Amount::ZERO,
            client_order_id: ClientOrderId::EMPTY,
            key_id: KeyId::NONE,
            terms: None,
        })
    };
    (0..count).map(order).collect()
}

fn restart() {
    let path = data("bench-restart");
    let (mut node, _) = Node::open(&at(&path)).expect("a new node");
    node.execute(&setup()).expect("a running node");
    node.execute(&resting(open_orders())).expect("a running node");
    node.checkpoint().expect("a journal").recv().expect("a running node").expect("a checkpoint");
    node.execute(&resting(500_000)).expect("a running node");
    let digest = node.engine().digest();
    drop(node);
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let (node, recovery) = Node::open(&at(&path)).expect("a good journal");
        seconds.push(begun.elapsed().as_secs_f64());
        assert_eq!((recovery.commands_replayed, node.engine().digest()), (500_000, digest));
    }
    println!(
        "\nrestart with {} open orders in the checkpoint and 500,000 commands behind it: median {:.2} s of {ROUNDS}",
        open_orders(),
        median(seconds)
    );
    let _ = std::fs::remove_dir_all(&path);
}

fn checkpoint() {
    let path = data("bench-checkpoint");
    let (node, _) = NodeHandle::open(&at(&path)).expect("a new node");
    node.execute(&setup()).expect("a running node");
    node.execute(&resting(open_orders())).expect("a running node");
    let resident = resident_mib();
    let commands = load(1_000_000);
    let mut at = 0;
    let mut round_trips = |until: &dyn Fn(usize) -> bool| {
        let mut times = Vec::new();
        while !until(times.len()) {
            let begun = Instant::now();
            node.execute(&commands[at..at + 64]).expect("a running node");
            times.push(begun.elapsed());
            at = (at + 64) % (commands.len() - 64);
        }
        times
    };
    round_trips(&|count| count == 2_000);
    let without = round_trips(&|count| count == 5_000);
    let mut during = Vec::new();
    let begun = Instant::now();
    for _ in 0..3 {
        let asking = node.clone();
        let asked = std::thread::spawn(move || asking.checkpoint());
        during.extend(round_trips(&|_| asked.is_finished()));
        asked.join().expect("no panic").expect("a checkpoint");
    }
    let each = begun.elapsed() / 3;
    let open = node.with_engine(Engine::open_order_count).expect("a running node");
    println!("\ncheckpoint beside the engine, {open} open orders: {each:?} each while commands run");
    println!("round trips of 64 commands, without: {}", quantiles(without));
    println!("round trips of 64 commands, meanwhile: {}", quantiles(during));
    println!("resident set: {resident:.0} MiB before the first, {:.0} MiB after", resident_mib());
    drop(node);

    // The engine's own share: what it does when a checkpoint begins, and what it would do to take the snapshot itself.
    let (mut node, _) = Node::open(&self::at(&path)).expect("a good journal");
    let (mut begins, mut snapshots) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = processor_time();
        let made = node.checkpoint().expect("a journal");
        begins.push(processor_time() - begun);
        made.recv().expect("a running node").expect("a checkpoint");
        let begun = processor_time();
        let mut snapshot = Vec::new();
        node.engine().snapshot(&mut snapshot);
        snapshots.push(processor_time() - begun);
    }
    begins.sort_unstable();
    snapshots.sort_unstable();
    println!(
        "the engine's thread works for {:?} at most to begin one; a snapshot of its own would take {:?} (medians and most of \
         {ROUNDS}: {:?}, {:?})",
        begins[ROUNDS - 1],
        snapshots[ROUNDS / 2],
        begins[ROUNDS / 2],
        snapshots[ROUNDS - 1],
    );
    let _ = std::fs::remove_dir_all(&path);
}

fn round_trip() {
    let commands = load(1_000_000);
    let (node, _) = NodeHandle::open(&NodeConfig { event_ring_bytes: 0, ..NodeConfig::default() }).expect("a new node");
    node.execute(&setup()).expect("a running node");
    let (warm, commands) = commands.split_at(200_000);
    node.execute(warm).expect("a running node");
    let mut times = Vec::with_capacity(commands.len());
    for command in commands {
        let begun = Instant::now();
        let events = node.execute(std::slice::from_ref(command)).expect("a running node");
        times.push(begun.elapsed());
        assert!(!events.is_empty());
    }
    println!("\nround trip of one command in process, without a disk: {}", quantiles(times));
}

fn memory(count: u64) {
    let path = data("bench-memory");
    let config = NodeConfig {
        checkpoint_interval: 1_000_000,
        event_ring_bytes: 16 << 20,
        journal_retention: Retention::Drop,
        ..NodeConfig::at(&path)
    };
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    node.execute(&setup()).expect("a running node");
    let commands = load(1_000_000);
    println!("\nmemory along {count} commands, old segments dropped");
    let (mut done, mut next) = (0_u64, 0);
    while done < count {
        for chunk in commands.chunks(65_536) {
            node.execute(chunk).expect("a running node");
            done += chunk.len() as u64;
        }
        if done >= next {
            let stats = node.stats();
            let open = node.with_engine(Engine::open_order_count).expect("a running node");
            println!(
                "{done:>12} commands: {:>6.0} MiB resident, {open} open orders, {} checkpoints, {} segments dropped",
                resident_mib(),
                stats.checkpoints,
                stats.segments_removed
            );
            next += count / 10;
        }
        // The load's cancels name the orders of its first round; what later rounds leave goes here.
        let everything = beurs_node::engine::command::MassCancel {
            account_id: AccountId::NONE,
            instrument_id: InstrumentId(1),
            side: None,
            reason: MassCancelReason::Requested,
        };
        node.execute(&[Command::MassCancel(everything)]).expect("a running node");
    }
    drop(node);
    let _ = std::fs::remove_dir_all(&path);
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let count = words.iter().find_map(|word| word.parse().ok()).unwrap_or(5_000_000);
    let names: Vec<&str> = words.iter().map(String::as_str).filter(|word| word.parse::<u64>().is_err()).collect();
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    let parts: [(&str, &dyn Fn()); 6] = [
        ("journal", &journal),
        ("replay", &replay),
        ("restart", &restart),
        ("checkpoint", &checkpoint),
        ("round-trip", &round_trip),
        ("memory", &|| memory(count)),
    ];
    if let Some(unknown) = names.iter().find(|name| parts.iter().all(|(part, _)| part != *name)) {
        eprintln!("{unknown}: there is no such part");
        std::process::exit(2);
    }
    for (_, part) in parts.iter().filter(|(name, _)| wanted(name)) {
        part();
    }
}
