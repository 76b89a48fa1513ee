//! `beurs-sim`: compares the engine with the naive model over as many commands as you like.
//!
//! `beurs-sim [--seed N] [--commands N] [--per-seed N] [--threads N] [--failures N]
//! [--areas orders,book,auctions,risk,corrections]`. Seeds are counted up from the first one; each is a run of its own with `--per-seed`
//! commands. A difference is printed, reduced, and after the last of `--failures` (1) the program ends with status 1.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use beurs_sim::differential::{run, Coverage};
use beurs_sim::options::{parse, Value};
use beurs_sim::workload::Areas;

struct Options {
    seed: u64,
    commands: u64,
    per_seed: u64,
    threads: u64,
    failures: u64,
    areas: Areas,
}

const USAGE: &str = "usage: beurs-sim [--seed N] [--commands N] [--per-seed N] [--threads N] [--failures N] \
                     [--areas orders,book,auctions,risk,corrections]";

fn options() -> Result<Options, String> {
    let mut options =
        Options { seed: 1, commands: 1_000_000, per_seed: 10_000, threads: 1, failures: 1, areas: Areas::ALL };
    let mut areas = String::new();
    let mut known = [
        ("--seed", Value::Number(&mut options.seed)),
        ("--commands", Value::Number(&mut options.commands)),
        ("--per-seed", Value::Number(&mut options.per_seed)),
        ("--threads", Value::Number(&mut options.threads)),
        ("--failures", Value::Number(&mut options.failures)),
        ("--areas", Value::Text(&mut areas)),
    ];
    parse(std::env::args().skip(1), &mut known)?;
    if !areas.is_empty() {
        options.areas = Areas::parse(&areas).ok_or_else(|| format!("unknown areas {areas}"))?;
    }
    if options.per_seed == 0 || !(1..=256).contains(&options.threads) {
        return Err("--per-seed is at least 1, --threads from 1 to 256".into());
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runs = options.commands.div_ceil(options.per_seed);
    let (next, done, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let coverage = Mutex::new(Coverage::default());
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= runs || failed.load(Ordering::Relaxed) >= options.failures {
                    return;
                }
                let seed = options.seed.wrapping_add(index);
                let result = run(seed, options.per_seed, options.areas, None, |_| {
                    let commands = done.fetch_add(1_000, Ordering::Relaxed) + 1_000;
                    eprint!("\r{commands} of {} commands", runs * options.per_seed);
                    let _ = std::io::stderr().flush(); // Progress only.
                });
                match result {
                    Ok(seen) => {
                        if let Ok(mut coverage) = coverage.lock() {
                            coverage.add(&seen);
                        }
                    }
                    Err(failure) => {
                        failed.fetch_add(1, Ordering::Relaxed);
                        println!("\n{failure}");
                    }
                }
            });
        }
    });
    eprintln!();
    if failed.load(Ordering::Relaxed) > 0 {
        return ExitCode::FAILURE;
    }
    if let Ok(coverage) = coverage.lock() {
        for ((what, which), count) in &coverage.seen {
            println!("{what:>15} {which:<28} {count}");
        }
        println!("{} commands, no difference", coverage.commands);
    }
    ExitCode::SUCCESS
}
