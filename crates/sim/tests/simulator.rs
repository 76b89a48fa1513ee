//! The simulator: many seeds keep every promise, a seed is the same run every time, and an auditor that is given a mistake
//! to find finds it.
//!
//! `BEURS_SIM_SEED` is the first seed and `BEURS_SIM_SEEDS` the number of them; a failure prints its seed, with which
//! `make sim SEED=…` runs it again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use beurs_sim::defects::Defect;
use beurs_sim::simulator::{run, Options};

const SEEDS: u64 = 240;
const THREADS: usize = 2;
/// A planted mistake must be found within so many seeds.
const SEEDS_OF_A_DEFECT: u64 = 60;

fn number_from_environment(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")),
        Err(_) => default,
    }
}

#[test]
fn every_promise_is_kept() {
    let first = number_from_environment("BEURS_SIM_SEED", 1);
    let seeds = number_from_environment("BEURS_SIM_SEEDS", SEEDS);
    println!("BEURS_SIM_SEED={first} BEURS_SIM_SEEDS={seeds}");
    let next = AtomicU64::new(0);
    let counts = Mutex::new(BTreeMap::<&'static str, u64>::new());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= seeds {
                    return;
                }
                match run(first.wrapping_add(index), &Options::default()) {
                    Ok(report) => {
                        let mut counts = counts.lock().expect("no other run has failed");
                        for (what, count) in report.counts {
                            *counts.entry(what).or_insert(0) += count;
                        }
                    }
                    Err(failure) => {
                        next.store(seeds, Ordering::Relaxed);
                        failures.lock().expect("no other run has panicked").push(failure);
                    }
                }
            });
        }
    });
    if let Some(failure) = failures.into_inner().expect("every run has ended").first() {
        panic!("{failure}again: make sim SEED={}", failure.seed);
    }
    let counts = counts.into_inner().expect("every run has ended");
    println!("{counts:?}");
    if seeds >= SEEDS {
        // Or the simulation has stopped simulating.
        for what in [
            "answered",
            "asked again",
            "came again",
            "bit flip",
            "checkpoint",
            "clock jump",
            "close",
            "cut",
            "canceled on disconnect",
            "answered in a session",
            "client does not read",
            "connection cut",
            "damage found",
            "disk error",
            "disk full or not any more",
            "fault while opening",
            "kill",
            "logon tried again",
            "power cut",
            "power cut in an operation",
            "refused by the door",
            "refused, the disk is full",
            "refused, too much is under way",
            "replay from the journal",
            "reports to sessions",
            "restarts",
            "resumed",
            "sessions",
            "slow consumer",
            "stopped by the disk",
        ] {
            assert!(counts.get(what).is_some_and(|&count| count >= 5), "{what}: {:?}", counts.get(what));
        }
    }
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in [1, 2, 3, 17, 60, 103, 9_000_000_000] {
        let first = run(seed, &Options::default()).expect("every promise is kept");
        let second = run(seed, &Options::default()).expect("every promise is kept");
        assert_eq!(first, second, "seed {seed}");
        assert!(first.commands > 0 && first.steps > 0);
    }
    let traces = [1, 2, 3].map(|seed| run(seed, &Options::default()).expect("every promise is kept").trace);
    assert!(traces[0] != traces[1] && traces[1] != traces[2]);
}

/// The promises that each mistake breaks, any of which may be noticed first.
fn rules(defect: Defect) -> &'static [&'static str] {
    match defect {
        Defect::AckBeforeSync | Defect::SyncErrorIgnored | Defect::DirectorySyncIgnored => {
            &["nothing acknowledged is lost", "it opens again"]
        }
        Defect::DuplicateApplied => &["one effect", "nothing is added"],
        Defect::LostCancel => &["refusals"],
        Defect::TornTailAccepted | Defect::ReplayedTwice => &["nothing is added"],
        Defect::WrongRecoverySequence => &["dense sequences"],
        Defect::WrongRecoveredState => &["recovery is replay"],
        Defect::ReorderedReports => &["known orders", "both sides of a trade", "answers", "quantities", "dense ids"],
        Defect::DroppedReport | Defect::RepeatedReport => {
            &["both sides of a trade", "answers", "ended orders", "events", "money", "holds", "one effect", "dense ids"]
        }
        Defect::MoneyCreated => &["money"],
        Defect::FeeTooSmall => &["fees"],
        Defect::WorsePrice => &["limits", "money", "both sides of a trade", "one auction price"],
        Defect::TimeGoesBack => &["event times"],
        Defect::WrongAnswer => &["answers"],
        Defect::NeverAnswered => &["everything is answered"],
        Defect::ResumeLosesReport | Defect::ResumeRepeatsReport => &["every report once"],
        Defect::SessionAheadOfDisk => &["durable first"],
        Defect::ForgottenDisconnect => &["cancel on disconnect"],
    }
}

#[test]
fn planted_mistakes_are_found() {
    for defect in Defect::ALL {
        let options = Options { defect: Some(defect), ..Options::default() };
        let found = (1..=SEEDS_OF_A_DEFECT).find_map(|seed| run(seed, &options).err());
        let Some(failure) = found else { panic!("{defect:?} is not found within {SEEDS_OF_A_DEFECT} seeds") };
        println!("{defect:?} as seed {}: {}", failure.seed, failure.finding.rule);
        assert!(rules(defect).contains(&failure.finding.rule), "{defect:?} is taken for {failure}");
        assert_eq!(run(failure.seed, &options).err(), Some(failure), "{defect:?} is found again");
    }
}
