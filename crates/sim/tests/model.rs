//! The naive model on its own: it keeps its invariants after every command of the workload, which has commands of every
//! kind.

use beurs_sim::differential::Coverage;
use beurs_sim::naive::Naive;
use beurs_sim::workload::{Workload, MAX_OPEN_ORDERS, MAX_OPEN_ORDERS_PER_ACCOUNT};

/// How many kinds of commands there are.
const COMMANDS: usize = 35;

#[test]
fn model_keeps_its_invariants() {
    let mut coverage = Coverage::default();
    let mut kinds = Vec::new();
    for seed in 1..=24 {
        let mut naive = Naive::new(MAX_OPEN_ORDERS, MAX_OPEN_ORDERS_PER_ACCOUNT);
        let mut workload = Workload::new(seed);
        let mut events = Vec::new();
        let mut last_time = 0;
        for sequence in 1..=6_000 {
            let (time, command) = workload.next(&naive);
            let kind = std::mem::discriminant(&command);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
            let before = naive.snapshot();
            events.clear();
            let accepted = naive.apply(sequence, time, &command, &mut events);
            assert!(!events.is_empty(), "every command gives an event");
            if !accepted {
                assert_eq!(events.len(), 1, "a refused command gives exactly one event");
            }
            // The sequence and the time are the 16 bytes after the magic. What counts for a time goes with the time.
            if !accepted && time == last_time {
                assert_eq!(naive.snapshot()[24..], before[24..], "a refused command changes nothing: {command:?}");
            }
            last_time = time;
            naive.check_invariants();
            coverage.note(&command, &events);
        }
    }
    assert_eq!(kinds.len(), COMMANDS, "the workload has every command");
    for ((what, which), count) in &coverage.seen {
        println!("{what:>15} {which:<28} {count}");
    }
}
