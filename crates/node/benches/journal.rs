//! How many commands a second a node makes durable and executes, beside what the bare disk does with the same bytes.
//!
//! Load: one instrument, about 1,000 resting orders; 50 % limit orders near the touch, 40 % cancels, 10 % IOC that
//! trade; risk, ledger, fees and events on. One thread calls; a batch is durable before the next one is given, except in
//! the line `pipelined`, where one call gets everything. Figures are medians; the rounds of all kinds are interleaved.
//!
//! `cargo bench -p beurs-node`; directory `BEURS_BENCH_DIRECTORY`, or the build's temporary one.

mod common;

use std::time::Instant;

use beurs_node::engine::command::Command;
use beurs_node::wire::{CommandRecord, COMMAND_SIZE};
use beurs_node::{NodeConfig, NodeHandle};
use common::{bare, directory, load, millions, setup, RESTING};

const BATCHES: [usize; 4] = [64, 256, 1024, 4096];
const ROUNDS: usize = 5;

/// Commands a second of a new node with this load, in batches.
fn node(config: &NodeConfig, commands: &[Command], batch: usize) -> (f64, u64, f64) {
    if let Some(path) = &config.path {
        let _ = std::fs::remove_dir_all(path);
    }
    let (node, _) = NodeHandle::open(config).expect("a new node");
    node.execute(&setup()).expect("a running node");
    let warm = commands.len() / 5;
    node.execute(&commands[..warm]).expect("a running node");
    let bytes = node.stats().journal_bytes;
    let begun = Instant::now();
    let mut events = 0;
    for chunk in commands[warm..].chunks(batch) {
        events += node.execute(chunk).expect("a running node").len();
    }
    let count = commands.len() - warm;
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    (rate, (node.stats().journal_bytes - bytes) / count as u64, events as f64 / count as f64)
}

fn main() {
    let directory = directory();
    let (data, file) = (directory.join("bench-journal"), directory.join("bench-bare"));
    let commands = load(500_000);
    let journalled = NodeConfig { event_ring_bytes: 0, checkpoint_interval: 0, ..NodeConfig::at(&data) };
    let memory = NodeConfig { path: None, ..journalled.clone() };

    println!("millions of commands a second, medians of {ROUNDS}; load: 50 % adds, 40 % cancels, 10 % IOC, {RESTING} resting");
    println!("{:>10} {:>10} {:>10} {:>10} {:>8}", "batch", "journalled", "in memory", "bare disk", "bytes");
    for batch in BATCHES {
        // Small batches are slow: fewer of them give as good a figure.
        let part = &commands[..commands.len().min(batch * 1_000)];
        let (mut with, mut without, mut disk, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let measured = node(&journalled, part, batch);
            with.push(measured.0);
            bytes = measured.1;
            without.push(node(&memory, part, batch).0);
            disk.push(bare(&file, part.len(), batch, bytes));
        }
        let (with, without, disk) = (millions(with), millions(without), millions(disk));
        println!("{batch:>10} {with:>10} {without:>10} {disk:>10} {bytes:>8}");
    }
    let (mut with, mut without, mut ring) = (Vec::new(), Vec::new(), Vec::new());
    let (mut records, mut journalled_records) = (Vec::new(), Vec::new());
    let mut ratio = 0.0;
    for _ in 0..ROUNDS {
        let measured = node(&journalled, &commands, commands.len());
        with.push(measured.0);
        ratio = measured.2;
        without.push(node(&memory, &commands, commands.len()).0);
        ring.push(node(&NodeConfig { event_ring_bytes: 64 << 20, ..journalled.clone() }, &commands, 4096).0);
        records.push(batch_door(&memory, &commands));
        let _ = std::fs::remove_dir_all(&data);
        journalled_records.push(batch_door(&journalled, &commands));
    }
    println!("{:>10} {:>10} {:>10}", "pipelined", millions(with), millions(without));
    println!("with a feed ring of 64 MiB, journalled, batches of 4096: {}", millions(ring));
    let (records, journalled_records) = (millions(records), millions(journalled_records));
    println!(
        "COMMAND records in one call, events given in pieces: in memory {records}, journalled {journalled_records}"
    );
    println!("{ratio:.2} events a command");
    let _ = std::fs::remove_dir_all(&data);
}

fn batch_door(config: &NodeConfig, commands: &[Command]) -> f64 {
    let bytes: Vec<u8> =
        commands.iter().flat_map(|c| *CommandRecord::from_command(c).expect("a frequent command").as_bytes()).collect();
    let (node, _) = NodeHandle::open(config).expect("a new node");
    node.execute(&setup()).expect("a running node");
    let (warm, bytes) = bytes.split_at(bytes.len() / COMMAND_SIZE / 5 * COMMAND_SIZE);
    node.execute_records_with(warm, drop).expect("a running node");
    let begun = Instant::now();
    let mut events = 0;
    node.execute_records_with(bytes, |slice| events += slice.records().len()).expect("a running node");
    let count = bytes.len() / COMMAND_SIZE;
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    assert!(events >= count);
    rate
}
