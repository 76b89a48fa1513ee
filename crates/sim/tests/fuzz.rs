//! A short run of every fuzz target, the same every time. `make fuzz` is the long one.

use beurs_sim::fuzz::{Fuzzer, Target};

fn run(target: Target, inputs: u64, answers: usize) {
    let mut fuzzer = Fuzzer::new(target, 1);
    for _ in 0..inputs {
        if let Err(failure) = fuzzer.step() {
            let hex: String = failure.input.iter().map(|byte| format!("{byte:02x}")).collect();
            panic!("input {} of seed 1: {}\n{hex}", failure.index, failure.message);
        }
    }
    println!("{}: {} kinds of answers", target.name(), fuzzer.answers());
    assert!(fuzzer.answers() >= answers, "the inputs were dull: {} kinds of answers", fuzzer.answers());
}

#[test]
fn no_encoded_command_breaks_a_rule() {
    run(Target::Wire, 20_000, 200);
}

#[test]
fn no_record_breaks_a_rule() {
    run(Target::Records, 60_000, 200);
}

#[test]
fn no_segment_breaks_a_rule() {
    run(Target::Journal, 6_000, 10);
}

#[test]
fn no_checkpoint_breaks_a_rule() {
    run(Target::Checkpoint, 10_000, 20);
}

#[test]
fn no_client_of_the_binary_door_breaks_a_rule() {
    run(Target::Door, 15_000, 300);
}
