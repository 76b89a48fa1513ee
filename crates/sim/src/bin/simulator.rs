//! `simulator`: the whole exchange in one thread, from a seed, as many seeds as you like.
//!
//! `simulator [--seed N] [--seeds N] [--threads N] [--requests N] [--verbose]`. Seeds are counted up from the first one. The
//! first failure is told with seed, commit, what was broken and the last steps, and ends the program with status 1.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use beurs_sim::options::{parse, Value};
use beurs_sim::simulator::{run, Options};

const USAGE: &str = "usage: simulator [--seed N] [--seeds N] [--threads N] [--requests N] [--verbose]";

struct Arguments {
    seed: u64,
    seeds: u64,
    threads: u64,
    requests: u64,
    verbose: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments { seed: 1, seeds: 1, threads: 1, requests: 0, verbose: false };
    let mut options = [
        ("--seed", Value::Number(&mut arguments.seed)),
        ("--seeds", Value::Number(&mut arguments.seeds)),
        ("--threads", Value::Number(&mut arguments.threads)),
        ("--requests", Value::Number(&mut arguments.requests)),
        ("--verbose", Value::Flag(&mut arguments.verbose)),
    ];
    parse(std::env::args().skip(1), &mut options)?;
    if arguments.seeds == 0 || !(1..=256).contains(&arguments.threads) {
        return Err("--seeds is at least 1, --threads from 1 to 256".into());
    }
    Ok(arguments)
}

/// The commit that this was built from, as far as it can be told where it runs.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "HEAD"]), git(&["status", "--porcelain", "--untracked-files=no"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => commit,
        (Some(commit), _) => format!("{commit} with changes"),
        _ => "unknown".to_owned(),
    }
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let options = Options { requests: arguments.requests, ..Options::default() };
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let totals = Mutex::new(BTreeMap::<&'static str, u64>::new());
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= arguments.seeds || failed.load(Ordering::Relaxed) > 0 {
                    return;
                }
                match run(arguments.seed.wrapping_add(index), &options) {
                    Ok(report) => {
                        let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
                        let sums = [("steps", report.steps), ("commands", report.commands), ("events", report.events)];
                        for (what, count) in sums.into_iter().chain(report.counts.iter().map(|(what, n)| (*what, *n))) {
                            *totals.entry(what).or_insert(0) += count;
                        }
                        if arguments.verbose || arguments.seeds == 1 {
                            let trace: String = report.trace.iter().map(|byte| format!("{byte:02x}")).collect();
                            println!("seed {} trace {trace}", report.seed);
                        } else if index % 100 == 99 {
                            eprint!("\r{} of {} seeds", index + 1, arguments.seeds);
                            let _ = std::io::stderr().flush(); // Progress only.
                        }
                    }
                    Err(failure) => {
                        failed.fetch_add(1, Ordering::Relaxed);
                        println!("\n{failure}commit {}\nagain: make sim SEED={}", commit(), failure.seed);
                    }
                }
            });
        }
    });
    if failed.load(Ordering::Relaxed) > 0 {
        return ExitCode::FAILURE;
    }
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{} seeds from {}, every promise kept", arguments.seeds, arguments.seed);
    for (what, count) in totals {
        println!("{count:>12} {what}");
    }
    ExitCode::SUCCESS
}
